"""What a run would do, and how long it must take; no call is made."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pipeline.calls.spacing import interval_s
from pipeline.emails.address import Refusal, clean, key
from pipeline.errors import StorageError, UsageError
from pipeline.files import private
from pipeline.files.state import StateFolder
from pipeline.jobs.intake import sources
from pipeline.jobs.request import Request
from pipeline.jobs.runs import refusal
from pipeline.jobs.space import needed_bytes
from pipeline.journal.glance import glance

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.emails.lists import EmailList
    from pipeline.settings import Settings

Plan = dict[str, Any]
LISTED = 10
"""Invalid rows that are named for each list."""


@dataclass(slots=True)
class _Count:
    """What the lists hold so far.

    Addresses are remembered by 64 bits of theirs, which take some 70 bytes of memory, and not by their text: that two
    of ten million share theirs, and count as one here, has odds of one to 400,000. The run itself compares texts.
    """

    rows: int = 0
    duplicates: int = 0
    invalid: Counter[str] = field(default_factory=Counter)
    seen: set[int] = field(default_factory=set)


def plan(settings: Settings, lists: Sequence[Path], out: Path | None = None) -> Plan:
    """Read all lists and say what a run over them would come to, as plain values; times are in seconds.

    Args:
        settings: how the lists are to be read, and the pace.
        lists: files, or `-`.
        out: the folder that the run would publish in, whose unfinished runs are looked at; None is no folder.

    Raises:
        UsageError: a list cannot be read, or there is no address in any.
        StorageError: a list that can be read only once cannot be kept for the time of this.
    """
    chosen = sources(lists, settings)
    for source in chosen:
        source.check()
    request = Request.of(None, chosen, settings)
    count = _Count()
    listed = [_read(source, count) for source in chosen]
    answered, refused = _unfinished(out, request, settings)
    return {**_plan(settings, count, listed, out, answered), "refused": refused}


def _plan(settings: Settings, count: _Count, listed: list[Plan], out: Path | None, answered: int) -> Plan:
    addresses = len(count.seen)
    if not addresses:
        raise UsageError("There is no address in these lists; is --email-column right?")
    to_ask = addresses - answered
    least_s = to_ask * interval_s(settings.rate_per_s) if settings.rate_per_s else None
    done_at = datetime.now(UTC) + timedelta(seconds=least_s or 0)
    return {
        "lists": listed,
        "rows": {
            "read": count.rows,
            "distinct": addresses,
            "duplicate": count.duplicates,
            "invalid": count.invalid.total(),
        },
        "answered": answered,
        "to_ask": to_ask,
        "rate_per_s": settings.rate_per_s,
        "least_s": None if least_s is None else round(least_s, 1),
        "done_at": None if least_s is None else done_at.isoformat(timespec="seconds"),
        "disk_bytes": needed_bytes(settings, rows=count.rows, addresses=addresses, open_=to_ask),
        "free_bytes": _free_bytes(out),
    }


def _read(source: EmailList, count: _Count) -> Plan:
    """Count the rows of one list in, and say what it is."""
    detected = source.detected()
    before = (len(count.seen), count.duplicates, count.invalid.total())
    first: dict[int, str] = {}
    for row, given in enumerate(source.cells(), 1):
        address = clean(given)
        if isinstance(address, Refusal):
            count.invalid[address.code] += 1
            if len(first) < LISTED:
                first[row] = address.code
            continue
        mark = hash(key(address))
        count.duplicates += mark in count.seen
        count.seen.add(mark)
    count.rows += source.rows
    lines = source.line_numbers(first) if first else {}
    distinct, duplicates, invalid = before
    return {
        "name": source.name,
        "read_as": str(detected),
        "form": detected.format,
        "compression": detected.compression,
        "encoding": detected.encoding,
        "delimiter": detected.delimiter,
        "header": detected.header,
        "email_column": detected.email_column,
        "guessed": list(detected.guessed),
        "rows": source.rows,
        "new_addresses": len(count.seen) - distinct,
        "duplicate": count.duplicates - duplicates,
        "invalid": count.invalid.total() - invalid,
        "first_invalid": [{"row": row, "line": lines.get(row), "code": code} for row, code in first.items()],
    }


def _unfinished(out: Path | None, request: Request, settings: Settings) -> tuple[int, str | None]:
    """Answers that an unfinished run about the same has already, or why a run would be refused because of another."""
    paid = []
    for path in StateFolder.below(out).journals() if out else ():
        with suppress(StorageError):  # what cannot be read has no answers
            seen = glance(path)
            if request.takes_up(seen):
                return seen.answered, None
            paid += [seen] if seen.answered else []
    if not paid or settings.unfinished == "replace":
        return 0, None
    return 0, refusal(paid[-1], request, others=len(paid) - 1)


def _free_bytes(out: Path | None) -> int | None:
    """Bytes free where `out` is, or would be."""
    if out is None:
        return None
    with private.storage(out):
        place = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.is_dir())
    return StateFolder(place, out).free_bytes()
