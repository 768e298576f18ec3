"""The documented view that makes a history of the feeds of all runs: one row for each value, with its time."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest
from night_runs import found, night, other

from pipeline.outcomes import Outcome

PAGE = Path(__file__).parents[2] / "docs" / "changes.md"
ANN, BOB = "ann@example.com", "bob@example.com"
DAYS = {"20261123": 1, "tuesday": 25, "20261125": 49, "thursday": 73}


def lead(email: str, score: int | None, *tags: str) -> dict[str, Any]:
    """A lead with a score and tags."""
    return {"id": "7", "email": email, "score": score, "tags": [*tags]}


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four nights: the score rises and goes, a tag comes and goes and comes again, Bob leaves and is back."""
    folder = tmp_path_factory.mktemp("out")
    anns = [lead(ANN, 1, "vip"), lead(ANN, 2), lead(ANN, None, "vip"), lead(ANN, 2, "vip")]
    for number, ((run_id, at), ann) in enumerate(zip(DAYS.items(), anns, strict=True)):
        bob = other(BOB, Outcome.NOT_FOUND, at=at) if number == 1 else found(BOB, lead(BOB, 5), at=at)
        night(folder, run_id, [found(ANN, ann, at=at), bob], at=at)
    return folder


def spans(out: Path, email: str, table: str, column: str) -> list[tuple[Any, ...]]:
    """The values of a column with the hours from which and until which each was seen."""
    (view,) = re.findall(r"```sql\n(CREATE VIEW history.*?;)\n", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    query = "SELECT value, since, until FROM history WHERE requested_email = ? AND table_name = ? AND column_name = ?"
    with duckdb.connect() as db:
        db.execute(f"SET file_search_path = '{out.parent}'")
        db.execute(view.replace("'export/", f"'{out.name}/"))
        rows = db.execute(f"{query} ORDER BY since NULLS FIRST", [email, table, column]).fetchall()
    hours = [(value, *(time and time.timestamp() / 3600 for time in times)) for value, *times in rows]
    assert all(before[2] <= after[1] for before, after in pairwise(hours))
    return hours


def test_each_value_has_its_time(out: Path) -> None:
    """Null before the first change and while it goes on; where there was no value is no row."""
    assert spans(out, ANN, "leads", "score") == [("1", None, 25), ("2", 25, 49), ("2", 73, None)]


def test_an_item_has_the_time_in_which_it_was_there(out: Path) -> None:
    """Also if it comes again."""
    assert spans(out, ANN, "tags", "tag_name") == [("vip", None, 25), ("vip", 49, None)]


def test_a_lead_that_was_gone_has_two_times(out: Path) -> None:
    """With all of its values; the outcomes say why."""
    assert spans(out, BOB, "leads", "score") == [("5", None, 25), ("5", 49, None)]
    assert spans(out, BOB, "outcomes", "outcome") == [("found", None, 25), ("not_found", 25, 49), ("found", 49, None)]
