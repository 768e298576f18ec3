"""What tables are made of where that is not published: in the hidden folder of the runs, for its owner only.

DIR/.lead-export/private/ID/   the raw replies of the run ID, or its rows, as far as it does not publish them
"""

from __future__ import annotations

import logging
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from pipeline.files.state import SUFFIX
from pipeline.filesystem import sync

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

logger = logging.getLogger(__name__)

PRIVATE = ".private"
"""The folder for such files in one that a run is written into."""
_FOLDER = "private"


def private_folder(run: Path, run_id: str) -> Path:
    """Where the files of a published run are that it does not publish; there need not be any.

    Behind the link `latest`, as behind any, that is next to the folder of the run itself; else the path is relative if
    that of the run is.
    """
    is_itself = run.name not in ("", "..") and not run.is_symlink()
    return (run if is_itself else run.resolve()).parent / SUFFIX / _FOLDER / run_id


def move_private(staging: Path, state: Path, run_id: str) -> None:
    """Move what a run does not publish out of the folder in which it is written, right before it is published.

    Raises:
        OSError: it cannot be moved.
    """
    folder, target = staging / PRIVATE, state / _FOLDER / run_id
    shutil.rmtree(target, ignore_errors=True)  # of an attempt that was killed right before it published
    if folder.is_dir():
        target.parent.mkdir(mode=0o700, exist_ok=True)
        for file in folder.iterdir():
            sync(file)
        sync(folder)
        folder.rename(target)
        sync(target.parent)
        sync(state)


def remove_private(state: Path, run_id: str) -> None:
    """Remove what a run that is no longer there did not publish.

    Raises:
        OSError: it cannot be removed.
    """
    with suppress(FileNotFoundError):
        shutil.rmtree(state / _FOLDER / run_id)


def remove_orphans(state: Path, is_known: Callable[[str], bool]) -> None:
    """Remove what is left of runs that were never published, or are no longer there; the lock must be held."""
    for folder in (state / _FOLDER).glob("*"):
        if not is_known(folder.name):
            logger.warning("%s: is removed, because its run is no longer there, or was never published.", folder)
            shutil.rmtree(folder, ignore_errors=True)
