"""Who is not to be asked for: the suppression lists that a job heeds, and what becomes of people on them."""

from __future__ import annotations

import logging
import os
from collections import Counter
from contextlib import suppress as suppress_error
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.emails.address import key as spelling
from pipeline.errors import EmailMismatch, MalformedReply, UsageError
from pipeline.files.state import SUFFIX
from pipeline.journal.suppress import suppress, suppress_answers
from pipeline.outcomes import KEPT, Answer, Outcome, RowOutcome
from pipeline.privacy.key import load_key
from pipeline.privacy.suppression import SUPPRESSED, SuppressionList
from pipeline.replies.read import FoundLead, peek_identity, read_leniently
from pipeline.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.jobs.batches import Sliceable
    from pipeline.jobs.publishing import Records
    from pipeline.journal.store import Journal
    from pipeline.settings import Settings

logger = logging.getLogger(__name__)


def suppression_of(settings: Settings, *folders: Path) -> SuppressionList:
    """The suppression lists in these state folders and that of the settings, heeded together; changes go to the first.

    So are those of the output folders that these lie in: an account's folder lies in that of all accounts.

    Raises:
        UsageError: the key is missing or wrong, or the folder of the list that the settings name does not exist.
        StorageError: a list cannot be read.
    """
    around = [state for folder in folders for state in state_folders_around(folder.parent)]
    key, lists = load_key(settings), [folder / SUPPRESSED for folder in dict.fromkeys([*folders, *around])]
    if settings.suppression_file:
        if not settings.suppression_file.parent.is_dir():
            raise UsageError(f"suppression_file: there is no folder {settings.suppression_file.parent}.")
        lists.append(settings.suppression_file)
    return SuppressionList.read(lists[0], key, *lists[1:]) if lists else SuppressionList(Path(SUPPRESSED), None, "", [])


def state_folders_around(*files: Path) -> list[Path]:
    """The state folders, with a suppression list, of the output folders that files lie in."""
    try:
        parents = [parent for file in files for parent in Path(os.path.realpath(file)).parents]
    except FileNotFoundError:  # the current folder was deleted, from which a path is relative
        parents = [parent for file in files if file.is_absolute() for parent in file.parents]
    states = [parent / SUFFIX for parent in dict.fromkeys(parents)]
    return [state for state in states if (state / SUPPRESSED).exists()]


def heeding_common_list(settings: Settings, common: Path, out: Path) -> Settings:
    """The settings of an account with the suppression list of the folder of all accounts, if `out` is elsewhere.

    One that lies in the common folder heeds its list anyway; one that names a list of its own heeds that instead.
    """
    listed = Path(os.path.realpath(common)) / SUFFIX / SUPPRESSED
    is_elsewhere = listed.parent not in state_folders_around(out)
    if settings.suppression_file or not is_elsewhere or not listed.exists():
        return settings
    return settings.model_copy(update={"suppression_file": listed})


def suppress_in(journal: Journal, suppressed: SuppressionList) -> None:
    """Let the addresses of a journal that are on the list end as suppressed, also those that were answered before.

    So do others for which the API gave the lead of somebody on the list: who changes her address is still the same.

    Raises:
        StorageError: the journal cannot be read or written.
    """
    if not len(suppressed):
        return
    if count := suppress(journal.path, suppressed.__contains__):
        logger.info("%s suppressed: not looked up", counted(count, "address"))
    suppress_replies_in(journal, suppressed)


def suppress_replies_in(journal: Journal, suppressed: SuppressionList) -> None:
    """Let addresses for which the API gave the lead of somebody on the list end as suppressed.

    Raises:
        StorageError: the journal cannot be read or written.
    """
    if not len(suppressed):
        return
    if count := suppress_answers(journal.path, EmailMismatch.code, lambda answer: _is_about_one(answer, suppressed)):
        logger.info("%s suppressed: the reply is about somebody who is", counted(count, "address"))


def _may_be_of_another(code: str | None) -> bool:
    """Whether an answer with this code may hold the lead of another address; one that was kept has lost its own."""
    return code is not None and (code == EmailMismatch.code or code.startswith(KEPT))


def _is_about_one(answer: Answer, suppressed: SuppressionList) -> bool:
    """Whether a reply holds the lead of somebody on the list, whatever address it was asked for."""
    email = _address_in(answer.body) if answer.body else None
    return email is not None and email in suppressed


def _address_in(body: bytes) -> str | None:
    """The address of the lead in a reply, if it has one."""
    if (lead := peek_identity(body)) is not None:
        return lead.email
    with suppress_error(MalformedReply):
        reply = read_leniently(body)
        return reply.lead.email if isinstance(reply, FoundLead) else None
    return None


def without_suppressed(records: Records, suppressed: SuppressionList) -> Records | None:
    """The records of a published run with everybody on the list suppressed; None if nobody in them is.

    Raises:
        StorageError: the records cannot be read.
    """
    if not len(suppressed):
        return None
    rows, answers = records.rows(), records.answers()
    emails = {row.email for row in rows.slice(0, rows.count) if row.email and row.email in suppressed}
    odd = (answer for answer in answers.slice(0, answers.count) if _may_be_of_another(answer.code))
    emails |= {answer.email for answer in odd if _is_about_one(answer, suppressed)}
    return _Records(records, frozenset(map(spelling, emails))) if emails else None


def codes_of(records: Records) -> dict[str, dict[str, int]]:
    """How many rows there are by outcome and code, as `JournalRows.codes` counts them.

    Raises:
        StorageError: the records cannot be read.
    """
    rows = records.rows()
    counts = Counter((row.outcome, row.code) for row in rows.slice(0, rows.count) if row.code is not None)
    codes: dict[str, dict[str, int]] = {}
    for (outcome, code), count in sorted(counts.items(), key=lambda item: (item[0][0], -item[1], item[0][1])):
        codes.setdefault(outcome, {})[code] = count
    return codes


@dataclass(frozen=True, slots=True)
class _Records:
    """Records in which these people, addresses in the form that `emails.address.key` gives them, are suppressed."""

    records: Records
    people: frozenset[str]

    def rows_read(self) -> int:
        return self.records.rows_read()

    def answers(self) -> _Answers:
        return _Answers(self.records.answers(), self.people)

    def rows(self) -> _Rows:
        return _Rows(self.records.rows(), self.people)


@dataclass(frozen=True, slots=True)
class _Answers:
    given: Sliceable[Answer]
    people: frozenset[str]

    @property
    def count(self) -> int:
        return self.given.count

    def slice(self, first: int, last: int) -> Iterator[Answer]:
        for answer in self.given.slice(first, last):
            yield _ANSWER if spelling(answer.email) in self.people else answer


@dataclass(frozen=True, slots=True)
class _Rows:
    given: Sliceable[RowOutcome]
    people: frozenset[str]

    @property
    def count(self) -> int:
        return self.given.count

    def slice(self, first: int, last: int) -> Iterator[RowOutcome]:
        for row in self.given.slice(first, last):
            is_suppressed = row.email is not None and spelling(row.email) in self.people
            yield _row(row.input, row.row) if is_suppressed else row


_ANSWER = Answer("", Outcome.SUPPRESSED, attempts=0, answered_at_ms=0)


def _row(name: str, number: int) -> RowOutcome:
    """A row of somebody who is suppressed: nothing is left but where it is."""
    return RowOutcome(name, number, None, None, Outcome.SUPPRESSED, None, None, None, 0, None)
