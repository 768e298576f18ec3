"""One round over several accounts: a process for each, side by side; then their tables together."""

from __future__ import annotations

import asyncio
import logging
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from pipeline.accounts.lanes import with_own_variables
from pipeline.accounts.process import LaneProcess, signals_passed_on
from pipeline.accounts.protocol import Event, LaneRequest, stopped_because
from pipeline.accounts.round import (
    VERSION,
    CombinedRecord,
    LaneRecord,
    Round,
    code_of,
    read_round,
    worst,
    write_round,
)
from pipeline.errors import ExitCode, StorageError
from pipeline.files import durable
from pipeline.files.folder import OutputFolder, read_manifest
from pipeline.files.modes import Modes
from pipeline.files.state import StateFolder
from pipeline.jobs.before import done, unfinished_name, unless_held
from pipeline.jobs.suppressing import heeding_common_list
from pipeline.outcomes import iso, now_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pipeline.accounts.lanes import Accounts, Lane

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class How:
    """How the lanes are run.

    Attributes:
        words: the command that starts a lane, up to the name of its account.
        command: what a person would type to resume an account.
        jobs: how many at a time; 0 = all.
        new: whether to start over.
        monitor: whether the lanes tell reporters how they end.
        combined: whether to put the tables together.
        require: `all` if only with a new run of each account, else `any`.
    """

    words: Sequence[str]
    command: Callable[[str], str]
    jobs: int = 0
    new: bool = False
    monitor: bool = True
    combined: bool = True
    require: str = "any"


class LanesObserver:
    """Is told how the lanes fare. Override the methods you need; by default they do nothing."""

    def started(self, name: str) -> None:
        """The process of an account was started."""

    def heard(self, name: str, event: Event) -> None:
        """An account has sent news."""

    def said(self, name: str, line: str) -> None:
        """An account has said something on its standard error."""

    def ended(self, name: str, record: LaneRecord) -> None:
        """An account has ended, or had nothing to do."""

    def combining(self) -> None:
        """All accounts have ended; their tables are being put together."""


def run_all(accounts: Accounts, how: How, observer: LanesObserver) -> Round:
    """Run all accounts that were asked for, and put the tables of all together; return how it went.

    Raises:
        UsageError: the common folder cannot be used; nothing was started.
        StorageError: it cannot be written.
        FolderBusy: another process holds it.
        KeyboardInterrupt: a signal came while the tables were put together; the same command goes on with that.
    """
    OutputFolder(accounts.out).check_place()
    folder = StateFolder.in_folder(accounts.out)
    if not accounts.out.exists():
        folder.check_writable()
        with durable.storage_errors(accounts.out):
            Modes.of(accounts.settings).grant_folder(accounts.out)
    with folder.locked():
        keeper = _Keeper.begin(folder.path, accounts, new=how.new)
        lanes = _Lanes(accounts, how, observer, keeper)
        asyncio.run(lanes.run())
        if how.combined and not lanes.stopped_by:
            observer.combining()
            keeper.combined(_combined(accounts, how, keeper.round))
        return keeper.end(lanes.stopped_by)


def _combined(accounts: Accounts, how: How, found: Round) -> CombinedRecord:
    from pipeline.jobs.combining import combine  # noqa: PLC0415 - it loads pandas, which nothing before it needs

    fresh = {name: lane.run_id for name, lane in found.lanes.items() if lane.published and lane.run_id}
    asked = {name: run_id for name, run_id in fresh.items() if name in found.asked}
    name = found.started_at[:19].replace("-", "").replace(":", "") + "Z"
    return combine(accounts, asked, name, how.require)


class _Keeper:
    """Keeps `lanes.json` up to date; that it cannot be written ends nothing, but shows in the exit code.

    Attributes:
        round: the present one.
        before: how the accounts fared so far in the round that goes on; empty for a new one.
        orphans: accounts whose process may still be at work, though its parent was killed.
    """

    def __init__(self, state: Path, found: Round, before: dict[str, LaneRecord]) -> None:
        self._state = state
        self._codes: list[int] = []
        self.round, self.before = found, before
        self.orphans: set[str] = set()

    @classmethod
    def begin(cls, state: Path, accounts: Accounts, *, new: bool) -> _Keeper:
        """Go on with the round that was interrupted, or begin another one.

        Raises:
            StorageError: the file cannot be written.
        """
        asked = [lane.name for lane in accounts.lanes]
        last, now = read_round(state), now_ms()
        known = {name: lane for name, lane in last.lanes.items() if name in accounts.folders} if last else {}
        goes_on = last is not None and not new and last.goes_on(asked, now)
        waiting = {lane.name: LaneRecord(out=str(lane.out)) for lane in accounts.lanes}
        began = last.started_at if last and goes_on else iso(now)
        lanes = {**waiting, **known} if goes_on else {**known, **waiting}
        keeper = cls(
            state, Round(version=VERSION, started_at=began, asked=asked, lanes=lanes), known if goes_on else {}
        )
        if last is not None and last.ended_at is None:
            keeper.orphans = {name for name, lane in known.items() if lane.code is None}
        write_round(state, keeper.round)
        return keeper

    def lane(self, name: str, record: LaneRecord) -> None:
        """An account has news worth keeping."""
        self._replace(msgspec.structs.replace(self.round, lanes={**self.round.lanes, name: record}))

    def combined(self, record: CombinedRecord) -> None:
        """The tables were put together, or not."""
        self._replace(msgspec.structs.replace(self.round, combined=record))

    def end(self, stopped_by: ExitCode | None) -> Round:
        """The round is over; return it with its exit code: that of the signal, or the worst."""
        codes = [lane.code or 0 for name, lane in self.round.lanes.items() if name in self.round.asked]
        combined = self.round.combined.code if self.round.combined else 0
        code = stopped_by or worst([*codes, combined, *self._codes])
        self._replace(msgspec.structs.replace(self.round, ended_at=iso(now_ms()), exit_code=int(code)))
        if self._codes and not stopped_by:  # even if nothing went wrong before this last time
            return msgspec.structs.replace(self.round, exit_code=int(worst([code, *self._codes])))
        return self.round

    def _replace(self, found: Round) -> None:
        self.round = found
        try:
            write_round(self._state, found)
        except StorageError as error:
            if not self._codes:
                logger.warning("%s", error)
            self._codes.append(error.exit_code)


