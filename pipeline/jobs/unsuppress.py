"""Take people off the suppression list of an output folder, so that the next run asks for them again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pipeline.errors import UsageError
from pipeline.files.folder import OutputFolder
from pipeline.privacy.key import load_key
from pipeline.privacy.suppression import SUPPRESSED, SuppressionList

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.settings import Settings


class Unsuppressed(msgspec.Struct, frozen=True):
    """What was done.

    Attributes:
        named: how many addresses were named.
        removed: how many of them were on the list, and are no longer.
        left: how many people are still on it.
    """

    named: int
    removed: int
    left: int


def unsuppress(settings: Settings, addresses: Sequence[str], out: Path) -> Unsuppressed:
    """Take cleaned addresses off the list of the folder `out`; it is on the disk when this returns.

    Raises:
        UsageError: there is no such folder, or the key is missing or wrong.
        StorageError: the list cannot be read or written.
        FolderBusy: a run is using the folder.
    """
    if not out.is_dir():
        raise UsageError(f"{out}: there is no such folder.")
    folder = OutputFolder(out)
    with folder.locked():
        suppressed = SuppressionList.read(folder.state.path / SUPPRESSED, load_key(settings))
        removed = suppressed.remove(addresses) if len(suppressed) else 0
        return Unsuppressed(len(addresses), removed, len(suppressed))
