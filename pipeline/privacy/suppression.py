"""The suppression list: people who were erased and are not to be asked for again, as keyed hashes of their addresses.

Each line of the file is a JSON object: the hash, the id of the key it was made with, when, and why. Nobody can tell
from it whom it names without the key, and with the key only by trying an address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import msgspec

from pipeline.emails.address import key as spelling
from pipeline.errors import StorageError, UsageError
from pipeline.files import durable
from pipeline.files.published import open_table
from pipeline.filesystem import sync
from pipeline.outcomes import iso
from pipeline.privacy.key import NAME_A_KEY, SUPPRESSION, PrivacyKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

SUPPRESSED = "suppressed.jsonl"
"""The name of the file, in the state folder of the runs."""


class Entry(msgspec.Struct, frozen=True):
    """One person.

    Attributes:
        hash: that of the address, 32 hexadecimal digits; see `PrivacyKey`.
        key_id: names the key it was made with.
        at: when the person was added; ISO 8601 in UTC.
        reason: why, in a word or two.
    """

    hash: str
    key_id: str
    at: str
    reason: str


_BATCH_ROWS = 20_000
_decoder = msgspec.json.Decoder(Entry)


class SuppressionList:
    """The suppression list in a file, or in several that are heeded together; `read` makes one.

    Changes go to the first file, and whoever makes them holds the lock of its folder.
    """

    def __init__(self, path: Path, hashed: Callable[[str], str] | None, key_id: str, entries: list[Entry]) -> None:
        self.path = path
        self._hashed, self._key_id = hashed, key_id
        self._entries = {entry.hash: entry for entry in entries}
        self._also: frozenset[str] = frozenset()

    @classmethod
    def read(cls, path: Path, key: PrivacyKey | None, *others: Path) -> Self:
        """Read the list in `path`, and those in `others`; files that do not exist hold nobody.

        Raises:
            UsageError: somebody is on a list, and the key is missing or is not the one it was made with.
            StorageError: a file cannot be read, or is damaged.
        """
        entries = _entries(path, key)
        made = cls(path, key.hasher(SUPPRESSION) if key else None, key.id if key else "", entries)
        made._also = frozenset(entry.hash for other in others for entry in _entries(other, key))
        return made

    def __len__(self) -> int:
        """How many people are on it."""
        return len(self._entries.keys() | self._also)

    def __contains__(self, address: str) -> bool:
        """Whether an address is on it, in whatever case it is written."""
        if self._hashed is None or not (self._entries or self._also):
            return False
        hashed = self._hashed(spelling(address))
        return hashed in self._entries or hashed in self._also

    def hash(self, address: str) -> str:
        """The hash under which an address is, or would be, on the list.

        Raises:
            UsageError: there is no key.
        """
        if self._hashed is None:
            raise UsageError(f"{self.path}: needs a key, so that it does not name anybody; {NAME_A_KEY}.")
        return self._hashed(spelling(address))

    def add(self, addresses: Iterable[str], *, reason: str, at_ms: int) -> int:
        """Add cleaned addresses; return how many are new. The file is on the disk when this returns.

        Args:
            addresses: as `emails.address.clean` gives them.
            reason: why, without any name.
            at_ms: now, milliseconds since 1970 UTC.

        Raises:
            UsageError: there is no key.
            StorageError: the file cannot be written; it is as it was.
        """
        hashes = dict.fromkeys(map(self.hash, addresses))
        new = {one: Entry(one, self._key_id, iso(at_ms), reason) for one in hashes if one not in self._entries}
        if new:
            self._write({**self._entries, **new})
        return len(new)

    def remove(self, addresses: Iterable[str]) -> int:
        """Take addresses off the list; return how many were on it. The file is on the disk when this returns.

        Raises:
            UsageError: there is no key.
            StorageError: the file cannot be written; it is as it was.
        """
        gone = self._entries.keys() & set(map(self.hash, addresses))
        if gone:
            self._write({one: entry for one, entry in self._entries.items() if one not in gone})
        return len(gone)

    def _write(self, entries: dict[str, Entry]) -> None:
        """Replace the file in one step; one that would hold nobody goes."""
        staged = self.path.with_name(f"{self.path.name}.partial")
        with durable.storage_errors(self.path):
            if entries:
                staged.unlink(missing_ok=True)
                with durable.create(staged) as file:
                    file.writelines(msgspec.json.encode(entry) + b"\n" for entry in entries.values())
                sync(staged)
                staged.replace(self.path)
            else:
                self.path.unlink()
            sync(self.path.parent)
        self._entries = entries


def suppressed_in(table: Path, suppressed: SuppressionList) -> frozenset[str]:
    """Those addresses in the column `email` of a Parquet file that are on a list, as `emails.address.key` gives them.

    Raises:
        StorageError: the file cannot be read.
    """
    if not len(suppressed):
        return frozenset()
    with open_table(table) as file:
        batches = file.iter_batches(_BATCH_ROWS, columns=["email"])
        emails = (email for batch in batches for email in batch.column("email").unique().to_pylist() if email)
        return frozenset(spelling(email) for email in emails if email in suppressed)


def _entries(path: Path, key: PrivacyKey | None) -> list[Entry]:
    with durable.storage_errors(path):
        try:
            lines = path.read_bytes().splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return []
    entries = [_entry(path, number, line) for number, line in enumerate(lines, 1)]
    for entry in entries:
        if key is None:
            raise UsageError(
                f"{path}: names people who are not to be asked for, and cannot be read without its key; {NAME_A_KEY}."
            )
        if entry.key_id != key.id:
            raise UsageError(
                f"{path}: names people who are not to be asked for, and was made with the key {entry.key_id}, not with"
                f" {key.id}; {NAME_A_KEY}."
            )
    return entries


def _entry(path: Path, number: int, line: bytes) -> Entry:
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, ValueError) as error:
        raise StorageError(
            f"{path}: line {number} is damaged; restore the file from a copy, for it names people who are not to be"
            " asked for."
        ) from error
