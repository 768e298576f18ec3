"""What changed, word for word: in the summary, and when too many leads are gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli_command import lead_export, run, write_list

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.sandbox.process import RunningSandbox


def test_changes_and_gone_leads(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """First a night that changes little, then one that is not published."""
    people = write_list(tmp_path / "list.csv", [f"leaves-2.{number}@example.com" for number in range(30)])
    more = write_list(tmp_path / "more.csv", [f"leaves-2.{number}@example.com" for number in range(31)])
    out = tmp_path / "out"
    assert run(people, sandbox, out, "--run-id", "a", "--new").code == 0
    told = run(more, sandbox, out, "--run-id", "b", "--new").err.splitlines()
    (line,) = (line for line in told if "since run a" in line)
    assert line == (
        "  19 changes since run a: 1 in leads, 7 in tags, 1 in lists, 2 in sequences, 7 in custom_fields, 1 in outcomes"
    )
    sandbox.control(epoch=2)
    stopped = run(more, sandbox, out, "--run-id", "c", "--new", "-q").err.splitlines()
    sandbox.control(epoch=0)
    assert stopped[-1] == (
        "lead-export: 31 of 31 leads that were asked for again are gone since the run b (100%, and max_gone_share"
        " allows 10%), so nothing was published; if they are gone in Kartra, too, publish it with --accept-gone,"
        " without a call, else ask everybody again with --new."
        " Run c ended with exit code 9, 31 of 31 rows done; its answers are kept."
    )


def test_patterns_and_files(tmp_path: Path) -> None:
    """What cannot be ignored, and where changes cannot be written."""
    people, out = write_list(tmp_path / "list.csv", ["ann@example.com"]), tmp_path / "out"
    env = {f"KARTRA_{name}": "x" for name in ("APP_ID", "API_KEY", "API_PASSWORD")}
    refused = lead_export("run", people, "--out", out, LEAD_EXPORT_CHANGES_IGNORE="leads.scor", **env)
    assert refused.sentence == "changes_ignore: no column is called 'leads.scor'; did you mean 'leads.score'?"
    refused = lead_export("run", people, "--out", out, LEAD_EXPORT_CHANGES_IGNORE="nothing", **env)
    assert refused.sentence == (
        "changes_ignore: no column is called 'nothing'; use names such as leads.score, or patterns such as tags.*"
    )
    refused = lead_export("changes", out, out, "--out", "-")
    assert refused.sentence == "--out -: name a file, whose ending chooses the format, such as changes.csv."
