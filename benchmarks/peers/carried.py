"""Carries the answers of a file over into a new journal; the child of `carry.py`.

    python carried.py FOLDER ANSWERS ORDER

Prints for each step the seconds that it took, and the peak of the memory until then.
"""

from __future__ import annotations

import itertools
import json
import math
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.files.published import PublishedRecords
from pipeline.history.carrying import carry_over
from pipeline.history.due import NIGHT_MS, choice_of
from pipeline.journal.records import ListRow, RunRecord
from pipeline.journal.selection import select_due
from pipeline.journal.store import Journal
from pipeline.outcomes import Answer
from pipeline.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIRST_MS = 1_795_572_000_000


def numbers(count: int, order: str) -> Iterator[int]:
    """The numbers of the addresses in the order of the new list; shuffled without a list of them all."""
    if order == "same":
        yield from range(count)
        return
    # Steps that have no factor in common with `count` come to each of them once.
    step = next(n for n in itertools.count(int(count * 0.618)) if math.gcd(n, count) == 1)
    yield from (place * step % count for place in range(count))


def timed(step: Callable[[], object]) -> dict[str, float]:
    """What a step took."""
    wall, cpu = time.perf_counter(), time.process_time()
    step()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "wall_s": time.perf_counter() - wall,
        "cpu_s": time.process_time() - cpu,
        "peak_mib": peak / (1 << 20 if sys.platform == "darwin" else 1 << 10),
    }


def main() -> None:
    """Print the results as JSON."""
    folder, count, order = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    emails = (f"person{number}@example.com" for number in numbers(count, order))
    earlier = PublishedRecords(folder / "replies.parquet", count, Answer)
    choice = choice_of(Settings(max_age_days=3), count, FIRST_MS + NIGHT_MS)
    with Journal.create(folder / "tonight.journal") as journal:
        rows = (ListRow(email, email, email) for email in emails)
        result = {
            "list": timed(lambda: journal.add_list("list", rows, sha256=lambda: "")),
            "answers": timed(lambda: carry_over(journal.path, [earlier.slice(0, count)])),
            "choice": timed(lambda: select_due(journal.path, choice)),
        }
        journal.start(RunRecord("tonight", FIRST_MS + NIGHT_MS, "{}"))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
