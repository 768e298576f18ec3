"""One night as a task for another process: what that is told, and the summary that comes back.

The scheduler of a cluster loads this module too, because it unpickles tasks; so what rebuilds is imported by the task.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec

from pipeline.errors import ExitCode, StopRun, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.jobs.nights.site import Site
    from pipeline.settings import Settings

PATIENCE_S = 60.0
"""Seconds to wait for a worker that was taken for dead, or outlived its job, and is still writing the same night."""
_OF_ALL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE))
"""What reading a damaged night cannot cause, and what the next night would run into as well."""


@dataclass(frozen=True, slots=True)
class Night:
    """What a worker is told.

    Attributes:
        run: the folder of the published run, an absolute path.
        out: the folder to publish in, an absolute path; its lock is held by the process that hands out the nights.
        settings: those to make the tables with; for a cluster without secrets.
        run_id: name of the run.
        site: what a worker of a cluster must have; None in a process of this machine.
    """

    run: Path
    out: Path
    settings: Settings
    run_id: str
    site: Site | None = None


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How one night ended.

    Attributes:
        run_id: name of the run.
        folder: where it was read.
        status: `rebuilt`, `present` if it had been rebuilt before, or `failed`.
        finished_at: when the run itself ended; ISO 8601 in UTC.
        rows: rows of its lists.
        failed_rows: those of them that have no usable answer.
        reason: why it failed, as a sentence.
        exit_code: that of the reason, as if the night had been rebuilt alone.
        stops: whether the other nights would fail for the same reason.
    """

    run_id: str
    folder: str
    status: Literal["rebuilt", "present", "failed"]
    finished_at: str | None = None
    rows: int = 0
    failed_rows: int = 0
    reason: str | None = None
    exit_code: int = 0
    stops: bool = False


def failed(run_id: str, folder: Path, error: StopRun) -> Ending:
    """The ending of a night that an error has ended."""
    cause = error.__cause__
    return Ending(
        run_id=run_id,
        folder=str(folder),
        status="failed",
        reason=str(error),
        exit_code=error.exit_code,
        stops=isinstance(cause, OSError) and cause.errno in _OF_ALL,
    )


def rebuild_night(night: Night) -> Ending:
    """Rebuild a night, whole or not at all, unless that was done before; whatever is wrong with it is in the ending.

    Raises:
        MemoryError: there is not enough memory.
    """
    if night.site is not None and (trouble := night.site.trouble()):
        ending = failed(night.run_id, night.run, UsageError(trouble))
        return msgspec.structs.replace(ending, stops=True)
    try:
        return _rebuild(night)
    except StopRun as error:
        return failed(night.run_id, night.run, error)


def _rebuild(night: Night) -> Ending:
    from pipeline.files.building import building
    from pipeline.files.folder import OutputFolder
    from pipeline.files.modes import Modes
    from pipeline.files.published import PublishedRun
    from pipeline.jobs.rebuild import Source

    source = Source.of(night.run, lambda _: night.settings)
    folder = OutputFolder(night.out, Modes.of(night.settings))
    staging = folder.state.staging(night.run_id)
    with building(staging, folder.run(night.run_id), patience_s=PATIENCE_S):
        before = source.rebuilt_before(folder)
        manifest = before or source.rebuild(PublishedRun(night.run), folder)
    return Ending(
        run_id=night.run_id,
        folder=str(night.run),
        status="present" if before else "rebuilt",
        finished_at=manifest.finished_at,
        rows=manifest.rows.read,
        failed_rows=manifest.rows.failed,
        exit_code=ExitCode.ROWS_FAILED if manifest.rows.failed else ExitCode.OK,
    )
