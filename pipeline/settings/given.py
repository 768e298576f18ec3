"""Values as the environment and TOML can hold them, made into those that a setting has."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BeforeValidator

from pipeline.filesystem import expand_home


def split(value: object) -> object:
    """Environment variables hold lists as one string: `parquet,csv`."""
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


def parts(value: object) -> object:
    """The same for lists that may be empty, as an empty string is."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def joined(value: object) -> object:
    """Several URLs are one secret."""
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else value


def none_if_empty(value: object) -> object:
    """TOML and the environment have no null; an empty string means None."""
    return None if value == "" else value


def path(value: object) -> object:
    """No shell has replaced `~` in a TOML file or a variable."""
    return expand_home(os.fspath(value)) if value and isinstance(value, str | Path) else none_if_empty(value)


OCTAL = "^0?[0-7]{3}$"
"""What permissions look like as text; a number of TOML could be read as decimal or as octal."""


def permissions(mode: str, *, of_folder: bool) -> str:
    """The permissions of published files or folders, checked.

    Raises:
        ValueError: their owner could not replace them, or others could change them.
    """
    owner, others = (0o700, 0o022) if of_folder else (0o600, 0o133)
    bits = int(mode, 8)
    if bits & owner != owner or bits & others:
        example = "0750" if of_folder else "0640"
        raise ValueError(f"must let the owner read and write, and nobody else write, as {example} does")
    return mode


Unset = BeforeValidator(none_if_empty)
UnsetPath = BeforeValidator(path)