class _Lanes:
    """The lanes of a round at work.

    Attributes:
        stopped_by: the exit code of the signal that has stopped them, if one has.
    """

    def __init__(self, accounts: Accounts, how: How, observer: LanesObserver, keeper: _Keeper) -> None:
        self._accounts, self._how, self._observer, self._keeper = accounts, how, observer, keeper
        self._processes: list[LaneProcess] = []
        self._at_a_time = min(len(accounts.lanes), how.jobs or len(accounts.lanes))
        self.stopped_by: ExitCode | None = None

    async def run(self) -> None:
        """Run them until all have ended."""
        places = asyncio.Semaphore(self._at_a_time)
        with signals_passed_on(self._stop):
            await asyncio.gather(*(self._in_turn(lane, places) for lane in self._accounts.lanes))

    def _stop(self, number: signal.Signals) -> None:
        self.stopped_by = ExitCode.INTERRUPTED if number == signal.SIGINT else ExitCode.TERMINATED
        for process in self._processes:
            process.send(number)

    async def _in_turn(self, lane: Lane, places: asyncio.Semaphore) -> None:
        async with places:
            before = self._keeper.before.get(lane.name)
            if lane.name in self._keeper.orphans:
                await unless_held(StateFolder.in_folder(lane.out), lambda: self.stopped_by is not None)
            record = await asyncio.to_thread(done, lane, before) if before else None
            if record is None and self.stopped_by:
                record = LaneRecord(out=str(lane.out), code=self.stopped_by, sentence="It was not started.")
            if record is None:
                record = await self._run(lane, before)
        self._keeper.lane(lane.name, record)
        self._observer.ended(lane.name, record)

    async def _run(self, lane: Lane, before: LaneRecord | None) -> LaneRecord:
        """Run the process of a lane to its end."""
        run_id = unfinished_name(lane, before) if before else None
        resumed = before.run_id if before and before.run_id and not _is_published(lane, before.run_id) else run_id
        begun = LaneRecord(out=str(lane.out), started_at=iso(now_ms()), run_id=resumed)
        name, news = lane.name, _News(lane.name, begun)
        self._keeper.lane(name, begun)

        def hear(event: Event) -> None:
            if news.take(event):
                self._keeper.lane(name, news.record)
            self._observer.heard(name, event)

        process = LaneProcess([*self._how.words, name], hear, lambda line: self._observer.said(name, line))
        settings = lane.settings
        if settings.workers == 0 and self._at_a_time > 1:  # the cores have enough to do with the other accounts
            settings = settings.model_copy(update={"workers": 1})
        settings = heeding_common_list(settings, self._accounts.out, lane.out)
        request = LaneRequest.of(
            lane, settings, self._how.command(name), run_id=run_id, new=self._how.new, monitor=self._how.monitor
        )
        self._processes.append(process)
        self._observer.started(name)
        try:
            returned = await process.run(request)
        except StorageError as error:
            return msgspec.structs.replace(news.record, code=int(error.exit_code), sentence=str(error))
        return news.ended(lane, returned)


class _News:
    """What a lane has told of itself, as its record."""

    def __init__(self, name: str, record: LaneRecord) -> None:
        self._name, self.record = name, record

    def take(self, event: Event) -> bool:
        """Take over what is to be kept; return whether a round that is interrupted now must know it."""
        named = event.run_id is not None and event.run_id != self.record.run_id
        known = {
            "run_id": event.run_id,
            "published": event.published or None,
            "rows": event.rows or None,
            "calls": event.calls or None,
            "calls_per_s": event.achieved_per_s,
            "sentence": with_own_variables(self._name, event.sentence) or None,
        }
        changes = {key: value for key, value in known.items() if value is not None}
        self.record = msgspec.structs.replace(self.record, **changes)
        return named or event.published

    def ended(self, lane: Lane, returned: int) -> LaneRecord:
        """The record of a lane whose process has ended."""
        record = msgspec.structs.replace(self.record, code=code_of(returned), ended_at=iso(now_ms()))
        if not record.published and record.run_id and record.was_stopped:
            record = msgspec.structs.replace(record, published=_is_published(lane, record.run_id))
        if returned and not record.published and not record.sentence:
            record = msgspec.structs.replace(record, sentence=stopped_because(lane.out, code_of(returned)))
        return record


def _is_published(lane: Lane, run_id: str) -> bool:
    return read_manifest(OutputFolder(lane.out).run(run_id)) is not None
