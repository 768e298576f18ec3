"""Tables in which nobody can tell whose rows they are, because addresses and lead ids were left out of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.privacy.identity import GIVEN, address_columns, lead_id_column
from pipeline.privacy.reading import batches
from pipeline.schema import CHANGES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pipeline.privacy.reading import RunFiles

UNTOLD = "no column says whose rows these are"


def untold_tables(run: RunFiles) -> Iterator[str]:
    """The names of the tables of a run that may hold somebody's rows without saying so.

    Where a run has its replies, these say who is in it, and all tables but the changes are made of them.

    Raises:
        StorageError: a file cannot be read.
    """
    if run.is_plain:
        return
    names = [name for name in run.tables if name == CHANGES.name] if run.has_replies else [*run.tables]
    has_addresses = any(_has_values(run, table, _addresses(table)) for table in ("leads", "outcomes"))
    for table in names:
        # Ids of leads help where something says which of them is somebody's.
        columns = {*_addresses(table), *([lead_id_column(table)] if has_addresses else ())}
        if _has_values(run, table) and not _has_values(run, table, columns):
            yield table


def _addresses(table: str) -> set[str]:
    return {*address_columns(table), GIVEN}


def _has_values(run: RunFiles, table: str, columns: Collection[str] | None = None) -> bool:
    """Whether a published table has a row, or one with a value in one of these columns."""
    name = next(iter(run.tables.get(table, ())), None)
    for batch in batches(run.folder / name, columns) if name else ():
        if columns is None and batch.num_rows:
            return True
        if any(value for column in batch.columns for value in column.to_pylist()):
            return True
    return False
