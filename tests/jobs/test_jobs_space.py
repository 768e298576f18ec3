"""Whether there is room for a run."""

from __future__ import annotations

import pytest
from jobs_lists import settings

from pipeline.jobs.space import RESERVE_BYTES, needed_bytes


@pytest.mark.parametrize(
    ("changes", "more"),
    [
        ({"rows": 2_000}, True),
        ({"addresses": 2_000}, True),
        ({"unanswered": 1_000}, True),
        ({"unanswered": 0}, False),
        ({"formats": ["csv"]}, True),
        ({"formats": ["csv", "parquet"]}, True),
        ({"keep_replies": False}, False),
    ],
)
def test_what_is_to_be_written_counts(changes: dict[str, object], *, more: bool) -> None:
    """More rows, addresses and formats need more; what is in the journal already, and replies not kept, need less."""
    sizes = {"rows": 1_000, "addresses": 1_000, "unanswered": 500}
    given = {key: value for key, value in changes.items() if key not in sizes}
    before = needed_bytes(settings(), **sizes)
    after = needed_bytes(settings(**given), **{**sizes, **{k: v for k, v in changes.items() if k in sizes}})  # type: ignore[arg-type]  # numbers
    assert (after > before) is more
    assert after != before


def test_a_run_without_an_address_needs_next_to_nothing() -> None:
    """Only what every run needs."""
    assert needed_bytes(settings(), rows=0, addresses=0, unanswered=0) == RESERVE_BYTES
