"""The normal form of a lead: structs that a reply in the documented shape decodes into, derived from `pipeline.schema`.

Every value is a string as PHP sends it, or None. The strings of number and date columns are known to be castable, so
that whole columns can be cast at once. A struct's fields have the names of the columns and are decoded from the keys
that the API uses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from pipeline import schema

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.schema import Column

# The flags of a reply in the documented shape; the lenient path also accepts any other number that fits the column.
_Flag = Literal["", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"] | None
_Empty = Literal[""] | None


class Item(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """Base class of the lead and of the items in its collections."""


def _type_of(column: Column) -> Any:  # noqa: ANN401 - a type, or a union of them
    if column.type == "int8":
        return _Flag
    # `read` checks numbers and dates but not inside items' members; values there are left to the lenient path.
    return _Empty if column.nested_in and column.type != "string" else str | None


def _struct(name: str, columns: Iterable[Column], *more: tuple[str, Any, Any]) -> type[Any]:
    """An Item with one field per column, None by default, followed by `more` fields: name, type, default."""
    fields = [(c.name, _type_of(c), msgspec.field(default=None, name=c.source_key)) for c in columns]
    return msgspec.defstruct(name, [*fields, *more], bases=(Item,), module=__name__)


OPTION_COLUMNS = tuple(column for column in schema.CUSTOM_FIELDS.api_columns if column.nested_in)
FIELD_COLUMNS = tuple(column for column in schema.CUSTOM_FIELDS.api_columns if not column.nested_in)

# One chosen option of a custom field; ids are unique only within the field.
Option = _struct("Option", OPTION_COLUMNS)
_Options: Any = list[Option]  # type: ignore[valid-type]  # built at run time, for msgspec rather than mypy
# `field_value` is a string for input fields and a list of options for menus and checkboxes.
CustomField = _struct("CustomField", FIELD_COLUMNS, ("field_value", str | _Options | None, None))

COLLECTIONS: dict[str, type[Any]] = {
    table.name: CustomField if table is schema.CUSTOM_FIELDS else _struct(table.name, table.api_columns)
    for table in schema.LEAD_TABLES
    if table is not schema.LEADS
}
"""The item type of each of a lead's collections, in the order of the tables."""

if TYPE_CHECKING:

    class Lead(Item):
        """`lead_details`: the API's columns of `leads`, then the collections.

        Only the fields that code refers to by name are declared here; the schema determines the others.
        """

        id: str | None
        email: str | None

        def __init__(self, **values: object) -> None: ...

else:
    Lead = _struct(
        "Lead",
        schema.LEADS.api_columns,
        *((name, list[item], msgspec.field(default_factory=list)) for name, item in COLLECTIONS.items()),
    )
