"""Changes to the whole process, made by several threads at once."""

from __future__ import annotations

import os
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.emails.lists import EmailList
from pipeline.host import SharedChange, collected_warnings
from pipeline.jobs import workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@given(order=st.permutations([0, 0, 1, 1, 2, 2]))
def test_the_first_makes_a_change_and_the_last_undoes_it(order: list[int]) -> None:
    """In whichever order users come and go."""
    state = ["as it was"]

    @contextmanager
    def change() -> Iterator[None]:
        before, state[:] = state[:], ["changed"]
        yield
        state[:] = before

    shared = SharedChange(change)
    inside: set[int] = set()
    for user in order:
        if user in inside:
            inside.remove(user)
            shared.__exit__(None, None, None)
        else:
            inside.add(user)
            shared.__enter__()
        assert state == (["changed"] if inside else ["as it was"])


def overlapping(enter: Callable[[], Any]) -> None:
    """Have two threads in such a block: the one that came first leaves first."""
    first_is_in, second_is_in, first_is_out = threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        with enter():
            first_is_in.set()
            assert second_is_in.wait(10)
        first_is_out.set()

    def second() -> None:
        assert first_is_in.wait(10)
        with enter():
            second_is_in.set()
            assert first_is_out.wait(10)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(first), pool.submit(second)]:
            done.result()


@pytest.mark.parametrize("enter", [collected_warnings, lambda: workers._no_imports_from_current_folder])
def test_threads_leave_the_process_as_it_was(enter: Callable[[], Any]) -> None:
    """Filters of warnings, how these are shown, and the environment."""
    before = (warnings.filters[:], warnings.showwarning, dict(os.environ))
    overlapping(enter)
    assert (warnings.filters[:], warnings.showwarning, dict(os.environ)) == before


def test_workbooks_that_are_read_at_once_leave_the_filters(tmp_path: Path) -> None:
    """Each list is read whole in a thread of its own, many times."""
    book = openpyxl.Workbook()
    for row in [["email"], *([f"p{n}@example.com"] for n in range(600))]:
        book.worksheets[0].append(row)
    book.save(tmp_path / "list.xlsx")
    before = (warnings.filters[:], warnings.showwarning)
    with ThreadPoolExecutor(2) as pool:
        assert [
            len([*cells]) for cells in pool.map(lambda _: [*EmailList(tmp_path / "list.xlsx").cells()], range(8))
        ] == [600] * 8
    assert (warnings.filters[:], warnings.showwarning) == before


def test_each_thread_hears_its_own_warnings(recwarn: pytest.WarningsRecorder) -> None:
    """Those of openpyxl; whatever else is warned of goes to the host as ever."""
    warnings.simplefilter("always")

    def warn(text: str) -> list[str]:
        with collected_warnings() as heard:
            for n in range(20):
                warnings.warn_explicit(f"{text} {n}", UserWarning, "/site/openpyxl/reader.py", 1, "openpyxl.reader")
            warnings.warn_explicit(f"host {text}", UserWarning, "/host/app.py", 1, "app")
        return heard

    with ThreadPoolExecutor(2) as pool:
        heard = [*pool.map(warn, ["a", "b"])]
    assert heard == [[f"{text} {n}" for n in range(20)] for text in ("a", "b")]
    assert sorted(str(each.message) for each in recwarn) == ["host a", "host b"]
