"""One attempt at a run, from its open journal to its manifest, whether it finishes or has to stop."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from pipeline.errors import StopRun, StorageError
from pipeline.jobs.manifest import ManifestBuilder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.journal.store import Journal
    from pipeline.settings import Settings


@contextmanager
def recorded_attempt(journal: Journal, settings: Settings) -> Iterator[ManifestBuilder]:
    """Collect what the manifest of this attempt says; if the block stops, record why in the journal.

    Raises:
        StopRun: as in the block; `manifest` on it says what was done.
    """
    builder = ManifestBuilder.start(journal, settings)
    try:
        yield builder
    except StopRun as error:
        with suppress(StorageError):
            error.manifest = builder.stopped(journal.count_rows(), journal.rows().codes(), str(error))
            journal.stopped(error.code, str(error))
        raise
    except KeyboardInterrupt:
        with suppress(StorageError):
            journal.stopped("interrupted", "Stopped by a signal while no call was in flight.")
        raise
