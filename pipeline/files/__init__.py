"""From frames to files: `parquet` and `csv` write one table each, `folder` makes a run appear whole or not at all."""
