"""Lists into the journal: every row as it is, every distinct address once, in the order of first appearance."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

from pipeline.emails.address import Refusal, clean, key
from pipeline.emails.lists import EmailList, ReadOptions
from pipeline.errors import UsageError
from pipeline.journal.database import remove_journal
from pipeline.journal.records import ListRow
from pipeline.journal.store import Journal
from pipeline.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from pipeline.journal.records import RunRecord
    from pipeline.settings import Settings

logger = logging.getLogger(__name__)


def email_lists(paths: Sequence[Path], settings: Settings) -> list[EmailList]:
    """The lists, named after their files; those with the same file name after their paths, to tell them apart.

    Raises:
        UsageError: a list cannot be read.
    """
    names = Counter(path.name for path in dict.fromkeys(paths))
    options = ReadOptions(
        settings.email_column, settings.encoding, settings.delimiter, settings.quoting, settings.allow_empty
    )
    lists = [EmailList(path, options, str(path) if names[path.name] > 1 else None) for path in paths]
    for one in lists:
        one.check()
    return lists


def import_lists(
    lists: Sequence[EmailList],
    path: Path,
    run: RunRecord,
    prepare: Callable[[Journal, RunRecord], RunRecord] = lambda _, run: run,
) -> Journal:
    """Read all lists into a new journal of `run` at `path`; if that fails it is removed.

    Before the run starts, `prepare` does with the journal what is left to do, and returns the record to start with.

    Raises:
        UsageError: a list cannot be read, or no row of any list holds an address; the message says which and why.
        StorageError: the journal cannot be written.
    """
    journal = Journal.create(path)
    try:
        for source in lists:
            _import(journal, source)
        _check_addresses(journal, lists)
        journal.start(prepare(journal, run))
    except BaseException:
        journal.close()
        remove_journal(path)
        raise
    return journal


def _import(journal: Journal, source: EmailList) -> None:
    journal.add_list(source.name, _rows(source.numbered_cells()), sha256=lambda: source.sha256, unit=source.unit)
    logger.info("%s: %s read", source.name, counted(source.rows, "row"))


def _check_addresses(journal: Journal, lists: Sequence[EmailList]) -> None:
    """Refuse a run without addresses, unless the lists may be empty.

    It would replace good tables with empty ones, and call that a success; more often than not something went wrong
    where the list was made. Who looks up what is new each night knows better.
    """
    if next(journal.pending(), None) is None:
        refuse_without_address(lists, sum(source.rows for source in lists))


def refuse_without_address(lists: Sequence[EmailList], rows: int) -> None:
    """Refuse lists of so many `rows`, none of which holds an address, unless there are none and that is allowed.

    Raises:
        UsageError: it says which lists, and what to do.
    """
    names = ", ".join(source.name for source in lists)
    if rows:
        none = f"none of the {rows:,} rows holds" if rows > 1 else "its one row does not hold"
        raise UsageError(f"{names}: {none} an address; is --email-column right?")
    if not all(source.options.allow_empty for source in lists):
        raise UsageError(f"{names}: there is a header, but no row; pass --allow-empty to publish empty tables.")


def _rows(cells: Iterable[tuple[int, str]]) -> Iterator[ListRow]:
    for line, given in cells:
        email = clean(given)
        if isinstance(email, Refusal):
            yield ListRow(given, code=email.code, message=email.message, line=line)
        else:
            yield ListRow(given, email, key(email), line=line)
