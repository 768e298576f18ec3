"""The arguments that programs give: checked before a job begins, and turned into the types that jobs take."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias, TypeVar

from pipeline.errors import WrongArgument

Kind = TypeVar("Kind")
Item = TypeVar("Item")
AnyPath: TypeAlias = str | os.PathLike[str]
Several: TypeAlias = Sequence[Item] | Iterator[Item]

_WORDS: dict[type, str] = {str: "a string", bool: "True or False", int: "a whole number"}


def path(name: str, given: AnyPath) -> Path:
    """A path from a string or a path.

    Raises:
        WrongArgument: it is neither, or it is empty.
    """
    text: object = os.fspath(given) if isinstance(given, str | os.PathLike) else given
    if not isinstance(text, str):
        raise WrongArgument.of(name, "a path, as a string or a pathlib.Path", given)
    if not text.strip() or "\0" in text:
        raise WrongArgument(f"{name}: must not be an empty path or contain a null character.")
    return Path(text)


def paths(name: str, given: AnyPath | Several[AnyPath], noun: str = "list") -> list[Path]:
    """The paths of one path or several; `noun` says what they are.

    Raises:
        WrongArgument: there is none, or something that is no path.
    """
    if isinstance(given, str | os.PathLike):
        return [path(name, given)]
    found = [
        path(f"{name}[{number}]", one) for number, one in enumerate(_several(name, given, "a path or a list of paths"))
    ]
    if not found:
        raise WrongArgument(f"{name}: must name at least one {noun}.")
    return found


def words(name: str, given: str | Several[str]) -> tuple[str, ...]:
    """Several words, also from one string with commas between them, as on the command line.

    Raises:
        WrongArgument: there is something that is no string.
    """
    if isinstance(given, str):
        return tuple(word.strip() for word in given.split(",") if word.strip())
    return tuple(
        instance(f"{name}[{number}]", one, str) for number, one in enumerate(_several(name, given, "a list of strings"))
    )


def instance(name: str, given: object, wanted: type[Kind]) -> Kind:
    """The same object.

    Raises:
        WrongArgument: it is not of the type `wanted`.
    """
    if not isinstance(given, wanted):
        raise WrongArgument.of(name, _WORDS.get(wanted, f"a pipeline.{wanted.__name__}"), given)
    return given


def _several(name: str, given: Several[Item], wanted: str) -> Several[Item]:
    """The same; a data frame, which could be iterated too, would give the names of its columns."""
    if isinstance(given, bytes) or not isinstance(given, Sequence | Iterator):
        raise WrongArgument.of(name, wanted, given)
    return given
