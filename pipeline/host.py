"""Changes to the process that a job and the program that calls it share, though jobs run in several threads at once.

What is switched for a whole process must not be restored by each thread to what it found: the second one finds what the
first has switched. So the first to come makes the change, and the last to leave undoes it.
"""

from __future__ import annotations

import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager


class SharedChange:
    """A change that lasts while any thread is in a block of it; its lock is held only while one comes or goes.

    Args:
        make: the change, which is undone at the end of its block; it may end in another thread than it began in.
    """

    def __init__(self, make: Callable[[], AbstractContextManager[object]]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._users = 0

    def __enter__(self) -> None:
        """Make the change, unless another thread has."""
        with self._lock:
            if not self._users:
                self._change = self._make()
                self._change.__enter__()
            self._users += 1

    def __exit__(self, *_: object) -> None:
        """Undo the change, unless another thread needs it."""
        with self._lock:
            self._users -= 1
            if not self._users:
                self._change.__exit__(None, None, None)


class _Heard(threading.local):
    """Where the warnings of a thread go: the last of these lists."""

    def __init__(self) -> None:
        self.lists: list[list[str]] = []


_heard = _Heard()


@contextmanager
def _openpyxl_is_heard() -> Iterator[None]:
    """Hand the warnings of openpyxl, all of them, to the thread in which they occur; others go where they went."""
    with warnings.catch_warnings():
        shown = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if _heard.lists and "openpyxl" in filename:
                _heard.lists[-1].append(str(message))
            else:
                shown(message, category, filename, lineno, file, line)

        warnings.filterwarnings("always", module="openpyxl")
        warnings.showwarning = show
        yield


_hearing = SharedChange(_openpyxl_is_heard)


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """Collect what openpyxl warns of in this thread instead of printing it; not to be held across a `yield`."""
    heard: list[str] = []
    with _hearing:
        _heard.lists.append(heard)
        try:
            yield heard
        finally:
            _heard.lists.pop()
