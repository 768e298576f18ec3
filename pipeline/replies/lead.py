"""The normal form of a lead: typed structs that a normal reply decodes straight into, made from `pipeline.schema`.

Every cell is text as PHP gives it, or None. Where a column is a number or a date the text is known to read as one,
so that whole columns can be cast at once. A struct's fields are called as the columns are, and decoded from what the
API calls them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from pipeline import schema

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.schema import Column

Text = str | None
# What a normal reply has in a flag; the lenient path takes any other number as well that fits the column.
_Digit = Literal["", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"] | None
_Nothing = Literal[""] | None


class Item(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """Base of the lead and of everything that stands in its collections."""


def _type_of(column: Column) -> Any:  # noqa: ANN401 - a type, or a union of them
    if column.type == "int8":
        return _Digit
    # `read` checks numbers and dates, but does not look into members of items: there they are for the lenient path.
    return _Nothing if column.nested_in and column.type != "string" else Text


def _struct(name: str, columns: Iterable[Column], *more: tuple[str, Any, Any]) -> type[Any]:
    """An Item with a text for each column, None by default, and with `more` fields: name, type, default."""
    texts = [(c.name, _type_of(c), msgspec.field(default=None, name=c.source_key)) for c in columns]
    return msgspec.defstruct(name, [*texts, *more], bases=(Item,), module=__name__)


OPTION_COLUMNS = tuple(column for column in schema.CUSTOM_FIELDS.api_columns if column.nested_in)
FIELD_COLUMNS = tuple(column for column in schema.CUSTOM_FIELDS.api_columns if not column.nested_in)

# One chosen option of a custom field; ids are unique within the field only.
Option = _struct("Option", OPTION_COLUMNS)
_Options: Any = list[Option]  # type: ignore[valid-type]  # made while the program runs, for msgspec and not for mypy
# `custom_fields[]`: text for input fields, a list of options for menus and boxes.
CustomField = _struct("CustomField", FIELD_COLUMNS, ("field_value", str | _Options | None, None))

COLLECTIONS: dict[str, type[Any]] = {
    table.name: CustomField if table is schema.CUSTOM_FIELDS else _struct(table.name, table.api_columns)
    for table in schema.LEAD_TABLES
    if table is not schema.LEADS
}
"""The collections of a lead, in the order of their tables, and what stands in them."""

if TYPE_CHECKING:

    class Lead(Item):
        """`lead_details`: the columns of `leads` that come from it, then the collections.

        Here stands only what code calls by its name; the rest of the fields follows the schema.
        """

        id: Text
        email: Text

        def __init__(self, **values: object) -> None: ...

else:
    Lead = _struct(
        "Lead",
        schema.LEADS.api_columns,
        *((name, list[item], msgspec.field(default_factory=list)) for name, item in COLLECTIONS.items()),
    )
