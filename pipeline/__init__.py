"""Export leads: email addresses in; leads, tags and transactions out.

    lists ──▶ journal ◀──▶ calls             each address once; raw replies are stored before they are parsed
                 │
                 ▼
              replies ──▶ tables ──▶ files   bytes to leads; leads to frames; all tables published, or none

The journal is the only truth about a run: tables and files are computed from it, so neither a crash nor a new format
costs a call. `emails` reads the lists, `history` takes answers of earlier runs over, `jobs` joins the stages, `cli` is
the command line, and `sandbox` is a simulated API. They all share `settings`, `schema`, `outcomes` and `errors`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pipeline.version import __version__

if TYPE_CHECKING:
    from pipeline import errors
    from pipeline.calls.client import LeadClient
    from pipeline.jobs.enrich_target import Enrichment
    from pipeline.jobs.fetch import Observer
    from pipeline.jobs.manifest import Manifest
    from pipeline.jobs.nights.many import Rebuilt
    from pipeline.jobs.python import enrich, enrich_async, export, export_async, rebuild, status
    from pipeline.jobs.status import Status
    from pipeline.outcomes import Answer, Outcome
    from pipeline.settings import Settings
    from pipeline.tables.flatten import Frames, flatten

__all__ = [
    "Answer",
    "Enrichment",
    "Frames",
    "LeadClient",
    "Manifest",
    "Observer",
    "Outcome",
    "Rebuilt",
    "Settings",
    "Status",
    "__version__",
    "enrich",
    "enrich_async",
    "errors",
    "export",
    "export_async",
    "flatten",
    "rebuild",
    "status",
]

_HOMES = {
    "Answer": "pipeline.outcomes",
    "Enrichment": "pipeline.jobs.enrich_target",
    "Frames": "pipeline.tables.flatten",
    "LeadClient": "pipeline.calls.client",
    "Manifest": "pipeline.jobs.manifest",
    "Observer": "pipeline.jobs.fetch",
    "Outcome": "pipeline.outcomes",
    "Rebuilt": "pipeline.jobs.nights.many",
    "Settings": "pipeline.settings",
    "Status": "pipeline.jobs.status",
    "enrich": "pipeline.jobs.python",
    "enrich_async": "pipeline.jobs.python",
    "export": "pipeline.jobs.python",
    "export_async": "pipeline.jobs.python",
    "flatten": "pipeline.tables.flatten",
    "rebuild": "pipeline.jobs.python",
    "status": "pipeline.jobs.python",
}


if not TYPE_CHECKING:  # or checkers would believe any name

    def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
        """Load a public name when it is first used: `lead-export --help` need not wait for pandas."""
        if name == "errors":
            return importlib.import_module("pipeline.errors")
        if name in _HOMES:
            return getattr(importlib.import_module(_HOMES[name]), name)
        raise AttributeError(f"module 'pipeline' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names, for completion in notebooks; those that are not loaded yet included."""
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
