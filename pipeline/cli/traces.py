"""Tracebacks without data: where an error was raised, but neither its message nor any value or source line."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator


def frames(error: BaseException) -> Iterator[str]:
    """The versions, each frame as `file:line function`, innermost last, and the type of the error.

    Of a group of errors the first one is followed; errors that led to the error come before it.
    """
    yield f"lead-export {__version__}, Python {sys.version.split()[0]}, {sys.platform}"
    yield from _chain(error)


def _chain(error: BaseException) -> Iterator[str]:
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield from _chain(cause)
    for frame in traceback.extract_tb(error.__traceback__):
        yield f"{_short(frame.filename)}:{frame.lineno} {frame.name}"
    yield f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    if isinstance(error, BaseExceptionGroup):
        yield from _chain(error.exceptions[0])


def _short(filename: str) -> str:
    """The path of a module as an import finds it, without the user's folders."""
    path = Path(filename)
    roots = (Path(folder) for folder in sys.path if folder)
    inside = [path.relative_to(root) for root in roots if path.is_relative_to(root)]
    return str(min(inside, key=lambda found: len(found.parts), default=Path(path.name)))
