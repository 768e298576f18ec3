"""Many runs: how many processes, who is blamed for a death, what stops everything, and progress."""

from __future__ import annotations

import errno
import io
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cli_command import OPTIONS, run, write_list
from copied_nights import contents, copies

import pipeline
from pipeline.cli.nights import NightProgress
from pipeline.errors import StorageError, UsageError
from pipeline.jobs.nights.local import ThisProcess, count_for
from pipeline.jobs.nights.night import Ending, Night, failed
from pipeline.jobs.nights.shift import Shift
from pipeline.sandbox.process import running
from pipeline.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

MIB = 1024**2


class Scripted(Executor):
    """An executor whose tasks end as a script says, by the name of the night and the number of the try."""

    def __init__(self, ends: dict[str, list[object]]) -> None:
        self.asked: list[str] = []
        self._ends = ends

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ARG002 - the script knows
        """End the task at once."""
        night: Night = args[0]
        self.asked.append(night.run_id)
        end = self._ends[night.run_id].pop(0)
        future: Future[Any] = Future()
        if isinstance(end, BaseException):
            future.set_exception(end)
        elif end is None:
            future.cancel()
            future.set_running_or_notify_cancel()
        else:
            future.set_result(end)
        return future


class Crew:
    """A crew of two."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor

    def capacity(self) -> int:
        """Two."""
        return 2

    def deaths(self, error: BaseException) -> int:
        """One for each executor that broke."""
        return int(isinstance(error, BrokenExecutor))

    def prepared(self, state: object, paths: object) -> AbstractContextManager[None]:  # noqa: ARG002 - a crew's
        """Nothing to prepare."""
        return nullcontext()

    def close(self) -> None:
        """Nothing to close."""


def night(run_id: str) -> Night:
    """A night that is nowhere."""
    return Night(Path("/nowhere") / run_id, Path("/nowhere"), Settings(), run_id)


def good(run_id: str) -> Ending:
    """An ending as it should be."""
    return Ending(run_id=run_id, folder="/nowhere", status="rebuilt")


def worked(executor: Executor, names: Iterable[str]) -> list[Ending]:
    """The endings of these nights."""
    endings: list[Ending] = []
    Shift(Crew(executor), endings.append).rebuild([night(name) for name in names])
    return endings


@pytest.mark.parametrize(
    ("nights", "workers", "cores", "mib", "count"),
    [
        (60, 0, 8, None, 8),
        (3, 0, 8, None, 3),
        (60, 0, 8, 256 + 900, 3),
        (60, 0, 8, 10, 1),
        (60, 0, 1, None, 1),
        (60, 5, 1, 10, 5),
        (2, 5, 8, None, 2),
        (60, 1, 8, None, 0),
        (0, 0, 8, None, 1),
    ],
)
def test_how_many_processes(nights: int, workers: int, cores: int, mib: int | None, count: int) -> None:
    """By nights, cores and memory, at least one, so that a night that is killed kills nothing else; 1 starts none."""
    assert count_for(nights, workers, cores, mib and mib * MIB) == count


def test_deaths_are_counted_by_night() -> None:
    """One death: again at the end of the queue; two: alone after all others; three: failed. Others go on."""
    dead = BrokenExecutor()
    executor = Scripted(
        {
            "killer": [dead, dead, dead],
            "unlucky": [dead, good("unlucky")],
            "worse": [dead, dead, good("worse")],
            "fine": [good("fine")],
        }
    )
    endings = worked(executor, ["killer", "unlucky", "worse", "fine"])
    assert {ending.run_id: ending.status for ending in endings} == {
        "killer": "failed",
        "unlucky": "rebuilt",
        "worse": "rebuilt",
        "fine": "rebuilt",
    }
    assert set(executor.asked[-2:]) == {"killer", "worse"}
    assert [ending.exit_code for ending in endings if ending.status == "failed"] == [6]


def test_a_lost_connection_is_nobodys_fault() -> None:
    """What it has cancelled is handed out again, however often."""
    executor = Scripted({"a": [None, None, None, good("a")]})
    assert [ending.run_id for ending in worked(executor, ["a"])] == ["a"]


def test_a_full_disk_stops_everything() -> None:
    """The next night would run into the same; what is wrong with one file would not."""
    for number, stops in ((errno.ENOSPC, True), (errno.EROFS, True), (errno.EIO, False), (errno.EFBIG, False)):
        error = StorageError("It is full.")
        error.__cause__ = OSError(number, "x")
        assert failed("a", Path("a"), error).stops is stops
    full = Ending(run_id="a", folder="a", status="failed", reason="It is full.", exit_code=6, stops=True)
    executor = Scripted({"a": [full], "b": [good("b")], "c": [good("c")]})
    with pytest.raises(StorageError, match=r"^It is full\.$"):
        worked(executor, ["a", "b", "c"])
    assert "c" not in executor.asked
    misfit = Ending(run_id="a", folder="a", status="failed", reason="Other version.", exit_code=2, stops=True)
    with pytest.raises(UsageError):
        worked(Scripted({"a": [misfit]}), ["a"])


def test_a_bug_is_repeated_here_after_the_others() -> None:
    """An exception of a worker has no frames of its own; here it is what it is, or does not happen again."""
    executor = Scripted({"odd": [KeyError()], "fine": [good("fine")]})
    endings = worked(executor, ["odd", "fine"])
    assert [(ending.run_id, ending.status) for ending in endings] == [("fine", "rebuilt"), ("odd", "failed")]
    assert "/nowhere/odd" in (endings[1].reason or "")


def test_this_process_as_an_executor() -> None:
    """It works at once, and an exception is the future's."""
    assert ThisProcess().submit(abs, -1).result() == 1
    assert isinstance(ThisProcess().submit(abs, "x").exception(), TypeError)  # type: ignore[arg-type]


class Terminal(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def test_progress_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """How many of how many, how long the others take, and how many failed; a failure is a line of its own."""
    monkeypatch.setenv("COLUMNS", "90")
    terminal, clock = Terminal(), iter(range(1_000))
    with NightProgress(enabled=True, stream=terminal, now=lambda: float(next(clock))) as shown:
        shown.began(4)
        shown.ended(good("a"))
        assert "1 of 4 runs, " in shown.text()
        assert " left" in shown.text()
        shown.ended(Ending(run_id="b", folder="b", status="failed", reason="It is broken."))
        assert shown.text().endswith("1 failed")
    assert "[##########" in terminal.getvalue()
    assert capsys.readouterr().err == "lead-export: It is broken.\n"


def test_from_python(tmp_path: Path) -> None:
    """Several paths give what became of each; one gives its manifest."""
    with running(OPTIONS) as sandbox:
        people = write_list(tmp_path / "people.csv", ["person.1@example.com"])
        assert run(people, sandbox, tmp_path / "out").code == 0
    nights = copies((tmp_path / "out" / "latest").resolve(), tmp_path / "export", 2)
    rebuilt = pipeline.rebuild(iter(nights), tmp_path / "again", workers=1)
    assert (rebuilt.rebuilt, rebuilt.failed, rebuilt.latest) == (2, 0, "night-1")
    before = contents(tmp_path / "again")
    assert pipeline.rebuild(nights[0], tmp_path / "again").run_id == "night-0"
    assert contents(tmp_path / "again") == before
