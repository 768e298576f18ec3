"""One row per lead: scalars as they are, each collection in one cell, each custom field in a column of its own.

| field | content |
| `tags`, `sequences` | names |
| `lists`, `memberships` | names of the active ones; a membership with its level, `Club: gold` |
| `transaction_count` | the number of transactions |
| `last_transaction_date` | the latest date |
| `custom.IDENTIFIER` | the string value, or the values of the chosen options |

Values that share a cell are joined by a separator; inside a value the separator and the backslash are escaped by a
backslash.
"""

from __future__ import annotations

import difflib
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import UsageError
from pipeline.schema import CUSTOM_FIELDS, LEADS, TRANSACTIONS
from pipeline.tables.frames import arrow_column, arrow_type, make_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pandas as pd

    from pipeline.tables.flatten import Frames
    from pipeline.tables.rows import RowNumbers

    Column = Any  # an Arrow array

SCALARS = tuple(name for name in LEADS.names if name not in ("id", "requested_email", "extra"))
CUSTOM = "custom."
ALWAYS = ("outcome", "reason", "id")
"""What is added to a row beside the chosen fields."""
BASIC = (
    *("first_name", "last_name", "email", "phone", "city", "country", "date_joined", "score"),
    *("tags", "lists", "transaction_count", "last_transaction_date"),
)
_ALL = "*"


def column_name(field: str, prefix: str) -> str:
    """The name of the column that holds a field: with the prefix, unless it has it already or is a custom field.

    A prefix that ends in a letter or digit is always put: `s` is no part of the name `score`.
    """
    has_prefix = field.startswith(prefix) and not prefix[-1:].isalnum()
    return field if has_prefix or field.startswith(CUSTOM) else f"{prefix}{field}"


def select_fields(wanted: Sequence[str] = (), prefix: str = "") -> list[str]:
    """The fields, and patterns of custom fields, that `wanted` names, each once and in its order; all if it is empty.

    A word is a field's name, the name of its column (see `column_name`), a pattern of either, or `basic` or `all`.

    Raises:
        UsageError: a name or pattern matches no field.
    """
    selected: dict[str, None] = {}
    for word in wanted or (_ALL,):
        matches = _matches(_PRESETS.get(word, word), prefix)
        if not matches:
            near = difflib.get_close_matches(word, [*FIELDS, *_PRESETS], 1)
            hint = f" Did you mean {near[0]!r}?" if near else f" Fields are {', '.join(FIELDS)} and {CUSTOM}*."
            raise UsageError(f"--fields: there is no field {word!r}.{hint}")
        selected |= dict.fromkeys(matches)
    return [field for field in selected if field not in ALWAYS]


def _matches(wanted: str | Sequence[str], prefix: str) -> Sequence[str]:
    if not isinstance(wanted, str):
        return wanted
    if wanted.startswith(CUSTOM):
        return [wanted]
    names = (*FIELDS, *ALWAYS)
    matches = [name for name in names if fnmatchcase(name, wanted) or fnmatchcase(column_name(name, prefix), wanted)]
    return [*matches, f"{CUSTOM}*"] if wanted == _ALL else matches


def expand_custom_fields(selected: Sequence[str], identifiers: Iterable[str]) -> list[str]:
    """The same with each pattern replaced by the custom fields that match it.

    A custom field that is named in full has its column even if no lead has the field.
    """
    known = [f"{CUSTOM}{identifier}" for identifier in identifiers]
    fields: dict[str, None] = {}
    for name in selected:
        is_pattern = name.startswith(CUSTOM) and any(wildcard in name for wildcard in "*?[")
        matches = [custom for custom in known if fnmatchcase(custom, name)] if is_pattern else [name]
        fields |= dict.fromkeys(matches)
    return list(fields)


def custom_field_identifiers(frames: Frames) -> list[str]:
    """The identifiers of these leads' custom fields, in order; a field without an identifier goes by its id."""
    return [str(name) for name in _identifiers(frames.custom_fields).dropna().unique()]


def widen(frames: Frames, fields: Sequence[str], *, separator: str = "|") -> pd.DataFrame:
    """One row per lead, in order: its `id`, and a column for each of `fields`."""
    custom = _CustomFields(frames, separator)
    columns: list[Any] = [arrow_column(frames.leads, "id")]
    for field in fields:
        if field.startswith(CUSTOM):
            columns.append(custom.column(field.removeprefix(CUSTOM)))
        else:
            derived = _DERIVED.get(field)
            columns.append(derived(frames, separator) if derived else arrow_column(frames.leads, field))
    return make_frame(["id", *fields], columns)


