"""The output folder: where everything lies, and how a run appears in it whole or not at all.

DIR/run=ID/            a published run
DIR/latest             symbolic link to the newest one
DIR/.lead-export/      ID.journal of unfinished runs, ID.staging while one is being written
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING

from pipeline.errors import FolderBusy, UsageError
from pipeline.files import private

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

logger = logging.getLogger(__name__)
MANIFEST = "manifest.json"
_PREFIX = "run="


class OutputFolder:
    """The one place that knows paths below the folder a user named with `--out`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.latest = root / "latest"
        self._state = root / ".lead-export"

    def prepare(self) -> None:
        """Make the folder if need be and see that it can be written.

        Raises:
            UsageError: it cannot be, or something else is called `latest`; the message says why.
        """
        probe = self._state / f"probe-{os.getpid()}"
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._state.mkdir(mode=0o700, exist_ok=True)
            private.create(probe).close()
            probe.unlink()
        except OSError as error:
            raise UsageError(f"{self.root}: cannot be written to ({error.strerror}); name another --out.") from error
        ours = self.latest.is_symlink() and self.latest.readlink().name.startswith(_PREFIX)
        if not ours and os.path.lexists(self.latest):
            raise UsageError(f"{self.latest}: is in the way of the link to the newest run; name another --out.")

    def run(self, run_id: str) -> Path:
        """Where the run is once it is published."""
        return self.root / f"{_PREFIX}{run_id}"

    def journal(self, run_id: str) -> Path:
        """The journal of the run while it is unfinished."""
        return self._state / f"{run_id}.journal"

    def journals(self) -> list[Path]:
        """The journals of all unfinished runs, oldest name first."""
        return sorted(self._state.glob("*.journal"))

    def incoming(self) -> Path:
        """A journal that is still taking in its lists; one name, so that the next run writes over a killed one's."""
        return self._state / "new.incoming"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder for one run; the operating system lets go when the process ends, however it ends.

        Raises:
            FolderBusy: another process holds it.
        """
        with private.storage(self.root):
            file = os.fdopen(os.open(self._state / "lock", os.O_CREAT | os.O_RDWR, 0o600), "r+")
        with file:
            self._take(file)
            yield

    def _take(self, lock: IO[str]) -> None:
        with private.storage(self.root):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = lock.read().strip() or "another run"
                message = f"{self.root}: {holder} holds this folder; wait for it or name another --out."
                raise FolderBusy(message) from None
            lock.truncate(0)
            lock.write(f"process {os.getpid()}, running since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC,")
            lock.flush()

    def clear_stagings(self) -> None:
        """Remove what killed runs have staged and never published; the folder's lock must be held."""
        for path in self._state.glob("*.staging"):
            shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def staging(self, run_id: str) -> Iterator[Path]:
        """A new folder to write a run into; whatever is left of it at the end is removed.

        Raises:
            StorageError: an error of the operating system in the block.
        """
        path = self._state / f"{run_id}.staging"
        with private.storage(path):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(mode=0o700)
            try:
                yield path
            finally:
                shutil.rmtree(path, ignore_errors=True)

    def publish(self, staging: Path, run_id: str, manifest: Mapping[str, object]) -> Path:
        """Write the manifest, put the staged run in its place and point `latest` to it; return the place.

        Once the run is in its place it is published, whatever happens after that.

        Raises:
            StorageError: the run could not be put in its place; nothing is published.
        """
        with private.create(staging / MANIFEST) as file:
            file.write(json.dumps(manifest, ensure_ascii=False, indent=2).encode() + b"\n")
        private.sync(staging / MANIFEST)
        private.sync(staging)
        place = self.run(run_id)
        staging.rename(place)
        self.point_latest_to(run_id)
        return place

    def point_latest_to(self, run_id: str) -> None:
        """Switch `latest` to a published run; if that fails an error is logged, and `latest` stays as it is.

        A link cannot be changed, but a new one can take the old one's place in one step.
        """
        place = self.run(run_id)
        link = self._state / f"{place.name}.link"
        try:
            private.sync(self.root)
            link.unlink(missing_ok=True)
            link.symlink_to(place.name, target_is_directory=True)
            link.replace(self.latest)
            private.sync(self.root)
        except OSError as error:
            logger.error(  # noqa: TRY400 - a traceback is for developers, this is for whoever reads the log
                "%s is published, but %s could not be switched to it (%s).", place, self.latest, error.strerror
            )
