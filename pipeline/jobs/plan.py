"""What a run would do, and how long it would take at least. No call is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from pipeline.calls.rate import interval_s
from pipeline.emails.address import Refusal, clean, key
from pipeline.emails.suspicion import suspicion
from pipeline.errors import UsageError
from pipeline.files import durable
from pipeline.files.folder import OutputFolder
from pipeline.files.state import StateFolder
from pipeline.history.due import share_of
from pipeline.jobs.import_lists import email_lists, refuse_without_address
from pipeline.jobs.list_size import too_few
from pipeline.jobs.odd_rows import MAX_SHOWN
from pipeline.jobs.plan_budget import PlannedBudget
from pipeline.jobs.plan_night import tonight
from pipeline.jobs.request import Request
from pipeline.jobs.retention import Expired, expired
from pipeline.jobs.space import needed_bytes
from pipeline.journal.rows import OddRow
from pipeline.outcomes import now_ms

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.emails.lists import EmailList
    from pipeline.jobs.plan_night import Tonight
    from pipeline.journal.replay import JournalSummary
    from pipeline.settings import Settings


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
    invalid: int
    first_invalid: list[OddRow]
    suspicious: int
    first_suspicious: list[OddRow]
    unit: str


class PlannedRows(msgspec.Struct, frozen=True):
    """Rows of all lists; distinct, duplicate and invalid ones add up to `read`."""

    read: int
    distinct: int
    duplicate: int
    invalid: int


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a run would do.

    Attributes:
        lists: the lists, in order.
        rows: the rows of all lists.
        answered: addresses that an unfinished run over the same lists has answered.
        carried: addresses that the run would not look up, because an earlier run's answer is not too old.
        to_ask: addresses that the run would look up.
        share: addresses that an ordinary night looks up with `max_age_days`; None without it.
        rate_per_s: calls per second; 0 = no limit.
        least_s: seconds that the calls take at least; None without a limit.
        done_at: when they would be done if nothing but the pace limited them, ISO 8601 in UTC; None without a limit.
        budget: what fits into the time and the calls that the run is allowed; None if these are not limited.
        disk_bytes: about how much the run writes.
        free_bytes: how much is free in the output folder; None if none was given.
        refused: why a run would be refused; None if it would not.
        expires: what the retention settings let a run remove from the output folder; None if none was given.
    """

    lists: list[PlannedList]
    rows: PlannedRows
    answered: int
    carried: int
    to_ask: int
    share: int | None
    rate_per_s: float
    least_s: float | None
    done_at: str | None
    budget: PlannedBudget | None
    disk_bytes: int
    free_bytes: int | None
    refused: str | None
    expires: Expired | None


@dataclass(slots=True)
class _Counts:
    """Running counts over all lists.

    An address is remembered by a 64-bit hash, about 70 bytes of memory, instead of its string. The odds that any two of
    ten million addresses share a hash, and count as one here, are 1 in 400,000. The run itself compares strings.
    """

    rows: int = 0
    duplicates: int = 0
    invalid: int = 0
    seen: set[int] = field(default_factory=set)

    def check(self, lists: Sequence[EmailList]) -> None:
        """Refuse lists without any address, unless they may be empty."""
        if not self.seen:
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


def plan(
    settings: Settings,
    lists: Sequence[Path],
    out: Path | None = None,
    *,
    run_id: str | None = None,
    resume: bool = True,
    start_ms: int | None = None,
) -> Plan:
    """Read all lists and work out what a run over them would do.

    Args:
        settings: how to read the lists, and the rate.
        lists: files, or `-` for standard input.
        out: the folder that the run would publish in, whose unfinished runs are considered; None considers none.
        run_id: the name that the run would be given.
        resume: whether it would resume an unfinished run; without that it replaces them.
        start_ms: when it would start, milliseconds since 1970 UTC; None is now.

    Raises:
        UsageError: a list cannot be read, no list holds an address, or `run_id` is not a valid name.
        StorageError: standard input cannot be stored in a temporary file.
    """
    sources = email_lists(lists, settings)
    planned, counts = _read_all(sources)
    request = Request.of(None, sources, settings, run_id=run_id, resume=resume)
    moment_ms = now_ms() if start_ms is None else start_ms
    return _planned(settings, planned, counts, request, OutputFolder(out) if out else None, moment_ms)


