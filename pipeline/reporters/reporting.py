"""The reporters of one attempt, from its beginning to its end.

They share half a minute, in threads that nobody waits for longer. Whatever happens to them, the exit code stays; one
that fails is a warning. Those that write files take turns, so that each finds what the one before has written; those
that call somebody go at the same time, so that none has to wait for another.
"""

from __future__ import annotations

import logging
import threading
import uuid
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.errors import ExitCode, LeadExportError
from pipeline.outcomes import now_ms
from pipeline.reporters.ending import (
    REPORTING_S,
    Context,
    Deadline,
    Ending,
    ReporterFailed,
    without_quotes,
    without_secrets,
)
from pipeline.reporters.history import Attempt
from pipeline.reporters.last_attempt import RunningAttempt, tidy_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from pipeline.reporters.ending import Manifest
    from pipeline.settings import Settings

logger = logging.getLogger(__name__)


class Reporter(NamedTuple):
    """A module of this package, which is imported only if it is wanted.

    Attributes:
        name: of the module.
        settings: it is wanted if one of these is set; always if there are none.
    """

    name: str
    settings: tuple[str, ...] = ()

    def is_wanted(self, settings: Settings | None) -> bool:
        """Whether it has anything to do."""
        return not self.settings or (settings is not None and any(_is_set(settings, key) for key in self.settings))


PINGS = Reporter("ping", ("ping_url", "ping_start_url", "ping_success_url", "ping_failure_url"))
LANES = (
    (Reporter("history"), Reporter("last_attempt"), Reporter("metrics", ("metrics_file",))),
    (PINGS,),
    (Reporter("notify", ("notify_urls", "notify_webhook")),),
)
"""Reporters of one lane take turns."""


def _is_set(settings: Settings, key: str) -> bool:
    value = getattr(settings, key)
    return bool(value.get_secret_value() if hasattr(value, "get_secret_value") else value)


class Reporting:
    """Tells the reporters of one attempt.

    Args:
        command: what is run: `run` or `enrich`.
        root: what the user named with `--out`.
        reporting_s: seconds that all reporters share.

    Attributes:
        settings: those of the attempt, once they are known.
    """

    def __init__(self, command: str, root: Path, *, reporting_s: float = REPORTING_S) -> None:
        self._command, self._root, self._reporting_s = command, root, reporting_s
        self._id, self._started_at_ms = str(uuid.uuid4()), now_ms()
        self._running: RunningAttempt | None = None
        self._start_ping: Any = None
        self.settings: Settings | None = None

    def began(self, state: Path | None) -> list[Attempt]:
        """The attempt holds its folder; `state` is the hidden one of the runs in there, None if there is none to keep.

        Returns:
            Earlier attempts that ended without a word.
        """
        dead: list[Attempt] = []
        if state is not None:
            try:
                dead = tidy_up(state)
                self._running = RunningAttempt.begin(state, self._at_work())
            except ReporterFailed as error:
                logger.warning("Monitoring: %s", error)
        if PINGS.is_wanted(self.settings):
            from pipeline.reporters.ping import StartPing

            self._start_ping = StartPing(self._context(state), self._id)
            self._start_ping.begin()
        return dead

    def named(self, run_id: str) -> None:
        """The run has its name."""
        if self._running is not None:
            self._running.describe(self._at_work(run_id))

    def ended(
        self,
        exit_code: int,
        sentence: str,
        *,
        state: Path | None,
        notes: Iterable[str] = (),
        manifest: Manifest | None = None,
    ) -> None:
        """Tell all reporters; return when they have finished, or when their time is over."""
        secrets = self._secrets()
        told = without_quotes(sentence) if exit_code == ExitCode.USAGE else sentence
        ending = Ending(
            attempt_id=self._id,
            command=self._command,
            started_at_ms=self._started_at_ms,
            ended_at_ms=now_ms(),
            exit_code=exit_code,
            sentence=without_secrets(told, secrets),
            notes=tuple(without_secrets(note, secrets) for note in notes),
            manifest=manifest,
        )
        context = self._context(state)
        lanes = [_Lane(self._wanted(lane), ending, context) for lane in LANES]
        for lane in lanes:
            lane.thread.start()
        for lane in lanes:
            lane.thread.join(context.deadline.left_s())
        if self._running is not None:
            self._running.close()
        for warning in [line for lane in lanes for line in lane.warnings()]:
            logger.warning("Monitoring: %s", without_secrets(warning, secrets))

    def _at_work(self, run_id: str | None = None) -> Attempt:
        return Attempt.at_work(self._id, self._command, self._started_at_ms, run_id)

    def _context(self, state: Path | None) -> Context:
        return Context(self._root, state, self.settings, Deadline(self._reporting_s))

    def _secrets(self) -> list[str]:
        from pipeline.settings import SECRETS

        settings = self.settings
        return [getattr(settings, key).get_secret_value() for key in SECRETS] if settings is not None else []

    def _wanted(self, lane: Sequence[Reporter]) -> list[tuple[str, Callable[[Ending, Context], None]]]:
        """The reporters of a lane that have something to do, by name; each is imported only when it is called."""
        own: dict[str, dict[str, Any]] = {
            "last_attempt": {"running": self._running},
            "ping": {"start": self._start_ping},
        }
        wanted = [reporter.name for reporter in lane if reporter.is_wanted(self.settings)]
        return [(name, partial(_report, name, **own.get(name, {}))) for name in wanted]


def _report(name: str, ending: Ending, context: Context, **own: Any) -> None:  # noqa: ANN401 - of any reporter
    import_module(f"pipeline.reporters.{name}").report(ending, context, **own)


class _Lane:
    """Reporters that take turns, in a thread of their own."""

    def __init__(
        self, reporters: list[tuple[str, Callable[[Ending, Context], None]]], ending: Ending, context: Context
    ) -> None:
        self._reporters, self._ending, self._context = reporters, ending, context
        self._left = [name for name, _ in reporters]
        self._warnings: list[str] = []
        self.thread = threading.Thread(target=self._run, name="reporters", daemon=True)

    def _run(self) -> None:
        for name, report in self._reporters:
            try:
                report(self._ending, self._context)
            except LeadExportError as error:
                self._warnings.append(f"{_words(name)}: {error}.")
            except Exception as error:  # noqa: BLE001 - a reporter must never change how a run ends
                self._warnings.append(f"{_words(name)}: a bug in lead-export ({type(error).__name__}).")
            self._left.remove(name)

    def warnings(self) -> list[str]:
        """What went wrong: one sentence for each reporter that failed, or that has not finished."""
        late = [f"{_words(name)}: not finished in time." for name in self._left]
        return [*self._warnings, *late]


def _words(name: str) -> str:
    return name.replace("_", " ")
