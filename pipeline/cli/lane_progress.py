"""How far the run of one account is, as events for the process that shows all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.accounts.protocol import Event, Events
from pipeline.cli.progress import Progress
from pipeline.errors import ExitCode, StopRun
from pipeline.reporters.ending import without_quotes, without_secrets

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.monitor import Monitor
    from pipeline.jobs.manifest import Manifest


class LaneProgress(Progress):
    """Sends an event every second, and one when the run has its name or is published; a context manager.

    Args:
        events: where they go.
        monitor: is told how the attempt goes, too.
    """

    def __init__(self, events: Events, monitor: Monitor) -> None:
        super().__init__(enabled=False, monitor=monitor)
        self._events = events

    def named(self, run_id: str) -> None:
        """Send the name."""
        super().named(run_id)
        self._events.send(Event(run_id=run_id), surely=True)

    def published(self, path: Path) -> None:
        """Send that the run is published."""
        super().published(path)
        self._events.send(Event(run_id=path.name.partition("=")[2], published=True), surely=True)

    def tick(self, asked: bool) -> None:
        """Send how far the run is; SIGUSR1 is answered by the process that shows it."""
        (addresses, answered), (rate, left_s) = self.counts, self.speed()
        self._events.send(
            Event(
                doing=self.phase.value,
                addresses=addresses,
                answered=answered,
                per_second=rate,
                left_s=left_s,
                text=self.text(),
            ),
            surely=asked,
        )


def news_of(end: Manifest | StopRun) -> Event:
    """How a run ended, as an event; the sentence holds neither names of columns nor addresses, as in reports."""
    manifest: Manifest | None = end.manifest if isinstance(end, StopRun) else end
    sentence = ""
    if isinstance(end, StopRun):
        text = str(end)
        sentence = without_secrets(without_quotes(text) if end.exit_code == ExitCode.USAGE else text)
    if manifest is None:
        return Event(sentence=sentence)
    plain = manifest.to_dict()
    return Event(
        run_id=manifest.run_id,
        rows=plain["rows"],
        calls=plain["calls"],
        achieved_per_s=manifest.rate.achieved_per_s,
        sentence=sentence,
    )
