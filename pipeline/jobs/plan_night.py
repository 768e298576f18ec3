"""What a run would ask for tonight, of the addresses in its lists: what an earlier run knows, and what is due of it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from pipeline.emails.address import key
from pipeline.errors import StopRun, StorageError
from pipeline.history.due import choice_of, count_due
from pipeline.jobs.budget import carries_over, is_limited
from pipeline.jobs.earlier import check_carrying, newest_answers
from pipeline.jobs.runs import name_is_published
from pipeline.jobs.unfinished import is_replacing, refusal, to_resume
from pipeline.journal.ages import answer_dates
from pipeline.journal.replay import read_summary
from pipeline.outcomes import now_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pipeline.files.folder import OutputFolder
    from pipeline.jobs.request import Request
    from pipeline.journal.replay import JournalSummary
    from pipeline.settings import Settings


class Tonight(NamedTuple):
    """How many addresses a run would look up.

    Attributes:
        answered: those that the unfinished run which it resumes has answered.
        to_ask: those that it would look up.
        carried: those that it would not, as an earlier answer is good enough.
        refused: why it would be refused; None if it would not.
        resumed: the run that it resumes; None if it starts a new one.
    """

    answered: int
    to_ask: int
    carried: int = 0
    refused: str | None = None
    resumed: JournalSummary | None = None


def tonight(folder: OutputFolder | None, request: Request, settings: Settings, addresses: set[int]) -> Tonight:
    """What a run with this request would look up of these addresses, given as hashes of their keys.

    Those of which an earlier run has an answer are taken out of `addresses`: memory for another set is spared.
    """
    everybody = Tonight(0, len(addresses))
    try:
        check_carrying(settings)
        if folder is None:
            return everybody
        if request.run_id and folder.is_published(request.run_id):
            return everybody._replace(refused=name_is_published(request.run_id, folder.state.owner))
        return _in_folder(folder, request, settings, addresses)
    except StopRun as error:
        return everybody._replace(refused=str(error))


def _in_folder(folder: OutputFolder, request: Request, settings: Settings, addresses: set[int]) -> Tonight:
    count, known, moment_ms = len(addresses), _unfinished(folder), now_ms()
    if same := to_resume(known, request, settings, moment_ms):
        carried = same.askable - same.answered - same.to_ask
        return Tonight(same.answered, same.to_ask, carried=carried, resumed=same)
    in_the_way = [run for run in known if request.run_id in (None, run.run.run_id)]
    if not is_replacing(request, settings) and (reason := refusal(in_the_way, request)):
        return Tonight(0, count, refused=reason)
    if not request.resume:
        return Tonight(0, count)
    dates = _dates(folder, known, in_the_way, request, settings)
    to_ask = count_due(
        _of_these(dates, addresses), count, choice_of(settings, count, moment_ms, is_limited=is_limited(settings))
    )
    return Tonight(0, to_ask, carried=count - to_ask)


def _unfinished(folder: OutputFolder) -> list[JournalSummary]:
    """The unfinished runs, newest first; a journal that cannot be read has no answers."""
    known = []
    for path in folder.state.journals():
        if folder.is_published(folder.state.run_id(path)):
            continue  # its process was killed right then; the next run tidies up
        with suppress(StorageError):
            if seen := read_summary(path):
                known.append(seen)
    return sorted(known, key=lambda run: run.run.started_at_ms, reverse=True)


def _dates(
    folder: OutputFolder,
    known: Iterable[JournalSummary],
    in_the_way: Iterable[JournalSummary],
    request: Request,
    settings: Settings,
) -> Iterator[tuple[str, int]]:
    """Addresses with the dates of their answers, the newest runs first."""
    for run in known if carries_over(settings) else in_the_way:
        if request.is_for_account_of(run):
            yield from answer_dates(run.path)
    if carries_over(settings) and (newest := newest_answers(folder, settings)):
        yield from newest.run.answer_dates()


def _of_these(dates: Iterable[tuple[str, int]], addresses: set[int]) -> Iterator[int]:
    """The dates of the answers for these addresses, the first for each."""
    for email, at_ms in dates:
        hashed = hash(key(email))
        if hashed in addresses:
            addresses.discard(hashed)
            yield at_ms
