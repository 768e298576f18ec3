"""Export leads: email addresses in; leads, tags and transactions out.

    lists ──▶ journal ◀──▶ calls             each address once; raw replies are stored before they are parsed
                 │
                 ▼
              replies ──▶ tables ──▶ files   bytes to leads; leads to frames; all tables published, or none

The journal is the only truth about a run: tables and files are computed from it, so neither a crash nor a new format
costs a call. `emails` reads the lists, `jobs` joins the stages, `cli` is the command line, and `sandbox` is a simulated
API. They all share `settings`, `schema`, `outcomes` and `errors`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pipeline.version import __version__

if TYPE_CHECKING:
    from pipeline import errors
    from pipeline.calls.client import LeadClient
    from pipeline.jobs.enrich import enrich
    from pipeline.jobs.enriched_file import Enrichment
    from pipeline.jobs.export import export
    from pipeline.jobs.manifest import Manifest
    from pipeline.jobs.rebuild import rebuild
    from pipeline.jobs.status import Status, status
    from pipeline.outcomes import Answer, Outcome
    from pipeline.settings import Settings
    from pipeline.tables.flatten import Frames, flatten

__all__ = [
    "Answer",
    "Enrichment",
    "Frames",
    "LeadClient",
    "Manifest",
    "Outcome",
    "Settings",
    "Status",
    "__version__",
    "enrich",
    "errors",
    "export",
    "flatten",
    "rebuild",
    "status",
]

_HOMES = {
    "Answer": "pipeline.outcomes",
    "Enrichment": "pipeline.jobs.enriched_file",
    "Frames": "pipeline.tables.flatten",
    "LeadClient": "pipeline.calls.client",
    "Manifest": "pipeline.jobs.manifest",
    "Outcome": "pipeline.outcomes",
    "Settings": "pipeline.settings",
    "Status": "pipeline.jobs.status",
    "enrich": "pipeline.jobs.enrich",
    "export": "pipeline.jobs.export",
    "flatten": "pipeline.tables.flatten",
    "rebuild": "pipeline.jobs.rebuild",
    "status": "pipeline.jobs.status",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    """Load a public name when it is first used: `lead-export --help` need not wait for pandas."""
    if name == "errors":
        return importlib.import_module("pipeline.errors")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'pipeline' has no attribute {name!r}")
