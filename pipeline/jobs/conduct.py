"""What every job that asks has in common: from an open journal to something finished, or to an account of the stop."""

from __future__ import annotations

import gc
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from pipeline.errors import StopRun, StorageError
from pipeline.jobs.asking import ask_all
from pipeline.jobs.manifest import Manifest, ManifestBuilder
from pipeline.jobs.space import check_space
from pipeline.process import RARELY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pipeline.files.state import StateFolder
    from pipeline.jobs.observer import Observer
    from pipeline.journal.store import Journal
    from pipeline.settings import Settings


def conduct(
    folder: StateFolder,
    journal: Journal,
    settings: Settings,
    observer: Observer,
    finish: Callable[[ManifestBuilder], Manifest],
) -> Manifest:
    """Ask for whatever the journal has no answer to, then `finish`; why it stops, if it does, is noted in the journal.

    Raises:
        StopRun: it had to stop; `manifest` on it says what was done.
    """
    builder = ManifestBuilder.start(journal, settings)
    try:
        check_space(folder, journal, settings)
        observer.listed(rows=journal.rows_read(), addresses=journal.count_addresses(), answered=builder.resumed)
        with _little_garbage():
            ask_all(settings, journal, observer, builder.calls)
            observer.publishing()
            return finish(builder)
    except StopRun as error:
        with suppress(StorageError):
            error.manifest = builder.stopped(journal.count_rows(), str(error))
            journal.stopped(error.code, str(error))
        raise
    except KeyboardInterrupt:
        with suppress(StorageError):
            journal.stopped("interrupted", "Stopped by a signal while no call was in flight.")
        raise


@contextmanager
def _little_garbage() -> Iterator[None]:
    """Have the garbage collector look more rarely for rings of objects, and not among those that stay anyway.

    Replies become hundreds of thousands of small objects that reference counting alone takes away; going over them
    costs a tenth of a run.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*RARELY)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
