"""What a manifest says about the changes since the run before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import msgspec

from pipeline.schema import TABLES

if TYPE_CHECKING:
    from pipeline.history.feed import FeedCounts
    from pipeline.history.matching import Tally


class ChangeFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """The feed of changes in numbers.

    Attributes:
        baseline: whether there was no run to compare with, so that the feed is empty.
        since_run: the run that this one was compared with; None if there was none.
        rows: rows of the feed.
        tables: rows by table and change.
        compared: addresses on both lists with a usable answer on both sides.
        carried: those of them whose answer is the same one, carried over.
        asked_again: leads found before that were asked for again, and answered.
        gone: those of them that are not found any more, or deleted.
        joined: addresses that were not on the list before.
        left: addresses that are not on the list any more.
        unknown: addresses that were not compared, by the outcome that is no usable answer, on either side.
        forgotten: suppressed people whom one of the runs still had, and about whom the feed says nothing.
        left_out: by table, replies that leave out a collection of which items were therefore removed.
        new_keys: by `table.key`, how often a key appeared in `extra`, which makes no row.
        missing_keys: by `table.key`, how often a key disappeared from it, which makes none either.
    """

    baseline: bool
    since_run: str | None
    rows: int
    tables: dict[str, dict[str, int]] = {}
    compared: int = 0
    carried: int = 0
    asked_again: int = 0
    gone: int = 0
    joined: int = 0
    left: int = 0
    unknown: dict[str, int] = {}
    forgotten: int = 0
    left_out: dict[str, int] = {}
    new_keys: dict[str, int] = {}
    missing_keys: dict[str, int] = {}

    @classmethod
    def of(cls, since_run: str | None, tally: Tally, counts: FeedCounts, forgotten: int) -> Self:
        """What matching and comparing have counted; `forgotten` people were left out."""
        unknown = dict(sorted(tally.unknown.items()))
        if counts.unreadable:
            unknown["unreadable"] = counts.unreadable
        return cls(
            baseline=since_run is None,
            since_run=since_run,
            rows=counts.rows.total(),
            tables=_by_table(counts),
            compared=tally.compared - counts.unreadable,
            carried=tally.carried,
            asked_again=tally.asked_again,
            gone=tally.gone,
            joined=tally.joined,
            left=tally.left,
            unknown=unknown,
            forgotten=forgotten,
            left_out=dict(sorted(counts.left_out.items())),
            new_keys=dict(sorted(counts.appeared.items())),
            missing_keys=dict(sorted(counts.vanished.items())),
        )


def _by_table(counts: FeedCounts) -> dict[str, dict[str, int]]:
    """Rows by table and change, in the order of the schema."""
    tables: dict[str, dict[str, int]] = {}
    for table in TABLES:
        found = {change: rows for (name, change), rows in sorted(counts.rows.items()) if name == table.name}
        if found:
            tables[table.name] = found
    return tables
