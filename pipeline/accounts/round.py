"""`lanes.json`: one round over the accounts, and how each of them fared; what a command needs to go on with it.

A round that was interrupted (its process was killed, or a signal stopped it or a lane) goes on with the same command
for half a day: accounts that it has published are not asked again. One that came to its own end is over, whatever the
exit codes; the next is that of another night.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from pipeline.errors import ExitCode
from pipeline.files import durable
from pipeline.filesystem import sync
from pipeline.outcomes import iso

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

FILE = "lanes.json"
VERSION = 1
SAME_NIGHT_H = 12.0
"""Hours after the start of a round in which it can go on."""
WORST_FIRST = (
    *(ExitCode.BUG, ExitCode.STORAGE, ExitCode.REFUSED, ExitCode.UNAVAILABLE, ExitCode.USAGE, ExitCode.LEADS_GONE),
    *(ExitCode.TERMINATED, ExitCode.INTERRUPTED, ExitCode.BUSY),
    *(ExitCode.INCOMPLETE, ExitCode.ROWS_FAILED, ExitCode.OK),
)
"""First what somebody has to mend, then what the same command mends, then what was published."""
_BY_SIGNAL = 128
State = Literal["fresh", "stale", "missing"]


class LaneRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How an account fared. Times are ISO 8601 in UTC; what is None is not in the JSON.

    Attributes:
        out: the folder of its runs.
        code: the exit code, 128 and the number of the signal if one killed it; None while it waits or is at work.
        published: whether it has published a run in this round.
        run_id: the name of the run.
        rows: rows by outcome, and `read`, their sum.
        calls: calls by kind.
        calls_per_s: calls started per second.
        started_at: when its process was started; None if it was not.
        ended_at: when that ended.
        sentence: why it stopped.
    """

    out: str
    code: int | None = None
    published: bool = False
    run_id: str | None = None
    rows: dict[str, int] = msgspec.field(default_factory=dict)
    calls: dict[str, int] = msgspec.field(default_factory=dict)
    calls_per_s: float | None = None
    started_at: str | None = None
    ended_at: str | None = None
    sentence: str | None = None

    @property
    def was_stopped(self) -> bool:
        """Whether it did not come to its own end."""
        return self.code is not None and self.code >= _BY_SIGNAL


class CombinedAccount(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What of an account is in the combined tables.

    Attributes:
        state: `fresh` if the run is of this round, `stale` if it is an older one, `missing` if there is none.
        run_id: the name of the run; None if it is missing.
        finished_at: when it was published; ISO 8601 in UTC.
        reason: why the newest run was left out, if there is one.
    """

    state: State
    run_id: str | None = None
    finished_at: str | None = None
    reason: str | None = None


class CombinedRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of the combined tables.

    Attributes:
        run_id: the name of the combined run; None if there is none of this round.
        code: the exit code that they alone would give.
        accounts: which run of each account is in there.
        sentence: why there are none.
    """

    run_id: str | None = None
    code: int = 0
    accounts: dict[str, CombinedAccount] = msgspec.field(default_factory=dict)
    sentence: str | None = None


class Round(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One round. Times are ISO 8601 in UTC.

    Attributes:
        version: of this format.
        started_at: when it first started.
        ended_at: when its process ended; None while it is at work, or if it ended without a word.
        exit_code: that of the process.
        asked: the accounts that were asked for.
        lanes: how each account fared, by its name; of those that were not asked for, in the last round with them.
        combined: what became of the combined tables; None if there were to be none.
    """

    version: int
    started_at: str
    ended_at: str | None = None
    exit_code: int | None = None
    asked: list[str]
    lanes: dict[str, LaneRecord]
    combined: CombinedRecord | None = None

    def goes_on(self, asked: Sequence[str], now_ms: int) -> bool:
        """Whether a command over these accounts goes on with it."""
        if self.asked != list(asked) or self.started_at < iso(now_ms - int(SAME_NIGHT_H * 3_600_000)):
            return False
        was_stopped = any(self.lanes[name].was_stopped for name in self.asked if name in self.lanes)
        return self.ended_at is None or was_stopped or (self.exit_code or 0) >= _BY_SIGNAL


def read_round(state: Path) -> Round | None:
    """The last round in a common folder, whose hidden folder is `state`; None if none is known."""
    try:
        found = msgspec.json.decode((state / FILE).read_bytes(), type=Round)
    except (OSError, msgspec.DecodeError):
        return None
    return found if found.version == VERSION else None


def write_round(state: Path, found: Round) -> None:
    """Replace the file in one step.

    Raises:
        StorageError: it cannot be written.
    """
    staged = state / f"{FILE}.partial"
    with durable.storage_errors(staged):
        staged.unlink(missing_ok=True)
        with durable.create(staged) as file:
            file.write(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
        sync(staged)
        staged.replace(state / FILE)
        sync(state)


def code_of(returncode: int) -> int:
    """The exit code of a process, as a shell shows it: 128 and the number of the signal that killed it."""
    return returncode if returncode >= 0 else _BY_SIGNAL - returncode


def worst(codes: Iterable[int]) -> ExitCode:
    """The exit code of a round with these codes; a lane that was killed counts as stopped."""
    known = {code if code in set(ExitCode) else _closest(code) for code in codes}
    return next((code for code in WORST_FIRST if code in known), ExitCode.OK)


def _closest(code: int) -> ExitCode:
    return ExitCode.TERMINATED if code > _BY_SIGNAL else ExitCode.BUG
