"""What is held about a person, in a new file for its owner alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from pipeline.errors import UsageError
from pipeline.files import durable
from pipeline.filesystem import sync

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.jobs.person import Held


def write_person(held: Held, path: Path) -> None:
    """Write it as JSON; the file is on the disk when this returns.

    Raises:
        UsageError: the file exists.
        StorageError: it cannot be written.
    """
    content = json.dumps(msgspec.to_builtins(held), ensure_ascii=False, indent=2).encode(errors="backslashreplace")
    with durable.storage_errors(path):
        try:
            with durable.create(path) as file:
                file.write(content + b"\n")
        except FileExistsError:
            raise UsageError(f"{path}: already exists; name another --to.") from None
        sync(path)
        sync(path.absolute().parent)
