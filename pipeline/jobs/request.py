"""What a command requests, in a form that can be compared with an unfinished run."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pipeline.errors import UsageError
from pipeline.filesystem import current_folder
from pipeline.settings.account import account_of
from pipeline.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pipeline.emails.lists import EmailList
    from pipeline.files.state import StateFolder
    from pipeline.journal.replay import JournalSummary
    from pipeline.settings import Settings

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def subject(settings: Settings) -> str:
    """The settings that decide whose leads a run fetches, as one JSON string; of the App id only a hash."""
    reading = {key: getattr(settings, key) for key in ("email_column", "encoding", "delimiter", "quoting")}
    return json.dumps({**asdict(account_of(settings)), **reading})


@dataclass(frozen=True, slots=True)
class Request:
    """One command: which lists, which account, and which run.

    Attributes:
        names: names of the lists, in order.
        sha256: hash (hex) of the bytes of each list.
        subject: see `subject`.
        run_id: the run's name if the user gave one.
        resume: whether an unfinished run may be resumed.
        command: the command line that resumes it, or "".
        folder: the folder in which the command was run; "" if that was deleted.
    """

    names: tuple[str, ...]
    sha256: tuple[str, ...]
    subject: str
    run_id: str | None
    resume: bool
    command: str
    folder: str

    @classmethod
    def of(
        cls,
        folder: StateFolder | None,
        lists: Sequence[EmailList],
        settings: Settings,
        *,
        run_id: str | None = None,
        resume: bool = True,
        command: str = "",
        known: Mapping[Path, str] = MappingProxyType({}),
    ) -> Request:
        """Read the lists once to their ends, to recognise them later; pipes are copied to `folder` or a temporary one.

        Lists whose hash is `known` are not read.

        Raises:
            UsageError: a list cannot be read, or `run_id` is not a valid name.
            StorageError: standard input cannot be stored.
        """
        if run_id is not None and not _RUN_ID.fullmatch(run_id):
            raise UsageError(f"--run-id {run_id!r}: use up to 64 letters, digits, dots, dashes and underscores.")
        place = folder.path if folder else None
        sha256 = [known.get(source.path) or source.fingerprint(place) for source in lists]
        names = [source.name for source in lists]
        current = _text(os.fspath(current_folder() or ""))
        return cls(tuple(names), tuple(sha256), subject(settings), run_id, resume, _text(command), current)

    def takes_up(self, other: JournalSummary) -> bool:
        """Whether this command resumes that run, or has already finished it."""
        named = self.run_id in (None, other.run.run_id)
        return self.resume and named and not any(self.differences(other))

    def is_for_account_of(self, other: JournalSummary) -> bool:
        """Whether that run asked the same API for the same App, whatever its lists were."""
        return _account_in(self.subject) == _account_in(other.run.subject)

    def differences(self, other: JournalSummary) -> Iterator[str]:
        """How this command differs from the one that started the run, in words."""
        was = [entry.sha256 for entry in other.lists]
        if list(self.sha256) != was:
            yield from list(self._other_lists(other)) or ["a list was passed a different number of times"]
        before: dict[str, Any] = json.loads(other.run.subject)
        now: dict[str, Any] = json.loads(self.subject)
        for key, value in now.items():
            if value != before.get(key):
                hidden = key == "app_hash"
                yield "another App id" if hidden else f"{key} was {_word(before.get(key))} and is {_word(value)}"

    def _other_lists(self, other: JournalSummary) -> Iterator[str]:
        before = {entry.name: entry for entry in other.lists}
        for name, sha256 in zip(self.names, self.sha256, strict=True):
            if name not in before:
                yield f"{name} was not among its lists"
            elif before[name].sha256 != sha256:
                yield f"{name} has changed since (it had {counted(before[name].rows, 'row')})"
        yield from (f"{name} was among its lists" for name in before if name not in self.names)
        if sorted(self.sha256) == sorted(entry.sha256 for entry in other.lists):
            yield "its lists were in a different order"


def _account_in(subject: str) -> tuple[object, object]:
    settings: dict[str, Any] = json.loads(subject)
    return settings.get("api_url"), settings.get("app_hash")


def _text(path: str) -> str:
    """A string that may contain paths; bytes that are not UTF-8 are escaped."""
    return os.fsencode(path).decode(errors="backslashreplace")


def _word(value: object) -> str:
    return "unset" if value is None else str(value)
