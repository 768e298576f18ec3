"""Lists as people have them: a file of any known form or standard input in, the text of each row's email cell out.

A line with nothing on it is no row. Rows count from 1, without the header. Whatever the form, a list is read as a
stream, a piece at a time, and can be read again; what flows only once, such as standard input, is copied first. Before
the first cell comes out, all bytes of a text were looked at, so that its encoding is known and does not turn out wrong
halfway.
"""

from __future__ import annotations

import importlib.util
import logging
import os
from typing import TYPE_CHECKING, Protocol

from pipeline.emails.delimited import Delimited, PlainLines
from pipeline.emails.encoding import encoding, facts
from pipeline.emails.reading import Detected, Reading, Shape
from pipeline.emails.source import STDIN, TEXT_FORMS, Source
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    import pyarrow as pa

    from pipeline.emails.encoding import Facts

__all__ = ["STDIN", "Detected", "EmailList", "Reading", "Shape"]

logger = logging.getLogger(__name__)


class _Form(Protocol):
    """What can be read of a list, whatever its form."""

    def detected(self) -> Detected: ...
    def cells(self) -> Iterator[str]: ...
    def lines_of(self, rows: Collection[int], /) -> dict[int, int]: ...
    def shape(self) -> Shape: ...
    def batches(self, width: int | None, /) -> Iterator[pa.RecordBatch]: ...


class EmailList:
    """One list: where it is, how it is to be read, and after it was read to its end how many rows it had.

    Attributes:
        path: the file, or `-` for standard input.
        reading: what the user stated about it; the rest is detected.
        label: how to call it; None is the file's name without its folder.
        rows: data rows, known after `cells` or `batches` ran to its end; 0 before.
    """

    def __init__(self, path: Path, reading: Reading = Reading(), label: str | None = None) -> None:  # noqa: B008 - frozen
        self.path, self.reading, self.label = path, reading, label
        self.rows = 0
        self._source = Source(path, self.name)
        self._facts: Facts | None = None
        self._form: _Form | None = None

    @property
    def name(self) -> str:
        """How messages and tables call it: its label, or the file's name; as text even if that is not UTF-8."""
        if str(self.path) == STDIN:
            return "standard input"
        return os.fsencode(self.label or self.path.name).decode(errors="replace")

    @property
    def sha256(self) -> str:
        """SHA-256, in hex, of the file's bytes as they lie on the disk; empty until it was read to its end."""
        return self._source.sha256

    def check(self) -> None:
        """Refuse at once what could not be read later.

        Raises:
            UsageError: no such file, not readable, of a kind that is not read, or of one whose library is missing; an
                encoding or a delimiter was stated that there is not.
        """
        self.reading.codec()
        self.reading.mark()
        self._source.check()
        if self._source.form == "xlsx" and importlib.util.find_spec("openpyxl") is None:
            from pipeline.emails.workbook import check_library

            check_library(self.name)

    def fingerprint(self, spool: Path) -> str:
        """Read the list to its end and return the SHA-256 of its bytes as they lie on the disk, in hex.

        What flows only once is copied to the new file `spool`, for its owner only, which everything below reads from
        then on; who calls this deletes it. A file that can be read again leaves `spool` alone.

        Raises:
            UsageError: it cannot be read, or what it is packed in is damaged.
            StorageError: the copy cannot be written.
        """
        self._source.copy(spool)
        if self._source.form in TEXT_FORMS:
            self._look()
        if not self.sha256:
            self._source.hash()
        return self.sha256

    def detected(self) -> Detected:
        """How the list is read.

        Raises:
            UsageError: as from `cells`.
        """
        return self._opened().detected()

    def cells(self) -> Iterator[str]:
        """The text of the email cell of each row.

        Raises:
            UsageError: no list of its form, not text in its encoding, damaged, no plausible email column, or nothing in
                it at all. A list with a header and no rows is a list with no rows.
        """
        rows = 0
        for rows, cell in enumerate(self._opened().cells(), 1):  # noqa: B007 - the last one is what is asked for
            yield cell
        self._ended(rows)

    def lines_of(self, rows: Collection[int]) -> dict[int, int]:
        """In which line of the file, from 1, each of these rows begins; nothing for forms that have no lines.

        Raises:
            UsageError: as from `cells`.
        """
        return self._opened().lines_of(rows)

    def shape(self) -> Shape:
        """How many rows and cells the list has, in one pass over all of it.

        Raises:
            UsageError: as from `cells`.
        """
        return self._opened().shape()

    def batches(self, width: int | None = None) -> Iterator[pa.RecordBatch]:
        """All columns of all rows, in order, about 5,000 rows at a time.

        Columns are called as in the header, twice the same or nothing included. Texts and workbooks give columns of
        texts, exactly as they stood within their quotes; Parquet files their own types.

        Args:
            width: cells in the longest row, as `shape` says; None takes a pass more to count them. Those beyond the
                header are in columns called "", and rows that are shorter get empty cells.

        Raises:
            UsageError: as from `cells`, or a row has more than `width` cells.
        """
        rows = 0
        for batch in self._opened().batches(width):
            rows += batch.num_rows
            yield batch
        self._ended(rows)

    def _ended(self, rows: int) -> None:
        self.rows = rows
        if not self.sha256 or self._source.form not in TEXT_FORMS:
            self._source.hash()  # of texts every reading sees all bytes; of other forms only this tells a change

    def _opened(self) -> _Form:
        if self._form is None:
            self._form = self._choose()
            logger.info("%s: read as %s", self.name, self._form.detected())
        return self._form

    def _choose(self) -> _Form:
        source, reading = self._source, self.reading
        reading.mark()
        if source.form not in TEXT_FORMS:
            source.refuse_empty()
        if source.form == "parquet":
            from pipeline.emails.parquet import ParquetFile

            return ParquetFile(source, reading)
        if source.form == "xlsx":
            from pipeline.emails.workbook import Sheet, check_library

            check_library(self.name)
            return Sheet(source, reading)
        codec = encoding(self.name, self._look(), reading.codec())
        if source.form == "jsonl":
            from pipeline.emails.jsonl import JsonLines

            return JsonLines(source, reading, codec)
        return PlainLines(source, reading, codec) if source.form == "txt" else Delimited(source, reading, codec)

    def _look(self) -> Facts:
        """What the bytes of a text are like: all of them, because the last may be the one that is not UTF-8."""
        if self._facts is None:
            try:
                with self._source.opened() as binary:
                    self._facts = facts(binary)
            except OSError as error:
                raise UsageError(f"{self.name}: reading stopped ({error.strerror}).") from error
        return self._facts
