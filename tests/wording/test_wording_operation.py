"""The exact wording of what operators read: progress, refused lists, verified runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli_command import lead_export, run, write_list

from pipeline.calls.counts import CallCounts
from pipeline.cli.progress import Progress
from pipeline.outcomes import Address, Answer, Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.sandbox.process import RunningSandbox


def test_progress() -> None:
    """What a run is doing, and how far it is."""
    now = [0.0]
    progress = Progress(enabled=False, now=lambda: now[0])
    assert progress.text() == "Reading the lists, 0.0 s so far."
    progress.listed(rows=3_000, addresses=2_000, answered=998)
    progress.calling(CallCounts(throttled=2))
    now[0] = 5.0
    for outcome in (Outcome.FOUND, Outcome.FAILED):
        progress.answered(Address(1, "ann@example.com"), Answer("ann@example.com", outcome))
    done = "1,000 of 2,000 addresses answered (50%)"
    assert progress.text() == f"{done}: 0.4/s, 41 min 40 s left, 1 found, 1 failed, 2 throttled."
    now[0] = 72.5
    assert progress.text() == f"{done}: 0.0/s, no answer for 1 min 8 s, 1 found, 1 failed, 2 throttled."
    progress.publishing()
    now[0] = 97.5
    assert progress.text() == "Writing the tables, 25.0 s so far."


def test_lists_that_are_too_short(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """How many addresses there are, how many there should be, and what to do."""
    assert run(people, sandbox, tmp_path / "out", "--run-id", "first").code == 0
    short = write_list(tmp_path / "people.csv", ["ann@example.com"])
    assert run(short, sandbox, tmp_path / "out").sentence == (
        "The lists hold 1 address, 98% fewer than the 40 of the run before (first), and max_shrink allows 50%;"
        " check the list, or accept it this once with --accept-shrink."
    )
    assert run(short, sandbox, tmp_path / "new", LEAD_EXPORT_MIN_ROWS="1000").sentence == (
        "The lists hold 1 address, fewer than min_rows (1,000);"
        " check the list, or accept it this once with --accept-shrink."
    )


def test_verified_runs(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """An intact one, a damaged one, and one without replies."""
    out = tmp_path / "out"
    assert run(people, sandbox, out, "--run-id", "all", "--format", "csv").code == 0
    assert run(people, sandbox, out, "--run-id", "bare", "--format", "csv", "--no-keep-replies").code == 0
    first = lead_export("verify", out / "run=all").err.splitlines()
    assert first[0] == "Run all: intact"
    assert first[1].startswith("  12 files (")
    assert first[1].endswith(" MB) and 40 rows compared with the manifest")
    assert first[2:] == ["  rebuilt from the replies: 11 files the same byte for byte"]
    (out / "run=all" / "tags.csv").write_text("nothing\n")
    (out / "run=all" / "lists.csv").unlink()
    lines = lead_export("verify", out / "run=all").err.splitlines()
    changed = "has changed or is damaged: its checksum is another one (8 bytes instead of "
    assert lines[0].startswith(f"{out}/run=all/tags.csv: {changed}")
    assert lines[1] == f"{out}/run=all/lists.csv: is missing."
    assert lines[2] == "Run all: 2 differences"
    bare = (
        f"{out}/run=bare: has no replies (--no-keep-replies, or older than keep_replies_days), so its tables could"
        " not be made again; only checksums and counts were verified."
    )
    assert lead_export("verify", out / "latest").err.splitlines()[:2] == [bare, "Run bare: intact"]
    assert lead_export("verify", tmp_path).sentence == (
        f"{tmp_path}: not a published run; name a folder such as DIR/latest."
    )
