"""The attempt that a command makes: what is known of it so far, until its ending is reported."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pipeline.jobs.manifest import Manifest
    from pipeline.reporters.reporting import Reporting
    from pipeline.settings import Settings

monitor_option = click.option(
    "--monitor/--no-monitor",
    default=None,
    help="Report how it ends: to files, metrics and pings.  [default: on for run, but not with --sandbox]",
)


class Monitor:
    """Collects what the reporters are told in the end; does nothing until a command makes an attempt.

    Attributes:
        manifest: what the attempt has done; None while that is not known.
        sentence: the same for a person.
    """

    def __init__(self) -> None:
        self._reporting: Reporting | None = None
        self._state: Path | None = None
        self._notes: list[str] = []
        self.run_id: str | None = None
        self.manifest: Manifest | None = None
        self.sentence = ""

    @classmethod
    def current(cls) -> Monitor:
        """That of the command which is running."""
        return click.get_current_context().find_object(cls) or cls()

    def attempt(self, command: str, out: Path, *, keeps_history: bool = True) -> None:
        """The command makes an attempt that is to be reported; its settings are not known yet.

        Args:
            command: its name.
            out: what the user named with `--out`.
            keeps_history: whether `out` is a folder of runs, which has a history.
        """
        import logging

        from pipeline.cli.log import Notices
        from pipeline.files.state import StateFolder
        from pipeline.reporters.reporting import Reporting

        self._reporting = Reporting(command, out)
        self._state = StateFolder.in_folder(out).path if keeps_history else None
        logging.getLogger("pipeline").addHandler(Notices(self._notes))

    def knows(self, settings: Settings) -> None:
        """The settings of the attempt are known."""
        if self._reporting is not None:
            self._reporting.settings = settings

    def began(self) -> None:
        """The job holds its folder."""
        if self._reporting is None:
            return
        with _harmless():
            from pipeline.jobs.notice import NOTICE

            for dead in self._reporting.began(self._state):
                _warn(
                    "The attempt of %s UTC%s ended without a word: it was killed, or the machine stopped.",
                    dead.started_at[:16].replace("T", " "),
                    f" at the run {dead.run_id}" if dead.run_id else "",
                    extra=NOTICE,
                )

    def named(self, run_id: str) -> None:
        """The run has its name."""
        self.run_id = run_id
        if self._reporting is not None:
            with _harmless():
                self._reporting.named(run_id)

    def take_untold(self, drift: Iterable[str]) -> list[str]:
        """The names of what differs in replies, without those that were told before; see `known_drift`.

        None are told where that cannot be noted, as for `enrich` and with `--sandbox`: it would be told every time.
        """
        if self._reporting is None or self._state is None:
            return []
        from pipeline.reporters.known_drift import take_untold

        return take_untold(self._state, drift)

    def ended(self, exit_code: int, sentence: str) -> None:
        """Tell the reporters; Ctrl-C skips those that have not finished."""
        if self._reporting is None:
            return
        with suppress(KeyboardInterrupt), _harmless():
            state = self._state if self._state is not None and self._state.is_dir() else None
            manifest = self.manifest.to_dict() if self.manifest is not None else None
            self._reporting.ended(exit_code, sentence, state=state, notes=self._notes, manifest=manifest)


@contextmanager
def _harmless() -> Iterator[None]:
    """Whatever goes wrong in monitoring is a warning, and never changes how a run goes or ends."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - as said
        _warn("Monitoring: failed (%s).", type(error).__name__)


def _warn(message: str, *values: object, extra: dict[str, bool] | None = None) -> None:
    import logging

    logging.getLogger(__name__).warning(message, *values, extra=extra)
