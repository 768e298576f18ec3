"""`lead-export expire`, and the retention settings of `run`, `status` and `plan`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from cli_command import lead_export, run

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.sandbox.process import RunningSandbox


@pytest.fixture
def out(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> Path:
    """An output folder with three runs."""
    for name in ("a", "b", "c"):
        assert run(people, sandbox, tmp_path / "out", "--run-id", name).code == 0
    return tmp_path / "out"


def names(out: Path) -> list[str]:
    """The runs in an output folder."""
    return sorted(path.name for path in out.glob("run=*"))


def test_expire_says_what_goes_and_removes_it(out: Path) -> None:
    """A dry run says the same in other words, and `status` too; the second time nothing is too old."""
    keep = ("--keep-runs", "1", "--keep-replies-days", "0.0000001")
    dry = lead_export("expire", "--out", out, *keep, "--dry-run")
    assert (dry.code, dry.err.splitlines()) == (
        0,
        ["would be removed: 2 runs: b, a", "would be removed: the raw replies of 1 run: c"],
    )
    shown = lead_export("status", out, *keep).out.splitlines()
    assert "removed by the next run, or by expire: 2 runs: b, a" in shown
    assert names(out) == ["run=a", "run=b", "run=c"]
    done = lead_export("expire", "--out", out, *keep, "--json")
    assert json.loads(done.out) == {"runs": ["b", "a"], "replies": ["c"], "unfinished": [], "tables": []}
    assert done.err.splitlines() == ["removed: 2 runs: b, a", "removed: the raw replies of 1 run: c"]
    assert names(out) == ["run=c"]
    again = lead_export("expire", "--out", out, *keep)
    assert (again.code, again.err.strip()) == (0, "Nothing is too old: nothing removed.")


def test_a_run_without_its_replies_stays_usable(out: Path, tmp_path: Path) -> None:
    """It is verified by its checksums; rebuilding it is refused with the reason."""
    assert lead_export("expire", "--out", out, "--keep-replies-days", "0.0000001").code == 0
    verified = lead_export("verify", out / "latest")
    assert verified.code == 0
    assert "keep_replies_days" in verified.err.splitlines()[0]
    refused = lead_export("rebuild", out / "latest", "--out", tmp_path / "again")
    assert refused.code == 2
    assert (
        refused.sentence
        == f"{out}/latest: this run has no replies (--no-keep-replies, or older than keep_replies_days)."
    )


def test_run_and_plan_apply_the_same_settings(out: Path, sandbox: RunningSandbox, people: Path) -> None:
    """`plan` counts the run that is to come."""
    planned = lead_export("plan", people, "--out", out, "--keep-runs", "2").out.splitlines()
    assert "removed after the run: 2 runs: b, a" in planned
    assert run(people, sandbox, out, "--run-id", "d", "--keep-runs", "2").code == 0
    assert names(out) == ["run=c", "run=d"]


@pytest.mark.parametrize("value", ["-1", "never", "36501"])
def test_an_impossible_age_is_refused(out: Path, value: str) -> None:
    """Exit code 2; nothing is removed."""
    assert lead_export("expire", "--out", out, "--keep-days", value).code == 2
    assert len(names(out)) == 3


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("FILE_MODE", mode) for mode in ("0400", "0666", "0700", "640x", "u+r", "", "4640")),
        *(("FOLDER_MODE", mode) for mode in ("0600", "0777", "0770", "2750")),
    ],
)
def test_impossible_permissions_are_refused(
    sandbox: RunningSandbox, people: Path, tmp_path: Path, key: str, value: str
) -> None:
    """The owner must be able to write, and nobody else; exit code 2 before a call, naming the variable."""
    done = run(people, sandbox, tmp_path / "out", **{f"LEAD_EXPORT_{key}": value})
    assert (done.code, sandbox.stats()["calls"]) == (2, 0)
    assert f"LEAD_EXPORT_{key}" in done.sentence


def test_permissions_of_what_is_published(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """A new output folder, the run and its files can be read by the group; the hidden folder cannot."""
    modes = {"LEAD_EXPORT_FILE_MODE": "0640", "LEAD_EXPORT_FOLDER_MODE": "750"}
    out = tmp_path / "out"
    assert run(people, sandbox, out, "--format", "csv", **modes).code == 0
    assert {path.stat().st_mode & 0o777 for path in (out / "latest").iterdir()} == {0o640}
    assert [path.stat().st_mode & 0o777 for path in (out, out / "latest", out / ".lead-export")] == [
        0o750,
        0o750,
        0o700,
    ]
