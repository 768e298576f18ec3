"""The run before: the newest published one of the same account whose answers can be read."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from pipeline.errors import StorageError
from pipeline.files.folder import read_manifest
from pipeline.files.published import PublishedRun, has_replies
from pipeline.settings.account import Account

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pipeline.files.folder import OutputFolder

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Predecessor:
    """A published run whose replies and outcomes are those that its manifest describes.

    Attributes:
        path: its folder.
        run_id: its name.
        run: its answers and rows.
    """

    path: Path
    run_id: str
    run: PublishedRun


@dataclass(frozen=True, slots=True)
class Candidates:
    """The published runs of an account, the one that finished last first.

    Attributes:
        folder: where they are.
        account: whose leads they must hold.
    """

    folder: OutputFolder
    account: Account

    def newest_intact(self) -> Predecessor | None:
        """The newest run whose answers are intact; None if there is none.

        A damaged one is named in a warning, and the one before it is tried.
        """
        return next(self._intact(), None)

    def __iter__(self) -> Iterator[tuple[Path, Mapping[str, Any]]]:
        """The folder and the manifest of each run, whether it is intact or not."""
        runs = [(path, manifest) for path in self.folder.runs() if (manifest := read_manifest(path)) is not None]
        runs.sort(key=lambda run: (str(run[1]["finished_at"]), run[0].name), reverse=True)
        return ((path, manifest) for path, manifest in runs if account_in(manifest) == self.account)

    def _intact(self) -> Iterator[Predecessor]:
        for path, manifest in self:
            if not has_replies(manifest):
                continue
            try:
                yield Predecessor(path, str(manifest["run_id"]), PublishedRun(path))
            except StorageError as error:
                logger.warning("%s The run before it is tried instead.", error)


def account_in(manifest: Mapping[str, Any]) -> Account | None:
    """The account that a manifest names; None if it names none."""
    try:
        return msgspec.convert(manifest.get("account"), Account)
    except msgspec.ValidationError:
        return None
