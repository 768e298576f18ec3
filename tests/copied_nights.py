"""Published runs in any number, copied from one, and a run that stops whoever reads it until a test decides."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

PATIENCE_S = 60.0


def copies(run: Path, folder: Path, count: int) -> list[Path]:
    """That many runs with the answers of `run` in `folder`: `night-0`, the oldest, and so on, a day apart."""
    return [night(run, folder, number) for number in range(count)]


def night(run: Path, folder: Path, number: int, **changes: object) -> Path:
    """One of them."""
    path = folder / f"run=night-{number}"
    shutil.copytree(run, path)
    manifest = json.loads((path / "manifest.json").read_bytes())
    day = f"2026-11-{number + 1:02}T02"
    manifest |= {"run_id": f"night-{number}", "started_at": f"{day}:00:00.000+00:00"}
    manifest |= {"finished_at": f"{day}:59:00.000+00:00", **changes}
    write_manifest(path, manifest)
    return path


def write_manifest(run: Path, manifest: Mapping[str, Any]) -> None:
    """Replace the manifest of a run, in the form in which it is published."""
    (run / "manifest.json").write_bytes(json.dumps(manifest, ensure_ascii=False, indent=2).encode() + b"\n")


def contents(folder: Path) -> dict[str, bytes]:
    """Every published file by its path in the folder, and which run is `latest`."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.glob("run=*/*")}
    return found | {"latest": str((folder / "latest").readlink()).encode()}


def hidden(folder: Path) -> list[str]:
    """What is left in the hidden folder, but for the lock."""
    return sorted(path.name for path in (folder / ".lead-export").iterdir() if path.name != "lock")


class Trap:
    """A run whose replies are a FIFO for now: whoever reads them waits, and a test knows who it is.

    Args:
        run: the run.
    """

    def __init__(self, run: Path) -> None:
        self.path = run / "replies.parquet"
        self._kept = run / "replies.kept"
        self.path.rename(self._kept)
        os.mkfifo(self.path)

    def catch(self) -> int:
        """Wait until a process reads the replies, and freeze it; return its number."""
        writer = _opened(self.path)
        try:
            pid = _reader(self.path)
            os.kill(pid, signal.SIGSTOP)
        finally:
            os.close(writer)
        return pid

    def kill(self, *, restore: bool = False) -> int:
        """Kill the process that reads the replies; with `restore` they are a file for whoever reads them next."""
        pid = self.catch()
        if restore:
            self.restore()
        kill(pid)
        return pid

    def restore(self) -> None:
        """Put the replies back."""
        self._kept.replace(self.path)


def _opened(path: Path) -> int:
    """Open a FIFO for writing as soon as somebody wants to read it."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            assert time.monotonic() < deadline, f"nobody reads {path}"
            time.sleep(0.01)


def _reader(path: Path) -> int:
    """The other process that has the FIFO open."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        for process in Path("/proc").iterdir():
            if process.name.isdecimal() and int(process.name) != os.getpid() and _has_open(process, path):
                return int(process.name)
    raise AssertionError(f"nobody has {path} open")


def _has_open(process: Path, path: Path) -> bool:
    try:
        return any(link.readlink() == path for link in (process / "fd").iterdir())
    except OSError:  # it has ended
        return False


def kill(pid: int) -> None:
    """Kill a process, and wait for its end; by then it has no file open."""
    os.kill(pid, signal.SIGKILL)
    wait_until_gone(pid)


def wait_until_gone(pid: int) -> None:
    """Wait until a process has ended; its parent need not know."""
    deadline = time.monotonic() + PATIENCE_S
    while _runs(pid):
        assert time.monotonic() < deadline, f"process {pid} still runs"
        time.sleep(0.01)


def _runs(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
