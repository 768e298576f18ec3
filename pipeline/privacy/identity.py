"""Whose data it is: people by their addresses, and the leads that are theirs under another address."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.emails import address
from pipeline.privacy.needles import Needles
from pipeline.schema import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Column = pa.Array[Any] | pa.ChunkedArray[Any]
    Mask = Any
    """An Arrow array of booleans, as its functions take and return it."""

_ADDRESSES: Mapping[str, tuple[str, ...]] = {
    "leads": ("email", "requested_email"),
    "outcomes": ("email",),
    "replies": ("email",),
    "failures": ("email",),
    "changes": ("requested_email",),
}
GIVEN = "given"
"""A cell of a list, which may hold an address among other things."""


class People:
    """Those whose data is looked for.

    Attributes:
        keys: their addresses, as `emails.address.key` gives them.
        needles: what finds these in text.
        lead_ids: the ids of leads that are theirs, under whatever address, for each account: ids of another account
            are those of strangers.
        hashes: their addresses as published tables may hold them instead.
    """

    def __init__(self, keys: Iterable[str], hashed: Callable[[str], str] | None = None) -> None:
        self.keys = frozenset(keys)
        self.needles = Needles(self.keys)
        self.lead_ids: defaultdict[str, set[str]] = defaultdict(set)
        self._hashed = hashed
        self.hashes = frozenset(map(hashed, self.keys)) if hashed else frozenset()
        self._plain = pa.array(sorted({*self.keys, *self.hashes}), pa.string())

    def has(self, email: str | None) -> bool:
        """Whether an address is one of theirs, however it is written."""
        return email is not None and (key_of(email) in self.keys or email in self.hashes)

    def addresses_in(self, column: Column) -> Mask:
        """Which values of a column of addresses are theirs, as booleans; null is none of them."""
        strings = _strings(column)
        lowered = pc.utf8_lower(pc.call_function("utf8_trim_whitespace", [strings]))
        mask = pc.is_in(lowered, value_set=self._plain)
        # Arrow's lower case differs from Python's for some letters, and an address may be wrapped.
        odd = pc.call_function("invert", [pc.call_function("string_is_ascii", [strings])])
        if not pc.call_function("any", [odd]).as_py():
            return mask
        slow = [self.has(value) if is_odd else None for value, is_odd in zip(strings.to_pylist(), odd.to_pylist())]  # noqa: B905 - of one length
        return pc.coalesce(pa.array(slow, pa.bool_()), mask)

    def leads_in(self, column: Column, account: str) -> Mask:
        """Which values of a column of lead ids are theirs, as booleans."""
        ids = set(self.lead_ids[account])
        if self._hashed:
            ids |= set(map(self._hashed, self.lead_ids[account]))
        return pc.is_in(_strings(column), value_set=pa.array(sorted(ids), pa.string()))

    def rows_of(self, table: str, batch: pa.RecordBatch | pa.Table, account: str) -> Mask:
        """Which rows of a published table are theirs, as booleans, by the columns of it that there are."""
        batch = with_joint_ids(batch, lead_id_column(table))
        names = [name for name in address_columns(table) if name in batch.schema.names]
        masks = [self.addresses_in(batch.column(name)) for name in names]
        lead_id = lead_id_column(table)
        if self.lead_ids[account] and lead_id in batch.schema.names:
            masks.append(self.leads_in(batch.column(lead_id), account))
        if GIVEN in batch.schema.names:
            masks.append(self._mentioned(batch, with_address=False))
            if self.hashes:
                masks.append(self.addresses_in(batch.column(GIVEN)))
        if not masks:
            return pa.array([False] * batch.num_rows, pa.bool_())
        mask = masks[0]
        for other in masks[1:]:
            mask = pc.or_(mask, other)
        return mask

    def cells_of(self, batch: pa.RecordBatch | pa.Table) -> Mask:
        """Which rows have one of their addresses beside another one in the cell of a list, as booleans.

        Such a row need not be theirs: an address is looked up for what it is, whatever name stands before it.
        """
        if GIVEN not in batch.schema.names or "email" not in batch.schema.names:
            return pa.array([False] * batch.num_rows, pa.bool_())
        return self._mentioned(batch, with_address=True)

    def _mentioned(self, batch: pa.RecordBatch | pa.Table, *, with_address: bool) -> Mask:
        """Which cells of a list have one of their addresses in them, of rows with or without an address of their own.

        A cell that is the row's address is known already.
        """
        cells = _strings(batch.column(GIVEN))
        if "email" in batch.schema.names:
            email = pc.coalesce(_strings(batch.column("email")), pa.scalar(""))
            wanted = pc.call_function("not_equal" if with_address else "equal", [email, pa.scalar("")])
            if with_address:
                wanted = pc.and_(wanted, pc.call_function("not_equal", [cells, email]))
            cells = pc.call_function("if_else", [wanted, cells, pa.scalar(None, pa.string())])
        found = self.needles.in_column(cells)
        return pa.array([row in found for row in range(batch.num_rows)], pa.bool_())


def with_joint_ids(batch: pa.RecordBatch | pa.Table, lead_id: str) -> pa.RecordBatch | pa.Table:
    """The same rows; where they are of several accounts, each id of a lead has the name of its account before it."""
    names = batch.schema.names
    if ACCOUNT not in names or lead_id not in names:
        return batch
    parts = [_strings(batch.column(name)) for name in (ACCOUNT, lead_id)]
    joint = pc.call_function("binary_join_element_wise", [*parts, pa.scalar(" ")])
    return batch.set_column(names.index(lead_id), lead_id, joint)


def people_of(addresses: Iterable[str], hashed: Callable[[str], str] | None = None) -> People:
    """The people with these cleaned addresses; `hashed` is how published tables hold addresses instead, if they do."""
    return People(map(address.key, addresses), hashed)


def key_of(email: str) -> str:
    """What two spellings of an address have in common, also of one that is wrapped or is none."""
    cleaned = address.clean(email)
    return address.key(email if isinstance(cleaned, address.Refusal) else cleaned)


def address_columns(table: str) -> tuple[str, ...]:
    """The columns of a table that hold an address and nothing else."""
    return _ADDRESSES.get(table, ("email",))


def lead_id_column(table: str) -> str:
    """The column of a table that says which lead a row is about."""
    return "id" if table == "leads" else "lead_id"


def _strings(column: Column) -> pa.Array[Any]:
    """A column as one array of strings."""
    whole: Any = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks) if whole.num_chunks else pa.array([], whole.type)
    strings: pa.Array[Any] = whole.cast(pa.string())
    return strings
