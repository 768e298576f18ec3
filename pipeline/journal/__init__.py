"""The journal, an SQLite file a run: `store` keeps, `replay` reads back, `glance` looks in from outside."""
