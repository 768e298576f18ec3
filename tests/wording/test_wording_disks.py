"""The exact messages about disks that lack something."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest
from cli_command import CREDENTIALS, NO_DELAYS, target
from odd_disk import NO_LINKS, at, on

if TYPE_CHECKING:
    from pathlib import Path

    from odd_disk import OddDisk

    from pipeline.sandbox.process import RunningSandbox

REMEDY = "use a folder on a local disk and copy published runs from there, or mount this one with locks."


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        (
            {"FLOCK": errno.ENOLCK},
            (
                "lead-export: {out}: this file system does not lock files (No locks available), and without a lock two"
                f" runs could overwrite each other's answers; {REMEDY}"
            ),
        ),
        (
            {"FCNTL": errno.ENOLCK},
            (
                "lead-export: {out}/.lead-export: this file system refuses the locks that SQLite needs for the journal"
                f" (database is locked); {REMEDY}"
            ),
        ),
        ({"FSYNC_FILE": errno.EIO}, "lead-export: {out}: Input/output error; the disk may be failing."),
        (
            NO_LINKS,
            (
                "WARNING: {out}: there are no symbolic links on this disk; {out}/latest.json names the newest run"
                " instead of {out}/latest."
            ),
        ),
    ],
)
def test_messages_at_the_start_of_a_run(
    odd_disk: OddDisk,
    sandbox: RunningSandbox,
    people: Path,
    tmp_path: Path,
    faults: dict[str, int],
    message: str,
) -> None:
    """The folder, the reason, and what to do."""
    out = tmp_path / "export"
    done = odd_disk(on(tmp_path, faults), "run", people, *target(sandbox, out), **CREDENTIALS, **NO_DELAYS)
    assert done.err.splitlines()[0] == message.format(out=out)


def test_messages_about_a_run_that_is_published_and_not_the_newest(
    odd_disk: OddDisk, sandbox: RunningSandbox, people: Path, tmp_path: Path
) -> None:
    """Where its tables are all the same, and that the next run tidies up."""
    out = tmp_path / "export"
    words = ["run", people, *target(sandbox, out), "--run-id"]
    failed = odd_disk(at(out, {"FSYNC_FOLDER": errno.EIO}), *words, "one", **CREDENTIALS)
    assert failed.err == (
        f"lead-export: {out}/run=one is published and complete, but {out}/latest could not be switched to it"
        f" (Input/output error); read the run's own folder, and make {out} writable: the next run makes up for it.\n"
    )
    warning = odd_disk({}, *words, "two", **CREDENTIALS).err.splitlines()[0]
    assert warning.startswith("WARNING: The run one was published on 20")
    assert warning.endswith(" UTC, but ended before it had tidied up. That is done now; this run asks as usual.")
