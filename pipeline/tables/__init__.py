"""From replies to frames: `flatten` gathers cells and makes whole columns, in the types of `pipeline.schema`."""
