"""`run --max-age` as a person sees it: what the summary, `status`, `plan` and the codes of the process say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cli_command import CREDENTIALS as APP
from cli_command import lead_export, run, write_list

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.sandbox.process import RunningSandbox

FRESH = {"LEAD_EXPORT_FRESH_HOURS": "0"}


def test_a_night_says_what_it_carries_over(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """In the summary, in `status`, in the manifest and beforehand in `plan`; tonight's answers are no nights old."""
    out = tmp_path / "export"
    first = run(people, sandbox, out, "--max-age", 4)
    assert "carried over" not in first.err
    planned = lead_export("plan", people, "--out", out, "--max-age", 4, "--api-url", sandbox.url, **FRESH, **APP)
    assert "30 answers of earlier runs carried over, 10 to look up" in planned.out
    assert "an ordinary night looks up 10 addresses" in planned.out
    assert ": each has its turn in 4 nights" in planned.out
    second = run(people, sandbox, out, "--max-age", 4, "--json", **FRESH)
    line = "  30 answers of earlier runs carried over; all of tonight"
    assert (second.code, line in second.err.splitlines()) == (0, True)
    assert second.json["freshness"]["asked"] == second.json["calls"]["sent"] == 10
    status = lead_export("status", out)
    assert line in status.out.splitlines()
    shown = lead_export("status", out, "--json").json["published"][-1]["answers"]
    assert shown == second.json["freshness"] == json.loads((out / "latest" / "manifest.json").read_text())["freshness"]


def test_kept_answers_exit_3_and_are_counted(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """A refresh that failed leaves the older answer, its row in failures.csv, and a line."""
    out, people = tmp_path / "export", write_list(tmp_path / "p.csv", ["fails-1@example.com", "ann@example.com"])
    assert run(people, sandbox, out, "--max-age", 1, "--no-monitor").code == 0
    sandbox.control(reset_stats=True)
    again = run(people, sandbox, out, "--max-age", 1, **FRESH, LEAD_EXPORT_MAX_ATTEMPTS="1")
    assert again.code == 3
    assert "  0 answers of earlier runs carried over, and 1 kept as asking again failed; all of tonight" in again.err
    assert "failed rows: line 2 (kept:http_502)" in again.err
    assert "more" not in again.err
    assert "1 address keeps an older answer, as asking again failed" in lead_export("status", out).out
    assert "fails-1@example.com" in (out / "latest" / "failures.csv").read_text()


def test_what_cannot_be_carried_over_is_said_before_the_first_call(
    sandbox: RunningSandbox, people: Path, tmp_path: Path
) -> None:
    """Without replies there is nothing to carry tomorrow (2); without an intact run a whole night would be lost (6)."""
    out = tmp_path / "export"
    refused = run(people, sandbox, out, "--max-age", 3, "--no-keep-replies")
    assert (refused.code, "--no-keep-replies" in refused.sentence) == (2, True)
    assert run(people, sandbox, out).code == 0
    (out / "latest" / "replies.parquet").write_bytes(b"damaged")
    calls = sandbox.stats()["calls"]
    damaged = run(people, sandbox, out, "--max-age", 3)
    assert (damaged.code, "ask for every address with --new" in damaged.err, "@" in damaged.err) == (6, True, False)
    assert sandbox.stats()["calls"] == calls
    for value in ("-1", "2.5", "three", "9999"):
        assert run(people, sandbox, out, "--max-age", value).code == 2
