"""A journal written anew without some people.

Rows that are deleted from an SQLite file may stay in pages that it does not use, in its log, and in what is compressed
together with others. So everything else is copied to a new file, which takes the place of the old one.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import zstandard

from pipeline.filesystem import sync
from pipeline.journal import database
from pipeline.journal.database import connect, remove_journal, rows_of, storage, transaction
from pipeline.journal.records import ANSWER_COLUMNS, Carried, checked, insert, packed_bodies, unpacked
from pipeline.journal.selection import leave_out
from pipeline.outcomes import Answer, Outcome, to_row

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    Row = dict[str, Any]

_PAGE = 500


def rewrite(
    path: Path,
    *,
    addresses: Collection[int],
    rows: Collection[int],
    clear: Callable[[str], str],
    redact: Callable[[bytes], bytes] | None = None,
) -> None:
    """Write the journal at `path` anew; it is in its place, and on the disk, when this returns.

    Addresses and rows keep their numbers, so that the run can be resumed.

    Args:
        path: the journal, which nobody has open.
        addresses: the numbers of those that are erased, with their answers.
        rows: the numbers of those whose cell is emptied.
        clear: takes addresses of theirs out of any other text.
        redact: takes them out of the replies of others; None leaves these as they are.

    Raises:
        StorageError: it cannot be read or written, or is damaged; it stays as it is.
    """
    staged = path.with_name(f"{path.name}.partial")
    with database.reading(path), storage(path):
        remove_journal(staged)
        try:
            with closing(connect(path)) as old:
                # A log that stayed beside the new file would be taken for its own.
                old.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                with closing(database.create(staged)) as new, transaction(new):
                    copy = _Copy(old, new, addresses, rows, clear, redact)
                    copy.everything()
            sync(staged)
            staged.replace(path)
            sync(path.parent)
        finally:
            remove_journal(staged)


class _Copy:
    """The tables of a journal on their way to another one."""

    def __init__(
        self,
        old: sqlite3.Connection,
        new: sqlite3.Connection,
        addresses: Collection[int],
        rows: Collection[int],
        clear: Callable[[str], str],
        redact: Callable[[bytes], bytes] | None,
    ) -> None:
        self._old, self._new = old, new
        self._addresses, self._rows = frozenset(addresses), frozenset(rows)
        self._clear, self._redact = clear, redact
        self._compressor = zstandard.ZstdCompressor(level=1, write_checksum=True)

    def everything(self) -> None:
        """Copy all tables."""
        special = {"rows": self._list_rows, "addresses": self._emails, "packs": self._packs, "answers": self._answers}
        names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
        for (name,) in self._old.execute(names).fetchall():
            self._insert(name, special[name]() if name in special else self._others(name))
        leave_out(self._new, sorted(self._addresses))

    def _insert(self, table: str, rows: Iterator[Row]) -> None:
        for row in rows:
            self._new.execute(insert(table, row), row)

    def _others(self, table: str) -> Iterator[Row]:
        for row in rows_of(self._old, f"SELECT * FROM {table} ORDER BY rowid"):  # noqa: S608 - a name in the file, not a value
            yield {name: self._clear(value) if isinstance(value, str) else value for name, value in row.items()}

    def _list_rows(self) -> Iterator[Row]:
        for row in rows_of(self._old, "SELECT * FROM rows ORDER BY id"):
            is_theirs = row["id"] in self._rows or row["address"] in self._addresses
            yield {
                **row,
                "given": "" if is_theirs else self._clear(row["given"]),
                "message": self._cleared(row["message"]),
            }

    def _emails(self) -> Iterator[Row]:
        for row in rows_of(self._old, "SELECT * FROM addresses ORDER BY id"):
            # An address is never written as this key is: it has an at sign.
            blank = {"email": "", "key": f"erased {row['id']}"} if row["id"] in self._addresses else {}
            yield {**row, **blank}

    def _packs(self) -> Iterator[Row]:
        for row in rows_of(self._old, "SELECT * FROM packs ORDER BY id"):
            bodies = {n: body for n, body in unpacked(row["bodies"]).items() if n not in self._addresses}
            if self._redact is not None:
                bodies = {number: self._redact(body) for number, body in bodies.items()}
            yield {**row, "bodies": packed_bodies(bodies, self._compressor)}

    def _answers(self) -> Iterator[Row]:
        nothing = to_row(Answer("", Outcome.ERASED, attempts=0, answered_at_ms=0))
        erased = {**nothing, "pack": None, "carried": int(Carried.NO)}
        query = "SELECT answers.*, email FROM answers JOIN addresses ON id = address ORDER BY address"
        without = set(self._addresses)
        for row in rows_of(self._old, query):
            if row["address"] in without:
                without.discard(row["address"])
                yield self._stored({**row, **erased})
            else:
                yield self._stored({**row, "message": self._cleared(row["message"])})
        for number in sorted(without):
            yield self._stored({**erased, "address": number})

    def _stored(self, row: Row) -> Row:
        stored = checked(row)
        return {name: stored[name] for name in ("address", *ANSWER_COLUMNS)}

    def _cleared(self, text: str | None) -> str | None:
        return self._clear(text) if text else text
