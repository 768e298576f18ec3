"""The lists of a run as `plan` reads them: how each is read, and what is in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from pipeline.emails.address import Refusal, clean, key
from pipeline.emails.suspicion import suspicion
from pipeline.jobs.import_lists import refuse_without_address
from pipeline.jobs.odd_rows import MAX_SHOWN
from pipeline.journal.rows import OddRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.emails.lists import EmailList
    from pipeline.privacy.suppression import SuppressionList


class PlannedList(msgspec.Struct, frozen=True, kw_only=True):
    """One list: how it is read, and what is in it.

    Attributes:
        name: the file's name.
        read_as: how it is read, in one line.
        form: csv, tsv, txt, jsonl, parquet or xlsx.
        compression: gz, zst or None.
        encoding: name of the encoding; None for binary formats.
        delimiter: the character between fields; None for formats without delimiters.
        quoting: standard, backslash or none; None for formats without delimiters.
        header: whether the list names its columns.
        email_column: name of the column with the addresses.
        guessed: which of encoding, delimiter, quoting, header and email_column were detected and not stated.
        rows: rows of data.
        new_addresses: distinct addresses that are in no list before this one.
        duplicate: rows whose address an earlier row has, of this or another list.
        suppressed: rows of people who are not to be asked for.
        invalid: rows without a valid address.
        first_invalid: the first ten of these.
        suspicious: rows of new addresses that are probably mistyped, and looked up all the same.
        first_suspicious: the first ten of these.
        unit: what their `line` counts: the lines of a text, or the rows of a sheet or a table.
    """

    name: str
    read_as: str
    form: str
    compression: str | None
    encoding: str | None
    delimiter: str | None
    quoting: str | None
    header: bool
    email_column: str
    guessed: list[str]
    rows: int
    new_addresses: int
    duplicate: int
    suppressed: int
    invalid: int
    first_invalid: list[OddRow]
    suspicious: int
    first_suspicious: list[OddRow]
    unit: str


@dataclass(slots=True)
class Counts:
    """Running counts over all lists.

    An address is remembered by a 64-bit hash, about 70 bytes of memory, instead of its string. The odds that any two of
    ten million addresses share a hash, and count as one here, are 1 in 400,000. The run itself compares strings.
    """

    people: SuppressionList
    rows: int = 0
    duplicates: int = 0
    suppressed: int = 0
    invalid: int = 0
    seen: set[int] = field(default_factory=set)

    def add(self, address: str) -> bool:
        """Count an address; return whether it is a new one to look up."""
        if address in self.people:
            self.suppressed += 1
            return False
        hashed, before = hash(key(address)), len(self.seen)
        self.seen.add(hashed)
        is_new = len(self.seen) > before
        self.duplicates += not is_new
        return is_new

    def check(self, lists: Sequence[EmailList]) -> None:
        """Refuse lists without any address, unless they may be empty."""
        if not self.seen and not self.suppressed:
            refuse_without_address(lists, self.rows)


class _FirstRows:
    """Counts rows, and remembers the first ones with the code of what is odd about them."""

    def __init__(self) -> None:
        self.count = 0
        self._codes: dict[int, str] = {}

    def add(self, row: int, code: str) -> None:
        self.count += 1
        if len(self._codes) < MAX_SHOWN:
            self._codes[row] = code

    def named(self, source: EmailList) -> list[OddRow]:
        """The first rows, with their lines."""
        lines = source.line_numbers(self._codes) if self._codes else {}
        return [OddRow(source.name, row, source.unit, lines[row], code) for row, code in self._codes.items()]


def read_all(lists: Sequence[EmailList], people: SuppressionList) -> tuple[list[PlannedList], Counts]:
    """Read the lists, one after the other, and refuse them if they are of no use."""
    counts = Counts(people)
    planned = [_read(source, counts) for source in lists]
    counts.check(lists)
    return planned, counts


def _read(source: EmailList, counts: Counts) -> PlannedList:
    """Read one list and add its rows to the counts."""
    detected = source.detected()
    distinct, duplicates, suppressed = len(counts.seen), counts.duplicates, counts.suppressed
    invalid, suspicious = _FirstRows(), _FirstRows()
    for row, given in enumerate(source.cells(), 1):
        address = clean(given)
        if isinstance(address, Refusal):
            invalid.add(row, address.code)
        elif counts.add(address) and (code := suspicion(address)):
            suspicious.add(row, code)
    counts.rows += source.rows
    counts.invalid += invalid.count
    return PlannedList(
        name=source.name,
        read_as=str(detected),
        form=detected.format,
        compression=detected.compression,
        encoding=detected.encoding,
        delimiter=detected.delimiter,
        quoting=detected.quoting,
        header=detected.header,
        email_column=detected.email_column,
        guessed=list(detected.guessed),
        rows=source.rows,
        new_addresses=len(counts.seen) - distinct,
        duplicate=counts.duplicates - duplicates,
        suppressed=counts.suppressed - suppressed,
        invalid=invalid.count,
        first_invalid=invalid.named(source),
        suspicious=suspicious.count,
        first_suspicious=suspicious.named(source),
        unit=source.unit,
    )
