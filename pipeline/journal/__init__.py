"""The journal: one SQLite file per run, which holds its lists and every answer until the run is published.

`store` writes it, `replay` reads answers and rows back, `summary` says from outside how far a run got.
"""
