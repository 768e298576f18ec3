"""The newest good run in an output folder: what a failed night must not make monitoring forget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.files.folder import OutputFolder, read_manifest
from pipeline.reporters.ending import is_success

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.reporters.ending import Manifest


def newest_success(root: Path) -> Manifest | None:
    """The manifest of the newest published run in which no more rows lack an answer than its settings accept.

    Raises:
        OSError: the folder cannot be read.
    """
    folder = OutputFolder(root)
    latest = folder.latest.run()
    manifest = read_manifest(latest) if latest else None
    if manifest is not None and is_success(manifest):
        return manifest
    if not root.exists():
        return None
    list(root.iterdir())  # a folder that cannot be read has no runs as far as `glob` is concerned
    good = [manifest for path in folder.runs() if (manifest := read_manifest(path)) and is_success(manifest)]
    return max(good, key=lambda manifest: str(manifest["finished_at"]), default=None)
