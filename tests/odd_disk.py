"""The real command on a disk that lacks something: `odd_disk.c` makes system calls fail, below one folder only.

Run as a script, this module is the process in which commands run: it takes one request a line, so that only one
interpreter has to start for all tests.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cli_command import Result, lead_export

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SOURCE = Path(__file__).with_suffix(".c")
NO_FOLDER_SYNC = {"FSYNC_FOLDER": errno.EINVAL}
NO_LINKS = {"SYMLINK": errno.EPERM}
NO_SHARED_MEMORY = {"MMAP": errno.ENODEV}


class OddDisk:
    """Runs commands under the library.

    Args:
        library: the compiled library.
        process: this module as a script, with the library.
    """

    def __init__(self, library: Path, process: subprocess.Popen[str]) -> None:
        self.library = library
        self._process = process

    def __call__(self, faults: Mapping[str, str], *arguments: object, **env: str) -> Result:
        """Run lead-export with these arguments and `faults`, those of `on` or `at`."""
        pipe_in, pipe_out = self._process.stdin, self._process.stdout
        assert pipe_in is not None
        assert pipe_out is not None
        print(json.dumps([[*map(str, arguments)], {**env, **faults}]), file=pipe_in, flush=True)
        return Result(*json.loads(pipe_out.readline()))


def on(folder: Path, faults: Mapping[str, int]) -> dict[str, str]:
    """Variables that make calls fail on everything below a folder, and on the folder itself."""
    return {"DISK_PREFIX": str(folder), **{f"DISK_{call}": str(number) for call, number in faults.items()}}


def at(path: Path, faults: Mapping[str, int]) -> dict[str, str]:
    """Variables that make calls fail on one path alone."""
    return {"DISK_PATH": str(path), **{f"DISK_{call}": str(number) for call, number in faults.items()}}


def compiled(folder: Path) -> Path | None:
    """The library; None if there is no compiler, or if this system has no LD_PRELOAD."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        return None
    library = folder / "odd_disk.so"
    words: list[str | Path] = [compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"]
    return library if subprocess.run(words, check=False, capture_output=True).returncode == 0 else None


@contextmanager
def started(library: Path) -> Iterator[OddDisk]:
    """The process in which commands run, until the end of the block."""
    env = {**os.environ, "LD_PRELOAD": str(library)}
    with subprocess.Popen(
        [sys.executable, __file__], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield OddDisk(library, process)
        assert process.stdin is not None
        process.stdin.close()


def serve() -> None:
    """Run one command for each line on standard input, and print how it ended."""
    for line in sys.stdin:
        arguments, env = json.loads(line)
        done = lead_export(*arguments, **env)
        sys.stdout.write(json.dumps([done.code, done.out, done.err]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
