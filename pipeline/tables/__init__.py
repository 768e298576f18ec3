"""From replies to tables in the types of `pipeline.schema`: `gather` makes columns, `flatten` frames of them."""
