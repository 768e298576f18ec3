"""Endings to report: of published, failed and stopped runs, and of attempts that had none."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from pipeline.reporters.ending import Context, Deadline, Ending
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

ROWS = {"read": 40, "found": 36, "not_found": 1, "deleted": 0, "failed": 1, "invalid": 1, "duplicate": 1}


def manifest(**changes: Any) -> dict[str, Any]:
    """The plain values of the manifest of a published run."""
    return {
        "run_id": "20261123T020000Z",
        "status": "complete_with_failures",
        "finished_at": "2026-11-23T02:00:10.000+00:00",
        "rows": ROWS,
        "codes": {"failed": {"timeout": 1}},
        "calls": {"sent": 41, "answered": 37, "retried": 2, "throttled": 1, "probes": 0, "resumed": 0},
        "rate": {"limit_per_s": 18.0, "achieved_per_s": 17.5},
        "speed": {"bound_by": "rate limit", "time_shares": {"rate limit": 0.9, "network": 0.1}},
        "settings": {"max_failed_share": 0.05},
        "tables": {"leads": {"files": [{"name": "leads.parquet", "rows": 36, "bytes": 1_000, "sha256": "ab"}]}},
        "drift": {"unknown_keys": {"leads.shoe_size": 3, "leads.hat": 1, "tags.colour": 1}, "unreadable_values": {}},
        **changes,
    }


def ending(exit_code: int = 0, sentence: str = "All is well.", **changes: Any) -> Ending:
    """How an attempt of ten seconds ended."""
    known: dict[str, Any] = {
        "attempt_id": str(uuid.UUID(int=4711)),
        "command": "run",
        "started_at_ms": 1_795_485_600_000,
        "ended_at_ms": 1_795_485_610_000,
    }
    return Ending(exit_code=exit_code, sentence=sentence, **{**known, **changes})


def context(root: Path, seconds: float = 30.0, **settings: object) -> Context:
    """The context of an attempt at a run in the folder `root`, which has its hidden folder."""
    state = root / ".lead-export"
    state.mkdir(parents=True, exist_ok=True)
    return Context(root, state, Settings.load(settings, environ={}), Deadline(seconds))
