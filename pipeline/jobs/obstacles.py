"""What would keep a command from resuming its run now: credentials that are not set, lists that have changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pipeline.emails.lists import STDIN
from pipeline.errors import StopRun, UsageError
from pipeline.jobs.import_lists import email_lists
from pipeline.jobs.request import Request

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pipeline.journal.replay import JournalSummary
    from pipeline.settings import Settings


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
    if any(str(path) == STDIN for path in given.lists):
        yield "It reads standard input: pipe the same list into it again."
        return
    settings = given.settings
    if not settings.app_id.get_secret_value():  # said already; that it is another App's run would only confuse
        yield from _differences(given, run, hidden="another App id")
    else:
        yield from _differences(given, run)


def _differences(given: Given, run: JournalSummary, *, hidden: str = "") -> Iterator[str]:
    try:
        request = Request.of(None, email_lists(given.lists, given.settings), given.settings)
    except StopRun as error:
        yield str(error)
        return
    differences = "; ".join(words for words in request.differences(run) if words != hidden)
    if differences and given.settings.unfinished == "replace":
        yield f"It would start over, not resume: {differences}."
    elif differences:
        yield f"It would be refused: {differences}. Restore that, or start over with --new."
