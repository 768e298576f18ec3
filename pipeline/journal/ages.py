"""How old the answers in a journal are, counted."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from pipeline.journal.database import IS_FORGOTTEN, connect, connect_read_only, reading
from pipeline.journal.records import Carried
from pipeline.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_COUNT = f"""SELECT carried, outcome, max(0, (:as_of_ms - answered_at + :tolerance_ms) / :night_ms), count(*),
min(answered_at) FROM answers WHERE NOT {IS_FORGOTTEN} GROUP BY 1, 2, 3"""  # noqa: S608 - names in the code


class Ages(NamedTuple):
    """How many addresses there are of each kind.

    Attributes:
        asked: addresses that the run has asked for.
        carried: those for which it has not, as an earlier run's answer is there.
        kept: those for which it has in vain, so that an earlier run's answer stays.
        oldest_ms: when the oldest answer was given, milliseconds since 1970 UTC; failures are none.
        by_night: answers by their age in nights, the youngest first.
    """

    asked: int
    carried: int
    kept: int
    oldest_ms: int | None
    by_night: dict[int, int]


def answer_dates(path: Path) -> Iterator[tuple[str, int]]:
    """Each address of the journal at `path` that has an answer, which a failure is not, and when it was given.

    Raises:
        StorageError: the journal cannot be read.
    """
    query = (
        "SELECT email, answered_at FROM answers JOIN addresses ON id = address"  # noqa: S608 - names in the code
        f" WHERE outcome <> 'failed' AND NOT {IS_FORGOTTEN}"
    )
    with reading(path), closing(connect_read_only(path)) as db:
        yield from db.execute(query)


def count_ages(path: Path, *, as_of_ms: int, tolerance_ms: int, night_ms: int) -> Ages:
    """Count the answers in the journal at `path`; a night has `night_ms`, and answers count as `tolerance_ms` older.

    Raises:
        StorageError: the journal cannot be read.
    """
    whose = dict.fromkeys(Carried, 0)
    by_night: dict[int, int] = {}
    dates = []
    with reading(path), closing(connect(path)) as db:
        values = {"as_of_ms": as_of_ms, "tolerance_ms": tolerance_ms, "night_ms": night_ms}
        for carried, outcome, night, count, oldest_ms in db.execute(_COUNT, values):
            whose[Carried(carried)] += count
            if outcome != Outcome.FAILED:
                by_night[night] = by_night.get(night, 0) + count
                dates.append(oldest_ms)
    return Ages(
        asked=whose[Carried.NO] + whose[Carried.KEPT],
        carried=whose[Carried.YES],
        kept=whose[Carried.KEPT],
        oldest_ms=min(dates, default=None),
        by_night=dict(sorted(by_night.items())),
    )
