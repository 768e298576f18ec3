"""From replies to pandas frames in the types of `pipeline.schema`.

`flatten` makes the frames of a batch of replies: `rows` are collected and become `columns`. `records` makes the frames
that come from the journal alone, and `wide` one row per lead for `enrich`.
"""