def _joined_names(table: str, column: str) -> Callable[[Frames, str], Column]:
    def make(frames: Frames, separator: str) -> Column:
        frame = frames.by_name()[table]
        names = _escaped(arrow_column(frame, column), separator)
        if "level_name" in frame:
            levels = _escaped(arrow_column(frame, "level_name"), separator)
            names = pc.coalesce(_call("binary_join_element_wise", names, levels, pa.scalar(": ")), names)
        if "active" in frame:
            is_active = _call("not_equal", arrow_column(frame, "active"), pa.scalar(0, pa.int8()))
            names = _call("if_else", _call("coalesce", is_active, pa.scalar(True)), names, None)
        return _joined(names, frames.parents[table], len(frames.leads), separator)

    return make


def _transaction_count(frames: Frames, _: str) -> Column:
    return pa.array(np.bincount(frames.parents[TRANSACTIONS.name], minlength=len(frames.leads)), pa.int64())


def _last_transaction_date(frames: Frames, _: str) -> Column:
    dates = frames.transactions["transaction_date"]
    latest = dates.groupby(frames.parents[TRANSACTIONS.name]).max()
    column: Column = arrow_column(latest.reindex(range(len(frames.leads))).to_frame("latest"), "latest")
    return column


_DERIVED: Mapping[str, Callable[[Frames, str], Column]] = {
    "tags": _joined_names("tags", "tag_name"),
    "lists": _joined_names("lists", "list_name"),
    "sequences": _joined_names("sequences", "sequence_name"),
    "memberships": _joined_names("memberships", "name"),
    "transaction_count": _transaction_count,
    "last_transaction_date": _last_transaction_date,
}
FIELDS = (*SCALARS, *_DERIVED)
"""Every field but the custom ones, which depend on the account."""
_PRESETS: Mapping[str, str | Sequence[str]] = {"all": _ALL, "basic": BASIC}


def field_types(fields: Sequence[str], timezone: str | None) -> dict[str, pa.DataType]:
    """The Arrow type of each field."""
    dates = arrow_type("timestamp[s]", timezone)
    derived: dict[str, pa.DataType] = {"transaction_count": pa.int64(), "last_transaction_date": dates}
    return {
        name: arrow_type(LEADS.type_of(name), timezone) if name in SCALARS else derived.get(name, pa.string())
        for name in fields
    }


class _CustomFields:
    """The custom fields of a batch, one identifier at a time."""

    def __init__(self, frames: Frames, separator: str) -> None:
        rows = frames.custom_fields
        self._leads, self._separator = len(frames.leads), separator
        self._parents: RowNumbers = frames.parents[CUSTOM_FIELDS.name]
        self._values = arrow_column(rows, "value")
        self._is_option = pc.is_valid(arrow_column(rows, "option_id"))
        self._rows: Any = _identifiers(rows).groupby(_identifiers(rows)).indices

    def column(self, identifier: str) -> Column:
        """The field called `identifier` for each lead; null where it is empty or missing."""
        rows = self._rows.get(identifier)
        if rows is None:
            return pa.nulls(self._leads, pa.string())
        values = self._values.take(rows)
        values = pc.if_else(self._is_option.take(rows), _escaped(values, self._separator), values)
        return _joined(values, self._parents[rows], self._leads, self._separator)


def _identifiers(custom_fields: pd.DataFrame) -> pd.Series[str]:
    return custom_fields["field_identifier"].fillna(custom_fields["field_id"])


def _escaped(strings: Column, separator: str) -> Column:
    escaped = pc.replace_substring(strings, "\\", "\\\\")
    return pc.replace_substring(escaped, separator, f"\\{separator}")


def _joined(strings: Column, parents: RowNumbers, leads: int, separator: str) -> Column:
    """The strings of each lead in one cell; nulls are left out, and a lead without any string has null."""
    present = _call("is_valid", strings)
    owners = parents[present.to_numpy(zero_copy_only=False)]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(owners, minlength=leads))])
    lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), strings.filter(present))
    joined = _call("binary_join", lists, pa.scalar(separator))
    return _call("if_else", pa.array(np.diff(offsets) == 0), None, joined)


def _call(name: str, *arguments: object) -> Column:
    return pc.call_function(name, list(arguments))
