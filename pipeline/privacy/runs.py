"""The published runs of a folder as a search takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import StorageError
from pipeline.files.folder import read_manifest
from pipeline.privacy.reading import RunFiles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.files.folder import OutputFolder


def published_runs(folder: OutputFolder) -> Iterator[RunFiles | StorageError]:
    """Each published run, oldest name first; an error for one whose manifest cannot be read."""
    for path in folder.runs():
        manifest = read_manifest(path)
        if manifest is None:
            yield StorageError(
                f"{path}: its manifest is missing or damaged, so nobody can be found in it; restore it, or remove the"
                " folder, then run the same command again."
            )
            continue
        try:
            yield RunFiles.of(path, manifest)
        except StorageError as error:
            yield error
