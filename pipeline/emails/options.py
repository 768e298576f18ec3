"""What a user states about a list, and what was found out about it."""

from __future__ import annotations

import codecs
import io
from dataclasses import dataclass
from typing import get_args

from pipeline.emails.delimited import Quoting
from pipeline.errors import UsageError

_DELIMITER_NAMES = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "pipe": "|"}
_NOT_DELIMITERS = '"\r\n\0\ufeff'
_UNUSABLE_CODECS = {"idna", "punycode", "raw-unicode-escape", "unicode-escape", "undefined", "utf-7"}
"""Text codecs that no file uses, or that can decode to lone surrogates, which nothing can encode again."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What the user stated about a list; None means: detect it.

    Attributes:
        email_column: the column with the addresses: its name, or its number counted from 1.
        encoding: the character encoding, by any name that Python knows, such as `utf-8` or `cp1252`.
        delimiter: the character between cells, or one of the words comma, semicolon, tab and pipe.
        quoting: standard, backslash or none; see `pipeline.emails.delimited`.
        allow_empty: whether a list may hold nothing, not even a header.
    """

    email_column: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    quoting: str | None = None
    allow_empty: bool = False

    def check(self) -> None:
        """Check what was stated.

        Raises:
            UsageError: an unknown encoding or quoting, or an invalid delimiter.
        """
        self.codec()
        self.delimiter_character()
        self.quoting_mode()

    def codec(self) -> str | None:
        """Python's canonical name of the stated encoding; None if none was stated.

        Raises:
            UsageError: Python has no such text encoding.
        """
        if self.encoding is None:
            return None
        try:
            io.TextIOWrapper(io.BytesIO(), self.encoding).close()  # rejects codecs from bytes to bytes, such as hex
            name = codecs.lookup(self.encoding).name.replace("_", "-")
        except (LookupError, ValueError):
            name = "undefined"
        if name in _UNUSABLE_CODECS:
            raise UsageError(
                f"Unknown encoding {self.encoding!r}; use a name such as utf-8, utf-16, cp1252 or shift_jis."
            )
        return name

    def delimiter_character(self) -> str | None:
        """The stated delimiter as a single character; None if none was stated.

        Raises:
            UsageError: it is longer than one character, or a character that cannot separate cells.
        """
        if self.delimiter is None:
            return None
        character = _DELIMITER_NAMES.get(self.delimiter.lower(), self.delimiter)
        if len(character) != 1 or character in _NOT_DELIMITERS:
            raise UsageError(
                f"Invalid delimiter {self.delimiter!r}; use comma, semicolon, tab, pipe or any other single character."
            )
        return character

    def quoting_mode(self) -> Quoting | None:
        """How cells are quoted; None if it was not stated.

        Raises:
            UsageError: there is no such way.
        """
        modes: dict[str, Quoting] = {mode: mode for mode in get_args(Quoting)}
        if self.quoting is None or self.quoting in modes:
            return modes.get(self.quoting or "")
        raise UsageError(f"Unknown quoting {self.quoting!r}; use {', '.join(modes)}.")


@dataclass(frozen=True, slots=True)
class Detected:
    """How a list is read.

    Attributes:
        format: the name of the list's format, such as csv.
        compression: gz, zst or None.
        encoding: the name of the codec; None for binary formats.
        delimiter: the character between cells; None for formats without one.
        quoting: standard, backslash or none; None for formats without a delimiter.
        header: whether the list itself names its columns.
        columns: their names; `column 1` and so on where they have none.
        email_column: the name of the column with the addresses.
        email_index: its position, counted from 0.
        guessed: which of encoding, delimiter, header and email_column were detected rather than stated; and quoting,
            if it was detected to be other than standard.
        byte_order_mark: whether a text begins with one.
        line_end: what the first line of a text ends with: CR LF, or else LF.
        announces_delimiter: whether the first line is `sep=;` or the like, by which spreadsheets know the delimiter.
        sheet: which worksheet of a workbook is read, counted from 0; None for other formats.
    """

    format: str
    compression: str | None
    encoding: str | None
    delimiter: str | None
    quoting: Quoting | None
    header: bool
    columns: tuple[str, ...]
    email_column: str
    email_index: int
    guessed: tuple[str, ...]
    byte_order_mark: bool = False
    line_end: str = "\n"
    announces_delimiter: bool = False
    sheet: int | None = None

    def __str__(self) -> str:
        """One line for people: `csv, cp1252, semicolon, column 'E-Mail' (2 of 5)`."""
        words = {character: word for word, character in _DELIMITER_NAMES.items() if word.isalpha()}
        parts = [f"{self.format}.{self.compression}" if self.compression else self.format]
        if self.encoding:
            parts.append(self.encoding)
        if self.delimiter:
            parts.append(words.get(self.delimiter, repr(self.delimiter)))
        if self.quoting not in (None, "standard"):
            parts.append(f"{'no' if self.quoting == 'none' else self.quoting} quoting")
        if not self.header:
            parts.append("no header")
        parts.append(f"column {self.email_column[:40]!r} ({self.email_index + 1} of {len(self.columns)})")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class RowCounts:
    """How many rows and cells a list has.

    Attributes:
        rows: data rows, without the header.
        width: cells in the longest row, or in the header if that is longer.
        ragged: rows whose number of cells differs from the header's, or from the first row's if there is no header.
        ragged_lines: where the first ten of them begin: line numbers, or row numbers of a sheet, counted from 1.
    """

    rows: int
    width: int
    ragged: int = 0
    ragged_lines: tuple[int, ...] = ()
