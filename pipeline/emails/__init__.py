"""From a list as people have it to addresses worth asking: `reader` reads, `columns` finds, `address` cleans.

Below the reader, `source` and `packing` open bytes, `encoding` and `lines` make text of them, and `delimited`, `jsonl`,
`parquet` and `workbook` are the forms a list can have; `batches` makes tables of their rows.
"""
