"""The shape of a lead: structs that a reply decodes into in one step, derived from `pipeline.schema`.

A cell is any JSON scalar, a string or a number as PHP happens to send it; `pipeline.tables` converts whole columns. A
collection is a list, an object with numeric keys, or empty; its members are objects or bare names. Undocumented keys
are fields as well, once they have been seen: `shape_with` makes the structs that have them.

Source: Kartra's inbound API documentation for `get_lead`; the aliases are fields seen in live integrations.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from pipeline import schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.columns import Column

Scalar = str | int | float | bool | None

OPTION_COLUMNS = tuple(column for column in schema.CUSTOM_FIELDS.api_columns if column.nested_in)
FIELD_COLUMNS = tuple(column for column in schema.CUSTOM_FIELDS.api_columns if not column.nested_in)
COLLECTIONS = tuple(table.name for table in schema.LEAD_TABLES if table is not schema.LEADS)
"""The keys of a lead's collections, in the order of the tables."""

OPTIONS, REPLY = "options", "reply"
"""Levels of a reply besides the tables: the options of a custom field, and the object around the lead."""
COLUMNS: Mapping[str, tuple[Column, ...]] = {
    **{table.name: table.api_columns for table in schema.LEAD_TABLES},
    "custom_fields": FIELD_COLUMNS,
    OPTIONS: OPTION_COLUMNS,
}
"""The documented scalars of each kind of object."""
ALIASES: Mapping[str, Mapping[str, str]] = {
    "transactions": {"transaction_id": "id", "type": "transaction_type", "date": "transaction_date"},
    "memberships": {"membership_name": "name", "level": "level_name"},
}
"""Other keys that documented ones come under, unless these have a value as well."""
NAME_KEYS: Mapping[str, str] = {
    "tags": "tag_name",
    "lists": "list_name",
    "sequences": "sequence_name",
    "memberships": "name",
    OPTIONS: "option_value",
}
"""What a member that is a bare string or number stands for."""


class Item(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """Base class of the lead and of the objects in its collections."""


class Key(NamedTuple):
    """An undocumented key, the kind of object that has it (a table, `OPTIONS` or `REPLY`), and that of its value."""

    level: str
    name: str
    is_nested: bool


@dataclass(frozen=True)
class Shape:
    """The structs of a lead with some undocumented keys; fields are in the order of `COLUMNS`, those keys last.

    Attributes:
        lead: scalars, then the collections, then the undocumented keys.
        items: the struct of a collection's members, and that of `OPTIONS`; a custom field's value follows its scalars.
        reply: the object around the lead.
        undocumented: the keys that are fields without a column, by level, in the order of the fields.
        is_nested: whether the value of any of these keys may be a list or an object.
    """

    lead: type[Any]
    items: Mapping[str, type[Any]]
    reply: type[Any]
    undocumented: Mapping[str, tuple[str, ...]]
    is_nested: bool

    @cached_property
    def reply_decoder(self) -> msgspec.json.Decoder[Any]:
        """Decodes a whole reply."""
        return msgspec.json.Decoder(self.reply)

    @cached_property
    def lead_decoder(self) -> msgspec.json.Decoder[Any]:
        """Decodes a lead, or a list of leads, that comes as JSON text."""
        lead: Any = self.lead | list[self.lead]  # type: ignore[name-defined]  # made at run time
        return msgspec.json.Decoder(lead)


@lru_cache(maxsize=16)
def shape_with(keys: frozenset[Key]) -> Shape:
    """The documented shape, extended by these undocumented keys."""
    further: dict[str, dict[str, Any]] = {}
    for level, name, is_nested in sorted(keys):  # of a key that has both kinds of values, the second counts
        # The value of an alias goes into a column, so it has to be a scalar.
        kind = Any if is_nested and name not in ALIASES.get(level, ()) else Scalar
        further.setdefault(level, {})[name] = kind
    items: dict[str, type[Any]] = {OPTIONS: _struct(OPTIONS, further)}
    for level in COLLECTIONS:
        value = ("field_value", Scalar | _members(items[OPTIONS], OPTIONS), None)
        items[level] = _struct(level, further, *([value] if level == "custom_fields" else ()))
    collections = [(level, _members(items[level], level) | Literal[""] | bool | None, None) for level in COLLECTIONS]
    lead = _struct("leads", further, *collections)
    around = [
        ("status", str),
        ("lead_details", lead | list[lead] | str),  # type: ignore[valid-type]  # built at run time, for msgspec
        ("message", Scalar, None),
        ("type", Scalar, None),
    ]
    undocumented = {level: tuple(names) for level, names in further.items()}
    return Shape(lead, items, _struct(REPLY, further, *around), undocumented, any(key.is_nested for key in keys))


def _members(item: type[Any], level: str) -> Any:  # noqa: ANN401 - a union of types
    """The type of a collection of `item`; the members of some may be bare names."""
    member: Any = item | (Scalar if level in NAME_KEYS else Literal[""] | None)
    return list[member] | dict[str, member]


def _struct(level: str, further: Mapping[str, Mapping[str, Any]], *more: tuple[Any, ...]) -> type[Any]:
    """The struct of an object: its documented scalars, None by default, `more` fields, then undocumented ones."""
    documented = [(c.name, Scalar, msgspec.field(default=None, name=c.source_key)) for c in COLUMNS.get(level, ())]
    added = [
        (undocumented_field(n), kind, _absent(key)) for n, (key, kind) in enumerate(further.get(level, {}).items())
    ]
    return msgspec.defstruct(level, [*documented, *more, *added], bases=(Item,), module=__name__)


def undocumented_field(n: int) -> str:
    """The name of the field of a level's undocumented key number `n`."""
    return f"undocumented_{n}"


def _absent(key: str) -> Any:  # noqa: ANN401 - what msgspec.field returns
    return msgspec.field(default=msgspec.UNSET, name=key)


DOCUMENTED = shape_with(frozenset())
"""The documented shape, without further keys."""
