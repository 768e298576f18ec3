"""The runs in an output folder: published ones, and unfinished ones with their progress. Nothing is changed."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from pipeline.errors import StorageError, UsageError
from pipeline.files import durable
from pipeline.files.folder import OutputFolder, read_manifest
from pipeline.files.state import SUFFIX, StateFolder
from pipeline.jobs.commands import command_from_here
from pipeline.jobs.freshness import Freshness as AnswerAges  # noqa: TC001 - msgspec resolves it
from pipeline.jobs.kept_answers import kept_until_ms, state_folders_of_files
from pipeline.jobs.obstacles import obstacles
from pipeline.jobs.retention import Expired, expired
from pipeline.journal.replay import read_summary
from pipeline.outcomes import iso, now_ms
from pipeline.reporters.last_attempt import attempts
from pipeline.reporters.published import newest_success
from pipeline.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from pipeline.jobs.obstacles import Given
    from pipeline.journal.records import RunRecord
    from pipeline.journal.replay import JournalSummary
    from pipeline.reporters.history import Attempt
    from pipeline.settings import Settings


_MAX_ATTEMPTS = 30


class PublishedStatus(msgspec.Struct, frozen=True):
    """A published run. Times are ISO 8601 in UTC.

    Attributes:
        run_id: its name.
        status: as in its manifest, or a sentence if the manifest is damaged.
        started_at: when it first started; None if the manifest is damaged.
        finished_at: when it was published; None if the manifest is damaged.
        rows: rows by outcome, and `read`, their sum; empty if the manifest is damaged.
        bytes: size of all its files.
        latest: whether it is the one that `latest` names.
        answers: how old its answers are; None if its manifest does not say.
        tables_removed_at: when all but its changes were removed; None for others.
    """

    run_id: str
    status: str
    started_at: str | None
    finished_at: str | None
    rows: dict[str, int]
    bytes: int
    latest: bool
    answers: AnswerAges | None = None
    tables_removed_at: str | None = None


class UnfinishedStatus(msgspec.Struct, frozen=True, kw_only=True):
    """An unfinished run. Times are ISO 8601 in UTC. All but name, size and reason are None if it cannot be read.

    Attributes:
        run_id: its name.
        started_at: when it first started.
        addresses: distinct addresses in its lists.
        answered: addresses that have an answer.
        failed: addresses whose calls failed; resuming the run retries them.
        to_ask: addresses that resuming the run looks up.
        carried: addresses with an answer of an earlier run.
        deadline: when its calls must no longer start, however often it is resumed; None without one.
        stopped_at: when it last stopped; None if it was killed or is running.
        reason: why it last stopped, or why it cannot be read; of a written file, how many rows failed as well.
        command: what resumes it; None if it was started from Python.
        bytes: size of its journal.
        file: the file it will write; None if it will publish a run.
        written_at: when it wrote that file, in which rows failed: `command` asks again for these; None for others.
        kept_until: until when its answers are used again; None if nothing is written yet.
        obstacles: sentences about what keeps the command from resuming it now; None if that was not looked at.
    """

    run_id: str
    started_at: str | None = None
    addresses: int | None = None
    answered: int | None = None
    failed: int | None = None
    to_ask: int | None = None
    carried: int | None = None
    deadline: str | None = None
    stopped_at: str | None = None
    reason: str | None = None
    command: str | None = None
    bytes: int
    file: str | None = None
    written_at: str | None = None
    kept_until: str | None = None
    obstacles: list[str] | None = None


class Status(msgspec.Struct, frozen=True):
    """Everything in an output folder, oldest first.

    Attributes:
        folder: the folder.
        holder: the process that is using it, if there is one.
        published: runs.
        unfinished: runs, and files that `enrich` has not finished.
        attempts: the newest attempts at runs, whatever came of them.
        expires: what the retention settings let the next run remove; None if these are not known.
    """

    folder: str
    holder: str | None
    published: list[PublishedStatus]
    unfinished: list[UnfinishedStatus]
    attempts: list[Attempt]
    expires: Expired | None = None


class Freshness(msgspec.Struct, frozen=True):
    """Whether the newest good run in a folder is new enough.

    Attributes:
        ok: whether it is.
        run_id: its name; None if there is none.
        finished_at: when it was published; ISO 8601 in UTC.
        age_s: seconds since then.
        last_attempt: the newest attempt that has ended, whatever came of it; None if none is known.
    """

    ok: bool
    run_id: str | None
    finished_at: str | None
    age_s: float | None
    last_attempt: Attempt | None


def status(
    out: Path,
    given_by: Callable[[RunRecord], Given | None] = lambda _: None,
    settings: Settings | None = None,
) -> Status:
    """Look at the runs in the folder `out`.

    Args:
        out: the folder.
        given_by: reads the command that started a run, to see whether it would resume it now; None cannot tell.
        settings: how long runs and answers are kept; None if that is not known.

    Raises:
        UsageError: the folder does not exist.
    """
    folder = _existing(out)
    known = attempts(folder.state.path)
    latest = folder.latest.run()
    holder = folder.state.holder()
    given = None if holder else given_by
    published = [_published(path, latest=path == latest) for path in folder.runs()]
    unfinished = [
        run
        for state in (folder.state, *state_folders_of_files(out))
        for path in state.journals()
        if not (state is folder.state and folder.is_published(state.run_id(path)))
        and (run := _unfinished(state, path, known if state is folder.state else (), given))
    ]
    return Status(
        folder=str(out),
        holder=holder,
        published=sorted(published, key=lambda run: (run.finished_at or "", run.run_id)),
        unfinished=sorted(unfinished, key=lambda run: (run.started_at or "", run.run_id)),
        attempts=known[-_MAX_ATTEMPTS:],
        expires=expired(folder, settings, now_ms()) if settings else None,
    )


def freshness(out: Path, max_age_s: float, now_ms: int) -> Freshness:
    """Whether a good run was published in the folder `out` in the last `max_age_s` seconds.

    A run is good if no more of its rows failed, are pending or are overdue than its setting `max_failed_share` accepts.

    Raises:
        UsageError: the folder does not exist.
        StorageError: it cannot be read.
    """
    folder = _existing(out)
    last = max(attempts(folder.state.path), key=lambda attempt: attempt.ended_at or attempt.started_at, default=None)
    with durable.storage_errors(out):
        manifest = newest_success(out)
    if manifest is None:
        return Freshness(ok=False, run_id=None, finished_at=None, age_s=None, last_attempt=last)
    age_s = now_ms / 1000 - datetime.fromisoformat(manifest["finished_at"]).timestamp()
    return Freshness(age_s <= max_age_s, manifest["run_id"], manifest["finished_at"], age_s, last)


def _existing(out: Path) -> OutputFolder:
    with durable.storage_errors(out):
        exists = out.is_dir()
    if not exists:
        raise UsageError(f"{out}: no such folder; name the --out of a run.")
    return OutputFolder(out)


def _published(path: Path, *, latest: bool) -> PublishedStatus:
    manifest = read_manifest(path) or {}
    known = {
        "run_id": path.name.partition("=")[2],
        "bytes": _size(path.glob("*")),
        "latest": latest,
        "answers": manifest.get("freshness"),
        "tables_removed_at": manifest.get("tables_removed_at"),
    }
    names = ("status", "started_at", "finished_at", "rows")
    try:
        return msgspec.convert({**{name: manifest[name] for name in names}, **known}, PublishedStatus)
    except (KeyError, msgspec.ValidationError):
        damaged = {"status": "damaged: the manifest cannot be read", "started_at": None, "finished_at": None}
        return msgspec.convert({**damaged, "rows": {}, **known}, PublishedStatus)


def _unfinished(
    folder: StateFolder,
    path: Path,
    known: Sequence[Attempt],
    given_by: Callable[[RunRecord], Given | None] | None,
) -> UnfinishedStatus | None:
    """The run of a journal; None while its lists are being imported."""
    size = _size(path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm"))
    try:
        seen = read_summary(path)
    except StorageError as error:
        return UnfinishedStatus(run_id=folder.run_id(path), reason=str(error), bytes=size)
    if seen is None:
        return None
    stopped_at, reason = _stop(seen, known)
    if seen.written:
        again = f"; asking again stopped: {reason}" if reason else ""
        reason = f"{counted(seen.written.failed, 'row')} failed{again}"
    kept_until = kept_until_ms(seen)
    return UnfinishedStatus(
        run_id=seen.run.run_id,
        started_at=_time(seen.run.started_at_ms),
        addresses=seen.askable,
        answered=seen.answered,
        failed=seen.failed,
        to_ask=seen.to_ask,
        carried=seen.carried,
        deadline=_time(seen.run.deadline_ms) if seen.run.deadline_ms is not None else None,
        stopped_at=stopped_at,
        reason=reason,
        written_at=_time(seen.written.last_at_ms) if seen.written else None,
        kept_until=_time(kept_until) if kept_until else None,
        command=command_from_here(seen),
        bytes=size,
        file=None if folder.path.name == SUFFIX else folder.owner.name,
        obstacles=_obstacles(seen, given_by) if given_by and seen.run.command else None,
    )


def _obstacles(seen: JournalSummary, given_by: Callable[[RunRecord], Given | None]) -> list[str] | None:
    try:
        given = given_by(seen.run)
    except UsageError as error:
        return [str(error)]
    return obstacles(given, seen) if given else None


def _stop(seen: JournalSummary, known: Sequence[Attempt]) -> tuple[str | None, str | None]:
    """When a run stopped last, and why; None if that is not known.

    A journal on a full disk could not take it; what is known of the attempts then says it.
    """
    last = next((attempt for attempt in reversed(known) if attempt.run_id == seen.run.run_id), None)
    if last is not None and (seen.stop is None or last.started_at > iso(seen.stop.stopped_at_ms)):
        return (None, None) if last.exit_code is None else (last.ended_at, last.sentence)
    return (_time(seen.stop.stopped_at_ms), seen.stop.reason) if seen.stop else (None, None)


def _size(paths: Iterable[Path]) -> int:
    """Bytes of all files; one that disappears meanwhile counts as empty."""
    size = 0
    for path in paths:
        with suppress(FileNotFoundError):
            size += path.stat().st_size
    return size


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")
