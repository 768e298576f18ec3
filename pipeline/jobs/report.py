"""What happened, as one JSON object: the manifest of a published run, or the same of one that stopped."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pipeline.calls.counts import CallCounts
from pipeline.outcomes import Outcome, iso, now_ms
from pipeline.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.jobs.publishing import Published
    from pipeline.journal.store import Journal
    from pipeline.replies.lenient import Drift
    from pipeline.settings import Settings

Manifest = dict[str, Any]
MANIFEST_VERSION = 1


class Report:
    """Gathers what the manifest of a run says; `calls` is counted up while the run goes.

    The run has started when it first began, and lasts as long as this process has been at it.
    """

    def __init__(self, journal: Journal, settings: Settings) -> None:
        self.journal = journal
        self.calls = CallCounts()
        self._settings = settings
        self._before = journal.summary()
        self.run = self._before.run
        self._since = time.monotonic()

    def progress(self) -> dict[str, int]:
        """Rows, distinct addresses, and addresses answered by an earlier, stopped run."""
        return {
            "rows": self._before.rows,
            "addresses": self._before.addresses,
            "answered": self._before.answered,
        }

    def published(self, published: Published) -> Manifest:
        """The manifest of a whole run."""
        return {**self._head(status_of(published.rows), published.rows), **files_of(published)}

    def enriched(self, output: Manifest, drift: Drift) -> Manifest:
        """The same of a job that writes one file, `output`."""
        rows = self.journal.count_rows()
        return {**self._head(status_of(rows), rows), "output": output, "drift": drift_of(drift)}

    def stopped(self, reason: str) -> Manifest:
        """The same of a run that published nothing; `rows` has a seventh class, `pending`; `resume` is a command."""
        rows = self.journal.count_rows()
        return {**self._head("stopped", rows), "reason": reason, "resume": self.run.command}

    def _head(self, status: str, rows: Mapping[str, int]) -> Manifest:
        classes = [*Outcome, "pending"] if status == "stopped" else list(Outcome)
        return {
            "manifest_version": MANIFEST_VERSION,
            "run_id": self.run.run_id,
            "status": status,
            "tool": {"name": "lead-export", "version": __version__},
            "started_at": iso(self.run.started_at_ms),
            "finished_at": iso(now_ms()),
            "duration_s": round(time.monotonic() - self._since, 3),
            "input": [entry._asdict() for entry in self._before.lists],
            "rows": tally(rows, classes),
            "calls": {
                "sent": self.calls.sent,
                "answered": self.calls.answered,
                "retried": self.calls.retried,
                "throttled": self.calls.throttled,
                "probes": self.calls.probes,
                "resumed": self._before.answered,
            },
            "rate": {
                "limit_per_s": self._settings.rate_per_s,
                "achieved_per_s": round(self.calls.per_second, 2),
            },
            "speed": {"bound_by": self.calls.bound_by(), "time_shares": self.calls.shares()},
            "settings": self._settings.public(),
        }


def status_of(rows: Mapping[str, int]) -> str:
    """How a job with these rows ended."""
    return "complete_with_failures" if rows.get(Outcome.FAILED) else "complete"


def tally(rows: Mapping[str, int], classes: Sequence[str] = tuple(Outcome)) -> dict[str, int]:
    """Rows by class, zeros too, headed by their sum."""
    return {"read": sum(rows.values()), **{str(name): rows.get(name, 0) for name in classes}}


def files_of(published: Published) -> Manifest:
    """What a manifest says about files and what is in them."""
    return {
        "tables": {name: {"files": [info._asdict() for info in infos]} for name, infos in published.tables.items()},
        "drift": drift_of(published.drift),
    }


def drift_of(drift: Drift) -> Manifest:
    """What a manifest says about replies that differ from their documentation."""
    return {
        "unknown_keys": dict(sorted(drift.unknown_keys.items())),
        "unreadable_values": dict(sorted(drift.unreadable_values.items())),
    }
