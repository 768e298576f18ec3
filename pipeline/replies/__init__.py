"""What a reply says: raw bytes in, one lead or one error envelope out.

`read.read_reply` is the one reader: the calls use it to judge an answer, the tables to make rows of it, so whatever
was counted as found can always be flattened. `lead` is the normal form, `lenient` gets odd replies into it.
"""
