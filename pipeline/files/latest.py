"""What names the newest run of an output folder: the link `latest`, or `latest.json` where there can be no links."""

from __future__ import annotations

import errno
import json
import os
import secrets
from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.files import durable
from pipeline.files.modes import OWNER_ONLY, Modes
from pipeline.filesystem import sync

if TYPE_CHECKING:
    from pathlib import Path

RUN_PREFIX = "run="
"""How the name of a run's folder begins."""
_NO_LINKS = frozenset((errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL))
"""What creating a symbolic link gives on SMB, exFAT and FUSE, where creating a file works."""


class Latest:
    """The link, or the file in its place. While the one gives way to the other there may be both; the newer run counts.

    The file is one JSON object: `run_id`, and `path`, the run's folder relative to the output folder.

    Args:
        root: the output folder.
        scratch: a folder on the same disk for what is moved into place.
        modes: who may read the file.
    """

    def __init__(self, root: Path, scratch: Path, modes: Modes = OWNER_ONLY) -> None:
        self.link = root / "latest"
        self.file = root / "latest.json"
        self._root = root
        self._scratch = scratch
        self._modes = modes

    def check(self) -> None:
        """Check that nothing of somebody else is in the way of the link.

        Raises:
            UsageError: something else has this name.
        """
        if os.path.lexists(self.link) and self._linked() is None:
            raise UsageError(f"{self.link}: exists and is not the link to the newest run; name another --out.")

    def can_be_link(self) -> bool:
        """Try to make a link next to where it would be; False if this file system has none.

        Raises:
            UsageError: it has none, and something else is called `latest.json`.
            OSError: another error of the operating system.
        """
        probe = self._scratch / f"probe-{secrets.token_hex(4)}"
        try:
            probe.symlink_to(f"{RUN_PREFIX}probe", target_is_directory=True)
        except OSError as error:
            if error.errno not in _NO_LINKS:  # Python names the target of a link that cannot be made
                raise OSError(error.errno, error.strerror, str(probe)) from error
        else:
            probe.unlink()
            return True
        if os.path.lexists(self.file) and self._named() is None:
            raise UsageError(f"{self.file}: exists and does not name the newest run; name another --out.")
        return False

    def run(self) -> Path | None:
        """The folder of the newest run, which may have been deleted; None before the first."""
        name = self._linked() or self._named()
        return self._root / name if name else None

    def switch_to(self, run: Path) -> Path:
        """Name another run in one step, and remove what named an older one; return the link or the file.

        Raises:
            OSError: it cannot be made, moved into place or flushed to the disk.
        """
        sync(self._root)
        try:
            made, other = self._make_link(run), self.file
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            made, other = self._make_file(run), self.link
        if self._is_ours(other):
            other.unlink()
        sync(self._root)
        return made

    def _make_link(self, run: Path) -> Path:
        link = self._scratch / f"{run.name}.link"
        link.unlink(missing_ok=True)
        link.symlink_to(run.name, target_is_directory=True)
        return link.replace(self.link)

    def _make_file(self, run: Path) -> Path:
        staged = self._scratch / f"{self.file.name}.partial"
        staged.unlink(missing_ok=True)
        with durable.create(staged) as file:
            content = {"run_id": run.name.removeprefix(RUN_PREFIX), "path": run.name}
            file.write(json.dumps(content).encode() + b"\n")
        staged.chmod(self._modes.file)
        sync(staged)
        return staged.replace(self.file)

    def _is_ours(self, path: Path) -> bool:
        return (self._linked() if path == self.link else self._named()) is not None

    def _linked(self) -> str | None:
        """The name of the folder that the link points to; None if there is no such link."""
        name = self.link.readlink().name if self.link.is_symlink() else ""
        return name if name.startswith(RUN_PREFIX) else None

    def _named(self) -> str | None:
        """The name of the folder that the file names; None if there is no such file."""
        try:
            content = json.loads(self.file.read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        name = content.get("path") if isinstance(content, dict) else None
        is_name = isinstance(name, str) and name.startswith(RUN_PREFIX) and "/" not in name
        return name if is_name else None


def run_at(path: Path) -> Path:
    """The run that a user means by `path`: for a `DIR/latest` that there cannot be, the one in `DIR/latest.json`."""
    if path.name != "latest" or os.path.lexists(path):
        return path
    return Latest(path.parent, path.parent).run() or path
