"""What a reply says: raw bytes in, one lead or one error envelope out.

`read` has the one reader: the calls glance at a reply to judge it, the tables read it whole. What is a lead at a glance
is one on reading too, so whatever counts as found can be flattened. `lead` is the normal form, `lenient` gets odd
replies into it.
"""
