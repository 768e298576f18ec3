"""From a list as people have it to addresses that can be looked up.

`lists` is what other packages use. `source` opens and decompresses the bytes, `text` decodes them;
each module of `formats` reads one file format, most of them as a `table`; `columns` finds the email column, and
`address` cleans each cell.
"""
