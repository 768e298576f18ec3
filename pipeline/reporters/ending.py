"""How an attempt at a job ended, whatever the way out: what every reporter is told."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.errors import ExitCode, LeadExportError
from pipeline.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pipeline.settings import Settings

Manifest = Mapping[str, Any]
"""The plain values of a manifest: of one that was just made, or of one that any version has published."""

REPORTING_S = 30.0
"""Seconds that all reporters share."""
_MAX_FAILED_SHARE = 0.01
"""Where a manifest of an earlier version has no setting `max_failed_share`."""
_MIN_SECRET = 4
"""Shorter ones, as in a rehearsal, may be parts of any word."""
_QUOTED = re.compile(r"(?<!\w)(['\"]).*\1", re.DOTALL)
_ADDRESS = re.compile(r"[^\s@'\"<>(),;:=]+@[^\s@'\"<>(),;:=]+")


class ReporterFailed(LeadExportError):
    """A reporter could not do its work; the message says why, and becomes one warning."""

    code = "reporter"


class Deadline:
    """The end of a stretch of time, on the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left_s(self) -> float:
        """Seconds until then; 0 once it has passed."""
        return max(0.0, self._end - time.monotonic())


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How an attempt ended. No text in it holds an address or a credential.

    Attributes:
        attempt_id: a UUID of this attempt alone; a run that is resumed has several attempts.
        command: what was run: `run` or `enrich`.
        started_at_ms: when the attempt started, milliseconds since 1970 UTC.
        ended_at_ms: when it ended.
        exit_code: that of the process.
        sentence: what happened, for a person.
        notes: what else must not be overlooked, a sentence each.
        manifest: what was done, as plain values; None if it ended before there was a run.
    """

    attempt_id: str
    command: str
    started_at_ms: int
    ended_at_ms: int
    exit_code: int
    sentence: str
    notes: tuple[str, ...] = ()
    manifest: Manifest | None = None

    @property
    def run_id(self) -> str | None:
        """The name of the run, if there was one."""
        return None if self.manifest is None else str(self.manifest["run_id"])

    @property
    def duration_s(self) -> float:
        """Seconds from start to end."""
        return max(0, self.ended_at_ms - self.started_at_ms) / 1000

    @property
    def is_success(self) -> bool:
        """Whether all is well: the run is published, and no more of its rows lack an answer than is accepted."""
        if self.exit_code in (ExitCode.ROWS_FAILED, ExitCode.INCOMPLETE):
            return self.manifest is not None and is_success(self.manifest)
        return self.exit_code == ExitCode.OK


@dataclass(frozen=True, slots=True)
class Context:
    """Where an attempt was made, and how long its reporters may take.

    Attributes:
        root: what the user named with `--out`.
        state: the hidden folder of the runs in `root`; None if it is not to be written, as for a single file.
        settings: those of the attempt; None if they were wrong.
        deadline: when all reporters must have finished.
        pauses_s: seconds before the second try of a request, and before the third.
    """

    root: Path
    state: Path | None
    settings: Settings | None
    deadline: Deadline
    pauses_s: tuple[float, ...] = (1.0, 3.0)

    @property
    def name(self) -> str:
        """What monitoring calls this export: the setting `name`, or the name of the output folder."""
        given = self.settings.name if self.settings else None
        return given or self.root.absolute().name or "lead-export"


def is_success(manifest: Manifest) -> bool:
    """Whether a manifest is that of a published run in which no more rows lack an answer than its settings accept."""
    if manifest.get("status") == "stopped":
        return False
    share: float = manifest.get("settings", {}).get("max_failed_share", _MAX_FAILED_SHARE)
    return lacking_share(manifest) <= share


def lacking_share(manifest: Manifest) -> float:
    """The share of the rows read, 0 to 1, that failed, are pending, or have an answer older than was promised."""
    rows: Mapping[str, int] = manifest["rows"]
    overdue: int = (manifest.get("freshness") or {}).get("overdue", 0)
    lacking = rows.get(Outcome.FAILED, 0) + rows.get(Outcome.PENDING, 0) + overdue
    return lacking / rows["read"] if rows.get("read") else 0.0


def without_quotes(text: str) -> str:
    """The text without what stands in quotation marks, from the first to the last.

    What is wrong with a list is explained with its column names: without a header, these are somebody's data.
    """
    return _QUOTED.sub("'…'", text)


def without_secrets(text: str, secrets: Iterable[str] = ()) -> str:
    """The text as it may leave this machine: with neither these secrets nor anything that looks like an address.

    Messages hold neither to begin with, except what the user typed: the name of a file or of a column.
    """
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _MIN_SECRET:
            text = text.replace(secret, "…")
    return _ADDRESS.sub("…", text)
