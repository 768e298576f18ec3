"""`history.jsonl`: one line for each attempt at a run in a folder, whatever came of it, for months.

It outlives the runs themselves, of which only some are kept. A line is about a kilobyte, whatever the size of the list.
"""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, Any, Self

import msgspec

from pipeline.filesystem import sync
from pipeline.outcomes import Outcome, iso
from pipeline.reporters.ending import ReporterFailed
from pipeline.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.reporters.ending import Context, Ending, Manifest

FILE = "history.jsonl"
MAX_ATTEMPTS = 500
"""As many attempts are kept, the newest ones."""
_SLACK = 50
"""The file is shortened only when it has as many lines more, so that most attempts append a line."""
_MAX_SENTENCE = 400
_MAX_NOTES = 5
_MAX_CODES = 5


class Attempt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One attempt at a run. Times are ISO 8601 in UTC; what is not known is None, 0 or empty, and not in the JSON.

    Attributes:
        attempt_id: a UUID of this attempt alone.
        command: what was run: `run` or `enrich`.
        started_at: when the attempt started.
        ended_at: when it ended; None if it ended without a word: killed, or the machine stopped.
        duration_s: seconds from start to end.
        exit_code: that of the process; None if it ended without a word.
        is_success: whether the run is published, and no more of its rows lack an answer than the settings accept.
        version: of lead-export.
        sentence: what happened, for a person; at most 400 characters.
        notes: what else must not be overlooked, at most five sentences.
        run_id: the name of the run; None if the attempt ended before there was one.
        status: as in the manifest: `complete`, `complete_with_failures`, `incomplete` or `stopped`.
        rows: rows by outcome and `pending`, and `read`, their sum.
        failed_codes: failed rows by reason, the five most frequent ones.
        calls: calls of this attempt by kind: `sent`, `answered`, `retried`, `throttled`, `probes`, `resumed`.
        calls_per_s: calls started per second.
        limit_per_s: the limit of calls per second; 0 = none.
        bound_by: what limited the speed.
        time_shares: shares (0 to 1) of the time of the calls by what was waited for.
        unknown_keys: undocumented keys in replies, by table: how many different ones.
        unreadable_columns: columns with values that do not fit their type, by table.
        bytes: size of the published files.
    """

    attempt_id: str
    command: str
    started_at: str
    ended_at: str | None = None
    duration_s: float = 0.0
    exit_code: int | None
    is_success: bool
    version: str
    sentence: str = ""
    notes: list[str] = msgspec.field(default_factory=list)
    run_id: str | None = None
    status: str | None = None
    rows: dict[str, int] = msgspec.field(default_factory=dict)
    failed_codes: dict[str, int] = msgspec.field(default_factory=dict)
    calls: dict[str, int] = msgspec.field(default_factory=dict)
    calls_per_s: float = 0.0
    limit_per_s: float = 0.0
    bound_by: str | None = None
    time_shares: dict[str, float] = msgspec.field(default_factory=dict)
    unknown_keys: dict[str, int] = msgspec.field(default_factory=dict)
    unreadable_columns: dict[str, int] = msgspec.field(default_factory=dict)
    bytes: int = 0

    @classmethod
    def at_work(cls, attempt_id: str, command: str, started_at_ms: int, run_id: str | None = None) -> Self:
        """One that has not ended yet."""
        return cls(
            attempt_id=attempt_id,
            command=command,
            started_at=iso(started_at_ms),
            exit_code=None,
            is_success=False,
            version=__version__,
            run_id=run_id,
        )

    @classmethod
    def of(cls, ending: Ending) -> Self:
        """What is kept of an ending."""
        return cls(
            attempt_id=ending.attempt_id,
            command=ending.command,
            started_at=iso(ending.started_at_ms),
            ended_at=iso(ending.ended_at_ms),
            duration_s=ending.duration_s,
            exit_code=ending.exit_code,
            sentence=_shortened(ending.sentence),
            notes=[_shortened(note) for note in ending.notes[:_MAX_NOTES]],
            is_success=ending.is_success,
            version=__version__,
            **(_of_manifest(ending.manifest) if ending.manifest is not None else {}),
        )


def _of_manifest(manifest: Manifest) -> dict[str, Any]:
    rate, speed, drift = manifest["rate"], manifest["speed"], manifest.get("drift") or {}
    failed = manifest.get("codes", {}).get(Outcome.FAILED, {})
    return {
        "run_id": manifest["run_id"],
        "status": manifest["status"],
        "rows": {name: count for name, count in manifest["rows"].items() if count is not None},
        "failed_codes": dict(itertools.islice(failed.items(), _MAX_CODES)),
        "calls": dict(manifest["calls"]),
        "calls_per_s": rate["achieved_per_s"],
        "limit_per_s": rate["limit_per_s"],
        "bound_by": speed["bound_by"],
        "time_shares": {name: round(share, 4) for name, share in speed["time_shares"].items()},
        "unknown_keys": by_table(drift.get("unknown_keys", {})),
        "unreadable_columns": by_table(drift.get("unreadable_values", {})),
        "bytes": published_bytes(manifest),
    }


def by_table(names: dict[str, int]) -> dict[str, int]:
    """How many different names there are for each table; a name is `table.key`."""
    tables = [name.partition(".")[0] for name in sorted(names)]
    return {table: len(list(same)) for table, same in itertools.groupby(tables)}


def published_bytes(manifest: Manifest) -> int:
    """The size of everything that the run has published."""
    files = [file for table in (manifest.get("tables") or {}).values() for file in table["files"]]
    if output := manifest.get("output"):
        files.append(output)
    return sum(file["bytes"] for file in files)


def read_history(state: Path) -> list[Attempt]:
    """The attempts at runs in a folder, oldest first; empty if none is known.

    What cannot be read as an attempt is skipped: a line that was cut off by a power cut, or that of another version.

    Args:
        state: the hidden folder of the runs, `DIR/.lead-export`.
    """
    try:
        lines = (state / FILE).read_bytes().splitlines()
    except OSError:
        return []
    return [attempt for line in lines if (attempt := _attempt(line)) is not None]


def report(ending: Ending, context: Context) -> None:
    """Append the attempt to the history.

    Raises:
        ReporterFailed: it cannot be written.
    """
    if context.state is not None:
        append(context.state, Attempt.of(ending))


def append(state: Path, *attempts: Attempt) -> None:
    """Add attempts to the history of a folder.

    Raises:
        ReporterFailed: it cannot be written.
    """
    path = state / FILE
    lines = b"".join(msgspec.json.encode(attempt) + b"\n" for attempt in attempts)
    try:
        # Attempts of other processes, which end with exit code 7, may come in between, but never within a line.
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            is_cut_off = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            os.write(descriptor, b"\n" * is_cut_off + lines)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        _shorten(path)
    except OSError as error:
        raise ReporterFailed(f"{path}: {error.strerror}") from error


def _shorten(path: Path) -> None:
    """Keep the newest attempts only. An attempt that another process adds at this very moment may be lost."""
    lines = path.read_bytes().splitlines(keepends=True)
    if len(lines) > MAX_ATTEMPTS + _SLACK:
        staged = path.with_name(f"{FILE}.partial")
        staged.unlink(missing_ok=True)
        with os.fdopen(os.open(staged, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.writelines(lines[-MAX_ATTEMPTS:])
        sync(staged)
        staged.replace(path)


def _attempt(line: bytes) -> Attempt | None:
    try:
        return msgspec.json.decode(line, type=Attempt)
    except (msgspec.DecodeError, RecursionError):
        return None


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MAX_SENTENCE else f"{line[: _MAX_SENTENCE - 1]}…"
