"""What differs between file systems: flushing, and home folders."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.filesystem import expand_home, sync


def test_files_and_folders_are_flushed(tmp_path: Path) -> None:
    """Both can be on a local disk; what is not there is an error that names it."""
    (tmp_path / "file").touch()
    assert sync(tmp_path / "file")
    assert sync(tmp_path)
    with pytest.raises(FileNotFoundError, match="none"):
        sync(tmp_path / "none")


def test_what_cannot_be_flushed_is_an_error() -> None:
    """`fsync` of a file that cannot be flushed says EINVAL as well; only folders are excused."""
    with pytest.raises(OSError, match="/dev/full"):
        sync(Path("/dev/full"))


@pytest.mark.parametrize(
    ("path", "expanded"),
    [
        ("~", "/home/ann"),
        ("~/", "/home/ann/"),
        ("~/x y/~", "/home/ann/x y/~"),
        ("x/~", "x/~"),
        ("./~", "./~"),
        ("~nobody-has-this-name/x", "~nobody-has-this-name/x"),
        ("-", "-"),
        ("", ""),
    ],
)
def test_a_tilde_at_the_start_is_the_home_folder(monkeypatch: pytest.MonkeyPatch, path: str, expanded: str) -> None:
    """As a shell has it; elsewhere, or before a name that nobody has, it is a character like others."""
    monkeypatch.setenv("HOME", "/home/ann")
    assert expand_home(path) == expanded


NAMELESS = """
import os, sys
from pipeline.filesystem import expand_home
os.environ.pop("HOME", None)
os.setuid(64_242)
for path in ("x", "~", "~/x"):
    try:
        print(expand_home(path))
    except ValueError:
        print("refused")
"""


def test_a_user_without_a_home_folder_is_told() -> None:
    """As in a container with a made-up user: nothing is written to a folder called `~`."""
    if os.geteuid():
        pytest.skip("only root can become a user that does not exist")
    done = subprocess.run([sys.executable, "-c", NAMELESS], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["x", "refused", "refused"]
