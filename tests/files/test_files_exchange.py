"""Two folders that change places: in one step where the system can, else in two, with a way back after a kill."""

from __future__ import annotations

import errno
import threading
from typing import TYPE_CHECKING

import pytest

from pipeline.files.exchange import REPLACED, exchange, recover, system_swap

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A new folder, and the one in whose place it goes."""
    new, place = tmp_path / "state" / "x.staging", tmp_path / "run=x"
    for path, text in ((new, "new"), (place, "old")):
        path.mkdir(parents=True)
        (path / "file").write_text(text)
    return new, place


def content(*paths: Path) -> list[str]:
    """What is in the file of each folder."""
    return [(path / "file").read_text() for path in paths]


def test_they_change_places_in_one_step(folders: tuple[Path, Path]) -> None:
    """Each is where the other was."""
    assert exchange(*folders, system_swap())
    assert content(*folders) == ["old", "new"]


def test_whoever_reads_meanwhile_always_finds_one(folders: tuple[Path, Path]) -> None:
    """A reader in a loop never finds the name without a folder."""
    new, place = folders
    seen: set[str] = set()
    done = threading.Event()
    wrong: list[OSError] = []

    def read() -> None:
        while not done.is_set():
            try:
                seen.add((place / "file").read_text())
            except OSError as error:
                wrong.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(100_000):
        exchange(new, place, system_swap())
        if number > 100 and len(seen) == 2:
            break
    done.set()
    reader.join()
    assert (wrong, seen) == ([], {"old", "new"})


@pytest.mark.parametrize("swap", [None, lambda *_: errno.EINVAL, lambda *_: errno.ENOSYS])
def test_in_two_steps_where_the_system_cannot(folders: tuple[Path, Path], swap: object) -> None:
    """With the same result, and nothing is left."""
    assert not exchange(*folders, swap)  # type: ignore[arg-type]
    assert content(*folders) == ["old", "new"]
    assert [path.name for path in folders[0].parent.iterdir()] == ["x.staging"]


def test_an_error_changes_nothing(folders: tuple[Path, Path]) -> None:
    """What the system refuses is raised, with both where they were."""
    with pytest.raises(PermissionError):
        exchange(*folders, lambda *_: errno.EACCES)
    assert content(*folders) == ["new", "old"]


def test_a_process_killed_between_the_steps(folders: tuple[Path, Path]) -> None:
    """The old folder is put back if the new one is not in its place, and only then."""
    new, place = folders
    aside = new.with_name(f"{place.name}{REPLACED}")
    place.rename(aside)
    assert recover(new.parent, place.parent) == [place]
    assert content(place) == ["old"]
    place.rename(aside)
    new.rename(place)
    assert recover(new.parent, place.parent) == []
    assert content(place, aside) == ["new", "old"]
