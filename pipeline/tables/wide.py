"""Leads as single rows: scalars as they are, each collection in one cell, each custom field in a column of its own.

| field | what stands in it |
| `tags`, `sequences` | names |
| `lists`, `memberships` | names of the active ones; a membership with its level, `Club: gold` |
| `transactions` | how many |
| `last_transaction_date` | the latest |
| `custom.IDENTIFIER` | the text, or the texts of the chosen options |

Names and texts that share a cell are joined by a separator; inside them a backslash stands before it, and before a
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
from pipeline.schema import LEADS, TRANSACTIONS
from pipeline.tables.arrow import arrow_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pipeline.tables.gather import Gathered

    Column = Any

SCALARS = tuple(name for name in LEADS.names if name not in ("id", "requested_email", "extra"))
CUSTOM = "custom."
_ALL = "*"


def pick(wanted: Sequence[str] = ()) -> list[str]:
    """The fields, or patterns for custom fields, that `wanted` names, in its order and each once; all if it is empty.

    Raises:
        UsageError: a name or a pattern fits no field.
    """
    chosen: dict[str, None] = {}
    for word in wanted or (_ALL,):
        fits = [field for field in FIELDS if fnmatchcase(field, word)]
        if word.startswith(CUSTOM):
            fits = [word]
        elif word == _ALL:
            fits.append(f"{CUSTOM}*")
        if not fits:
            near = difflib.get_close_matches(word, FIELDS, 1)
            hint = f" Did you mean {near[0]!r}?" if near else f" Fields are {', '.join(FIELDS)} and {CUSTOM}*."
            raise UsageError(f"--fields: there is no field {word!r}.{hint}")
        chosen |= dict.fromkeys(fits)
    return list(chosen)


def resolve(picked: Sequence[str], identifiers: Iterable[str]) -> list[str]:
    """The same with each pattern for custom fields replaced by the custom fields that there are.

    One that is named in full has its column whether any lead has the field or not.
    """
    known = [f"{CUSTOM}{identifier}" for identifier in identifiers]
    fields: dict[str, None] = {}
    for name in picked:
        pattern = name.startswith(CUSTOM) and any(mark in name for mark in "*?[")
        fits = [custom for custom in known if fnmatchcase(custom, name)] if pattern else [name]
        fields |= dict.fromkeys(fits)
    return list(fields)


def identifiers(gathered: Gathered) -> list[str]:
    """What the custom fields of these leads are called, in order; one without an identifier goes by its id."""
    return [name for name in _identifiers(gathered).unique().to_pylist() if name is not None]


def widen(gathered: Gathered, fields: Sequence[str], *, separator: str = "|") -> pa.Table:
    """One row for each lead, in order: its `id`, and one column for each of `fields`."""
    leads = gathered.tables[LEADS.name]
    custom = _Custom(gathered, separator)
    columns = [leads.column("id")]
    for field in fields:
        if field.startswith(CUSTOM):
            columns.append(custom.column(field.removeprefix(CUSTOM)))
        else:
            columns.append(_MADE[field](gathered, separator) if field in _MADE else leads.column(field))
    return pa.table(columns, names=["id", *fields])


def _names(table: str, column: str) -> Callable[[Gathered, str], Column]:
    def make(gathered: Gathered, separator: str) -> Column:
        rows = gathered.tables[table]
        texts = _escaped(rows.column(column), separator)
        if "level_name" in rows.column_names:
            levels = _escaped(rows.column("level_name"), separator)
            texts = pc.coalesce(_call("binary_join_element_wise", texts, levels, pa.scalar(": ")), texts)
        if "active" in rows.column_names:
            texts = pc.if_else(
                pc.fill_null(_call("equal", rows.column("active"), pa.scalar(0, pa.int8())), False), None, texts
            )
        return _joined(texts, gathered.parents[table], len(gathered.tables[LEADS.name]), separator)

    return make


def _count(gathered: Gathered, _: str) -> Column:
    counts = np.bincount(gathered.parents[TRANSACTIONS.name].to_numpy(), minlength=len(gathered.tables[LEADS.name]))
    return pa.chunked_array([pa.array(counts, pa.int64())])


def _latest(gathered: Gathered, _: str) -> Column:
    dates = gathered.tables[TRANSACTIONS.name].column("transaction_date")
    rows = pa.table([pa.chunked_array([gathered.parents[TRANSACTIONS.name]]), dates], names=["lead", "date"])
    latest = rows.group_by("lead").aggregate([("date", "max")])
    return _scattered(latest.column("date_max"), latest.column("lead"), len(gathered.tables[LEADS.name]))


_MADE: dict[str, Callable[[Gathered, str], Column]] = {
    "tags": _names("tags", "tag_name"),
    "lists": _names("lists", "list_name"),
    "sequences": _names("sequences", "sequence_name"),
    "memberships": _names("memberships", "name"),
    "transactions": _count,
    "last_transaction_date": _latest,
}
FIELDS = (*SCALARS, *_MADE)
"""Every field but the custom ones, which the account decides."""


def empty(fields: Sequence[str], timezone: str | None) -> dict[str, pa.DataType]:
    """The Arrow type of each field."""
    dates = arrow_type("timestamp[s]", timezone)
    made: dict[str, pa.DataType] = {"transactions": pa.int64(), "last_transaction_date": dates}
    return {
        name: arrow_type(LEADS.type_of(name), timezone) if name in SCALARS else made.get(name, pa.string())
        for name in fields
    }


class _Custom:
    """The custom fields of a batch, for one identifier after the other."""

    def __init__(self, gathered: Gathered, separator: str) -> None:
        rows = gathered.tables["custom_fields"]
        self._leads, self._separator = len(gathered.tables[LEADS.name]), separator
        self._parents = gathered.parents["custom_fields"]
        self._plain = rows.column("value")
        self._options = pc.is_valid(rows.column("option_id"))
        names = _identifiers(gathered).dictionary_encode().combine_chunks()
        names = names if isinstance(names, pa.DictionaryArray) else names.chunk(0)
        self._codes = {name: code for code, name in enumerate(names.dictionary.to_pylist())}
        self._rows = names.indices

    def column(self, identifier: str) -> Column:
        """The field called `identifier`, for each lead; null where it is empty or missing."""
        code = self._codes.get(identifier)
        if code is None:
            return pa.nulls(self._leads, pa.string())
        mine = pc.fill_null(_call("equal", self._rows, pa.scalar(code, pa.int32())), False)
        texts, options = self._plain.filter(mine), self._options.filter(mine)
        texts = pc.if_else(options, _escaped(texts, self._separator), texts)
        return _joined(texts, self._parents.filter(mine), self._leads, self._separator)


def _identifiers(gathered: Gathered) -> Column:
    rows = gathered.tables["custom_fields"]
    return pc.coalesce(rows.column("field_identifier"), rows.column("field_id"))


def _escaped(texts: Column, separator: str) -> Column:
    backslashed = pc.replace_substring(texts, "\\", "\\\\")
    return pc.replace_substring(backslashed, separator, f"\\{separator}")


def _joined(texts: Column, parents: Column, leads: int, separator: str) -> Column:
    """Texts of the same parent in one; nulls are left out, and a lead without any has null."""
    there = pc.is_valid(texts)
    values, owners = texts.filter(there), parents.filter(there).to_numpy()
    offsets = np.concatenate([[0], np.cumsum(np.bincount(owners, minlength=leads))])
    values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)
    empty_ = pa.array(np.diff(offsets) == 0)
    return pc.if_else(empty_, None, _call("binary_join", lists, pa.scalar(separator)))


def _scattered(values: Column, places: Column, length: int) -> Column:
    """A column of `length` cells with `values` at `places` and nulls elsewhere."""
    indices = np.full(length, -1)
    indices[places.to_numpy()] = np.arange(len(places))
    return values.take(pa.array(indices, pa.int64(), mask=indices < 0))


def _call(name: str, *arguments: object) -> Column:
    return pc.call_function(name, list(arguments))
