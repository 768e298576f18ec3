"""What a new file takes over from the one that it replaces."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from pipeline.files import durable
from pipeline.files.replaced import behind_links, take_over_access


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """A private file that is to replace another."""
    durable.create(tmp_path / "new").close()
    return tmp_path / "new"


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664, 0o640, 0o400, 0o4755])
def test_the_mode_stays(new: Path, tmp_path: Path, mode: int) -> None:
    """Whatever it was, but for the bits that run a program as somebody else."""
    old = tmp_path / "old"
    old.touch()
    old.chmod(mode)
    take_over_access(new, old)
    assert new.stat().st_mode & 0o7777 == mode & 0o777


def test_nothing_there_before_is_private(new: Path, tmp_path: Path) -> None:
    """Only the owner may read a file that replaces none."""
    take_over_access(new, tmp_path / "none")
    assert new.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_owner_and_group_stay(new: Path, tmp_path: Path) -> None:
    """A file of somebody else stays theirs."""
    old = tmp_path / "old"
    old.touch(mode=0o660)
    old.chmod(0o660)
    os.chown(old, 12345, 54321)
    take_over_access(new, old)
    assert (new.stat().st_uid, new.stat().st_gid, new.stat().st_mode & 0o777) == (12345, 54321, 0o660)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_group_that_cannot_be_kept_loses_its_access() -> None:
    """Somebody who is not in the group of a file cannot give a new one to it: no other group may read it instead."""
    with tempfile.TemporaryDirectory() as folder:  # which, unlike `tmp_path`, others can get to
        Path(folder).chmod(0o777)
        new, old = Path(folder, "new"), Path(folder, "old")
        for file, owner, group in ((new, 12345, 12345), (old, 0, 54321)):
            file.touch()
            file.chmod(0o664)
            os.chown(file, owner, group)
        os.setegid(12345)
        os.seteuid(12345)
        try:
            take_over_access(new, old)
        finally:
            os.seteuid(0)
            os.setegid(0)
        assert (new.stat().st_uid, new.stat().st_gid, new.stat().st_mode & 0o777) == (12345, 12345, 0o604)


def test_the_file_behind_links(tmp_path: Path) -> None:
    """A chain of links, relative ones and one to nothing among them; anything else is itself; a loop is an error."""
    file, first, second, loop = (tmp_path / name for name in ("file", "first", "second", "loop"))
    first.symlink_to("file")
    second.symlink_to(first)
    assert [behind_links(path) for path in (file, first, second)] == [file, file, file]
    file.touch()
    assert behind_links(second) == file
    loop.symlink_to(loop)
    with pytest.raises(OSError, match="loop"):
        behind_links(loop)
