"""Whether there is room for a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cli_command import OPTIONS
from jobs_lists import settings, write_list

from pipeline.jobs.export import export
from pipeline.jobs.fetch import Observer
from pipeline.jobs.space import RESERVE_BYTES, needed_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.sandbox.process import RunningSandbox


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
    sizes: dict[str, Any] = {"rows": 1_000, "addresses": 1_000, "unanswered": 500}
    given = {key: value for key, value in changes.items() if key not in sizes}
    before = needed_bytes(settings(), **sizes)
    after = needed_bytes(settings(**given), **{**sizes, **{k: v for k, v in changes.items() if k in sizes}})  # type: ignore[arg-type]  # numbers
    assert (after > before) is more
    assert after != before


@pytest.mark.parametrize("formats", [["parquet"], ["csv"], ["xlsx"], ["parquet", "csv", "tsv", "xlsx"]])
def test_a_run_without_an_address_needs_next_to_nothing(formats: list[str]) -> None:
    """Only what every run needs: files without rows."""
    needed = needed_bytes(settings(formats=formats), rows=0, addresses=0, unanswered=0)
    assert RESERVE_BYTES <= needed < 500_000


@pytest.mark.parametrize("rate", [0.1, 1, 18, 100, 0])
def test_slow_answers_take_more_space_but_not_without_limit(rate: float) -> None:
    """Each answer that is committed alone takes a page or two; SQLite's log stops growing at four megabytes."""
    sizes: dict[str, Any] = {"rows": 100_000, "addresses": 100_000, "unanswered": 100_000}
    slow, fast = (needed_bytes(settings(rate_per_s=one, keep_replies=False), **sizes) for one in (rate, 1_000))
    assert fast <= slow <= fast + 100_000 * 1_200


class Peak(Observer):
    """The most that a run takes in its folder beyond what was there before the first call."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self.before = self.calls = 0

    def listed(self, *, rows: int, addresses: int, answered: int) -> None:  # noqa: ARG002 - as the observer is told
        """All rows are in the journal."""
        self.before = self.size()

    def publishing(self) -> None:
        """The journal and its log are as large as they get; the tables come next to them."""
        self.calls = self.size()

    def size(self) -> int:
        """Bytes of all files, in whole blocks."""
        return sum(path.stat().st_blocks * 512 for path in self._out.rglob("*"))


@pytest.mark.parametrize(
    ("rate", "addresses", "changes"),
    [
        (0, 1, {}),
        (100, 120, {}),
        (0, 300, {}),
        (0, 300, {"formats": ["csv"], "keep_replies": False}),
        (0, 300, {"formats": ["parquet", "xlsx"]}),
    ],
)
def test_what_is_asked_for_is_what_is_needed(
    server: RunningSandbox, tmp_path: Path, rate: float, addresses: int, changes: dict[str, object]
) -> None:
    """The estimate is neither below what a run takes at its largest, nor far above it."""
    people = write_list(tmp_path / "people.txt", (f"first.last{n}@mail-{n % 50}.example.com" for n in range(addresses)))
    account = {"app_id": OPTIONS.app_id, "api_key": OPTIONS.api_key, "api_password": OPTIONS.api_password}
    chosen = settings(server.url, **account, rate_per_s=rate, **changes)
    peak = Peak(tmp_path / "out")
    export(chosen, [people], tmp_path / "out", observer=peak)
    taken = peak.calls - peak.before + peak.size()
    needed = needed_bytes(chosen, rows=addresses, addresses=addresses, unanswered=addresses, new=False)
    assert 0.9 * taken < needed < 1.6 * taken + RESERVE_BYTES
