"""A purge that is under way, so that one that was interrupted goes on with what it knew.

`purge-ID.json` in the state folder holds keyed hashes of addresses and of lead ids, never these themselves, and what
has been done. Where there is no key, a random one stands in the file: it goes with the file when the purge is finished.
"""

from __future__ import annotations

import itertools
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import msgspec

from pipeline.errors import StorageError
from pipeline.files import durable
from pipeline.filesystem import sync
from pipeline.privacy.key import PrivacyKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from pipeline.privacy.identity import People

PURGES = "purges"
"""The folder of the reports of purges, in the state folder."""
PURPOSE = "purge"
_PREFIX, _SUFFIX = "purge-", ".json"


class ChangedFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file that a purge has changed or removed.

    Attributes:
        path: relative to the output folder.
        how: `made again`, `filtered`, `written anew`, `cleared` or `removed`.
        rows_before: its rows; None if they were not counted.
        rows_after: the same after the purge.
        old_sha256: of its bytes, in hex.
        new_sha256: the same after the purge; None if it is gone.
    """

    path: str
    how: str
    rows_before: int | None = None
    rows_after: int | None = None
    old_sha256: str | None = None
    new_sha256: str | None = None


class _State(msgspec.Struct, omit_defaults=True):
    purge_id: str
    started_at: str
    key_id: str | None
    people: list[str]
    own_key: str | None = None
    lead_ids: dict[str, list[str]] = {}
    prepared: dict[str, list[ChangedFile]] = {}
    changed: list[ChangedFile] = []
    rows: int = 0


class UnfinishedPurge:
    """The state of one purge; each change of it is on the disk when a method returns.

    Attributes:
        path: the file.
        is_new: whether no earlier attempt has begun it.
    """

    def __init__(self, path: Path, state: _State, key: PrivacyKey | None) -> None:
        self.path = path
        self.is_new = False
        self._state = state
        used = key or (PrivacyKey(bytes.fromhex(state.own_key)) if state.own_key else None)
        self._hashed = hasher(used) if used else None
        self._leads = {word: set(ids) for word, ids in state.lead_ids.items()}

    @classmethod
    def begin(cls, folder: Path, people: People, key: PrivacyKey | None, purge_id: str, started_at: str) -> Self:
        """Go on with the purge of these people, or of some of them, that was interrupted; without one, begin it.

        `purge_id` is its name unless another one has it.

        Raises:
            StorageError: the file cannot be written.
        """
        for path, state in _states(folder):
            if state.key_id != (key.id if key else None):
                continue
            found = cls(path, state, key)
            hashes = found.hashes(people.keys)
            if set(state.people) <= set(hashes):
                state.people = hashes
                found._write()
                return found
        taken = {path.stem for path in (folder / PURGES).glob("*.json")}
        purge_id = next(name for name in _names(purge_id) if name not in taken)
        own = None if key else secrets.token_hex(32)
        state = _State(purge_id, started_at, key.id if key else None, [], own)
        made = cls(folder / f"{_PREFIX}{purge_id}{_SUFFIX}", state, key)
        made.is_new = True
        state.people = made.hashes(people.keys)
        made._write()
        return made

    @property
    def purge_id(self) -> str:
        """The name of the purge."""
        return self._state.purge_id

    @property
    def started_at(self) -> str:
        """When its first attempt began; ISO 8601 in UTC."""
        return self._state.started_at

    @property
    def key_id(self) -> str | None:
        """Names the key of the hashes; None if that goes with the file."""
        return self._state.key_id

    @property
    def people(self) -> list[str]:
        """The keyed hashes of the addresses."""
        return [*self._state.people]

    @property
    def changed(self) -> list[ChangedFile]:
        """What has been changed so far."""
        return [*self._state.changed]

    @property
    def rows(self) -> int:
        """How many rows and answers were erased so far."""
        return self._state.rows

    def hashes(self, values: Iterable[str]) -> list[str]:
        """The keyed hashes of values, in a fixed order."""
        if self._hashed is None:
            raise StorageError(f"{self.path}: is damaged: it has no key.")
        return sorted(map(self._hashed, values))

    def knows_leads(self, account: str) -> bool:
        """Whether an earlier attempt found leads of an account."""
        return bool(self._leads.get(account))

    def is_their_lead(self, account: str, lead_id: str) -> bool:
        """Whether an earlier attempt found this lead to be theirs."""
        return self._hashed is not None and self._hashed(lead_id) in self._leads.get(account, ())

    def learn_leads(self, lead_ids: dict[str, set[str]]) -> None:
        """Keep the hashes of the ids of leads that are theirs, before the rows go that say so."""
        for account, ids in lead_ids.items():
            self._leads.setdefault(account, set()).update(self.hashes(ids))
        self._state.lead_ids = {account: sorted(ids) for account, ids in self._leads.items() if ids}
        self._write()

    def prepared(self, name: str, files: list[ChangedFile]) -> None:
        """Note what becomes of a run right before it is replaced."""
        self._state.prepared[name] = files
        self._write()

    def finish_prepared(self, is_done: Callable[[str, list[ChangedFile]], bool]) -> None:
        """Count what was replaced when its process was killed before it could note that."""
        for name, files in [*self._state.prepared.items()]:
            done = is_done(name, files)
            del self._state.prepared[name]
            if done:
                self._state.changed += files
        self._write()

    def done(self, name: str | None, files: Iterable[ChangedFile], rows: int) -> None:
        """Note what has been done, and how many rows and answers that erased; `name` is what `prepared` was told."""
        if name is not None:
            self._state.prepared.pop(name, None)
        self._state.changed += files
        self._state.rows += rows
        self._write()

    def remove(self) -> None:
        """Forget it; the purge is finished.

        Raises:
            StorageError: the file cannot be removed.
        """
        with durable.storage_errors(self.path):
            self.path.unlink(missing_ok=True)
            sync(self.path.parent)

    def _write(self) -> None:
        staged = self.path.with_name(f"{self.path.name}.partial")
        with durable.storage_errors(self.path):
            staged.unlink(missing_ok=True)
            with durable.create(staged) as file:
                file.write(msgspec.json.encode(self._state) + b"\n")
            sync(staged)
            staged.replace(self.path)
            sync(self.path.parent)


def _names(purge_id: str) -> Iterator[str]:
    return (purge_id if number == 1 else f"{purge_id}-{number}" for number in itertools.count(1))


def prepared_runs(folder: Path) -> Iterator[tuple[str, list[ChangedFile]]]:
    """The runs that purges which were interrupted had written, with what was to become of their files."""
    return (prepared for _, state in _states(folder) for prepared in state.prepared.items())


def hasher(key: PrivacyKey) -> Callable[[str], str]:
    """What hashes addresses and lead ids for the files of purges."""
    return key.hasher(PURPOSE)


def _states(folder: Path) -> Iterator[tuple[Path, Any]]:
    for path in sorted(folder.glob(f"{_PREFIX}*{_SUFFIX}")):
        with suppress(OSError, msgspec.DecodeError, ValueError):
            yield path, msgspec.json.decode(path.read_bytes(), type=_State)
