"""Reading replies: raw bytes in, one lead or one API error out.

`read` is the entry point: calls peek at a reply to classify it, tables read it in full. Whatever `peek_identity` takes
for a lead is also read as one, so every address that counts as found can be flattened.

    envelope    the JSON object around every reply
    shape       the structs that a reply decodes into in one step, whatever the types of its values
    lenient     makes the same structs from replies in any other shape
    values      what a single value means in a column
    drift       counts how replies differ from the documented shape
"""
