"""The journal, an SQLite file a run: `store` keeps and replays, `glance` looks in from outside, `packing` packs."""
