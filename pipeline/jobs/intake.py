"""Lists into the journal: every row as it stood, every distinct address once, in the order of first appearance."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

from pipeline.emails.address import Refusal, clean, key
from pipeline.emails.lists import EmailList, ReadOptions
from pipeline.errors import UsageError
from pipeline.journal.records import ListRow
from pipeline.journal.store import Journal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from pipeline.journal.records import RunRecord
    from pipeline.settings import Settings

logger = logging.getLogger(__name__)


def sources(paths: Sequence[Path], settings: Settings) -> list[EmailList]:
    """The lists by their files' names; those of the same name by their paths, so that they can be told apart."""
    names = Counter(path.name for path in dict.fromkeys(paths))
    options = ReadOptions(settings.email_column, settings.encoding, settings.delimiter)
    return [EmailList(path, options, str(path) if names[path.name] > 1 else None) for path in paths]


def take_in(lists: Sequence[EmailList], path: Path, run: RunRecord) -> Journal:
    """Read all lists into a new journal of `run` at `path`; if that fails it is removed.

    Raises:
        UsageError: a list cannot be read, or no row of any list holds an address; the message says which and why.
    """
    Journal.remove_file(path)
    journal = Journal(path)
    try:
        for source in lists:
            number = journal.add_list(source.name, _rows(source.cells()))
            journal.seal_list(number, rows=source.rows, sha256=source.sha256)
            logger.info("%s: %d rows read", source.name, source.rows)
        _check_there_is_something_to_ask(journal, lists)
        journal.start(run)
    except BaseException:
        journal.close()
        journal.remove()
        raise
    return journal


def _check_there_is_something_to_ask(journal: Journal, lists: Sequence[EmailList]) -> None:
    """A run that asks nobody would put empty tables in the place of good ones, and call that a success."""
    if journal.count_addresses():
        return
    rows = sum(source.rows for source in lists)
    names = ", ".join(source.name for source in lists)
    if not rows:
        raise UsageError(f"{names}: there is a header, but no row.")
    raise UsageError(f"{names}: none of the {rows:,} rows holds an address; is --email-column right?")


def _rows(cells: Iterable[str]) -> Iterator[ListRow]:
    for given in cells:
        email = clean(given)
        if isinstance(email, Refusal):
            yield ListRow(given, code=email.code, message=email.message)
        else:
            yield ListRow(given, email, key(email))