def _planned(
    settings: Settings,
    lists: list[PlannedList],
    counts: _Counts,
    request: Request,
    folder: OutputFolder | None,
    start_ms: int,
) -> Plan:
    """The plan of a run with this request over lists that were read."""
    addresses = len(counts.seen)
    night = tonight(folder, request, settings, counts.seen)
    budget, too_late = _budget(settings, addresses, start_ms, night.resumed)
    least_s = _least_s(night.to_ask, settings.rate_per_s)
    return Plan(
        lists=lists,
        rows=PlannedRows(counts.rows, addresses, counts.duplicates, counts.invalid),
        answered=night.answered,
        carried=night.carried,
        to_ask=night.to_ask,
        share=share_of(addresses, settings.max_age_days) if settings.max_age_days else None,
        rate_per_s=settings.rate_per_s,
        least_s=least_s,
        done_at=_time_after(start_ms, least_s),
        budget=budget,
        disk_bytes=_disk_bytes(settings, counts.rows, addresses, night),
        free_bytes=_free_bytes(folder),
        refused=too_late or night.refused or too_few(folder, settings, addresses),
        expires=expired(folder, settings, start_ms, new_runs=1) if folder else None,
    )


def _disk_bytes(settings: Settings, rows: int, addresses: int, night: Tonight) -> int:
    """About how much a run writes; a new one also the answers that it carries over."""
    is_new = not night.answered
    unanswered = night.to_ask + (night.carried if is_new else 0)
    return needed_bytes(settings, rows=rows, addresses=addresses, unanswered=unanswered, new=is_new)


def _least_s(calls: int, rate_per_s: float) -> float | None:
    return round(calls * interval_s(rate_per_s), 1) if rate_per_s else None


def _time_after(start_ms: int, seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(start_ms / 1000 + seconds, UTC).isoformat(timespec="seconds")


def _budget(
    settings: Settings, addresses: int, start_ms: int, resumed: JournalSummary | None
) -> tuple[PlannedBudget | None, str | None]:
    """What fits into the limits of a run, and why it would be refused if its deadline is over."""
    try:
        return PlannedBudget.of(settings, addresses, start_ms, resumed), None
    except UsageError as error:
        return None, str(error)


def _read_all(lists: Sequence[EmailList]) -> tuple[list[PlannedList], _Counts]:
    """Read the lists, one after the other, and refuse them if they are of no use."""
    counts = _Counts()
    planned = [_read(source, counts) for source in lists]
    counts.check(lists)
    return planned, counts


def _read(source: EmailList, counts: _Counts) -> PlannedList:
    """Read one list and add its rows to the counts."""
    detected = source.detected()
    distinct, duplicates = len(counts.seen), counts.duplicates
    invalid, suspicious = _FirstRows(), _FirstRows()
    for row, given in enumerate(source.cells(), 1):
        address = clean(given)
        if isinstance(address, Refusal):
            invalid.add(row, address.code)
            continue
        hashed = hash(key(address))
        if hashed in counts.seen:
            counts.duplicates += 1
        elif code := suspicion(address):
            suspicious.add(row, code)
        counts.seen.add(hashed)
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
        invalid=invalid.count,
        first_invalid=invalid.named(source),
        suspicious=suspicious.count,
        first_suspicious=suspicious.named(source),
        unit=source.unit,
    )


def _free_bytes(out: OutputFolder | None) -> int | None:
    """Bytes free in the output folder, or in the one that it would be created in."""
    if out is None:
        return None
    out.check_place()
    with durable.storage_errors(out.root):
        folder = next(path for path in (out.root.absolute(), *out.root.absolute().parents) if path.is_dir())
    return StateFolder(folder, out.root).free_bytes()
