"""`last-attempt.json`: how the newest attempt at a run ended; and a file of each attempt that is still at work.

The file of an attempt at work is made when it begins, with room for what it will say in the end. The ending is written
over it, and it is renamed: neither takes any space, so that a full disk cannot hide why a run stopped. The process
holds a lock on it, which ends with the process: a file that nobody holds is that of an attempt without an ending.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import msgspec

from pipeline.reporters.ending import ReporterFailed
from pipeline.reporters.history import Attempt, append, read_history

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.reporters.ending import Context, Ending

FILE = "last-attempt.json"
_SUFFIX = ".attempt"
_RESERVED_BYTES = 16_384
"""More than the longest attempt takes."""
WITHOUT_A_WORD = "It ended without a word: it was killed, or the machine stopped. Its answers are kept."


class RunningAttempt:
    """The file of an attempt at work; the folder's lock must be held while it is made."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def begin(cls, state: Path, attempt: Attempt) -> Self:
        """Make the file, and reserve the space for the ending.

        Raises:
            ReporterFailed: it cannot be written.
        """
        path = state / f"{attempt.attempt_id}{_SUFFIX}"
        try:
            running = cls(path, os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except OSError as error:
            raise ReporterFailed(f"{path}: {error.strerror}") from error
        try:
            fcntl.flock(running._descriptor, fcntl.LOCK_EX)
            running._reserve()
            running._write(attempt)
        except OSError as error:
            running._abandon()
            raise ReporterFailed(f"{path}: {error.strerror}") from error
        return running

    def describe(self, attempt: Attempt) -> None:
        """Say more about the attempt that is at work."""
        with suppress(OSError):
            self._write(attempt)

    def end(self, attempt: Attempt) -> None:
        """Make it the last attempt.

        Raises:
            ReporterFailed: it cannot be written.
        """
        try:
            os.ftruncate(self._descriptor, self._write(attempt))
            os.fsync(self._descriptor)
            self._path.replace(self._path.with_name(FILE))
        except OSError as error:
            if _read(self._path) is None:  # half of an ending says nothing, not even that there was an attempt
                self._remove()
            raise ReporterFailed(f"{self._path}: {error.strerror}") from error

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)

    def _write(self, attempt: Attempt) -> int:
        """Write over the whole file; return the bytes that count."""
        content = _json(attempt)
        written, rest = 0, content.ljust(_RESERVED_BYTES)
        while rest:  # a disk that fills up, or a limit on the size of files, cuts a write short; the next one fails
            count = os.pwrite(self._descriptor, rest, written)
            written, rest = written + count, rest[count:]
        return len(content)

    def _reserve(self) -> None:
        """Take the space, also where written bytes would take none before they are on the disk; macOS cannot."""
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self._descriptor, 0, _RESERVED_BYTES)

    def _abandon(self) -> None:
        self._remove()
        self.close()

    def _remove(self) -> None:
        with suppress(OSError):
            self._path.unlink()


def report(ending: Ending, context: Context, running: RunningAttempt | None = None) -> None:
    """Make this attempt the last one; `running` is its own file, if it has got one.

    Raises:
        ReporterFailed: it cannot be written.
    """
    if context.state is None:
        return
    attempt = Attempt.of(ending)
    if running is not None:
        running.end(attempt)
        return
    staged = context.state / f"{attempt.attempt_id}{_SUFFIX}.partial"
    try:
        with os.fdopen(os.open(staged, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(_json(attempt))
            file.flush()
            os.fsync(file.fileno())
        staged.replace(context.state / FILE)
    except OSError as error:
        with suppress(OSError):
            staged.unlink()
        raise ReporterFailed(f"{context.state / FILE}: {error.strerror}") from error


def read_last_attempt(state: Path) -> Attempt | None:
    """The newest attempt that has ended; None if none is known."""
    return _read(state / FILE)


def attempts(state: Path) -> list[Attempt]:
    """All attempts that are known to have ended, oldest first: also one whose history could not be written."""
    known = {attempt.attempt_id: attempt for attempt in read_history(state)}
    last = read_last_attempt(state)
    for attempt in (last, *(attempt for _, attempt in _abandoned(state))):
        if attempt is not None:
            known.setdefault(attempt.attempt_id, attempt)
    return sorted(known.values(), key=lambda attempt: attempt.started_at)


def tidy_up(state: Path) -> list[Attempt]:
    """Take into the history what is missing there, and remove the files of dead attempts; the lock must be held.

    Returns:
        The attempts that ended without a word.

    Raises:
        ReporterFailed: the history cannot be written; the files stay for the next attempt.
    """
    known = {attempt.attempt_id for attempt in read_history(state)}
    last, abandoned = read_last_attempt(state), _abandoned(state)
    ended = [last] if last is not None else []
    missing = [one for one in (*ended, *(attempt for _, attempt in abandoned)) if one.attempt_id not in known]
    if missing:
        append(state, *missing)
    for path, _ in abandoned:
        with suppress(OSError):
            path.unlink()
    return [attempt for _, attempt in abandoned if attempt.exit_code is None]


def _abandoned(state: Path) -> list[tuple[Path, Attempt]]:
    """The files of attempts whose process is gone, with what they say."""
    found = []
    for path in sorted(state.glob(f"*{_SUFFIX}")):
        if _is_held(path) or (attempt := _read(path)) is None:
            continue
        if attempt.exit_code is None:
            attempt = msgspec.structs.replace(attempt, sentence=WITHOUT_A_WORD)
        found.append((path, attempt))
    return found


def _is_held(path: Path) -> bool:
    """Whether the process that made the file is still there."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return True  # it has just been renamed
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _read(path: Path) -> Attempt | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Attempt)
    except (OSError, msgspec.DecodeError, RecursionError):
        return None


def _json(attempt: Attempt) -> bytes:
    return msgspec.json.format(msgspec.json.encode(attempt), indent=2) + b"\n"
