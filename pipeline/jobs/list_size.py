"""Guards against a list that was cut short on its way here: its tables would replace good ones and look like a success.

What counts are distinct addresses, so that a list whose column of addresses has moved or become empty is noticed, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.errors import UsageError
from pipeline.files.folder import read_manifest
from pipeline.files.latest import RUN_PREFIX
from pipeline.journal.database import remove_journal
from pipeline.outcomes import FORGOTTEN, Outcome
from pipeline.settings.account import api_of
from pipeline.words import counted

if TYPE_CHECKING:
    from pipeline.files.folder import OutputFolder
    from pipeline.journal.store import Journal
    from pipeline.settings import Settings

FEW = 20
"""Addresses that may always be missing: short lists that are made by hand may shrink as they like."""
ACCEPT = "--accept-shrink"
_WITHOUT_ADDRESS = (*FORGOTTEN, Outcome.INVALID, Outcome.DUPLICATE)


def check_size(folder: OutputFolder, journal: Journal, settings: Settings) -> None:
    """Refuse lists that hold too few addresses; a journal without answers is removed then, and nothing is left of it.

    Raises:
        UsageError: they are fewer than `min_rows`, or than `max_shrink` allows after the newest published run.
    """
    seen = journal.summary()
    reason = too_few(folder, settings, seen.askable)
    if reason is None:
        return
    if not seen.answered:
        journal.close()
        remove_journal(journal.path)
    raise UsageError(reason)


def too_few(folder: OutputFolder | None, settings: Settings, addresses: int) -> str | None:
    """Why that many addresses are too few for a run in this folder, and what to do; None if they are not."""
    held, remedy = counted(addresses, "address"), f"check the list, or accept it this once with {ACCEPT}."
    if addresses < settings.min_rows:
        return f"The lists hold {held}, fewer than min_rows ({settings.min_rows:,}); {remedy}"
    if not addresses and settings.allow_empty:
        return None
    latest = folder.latest.run() if folder else None
    manifest = read_manifest(latest) if latest else None
    if latest is None or manifest is None or not _is_same_api(manifest, settings):
        return None
    before = addresses_of(manifest)
    missing = before - addresses
    if missing <= max(FEW, settings.max_shrink * before):
        return None
    run = latest.name.removeprefix(RUN_PREFIX)
    return (
        f"The lists hold {held}, {missing / before:.0%} fewer than the {before:,} of the run before"
        f" ({run}), and max_shrink allows {settings.max_shrink:.0%}; {remedy}"
    )


def _is_same_api(manifest: dict[str, Any], settings: Settings) -> bool:
    """Whether that run, too, asked the real API, or a sandbox: a rehearsal says nothing about the real list."""
    before = manifest.get("settings")
    url = before.get("api_url") if isinstance(before, dict) else None
    return isinstance(url, str) and api_of(url) == api_of(settings.api_url)


def addresses_of(manifest: dict[str, Any]) -> int:
    """Distinct addresses of a published run; 0 if its manifest does not say."""
    rows = manifest["rows"] if isinstance(manifest["rows"], dict) else {}
    counts = [rows.get(name, 0) for name in ("read", *_WITHOUT_ADDRESS)]
    return counts[0] - sum(counts[1:]) if all(isinstance(count, int) for count in counts) else 0
