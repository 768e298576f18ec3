"""Who may read what is published: the permissions of files and folders, which a setting may widen for readers.

They are set after the writing, so that the umask of whoever runs the job takes nothing away. What a job keeps for
itself (journals, locks, its history) stays with its owner in any case.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.settings import Settings


@dataclass(frozen=True, slots=True)
class Modes:
    """The permissions of published files, and of the folders that hold them."""

    file: int = 0o600
    folder: int = 0o700

    @classmethod
    def of(cls, settings: Settings) -> Modes:
        """Those of the settings."""
        return cls(int(settings.file_mode, 8), int(settings.folder_mode, 8))

    def grant(self, folder: Path) -> None:
        """Give a folder and the files in it, which nobody else writes now, these permissions.

        Raises:
            OSError: they cannot be changed.
        """
        for path in folder.iterdir():
            path.chmod(self.file)
        self.grant_folder(folder)

    def grant_folder(self, folder: Path) -> None:
        """Give a folder alone its permissions; the set-group-ID bit stays.

        Raises:
            OSError: they cannot be changed.
        """
        folder.chmod(self.folder | folder.stat().st_mode & stat.S_ISGID)


def take_over_mode(new: Path, old: Path) -> None:
    """Give a file the permissions of the one that it will replace.

    Raises:
        OSError: they cannot be read or changed.
    """
    new.chmod(stat.S_IMODE(old.stat().st_mode))


OWNER_ONLY = Modes()
"""What everything has unless a setting says otherwise."""
