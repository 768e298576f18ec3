"""From replies to pandas frames in the types of `pipeline.schema`.

`flatten` makes the `frames` of a batch of replies from their `rows`; `wide` makes one row per lead for `enrich`.
"""
