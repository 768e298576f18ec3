"""What is known of one person over all runs of a folder: every change that these have published."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.emails.address import Refusal, clean
from pipeline.errors import UsageError
from pipeline.files import durable
from pipeline.files.folder import OutputFolder
from pipeline.history.timeline import timeline as events_of

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.history.timeline import Event


def timeline(address: str, out: Path) -> list[Event]:
    """The changes of an address in all runs of the folder `out`, oldest first.

    Raises:
        UsageError: there is no such folder, or what was given is no address.
        StorageError: a feed is damaged, or cannot be read.
    """
    cleaned = clean(address)
    if isinstance(cleaned, Refusal):
        raise UsageError(f"ADDRESS: {cleaned.message}.")
    with durable.storage_errors(out):
        if not out.is_dir():
            raise UsageError(f"{out}: no such folder; name the --out of a run.")
    return list(events_of(OutputFolder(out), cleaned))
