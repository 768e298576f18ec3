"""Tracebacks without data: where an error was raised, but neither its message nor any value or source line."""

from __future__ import annotations

import errno
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

MAX_FRAMES = 30
"""Of a longer traceback, as a recursion has it, the middle is left out."""
MAX_ERRORS = 20
"""As many errors of a chain are followed, the last ones."""


def frames(error: BaseException) -> Iterator[str]:
    """The versions, each frame as `file:line function`, innermost last, and the type of the error.

    Errors that led to the error come before it, and the errors of a group after it, indented.
    """
    yield f"lead-export {__version__}, Python {sys.version.split()[0]}, {sys.platform}"
    yield from _chain(error, set())


def _chain(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))  # a chain can lead back to itself
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and id(cause) not in seen and len(seen) < MAX_ERRORS:
        yield from _chain(cause, seen)
        yield "which led to:" if error.__cause__ else "while that was handled:"
    yield from _shortened([*_frames(error.__traceback__)])
    yield _kind(error)
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from (f"  {line}" for line in _chain(one, seen))


def _frames(trace: TracebackType | None) -> Iterator[str]:
    for frame, line in traceback.walk_tb(trace):
        yield f"{_short(frame.f_code.co_filename)}:{line} {frame.f_code.co_qualname}"


def _shortened(lines: list[str]) -> list[str]:
    half = MAX_FRAMES // 2
    if len(lines) <= MAX_FRAMES:
        return lines
    return [*lines[:half], f"({len(lines) - 2 * half} more frames)", *lines[-half:]]


def _kind(error: BaseException) -> str:
    """The type of an error, and the name of what the operating system reports."""
    name = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    number = (error.errno or 0) if isinstance(error, OSError) else 0
    return f"{name} {errno.errorcode.get(number, '')}".rstrip()


def _short(filename: str) -> str:
    """The path of a module as an import finds it, without the user's folders."""
    path = Path(filename)
    roots = (Path(folder) for folder in sys.path if folder)
    inside = [path.relative_to(root) for root in roots if path.is_relative_to(root)]
    return str(min(inside, key=lambda found: len(found.parts), default=Path(path.name)))
