"""What a user states about a list, and what was found in it."""

from __future__ import annotations

import codecs
import io
from dataclasses import dataclass

from pipeline.errors import UsageError

_DELIMITER_WORDS = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "pipe": "|"}
_NO_DELIMITERS = '"\r\n\0\ufeff'
_NO_ENCODINGS = {"idna", "punycode", "raw-unicode-escape", "unicode-escape", "undefined", "utf-7"}
"""Codecs of text that no file is in, or that can give half characters, which nothing can write again."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the user stated about a list; None is to be detected.

    Attributes:
        email_column: the column with the addresses: its name, or its number from 1.
        encoding: how characters became bytes, by a name that Python knows, such as `utf-8` or `cp1252`.
        delimiter: the character between cells, or one of the words comma, semicolon, tab and pipe.
    """

    email_column: str | None = None
    encoding: str | None = None
    delimiter: str | None = None

    def codec(self) -> str | None:
        """The stated encoding as Python's codec of it is called.

        Raises:
            UsageError: there is no such encoding of text.
        """
        if self.encoding is None:
            return None
        try:
            io.TextIOWrapper(io.BytesIO(), self.encoding).close()  # refuses codecs of bytes, such as hex
            name = codecs.lookup(self.encoding).name.replace("_", "-")
        except (LookupError, ValueError):
            name = "undefined"
        if name in _NO_ENCODINGS:
            raise UsageError(
                f"There is no encoding {self.encoding!r}; use a name such as utf-8, utf-16, cp1252 or shift_jis."
            )
        return name

    def mark(self) -> str | None:
        """The stated delimiter as the character it is.

        Raises:
            UsageError: it is more than a character, or one that cannot stand between cells.
        """
        if self.delimiter is None:
            return None
        mark = _DELIMITER_WORDS.get(self.delimiter.lower(), self.delimiter)
        if len(mark) != 1 or mark in _NO_DELIMITERS:
            raise UsageError(
                f"The delimiter {self.delimiter!r} is not one character; use comma, semicolon, tab, pipe or a mark."
            )
        return mark


@dataclass(frozen=True, slots=True)
class Detected:
    """How a list is read.

    Attributes:
        form: csv, tsv, txt, jsonl, parquet or xlsx.
        compression: gz, zst or None.
        encoding: the name of the codec; None for forms that are no text.
        delimiter: the character between cells; None for forms that have none.
        header: whether the list itself names its columns.
        columns: their names; `column 1` and so on where there are none.
        email_column: the name of the column with the addresses.
        email_index: which it is, from 0.
        guessed: which of encoding, delimiter, header and email_column were detected and not stated.
    """

    form: str
    compression: str | None
    encoding: str | None
    delimiter: str | None
    header: bool
    columns: tuple[str, ...]
    email_column: str
    email_index: int
    guessed: tuple[str, ...]

    def __str__(self) -> str:
        """One line for a person: `csv, cp1252, semicolon, column 'E-Mail' (2 of 5)`."""
        words = {mark: word for word, mark in _DELIMITER_WORDS.items() if word.isalpha()}
        parts = [f"{self.form}.{self.compression}" if self.compression else self.form]
        if self.encoding:
            parts.append(self.encoding)
        if self.delimiter:
            parts.append(words.get(self.delimiter, repr(self.delimiter)))
        if not self.header:
            parts.append("no header")
        parts.append(f"column {self.email_column[:40]!r} ({self.email_index + 1} of {len(self.columns)})")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Shape:
    """How many rows and cells there are.

    Attributes:
        rows: rows of data.
        width: cells in the longest row, or in the header if that is longer.
        ragged: rows that have not as many cells as the header, or as the first row of a list without one.
        ragged_lines: where the first ten of them begin, as line numbers from 1.
    """

    rows: int
    width: int
    ragged: int
    ragged_lines: tuple[int, ...]
