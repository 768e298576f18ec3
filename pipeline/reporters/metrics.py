"""`metrics_file`: gauges in the text format of Prometheus, for the textfile collector of node_exporter.

Each is there after every attempt, with zeros where nothing happened, so that no rule waits for a missing series. HELP
must never change between versions that run on one machine: node_exporter refuses a name with two of them.
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from pipeline.outcomes import Outcome
from pipeline.reporters.ending import ReporterFailed
from pipeline.reporters.history import by_table, published_bytes
from pipeline.reporters.published import newest_success
from pipeline.schema import LEAD_TABLES
from pipeline.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.reporters.ending import Context, Ending, Manifest

CALLS = ("sent", "answered", "retried", "throttled", "probes", "resumed")
WAITED_FOR = ("limiter", "network", "backoff", "journal")


def report(ending: Ending, context: Context) -> None:
    """Replace the file in one step; everybody may read it.

    Raises:
        ReporterFailed: it cannot be written, or the output folder cannot be read; the old file stays.
    """
    assert context.settings is not None  # noqa: S101 - the path comes from there
    path = context.settings.metrics_file
    assert path is not None  # noqa: S101 - or there is nothing to report
    try:
        success = newest_success(context.root)
    except OSError as error:
        raise ReporterFailed(f"{context.root}: {error.strerror}") from error
    try:
        _replace(path, render(ending, context.name, success))
    except OSError as error:
        raise ReporterFailed(f"{path}: {error.strerror}") from error


def render(ending: Ending, name: str, success: Manifest | None) -> bytes:
    """The content of the file.

    Args:
        ending: how the newest attempt ended.
        name: of the export, which is the label `export` of every metric.
        success: the manifest of the newest good run; None if there is none.
    """
    file = _Metrics(name)
    file.gauge("build_info", "Version of lead-export; the value is always 1.", "version", {__version__: 1})
    file.gauge("last_attempt_timestamp_seconds", "When the last attempt ended.", value=ending.ended_at_ms / 1000)
    file.gauge("last_attempt_exit_code", "Exit code of the last attempt.", value=ending.exit_code)
    file.gauge("last_attempt_success", "Whether the last attempt was good (1) or not (0).", value=ending.is_success)
    file.gauge("last_attempt_duration_seconds", "How long the last attempt took.", value=ending.duration_s)
    _add_attempt(file, ending.manifest or {})
    _add_success(file, success or {}, ending.manifest or {})
    return generate_latest(file.registry)


def _add_attempt(file: _Metrics, manifest: Manifest) -> None:
    """What the last attempt came to."""
    rows, calls = manifest.get("rows", {}), manifest.get("calls", {})
    shares, rate = manifest.get("speed", {}).get("time_shares", {}), manifest.get("rate", {})
    outcomes = {outcome.value: rows.get(outcome) or 0 for outcome in Outcome}
    file.gauge("last_attempt_rows", "Rows of the last attempt by outcome.", "outcome", outcomes)
    overdue = (manifest.get("freshness") or {}).get("overdue", 0)
    file.gauge("last_attempt_overdue_answers", "Answers of the last attempt older than max_age_days.", value=overdue)
    kinds = {kind: calls.get(kind, 0) for kind in CALLS}
    file.gauge("last_attempt_calls", "Calls of the last attempt by kind.", "kind", kinds)
    speed = rate.get("achieved_per_s", 0)
    file.gauge("last_attempt_calls_per_second", "Calls started per second in the last attempt.", value=speed)
    waits = {cause: shares.get(cause, 0) for cause in WAITED_FOR}
    meaning = "Share of the time of the last attempt's calls by what was waited for."
    file.gauge("last_attempt_time_ratio", meaning, "waited_for", waits)


def _add_success(file: _Metrics, success: Manifest, manifest: Manifest) -> None:
    """What the newest good run is, which a failed night keeps."""
    finished_s = datetime.fromisoformat(success["finished_at"]).timestamp() if success else 0
    file.gauge("last_success_timestamp_seconds", "When the newest good run was published; 0 = never.", value=finished_s)
    size = published_bytes(success) if success else 0
    file.gauge("published_size_bytes", "Size of the newest good run.", value=size)
    # Only a finished job knows how replies differ.
    drift = manifest.get("drift") or success.get("drift") or {}
    names = by_table({**drift.get("unknown_keys", {}), **drift.get("unreadable_values", {})})
    tables = {table.name: names.get(table.name, 0) for table in LEAD_TABLES}
    file.gauge("api_drift_keys", "Keys in replies that differ from the API's documentation, by table.", "table", tables)


class _Metrics:
    """A registry of gauges that all have the label `export`."""

    def __init__(self, export: str) -> None:
        self.registry = CollectorRegistry()
        self._export = export

    def gauge(
        self,
        name: str,
        meaning: str,
        label: str | None = None,
        values: Mapping[str, float] | None = None,
        *,
        value: float = 0,
    ) -> None:
        """Add a gauge with one value, or with one for each value of a label."""
        labels = ("export", label) if label else ("export",)
        gauge = Gauge(f"lead_export_{name}", meaning, labels, registry=self.registry)
        if label is None:
            gauge.labels(self._export).set(value)
        for word, number in (values or {}).items():
            gauge.labels(self._export, word).set(number)


def _replace(path: Path, content: bytes) -> None:
    staged = path.with_name(f".{path.name}.{os.getpid()}")  # node_exporter reads whatever ends in .prom
    try:
        with os.fdopen(os.open(staged, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_NOFOLLOW, 0o644), "wb") as file:
            os.fchmod(file.fileno(), 0o644)  # whatever the umask is: node_exporter is another user
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        staged.replace(path)
    except OSError:
        with suppress(OSError):
            staged.unlink()
        raise
