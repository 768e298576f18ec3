"""Columns that are left out of the tables or replaced by keyed hashes, wherever a table is written.

A copy follows its original: what is done to `leads.email` is done to the address in every table, and what is done to
`leads.id` to `lead_id`. So the tables can still be joined. The same value has the same hash in every column.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.columns import FREE_TEXT, NEUTRAL
from pipeline.emails.address import Refusal, clean, key
from pipeline.errors import UsageError
from pipeline.files.formats.csv import times_as_text
from pipeline.privacy.key import COLUMNS as PURPOSE
from pipeline.privacy.key import NAME_A_KEY
from pipeline.privacy.patterns import COLUMNS, Named, named
from pipeline.schema import CUSTOM_FIELDS, LEADS, OUTCOMES
from pipeline.tables.frames import arrow_column, empty_frame, make_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

    from pipeline.columns import Table
    from pipeline.privacy.key import PrivacyKey
    from pipeline.settings import Settings

Action = Literal["keep", "drop", "hash"]

_NEEDED = frozenset((OUTCOMES.name, name) for name in ("input", "row", "outcome", "code"))
"""Columns by which every row is accounted for."""
_ADDRESS, _GIVEN = "leads.email", (OUTCOMES.name, "given")
_MAX_NAMED = 3
_CACHED = 200_000
"""Values whose hashes are remembered within a batch, so that the address of a lead is hashed once for all tables."""


@dataclass(frozen=True, slots=True)
class ColumnRules:
    """What becomes of each column; picklable, so that any process can transform frames.

    Attributes:
        actions: what is done to which column; those that are missing are kept.
        dropped: what `drop_columns` names, for custom fields.
        hashed: what `hash_columns` names, for custom fields.
        key: what hashes; None if nothing is hashed.
    """

    actions: Mapping[tuple[str, str], Action]
    dropped: Named
    hashed: Named
    key: PrivacyKey | None = field(default=None, repr=False)

    @classmethod
    def of(cls, settings: Settings, key: PrivacyKey | None) -> Self:
        """What the settings say.

        Raises:
            UsageError: a pattern names nothing, a column cannot be left out or hashed, the key is missing, or it is not
                said what becomes of free text.
        """
        dropped = named("drop_columns", settings.drop_columns)
        hashed = named("hash_columns", settings.hash_columns)
        kept = named("keep_columns", settings.keep_columns)
        actions = _actions(dropped, hashed)
        _check_needed(actions, hashed)
        if actions or dropped.custom or hashed.custom:
            _check_free_text(actions, kept)
        hashes = bool(hashed.custom) or "hash" in actions.values()
        if hashes and key is None:
            raise UsageError(f"hash_columns: needs a key; {NAME_A_KEY}.")
        return cls(actions, dropped, hashed, key if hashes else None)

    @property
    def is_empty(self) -> bool:
        """Whether every column is published as it is."""
        return not (self.actions or self.dropped.custom or self.hashed.custom)

    @property
    def key_id(self) -> str | None:
        """The id of the key of the hashes; None if nothing is hashed."""
        return self.key.id if self.key else None

    def action(self, table: str, column: str) -> Action:
        """What becomes of a column; of one of another table than these, such as `changes`, nothing."""
        return self.actions.get((table, column), "keep")

    def custom_action(self, identifier: str | None, field_id: str | None) -> Action:
        """What becomes of a custom field, which has an identifier, an id, or both, beside what its column says."""
        names = [name for name in (identifier, field_id) if name]
        if any(map(self.dropped.is_custom, names)):
            return "drop"
        return "hash" if any(map(self.hashed.is_custom, names)) else "keep"

    def custom_actions(self, columns: Mapping[str, pa.Array[Any]]) -> list[Action]:
        """The same for each row of `custom_fields`, of which these are columns."""
        pairs = list(zip(*(columns[name].to_pylist() for name in ("field_identifier", "field_id")), strict=True))
        actions = {pair: self.custom_action(*pair) for pair in dict.fromkeys(pairs)}
        return [actions[pair] for pair in pairs]

    def publishes(self, table: Table) -> bool:
        """Whether a table has any column left."""
        return any(self.action(table.name, name) != "drop" for name in table.names)

    def changes(self, table: Table) -> bool:
        """Whether a table is published with other columns or values than it has."""
        return any(self.action(table.name, name) != "keep" for name in table.names)

    def header(self, table: Table, timezone: str | None = None) -> pd.DataFrame:
        """The columns of a table in their types, without rows, as `transform` leaves them."""
        return self.transform(table.name, empty_frame(table, timezone))

    def transform_all(self, frames: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
        """Frames by the names of their tables, as they are published; tables without a column left are missing."""
        if self.is_empty:
            return dict(frames)
        hasher = self.hasher()
        done = {name: self.transform(name, frame, hasher) for name, frame in frames.items()}
        return {name: frame for name, frame in done.items() if len(frame.columns)}

    def transform(self, table: str, frame: pd.DataFrame, hasher: Hasher | None = None) -> pd.DataFrame:
        """A frame with the columns of a table as it is published: Arrow-backed, hashes are strings.

        Args:
            table: its name; that of another table than patterns are about leaves the frame as it is.
            frame: some or all columns of the table, as `make_frame` makes them.
            hasher: shared between frames of the same leads, which saves time.
        """
        if self.is_empty:
            return frame
        hasher = hasher or self.hasher()
        columns = {name: arrow_column(frame, name) for name in frame.columns}
        if table == CUSTOM_FIELDS.name and (self.dropped.custom or self.hashed.custom):
            columns = self._custom_fields(columns, hasher)
        done = {}
        for name, column in columns.items():
            action = self.action(table, name)
            if action != "drop":
                done[name] = hasher.column(table, name, column) if action == "hash" else column
        return make_frame(done, done.values())

    def hasher(self) -> Hasher:
        """What hashes the values of a batch."""
        return Hasher(self.key)

    def _custom_fields(self, columns: dict[str, pa.Array[Any]], hasher: Hasher) -> dict[str, pa.Array[Any]]:
        """The rows of custom fields that are not left out, with the values and options of some hashed."""
        actions = self.custom_actions(columns)
        stays = pa.array([action != "drop" for action in actions], pa.bool_())
        columns = {name: column.filter(stays) for name, column in columns.items()}
        chosen = pa.array([action == "hash" for action in actions if action != "drop"], pa.bool_())
        for name in ("option_id", "value"):
            if self.action(CUSTOM_FIELDS.name, name) == "keep":
                hashed = hasher.column(CUSTOM_FIELDS.name, name, _only(columns[name], chosen))
                columns[name] = pc.call_function("if_else", [chosen, hashed, columns[name]])
        return columns


AS_THEY_ARE = ColumnRules({}, named("", ()), named("", ()))
"""Every column is published as it is."""


class Hasher:
    """Hashes the values of a batch, each of them once."""

    def __init__(self, key_: PrivacyKey | None) -> None:
        self._hash = key_.hasher(PURPOSE) if key_ else None
        self._known: dict[str, str] = {}

    def column(self, table: str, name: str, column: pa.Array[Any]) -> pa.Array[Any]:
        """The hashes of a column, null where it is; addresses are hashed in the form in which spellings are equal."""
        texts = times_as_text(column) if pa.types.is_timestamp(column.type) else column.cast(pa.string())
        encoded = texts.dictionary_encode()
        form = _form(table, name)
        values = [self.value(form(str(value))) for value in encoded.dictionary.to_pylist()]
        hashes: pa.Array[Any] = pa.array(values, pa.string()).take(encoded.indices)
        return hashes

    def value(self, text: str) -> str:
        """The hash of one value: 32 hexadecimal digits."""
        if self._hash is None:
            raise UsageError(f"hash_columns: needs a key; {NAME_A_KEY}.")
        if (known := self._known.get(text)) is not None:
            return known
        if len(self._known) >= _CACHED:
            self._known.clear()
        hashed = self._known[text] = self._hash(text)
        return hashed


def _form(table: str, name: str) -> Callable[[str], str]:
    """How a value is written before it is hashed."""
    if (table, name) == _GIVEN:
        return _address_in
    column = COLUMNS.get((table, name))
    is_address = column is not None and _ADDRESS in (column.copy_of, f"{table}.{name}")
    return key if is_address else str


def _address_in(cell: str) -> str:
    """The address in a cell, or the cell where there is none."""
    address = clean(cell)
    return cell if isinstance(address, Refusal) else key(address)


def _only(column: pa.Array[Any], chosen: pa.Array[Any]) -> pa.Array[Any]:
    only: pa.Array[Any] = pc.call_function("if_else", [chosen, column, pa.scalar(None, column.type)])
    return only


def _actions(dropped: Named, hashed: Named) -> dict[tuple[str, str], Action]:
    """What is done to which column: dropping goes before hashing, and copies follow their original.

    Raises:
        UsageError: a copy is to be hashed and its original is not, or a pattern of `hash_columns` hashes nothing.
    """
    actions: dict[tuple[str, str], Action] = {}
    to_drop, to_hash = dropped.columns, hashed.columns
    for place, column in COLUMNS.items():
        table, _, name = column.copy_of.partition(".")
        original = (table, name) if column.copy_of else place
        if {place, original} & to_drop:
            actions[place] = "drop"
        elif original in to_hash and (original != place or _may_be_hashed(place, hashed)):
            actions[place] = "hash"
        elif place in hashed.exactly:
            raise UsageError(_is_a_copy(place))
    for pattern, found in hashed.by_pattern.items():
        if not any(place in actions for place in found):
            copies = [place for place in found if COLUMNS[place].copy_of]
            raise UsageError(
                _is_a_copy(copies[0])
                if copies
                else f"hash_columns: {pattern!r} matches only columns that say nothing about people; name one in full."
            )
    return actions


def _is_a_copy(place: tuple[str, str]) -> str:
    return f"hash_columns: {'.'.join(place)} is a copy of {COLUMNS[place].copy_of}; name that, and all copies follow."


def _may_be_hashed(place: tuple[str, str], hashed: Named) -> bool:
    """Whether a column is meant that a pattern matches: what says nothing about people only if it is named in full."""
    return place in hashed.exactly or not (COLUMNS[place].kind == NEUTRAL or place in _NEEDED)


def _check_needed(actions: Mapping[tuple[str, str], Action], hashed: Named) -> None:
    for place in sorted(_NEEDED & actions.keys()):
        if actions[place] == "drop" or place in hashed.exactly:
            names = ", ".join(sorted(name for _, name in _NEEDED))
            raise UsageError(
                f"{actions[place]}_columns: {'.'.join(place)} is needed, for every row is accounted for by the columns"
                f" {names} of {OUTCOMES.name}; name the others one by one."
            )
    if all(actions.get((LEADS.name, name)) == "drop" for name in LEADS.names):
        raise UsageError(f"drop_columns: the table {LEADS.name} would have no column left; keep at least one.")


def _check_free_text(actions: Mapping[tuple[str, str], Action], kept: Named) -> None:
    """Refuse to leave free text as it is unless that is said: it may repeat what is left out or hashed."""
    decided = actions.keys() | kept.columns
    open_ = [".".join(place) for place, column in COLUMNS.items() if column.kind == FREE_TEXT and place not in decided]
    if open_:
        more = f" and {len(open_) - _MAX_NAMED} more" if len(open_) > _MAX_NAMED else ""
        verb = "is free text, which" if len(open_) == 1 else "are free text, which"
        raise UsageError(
            f"{', '.join(open_[:_MAX_NAMED])}{more} {verb} may repeat what drop_columns and hash_columns name; name"
            f" {'it' if len(open_) == 1 else 'each'} in one of them or in keep_columns."
        )
