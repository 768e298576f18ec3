"""A list of any format, from a file or standard input: the email cell of each row, or all columns as record batches.

Rows are counted from 1, without the header; blank lines are not rows. Whatever its format, a list is read as a stream
and can be read again; what can be read only once, such as standard input, is copied first. All bytes of a text are
read before the first cell is returned, so that an encoding that was guessed does not turn out wrong halfway.
"""

from __future__ import annotations

import logging
import os
from functools import cached_property
from typing import IO, TYPE_CHECKING, Literal

from pipeline.emails.formats import format_of, formats, supported
from pipeline.emails.options import Detected, ReadOptions, RowCounts
from pipeline.emails.source import STDIN, Source
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    import pyarrow as pa

    from pipeline.emails.formats import ListFormat

__all__ = ["STDIN", "Detected", "EmailList", "ReadOptions", "RowCounts"]

logger = logging.getLogger(__name__)


class EmailList:
    """One list: where it is, how it is read, and, once it was read to the end, how many rows it has.

    Attributes:
        path: the file, or `-` for standard input.
        options: what the user stated about it; the rest is detected.
        label: its name in messages and tables; None is the file's name without its folder.
        rows: data rows, known once `cells` or `batches` has run to the end; 0 before.
    """

    def __init__(self, path: Path, options: ReadOptions = ReadOptions(), label: str | None = None) -> None:  # noqa: B008 - frozen
        self.path, self.options, self.label = path, options, label
        self.rows = 0
        self._source = Source(path, self.name)

    @property
    def name(self) -> str:
        """Its name in messages and tables: the label, or the file's name; a string even if that is not UTF-8."""
        if str(self.path) == STDIN:
            return "standard input"
        return os.fsencode(self.label or self.path.name).decode(errors="replace")

    @property
    def sha256(self) -> str:
        """SHA-256, in hex, of the file's bytes as stored; empty until it was read to the end."""
        return self._source.sha256

    @property
    def is_pipe(self) -> bool:
        """Whether it can be read only once: standard input, a named pipe, or an open descriptor."""
        return self._source.is_pipe

    def check(self) -> None:
        """Reject at once what could not be read later; a pipe is not opened.

        Raises:
            UsageError: the file does not exist, cannot be read or has an unsupported type; its format needs a library
                that is not installed; an unknown encoding or quoting, or an invalid delimiter, was stated.
        """
        self.options.check()
        self._source.check()
        if not self._source.is_pipe and format_of(self.path) is None:
            raise UsageError(f"{self.path}: unsupported file type; use {supported()}.")
        self._format.check_library(self.name)

    def fingerprint(self, spool_folder: Path | None = None) -> str:
        """Read the list to the end and return the SHA-256 of its bytes as stored, in hex.

        A pipe is copied to a temporary file without a name in `spool_folder` (None is the system's folder for
        temporary files), from which it is read from then on.

        Raises:
            UsageError: it cannot be read, or is compressed and damaged.
            StorageError: the copy cannot be written.
        """
        self._source.spool(spool_folder)
        if self._format.is_text:
            _ = self._format.byte_stats  # one pass for the hash and the encoding
        if not self.sha256:
            self._source.hash()
        return self.sha256

    def detected(self) -> Detected:
        """How the list is read.

        Raises:
            UsageError: as from `cells`.
        """
        return self._opened.detected()

    @property
    def unit(self) -> Literal["line", "row"]:
        """What a person counts in the file: `line`, or `row` of a sheet or a table."""
        return self._format.unit

    def stored(self) -> AbstractContextManager[IO[bytes]]:
        """The bytes of the file, as a library for its format reads them.

        Raises:
            UsageError: it cannot be read.
        """
        return self._format.stored()

    def cells(self) -> Iterator[str]:
        """The email cell of each row.

        Raises:
            UsageError: the list is empty, damaged, not in its format or encoding, or no email column was detected.
                A list with a header and no rows is a list without rows.
        """
        return (cell for _, cell in self.numbered_cells())

    def numbered_cells(self) -> Iterator[tuple[int, str]]:
        """The same, each with the number of its line, or row of the sheet, from 1.

        Raises:
            UsageError: as from `cells`.
        """
        rows = 0
        for rows, cell in enumerate(self._opened.numbered_cells(), 1):  # noqa: B007 - the last number is the count
            yield cell
        self._finish(rows)

    def line_numbers(self, rows: Collection[int]) -> dict[int, int]:
        """The line, or row of the sheet, on which each of these rows begins; both are counted from 1.

        Raises:
            UsageError: as from `cells`.
        """
        return self._opened.line_numbers(rows)

    def row_counts(self) -> RowCounts:
        """How many rows and cells the list has, from one pass over all of it.

        Raises:
            UsageError: as from `cells`.
        """
        return self._opened.row_counts()

    def batches(self, width: int | None = None) -> Iterator[pa.RecordBatch]:
        """All columns of all rows, in order, about 5,000 rows at a time; one batch without rows if there are none.

        Columns are named as in the header, including empty and repeated names. Text formats and workbooks give columns
        of strings, exactly as they are within their quotes; Parquet files keep their types.

        Args:
            width: cells in the longest row, from `row_counts`; None takes another pass to count them. Cells beyond the
                header are in columns named "", and shorter rows are filled up with empty cells.

        Raises:
            UsageError: as from `cells`, or a row has more than `width` cells.
        """
        rows = 0
        for batch in self._opened.batches(width):
            rows += batch.num_rows
            yield batch
        self._finish(rows)

    def _finish(self, rows: int) -> None:
        self.rows = rows
        if not self.sha256 or not self._format.is_text:
            self._source.hash()  # reading a text hashes all its bytes; of other formats only this reveals a change

    @cached_property
    def _format(self) -> ListFormat:
        return (format_of(self.path) or formats()[".csv"])(self._source, self.options)

    @cached_property
    def _opened(self) -> ListFormat:
        self.options.check()
        self._format.check_library(self.name)
        if not self._format.is_text and self._source.is_empty():
            raise self._format.error("the list is empty")
        logger.info("%s: read as %s", self.name, self._format.detected())
        return self._format
