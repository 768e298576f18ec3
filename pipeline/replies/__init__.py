"""Reading replies: raw bytes in, one lead or one API error out.

`read` is the entry point: calls peek at a reply to classify it, tables read it in full. Whatever `peek_identity` takes
for a lead is also read as one, so every address that counts as found can be flattened.

    envelope    the JSON object around every reply
    lead        the normal form of a lead: structs that a reply in the documented shape decodes into directly
    values      converts single JSON values to the strings of the normal form
    lenient     converts replies in any other shape to the normal form
    drift       counts how replies differ from the documented shape
"""
