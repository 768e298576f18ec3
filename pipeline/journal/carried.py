"""Answers of earlier runs onto the disk, before a run starts."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

import zstandard

from pipeline.journal.database import connect, storage, transaction
from pipeline.journal.records import ANSWER_COLUMNS, Carried, in_packs, insert, packed, stored

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.outcomes import Answer

_INSERT_ANSWER = insert("answers", ("address", *ANSWER_COLUMNS))
_INSERT_PACK = "INSERT INTO packs (bodies) VALUES (?)"


class CarriedWriter:
    """Writes answers of earlier runs to the journal at `path`, whose run has not started; a context manager.

    Until it has, nothing has to be safe from a power cut: the journal is thrown away then.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._compressor = zstandard.ZstdCompressor(level=1, write_checksum=True)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Open the journal."""
        with storage(self._path):
            self._db = connect(self._path)
            self._open.callback(self._db.close)
            self._db.execute("PRAGMA synchronous = NORMAL")
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self._open.close()

    def write(self, answers: Mapping[int, Answer]) -> int:
        """Write answers by the numbers of their addresses, which ascend, in one transaction; return how many.

        Raises:
            StorageError: the journal cannot be written.
        """
        with storage(self._path), transaction(self._db):
            for part in in_packs(answers.items()):
                pack = self._db.execute(_INSERT_PACK, (packed(part, self._compressor),)).lastrowid
                rows = [stored(address, answer, pack, Carried.YES) for address, answer in part]
                self._db.executemany(_INSERT_ANSWER, rows)
        return len(answers)
