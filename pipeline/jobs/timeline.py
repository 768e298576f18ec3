"""What is known of one person over all runs of a folder: every change that these have published."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.emails.address import Refusal, clean
from pipeline.emails.address import key as spelling
from pipeline.errors import UsageError
from pipeline.files import durable
from pipeline.files.folder import OutputFolder
from pipeline.history.timeline import timeline as timeline_in
from pipeline.jobs.column_rules import check_key
from pipeline.privacy.key import COLUMNS, load_key

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.history.timeline import Timeline
    from pipeline.settings import Settings


def timeline(settings: Settings, address: str, out: Path) -> Timeline:
    """The changes of an address in all runs of the folder `out`, oldest first, and the runs that do not tell.

    Raises:
        UsageError: there is no such folder, what was given is no address, or a run has hashes of addresses under a key
            that is not that of the settings.
        StorageError: a feed is damaged, or cannot be read.
    """
    cleaned = clean(address)
    if isinstance(cleaned, Refusal):
        raise UsageError(f"ADDRESS: {cleaned.message}.")
    with durable.storage_errors(out):
        if not out.is_dir():
            raise UsageError(f"{out}: no such folder; name the --out of a run.")
    key = load_key(settings)

    def hash_in(run: Path, key_id: str | None) -> str | None:
        check_key(run, key_id, key.id if key else None)
        return key.hasher(COLUMNS)(spelling(cleaned)) if key else None

    return timeline_in(OutputFolder(out), cleaned, hash_in)
