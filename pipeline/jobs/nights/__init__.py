"""Many published runs rebuilt at once, by processes of this machine or by a Dask cluster: one night, one task."""
