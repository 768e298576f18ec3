"""What every worker of a cluster must have: the versions of this process, and the same folders."""

from __future__ import annotations

import os
import platform
import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from pipeline.errors import StopRun
from pipeline.files import durable
from pipeline.files.state import StateFolder
from pipeline.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

LIBRARIES = ("pyarrow", "pandas", "distributed")
"""Libraries that decide which bytes a file has, or whether tasks are understood."""


def versions() -> dict[str, str]:
    """The version of Python, of lead-export and of the `LIBRARIES` in this process; nothing is imported for it."""
    return {"Python": platform.python_version(), "lead-export": __version__, **{name: _of(name) for name in LIBRARIES}}


def _of(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "none"


def difference(theirs: Mapping[str, str], ours: Mapping[str, str]) -> str:
    """How versions differ, to follow the name of a process; "" if they do not."""
    found = [f"{name} {theirs.get(name, 'none')} instead of {wanted}" for name, wanted in ours.items()]
    differing = [text for text, name in zip(found, ours, strict=True) if theirs.get(name) != ours[name]]
    return f"has {', '.join(differing)}" if differing else ""


@dataclass(frozen=True, slots=True)
class Site:
    """What the process that hands out nights has, to be compared by a worker with what it has itself.

    Attributes:
        out: the folder to publish in, an absolute path.
        proof: a file in there, on the disk for as long as nights are handed out.
        token: what it holds.
        versions: see `versions`.
    """

    out: Path
    proof: Path
    token: str
    versions: dict[str, str]

    @classmethod
    @contextmanager
    def open(cls, state: StateFolder) -> Iterator[Site]:
        """The site of an output folder for as long as the block.

        Raises:
            StorageError: the proof cannot be written.
        """
        token = secrets.token_hex(16)
        proof = state.path / f"probe-{token[:8]}"
        with durable.storage_errors(proof):
            with durable.create(proof) as file:
                file.write(token.encode())
            try:
                yield cls(state.owner, proof, token, versions())
            finally:
                proof.unlink(missing_ok=True)

    def trouble(self) -> str:
        """What this process lacks, as a sentence; "" if nothing."""
        if differs := difference(versions(), self.versions):
            return f"A worker {differs}; install the same versions everywhere, or files would differ."
        try:
            is_same = self.proof.read_text() == self.token
        except OSError:
            is_same = False
        return "" if is_same else f"{self.out}: is not the same folder on a worker; mount the same storage everywhere."

    def refusal(self, paths: Sequence[Path]) -> str:
        """The same, and whether these runs, and files, can be read and the folder can be written, which is tried."""
        if trouble := self.trouble():
            return trouble
        unreadable = [path for path in paths if not os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0))]
        if unreadable:
            return f"{unreadable[0]}: cannot be read on a worker; mount the same storage everywhere."
        try:
            StateFolder.in_folder(self.out).check_writable()
        except StopRun as error:
            return f"{str(error).removesuffix('.')} (on a worker)."
        return ""
