"""What a table and a column are: names, types, meanings, and what a column says about people; `schema` has them all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["identity", "personal", "free text", "neutral"]
"""What a column says about people: which person it is, something about her, anything at all, or nothing."""
IDENTITY: Kind = "identity"
PERSONAL: Kind = "personal"
FREE_TEXT: Kind = "free text"
NEUTRAL: Kind = "neutral"

Type = Literal["string", "int8", "int32", "int64", "timestamp[s]", "timestamp[ms, UTC]", "binary"]

_IN_FILES: dict[Type, str] = {"timestamp[s]": "timestamp[ms]", "timestamp[ms, UTC]": "timestamp[ms, tz=UTC]"}
"""What types are in Parquet, where that differs from frames: Parquet has no timestamps in whole seconds."""

ZERO_DATES = ("0000-00-00 00:00:00", "0000-00-00")
"""How MySQL, and therefore the API, writes "no date"."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, Arrow type, meaning, and what it says about people.

    Attributes:
        source_key: the key under which the API's objects hold the value; the column's name unless stated otherwise.
        nested_in: the key of an item's member objects that hold the value, where the item itself does not.
        derived: whether lead-export computes the value, rather than reading it from the reply.
        mostly_unique: whether values rarely repeat within the column.
        copy_of: the column, as `table.column`, that holds the same values about the same people; "" if none does.
    """

    name: str
    type: Type
    meaning: str
    kind: Kind
    source_key: str = ""
    nested_in: str = ""
    derived: bool = False
    mostly_unique: bool = False
    copy_of: str = ""

    def __post_init__(self) -> None:
        """Default the key in the API's objects to the column's name."""
        if not self.source_key:
            object.__setattr__(self, "source_key", self.name)

    def type_in_files(self, *, timezone: bool = False) -> str:
        """Arrow's name of its type in Parquet files; `timezone` says whether the setting of that name is set."""
        return _IN_FILES.get("timestamp[ms, UTC]" if timezone and self.type == "timestamp[s]" else self.type, self.type)


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its name, what one row is, and its columns in order.

    Attributes:
        grain: what one row stands for.
        names: the names of all columns, in order.
        api_columns: the columns that are read from the API's objects, in order.
        mostly_unique: the names of the columns whose values rarely repeat.
    """

    name: str
    grain: str
    columns: tuple[Column, ...]
    names: tuple[str, ...] = field(init=False, repr=False, compare=False)
    api_columns: tuple[Column, ...] = field(init=False, repr=False, compare=False)
    mostly_unique: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work out what follows from the columns, once."""
        derived_facts = {
            "names": tuple(column.name for column in self.columns),
            "api_columns": tuple(column for column in self.columns if not column.derived),
            "mostly_unique": frozenset(column.name for column in self.columns if column.mostly_unique),
        }
        for name, value in derived_facts.items():
            object.__setattr__(self, name, value)

    def type_of(self, name: str) -> Type:
        """The Arrow type of the column called `name`; KeyError if there is none."""
        return {column.name: column.type for column in self.columns}[name]


def string(
    name: str,
    meaning: str,
    kind: Kind,
    *,
    source_key: str = "",
    nested_in: str = "",
    derived: bool = False,
    mostly_unique: bool = False,
    copy_of: str = "",
) -> Column:
    """A column of strings."""
    return Column(name, "string", meaning, kind, source_key, nested_in, derived, mostly_unique, copy_of)


def address(name: str, meaning: str, *, derived: bool = False) -> Column:
    """The address of a lead, as `leads.email` or as it was asked for."""
    return string(name, meaning, IDENTITY, derived=derived, mostly_unique=True, copy_of="leads.email")


def lead_id(meaning: str) -> Column:
    """The id of a lead, in a table of others."""
    return string("lead_id", meaning, IDENTITY, mostly_unique=True, copy_of="leads.id")


def flag(name: str, meaning: str) -> Column:
    """A small number that stands for a state."""
    return Column(name, "int8", meaning, PERSONAL)


def date(name: str, meaning: str) -> Column:
    """A point in time as the API gives it."""
    return Column(name, "timestamp[s]", meaning, PERSONAL, mostly_unique=True)
