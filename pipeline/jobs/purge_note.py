"""What the manifest of a run says about the people who were erased from it, without saying who they were."""

from __future__ import annotations

import msgspec


class PurgeNote(msgspec.Struct, frozen=True, omit_defaults=True):
    """One purge.

    Attributes:
        purge_id: its name; `.lead-export/purges/ID.json` is its report.
        at: when the files were replaced; ISO 8601 in UTC.
        people: how many people were to be erased, from all runs together.
        rows: how many rows of this run were erased.
        how: `made again` if the tables were made from the answers that stayed, `filtered` if rows were left out.
        key_id: names the key with which the report hashes their addresses; None if there was none.
    """

    purge_id: str
    at: str
    people: int
    rows: int
    how: str
    key_id: str | None = None
