"""The journal: one SQLite file per run, which holds its lists and every answer until the run is published.

`store` writes it; `replay` reads it back, also from outside, while another process writes it.
"""
