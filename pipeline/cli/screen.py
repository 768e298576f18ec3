"""The last line of a terminal, which messages do not tear: it is erased before each of them and drawn again below."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

DEFAULT_COLUMNS = 80
"""The width of a terminal that does not say how wide it is."""
DEFAULT_ROWS = 23
"""The lines of one that does not say how many it has, but for the one below."""
_lock = threading.RLock()
"""Held while something is printed: the line is also drawn by a thread of its own."""


class LastLine:
    """A line on a terminal that changes in place; at most one is shown at a time.

    It is drawn with spaces and carriage returns only, which every terminal understands. One that can no longer be
    written is not drawn again, and stops nothing.

    Args:
        stream: the terminal.
    """

    shown: ClassVar[LastLine | None] = None

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._text = ""

    @property
    def columns(self) -> int:
        """The width that a line can have; one more character would move the cursor to the next line."""
        return _columns(self._stream) - 1

    def draw(self, text: str) -> None:
        """Show this text instead of the present one."""
        with _lock:
            LastLine.shown = self
            cut = text[: self.columns]
            self._put(f"\r{cut.ljust(len(self._text))}")
            self._text = cut

    def erase(self) -> None:
        """Remove the line; the next message takes its place."""
        with _lock:
            LastLine.shown = None
            if self._text:
                self._put(f"\r{' ' * len(self._text)}\r")
            self._text = ""

    def leave(self) -> None:
        """Leave the line as it is; the next message starts below it."""
        with _lock:
            LastLine.shown = None
            if self._text:
                self._put("\n")
            self._text = ""

    def _put(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            discard(self._stream)


class LastLines(LastLine):
    """Several lines at the end of a terminal that change in place, with the control sequences of ECMA-48."""

    @property
    def rows(self) -> int:
        """The number of lines that there is room for."""
        with suppress(OSError, ValueError):
            return max(1, os.get_terminal_size(self._stream.fileno()).lines - 1)
        return DEFAULT_ROWS

    def draw(self, text: str) -> None:
        """Show these lines instead of the present ones."""
        with _lock:
            LastLine.shown = self
            cut = "\n".join(line[: self.columns] for line in text.split("\n"))
            self._put(self._to_first() + cut.replace("\n", "\x1b[K\n") + "\x1b[J")
            self._text = cut

    def erase(self) -> None:
        """Remove the lines; the next message takes their place."""
        with _lock:
            LastLine.shown = None
            if self._text:
                self._put(self._to_first() + "\x1b[J")
            self._text = ""

    def _to_first(self) -> str:
        """What moves the cursor to where the lines begin."""
        above = self._text.count("\n")
        return f"\r\x1b[{above}A" if above else "\r"


@contextmanager
def above_last_line() -> Iterator[None]:
    """Let the block print whole lines, above the last line if there is one."""
    with _lock:
        line = LastLine.shown
        if line is None:
            yield
            return
        text = line._text  # noqa: SLF001 - its own module
        line.erase()
        try:
            yield
        finally:
            line.draw(text)


def discard(stream: TextIO) -> None:
    """Throw away what is still to be written to a stream that nobody can read any more.

    Python has the text buffered and would try to write it again, and complain, when the process exits.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _columns(stream: TextIO) -> int:
    """The terminal's width: COLUMNS if that is set, else what the terminal itself says, else 80."""
    with suppress(ValueError):
        if (columns := int(os.environ.get("COLUMNS", ""))) > 0:
            return columns
    with suppress(OSError, ValueError):
        return os.get_terminal_size(stream.fileno()).columns or DEFAULT_COLUMNS
    return DEFAULT_COLUMNS
