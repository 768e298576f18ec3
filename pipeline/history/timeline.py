"""What the feeds of all runs in a folder say about one address, oldest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.emails.address import key
from pipeline.files.folder import read_manifest
from pipeline.files.published import open_table
from pipeline.outcomes import iso
from pipeline.schema import CHANGES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.files.folder import OutputFolder

FILE = f"{CHANGES.name}.parquet"
_BATCH_ROWS = 20_000


class Event(msgspec.Struct, frozen=True):
    """A row of a feed, with the run that published it; times are ISO 8601 in UTC. See `pipeline.schema.CHANGES`."""

    run: str
    requested_email: str
    lead_id: str | None
    table_name: str
    change: str
    item: str | None
    column_name: str | None
    old_value: str | None
    new_value: str | None
    seen_before: str
    seen_at: str
    since_run: str


def timeline(folder: OutputFolder, address: str) -> Iterator[Event]:
    """Each change of the address in any spelling, in the order in which the runs have finished.

    Raises:
        StorageError: a feed cannot be read.
    """
    runs = [(path, manifest) for path in folder.runs() if (manifest := read_manifest(path)) is not None]
    for path, manifest in sorted(runs, key=lambda run: (str(run[1]["finished_at"]), run[0].name)):
        if CHANGES.name in manifest["tables"]:
            yield from _events(path / FILE, str(manifest["run_id"]), key(address))


def _events(path: Path, run_id: str, wanted: str) -> Iterator[Event]:
    with open_table(path) as file:
        for batch in file.iter_batches(_BATCH_ROWS, columns=list(CHANGES.names)):
            # Arrow is quick, but need not write every letter of the world in the same way in lower case.
            likely: Any = pc.or_(
                pc.equal(pc.utf8_lower(batch.column("requested_email")), pa.scalar(wanted)),
                pc.invert(pc.string_is_ascii(batch.column("requested_email"))),
            )
            rows = batch.filter(likely)
            for row in _times_as_text(rows).to_pylist():
                if key(row["requested_email"]) == wanted:
                    yield Event(run=run_id, **{name: row[name] for name in CHANGES.names})


def _times_as_text(rows: pa.RecordBatch) -> pa.Table:
    table = pa.Table.from_batches([rows])
    for name in ("seen_before", "seen_at"):
        texts = [iso(ms or 0) for ms in table.column(name).cast(pa.int64()).to_pylist()]
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(texts, pa.string()))
    return table
