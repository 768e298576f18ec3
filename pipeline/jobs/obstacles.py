"""What would keep a command from resuming its run now: credentials that are not set, lists that have changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pipeline.emails.lists import STDIN
from pipeline.errors import StopRun, UsageError
from pipeline.jobs.import_lists import email_lists
from pipeline.jobs.request import Request
from pipeline.jobs.unfinished import is_of_another_night, why_of_another_night
from pipeline.outcomes import now_ms

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pipeline.emails.lists import EmailList
    from pipeline.journal.replay import JournalSummary
    from pipeline.settings import Settings


_LARGE_BYTES = 32 << 20
"""Up to this size a list is read in a fraction of a second."""
_CLOCK_S = 2.0
"""File systems round times, at the most to two seconds."""


class Given(NamedTuple):
    """What a command line gives a job: its settings, as they would be now, and its lists."""

    settings: Settings
    lists: Sequence[Path]


def obstacles(given: Given, run: JournalSummary) -> list[str]:
    """Sentences about what has to be done before `given` resumes `run`; none if it would resume it right away."""
    return [*_credentials(given.settings), *_lists(given, run)]


def _credentials(settings: Settings) -> Iterator[str]:
    try:
        settings.require_credentials()
    except UsageError as error:
        yield str(error)


def _lists(given: Given, run: JournalSummary) -> Iterator[str]:
    settings = given.settings
    try:
        lists = email_lists(given.lists, settings)
    except StopRun as error:
        yield str(error)
        return
    if pipes := [source for source in lists if source.is_pipe]:  # reading one would take it from whoever it is for
        yield f"It reads {' and '.join(map(_pipe, pipes))}: pipe the same list into it again."
    elif not settings.app_id.get_secret_value():  # said already; that it is another App's run would only confuse
        yield from _differences(lists, given, run, hidden="another App id")
    else:
        yield from _differences(lists, given, run)


def _pipe(source: EmailList) -> str:
    return source.name if str(source.path) == STDIN else str(source.path)


def _differences(lists: Sequence[EmailList], given: Given, run: JournalSummary, *, hidden: str = "") -> Iterator[str]:
    try:
        request = Request.of(None, lists, given.settings, known=_untouched(lists, run))
    except StopRun as error:
        yield str(error)
        return
    differences = "; ".join(words for words in request.differences(run) if words != hidden)
    if differences and request.is_for_account_of(run):
        yield f"It would begin a new run that takes over its answers: {differences}."
    elif differences and given.settings.unfinished == "replace":
        yield f"It would start over, not resume: {differences}."
    elif differences:
        yield f"It would be refused: {differences}. Restore that, or start over with --new."
    elif is_of_another_night(run, given.settings, moment := now_ms()):
        why = why_of_another_night(run, given.settings, moment)
        yield f"It would begin a new run that takes over its answers: {why}."


def _untouched(lists: Sequence[EmailList], run: JournalSummary) -> dict[Path, str]:
    """Hashes of those large lists that show no change since the run began: to read them takes too long."""
    if [source.name for source in lists] != [entry.name for entry in run.lists]:
        return {}
    return {
        source.path: entry.sha256
        for source, entry in zip(lists, run.lists, strict=True)
        if _is_large_and_older(source.path, run.run.started_at_ms / 1_000 - _CLOCK_S)
    }


def _is_large_and_older(path: Path, moment_s: float) -> bool:
    try:
        file, link = path.stat(), path.lstat()
    except OSError:
        return False  # reading it will say why
    # The time of the last change of the inode tells also of files put in its place, whatever time they state.
    return file.st_size >= _LARGE_BYTES and max(file.st_mtime, file.st_ctime, link.st_ctime) < moment_s
