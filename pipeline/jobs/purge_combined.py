"""The tables of all accounts together, next to the folder of an account from which people are erased."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pipeline.accounts.lanes import COMBINED
from pipeline.files.folder import OutputFolder, read_manifest
from pipeline.privacy.proof import prove

if TYPE_CHECKING:
    from pipeline.privacy.needles import Needles
    from pipeline.privacy.proof import Remain


def left_in_combined(out: Path, needles: Needles) -> list[Remain]:
    """What the folder `combined` beside that of an account holds of people, which a purge of that one leaves there."""
    own = Path(os.path.realpath(out))
    folder = OutputFolder(own.parent / COMBINED)
    if own == folder.root or not folder.root.is_dir():
        return []
    if not any((read_manifest(run) or {}).get("accounts") for run in folder.runs()):
        return []
    found = prove(folder.root, needles).remains
    return [msgspec.structs.replace(one, path=f"../{COMBINED}/{one.path}") for one in found]
