"""The tables of all accounts together: those of each account's newest run, one after the other, a batch at a time.

The first column, `account`, says whose row it is: ids are unique only within an account. Raw replies stay with the
accounts, which can make their tables again from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.accounts.round import CombinedAccount, State
from pipeline.errors import ExitCode, StopRun, StorageError
from pipeline.files import durable
from pipeline.files.folder import OutputFolder, read_manifest
from pipeline.files.output_format import TableWriter, WriteOptions
from pipeline.schema import ACCOUNT, LEAD_TABLES, OUTCOMES
from pipeline.tables.frames import arrow_schema, make_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from pipeline.columns import Table
    from pipeline.files.output_format import FileInfo
    from pipeline.settings import Settings

    Without = Callable[[str, pa.Table, int], pa.Table]
    """Takes the name of a table, some of its rows and the number of the first of them, from 0; gives what stays."""

TABLES = (*LEAD_TABLES, OUTCOMES)
_BATCH_ROWS = 4_096


@dataclass(frozen=True, slots=True)
class Source:
    """The newest run of an account.

    Attributes:
        name: of the account.
        account: what the manifest says about it.
        run: the folder of the run; None if there is none that can be used.
        manifest: that of the run, as plain values.
        code: the exit code that its state alone would give: not 0 if its run is damaged.
        without: takes the rows of people away who are not to be asked for; None if there are none.
    """

    name: str
    account: CombinedAccount
    run: Path | None = None
    manifest: Mapping[str, Any] | None = None
    code: ExitCode = ExitCode.OK
    without: Without | None = None

    @property
    def leaves_out(self) -> bool:
        """Whether columns may be missing from its run because it was told so."""
        return bool(self.manifest and (self.manifest.get("settings") or {}).get("drop_columns"))

    def path(self, table: str) -> Path | None:
        """The file of a table; None if it publishes none."""
        is_there = self.run is not None and self.manifest is not None and table in self.manifest["tables"]
        return self.run / f"{table}.parquet" if is_there and self.run else None


def find_sources(folders: Mapping[str, Path], fresh: Mapping[str, str], settings: Settings) -> list[Source]:
    """The newest run of each account, with every file compared with its checksum.

    Args:
        folders: those that the accounts publish in, by name.
        fresh: the names of the runs that were published in this round, by account.
        settings: those that are common to all: whether there is a time zone decides about types of columns.
    """
    return [_source(name, OutputFolder(folder), fresh.get(name), settings) for name, folder in folders.items()]


def _source(name: str, folder: OutputFolder, fresh: str | None, settings: Settings) -> Source:
    run = folder.run(fresh) if fresh else folder.latest.run()
    manifest = read_manifest(run) if run else None
    if run is None or manifest is None:
        return Source(name, CombinedAccount(state="missing"))
    try:
        reason, code = _misfit(run, manifest, settings), ExitCode.OK
    except StopRun as error:
        reason, code = str(error), error.exit_code
    if reason:
        return Source(name, CombinedAccount(state="missing", reason=reason), code=code)
    state: State = "fresh" if fresh else "stale"
    known = CombinedAccount(state=state, run_id=manifest["run_id"], finished_at=manifest["finished_at"])
    return Source(name, known, run, manifest)


def _misfit(run: Path, manifest: Mapping[str, Any], settings: Settings) -> str | None:
    """Why the tables of a run cannot be combined with others; None if they can.

    Raises:
        StorageError: a file is damaged, or cannot be read.
    """
    own = manifest.get("settings") or {}
    for table in TABLES:
        if table.name not in manifest["tables"] and own.get("drop_columns"):
            continue
        files = manifest["tables"].get(table.name, {}).get("files", [])
        described = next((file for file in files if file["name"] == f"{table.name}.parquet"), None)
        if described is None:
            return f"{run}: has no {table.name}.parquet"
        path = run / described["name"]
        with durable.storage_errors(path):
            intact = durable.sha256(path) == described["sha256"]
        if not intact:
            raise StorageError(f"{path}: differs from what the manifest describes (changed or damaged).")
        found, wanted = pq.read_schema(path), arrow_schema(table, settings.timezone)
        for field in wanted:
            kind = found.field(field.name).type if field.name in found.names else field.type
            is_hashed = bool(own.get("hash_columns")) and pa.types.is_string(kind)
            if not is_hashed and not _fits(kind, field.type):
                return f"{path}: the column {field.name} is of another type; its run had another timezone or version"
    return None


def _fits(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether every value of a type is one of another, which may only be written in another unit or width."""
    if pa.types.is_timestamp(wanted):
        return bool(pa.types.is_timestamp(found) and (found.tz is None) == (wanted.tz is None))
    return found == wanted or (pa.types.is_string(wanted) and pa.types.is_large_string(found))


def write_combined(sources: Sequence[Source], settings: Settings, folder: Path) -> dict[str, list[FileInfo]]:
    """Write every table that an account publishes into `folder`, in the formats of the settings.

    Raises:
        StorageError: a table cannot be read or written.
    """
    schemas = {table.name: (table, _schema(table, sources, settings)) for table in TABLES}
    return {
        name: _write(table, schema, sources, settings, folder) for name, (table, schema) in schemas.items() if schema
    }


def _schema(table: Table, sources: Sequence[Source], settings: Settings) -> pa.Schema:
    """The columns of a table without those that every account leaves out; one with hashes in it is of strings."""
    paths = [path for source in sources if (path := source.path(table.name))]
    found = [pq.read_schema(path) for path in paths]
    leave_out = all(source.leaves_out for source in sources if source.run is not None)
    fields = []
    for field in arrow_schema(table, settings.timezone):
        kinds = [one.field(field.name).type for one in found if field.name in one.names]
        if kinds or not leave_out:
            fields.append(field.with_type(pa.string()) if any(map(pa.types.is_string, kinds)) else field)
    return pa.schema(fields)


def _write(
    table: Table, schema: pa.Schema, sources: Sequence[Source], settings: Settings, folder: Path
) -> list[FileInfo]:
    options = WriteOptions(
        bom=bool(settings.csv_bom),
        title=table.name,
        formula_guard=settings.formula_guard,
        mostly_unique=table.mostly_unique,
    )
    header = _frame("", schema.empty_table())
    with TableWriter(folder, table.name, header, settings.formats, options) as writer:
        for source in sources:
            if (path := source.path(table.name)) is not None:
                first = 0
                for rows in _batches(path, schema):
                    kept = source.without(table.name, rows, first) if source.without else rows
                    writer.write(_frame(source.name, kept))
                    first += rows.num_rows
    return writer.files()


def _frame(account: str, rows: pa.Table) -> pd.DataFrame:
    whose = pa.array([account] * rows.num_rows, pa.string())
    return make_frame([ACCOUNT, *rows.column_names], [whose, *rows.columns])


def _batches(path: Path, schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows of a table with these columns; what an older version did not have is null."""
    try:
        with durable.storage_errors(path), pq.ParquetFile(path, pre_buffer=False) as file:
            known = [name for name in schema.names if name in file.schema_arrow.names]
            for batch in file.iter_batches(_BATCH_ROWS, columns=known):
                columns = [
                    batch.column(field.name).cast(field.type)
                    if field.name in known
                    else pa.nulls(batch.num_rows, field.type)
                    for field in schema
                ]
                yield pa.Table.from_arrays(columns, schema=schema)
    except (pa.ArrowException, KeyError) as error:
        raise StorageError(f"{path}: not a table that lead-export wrote ({type(error).__name__}).") from error
