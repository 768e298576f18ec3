"""What the feeds of all runs in a folder say about one address, oldest first."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.emails.address import key
from pipeline.files.folder import read_manifest
from pipeline.files.published import open_table
from pipeline.outcomes import iso
from pipeline.schema import CHANGES

if TYPE_CHECKING:
    from collections.abc import Callable
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


class Timeline(NamedTuple):
    """What runs say of one address.

    Attributes:
        events: what has changed, oldest first.
        silent: names of runs whose changes do not say whom they are about.
    """

    events: list[Event]
    silent: list[str]


class HashIn(Protocol):
    """How an address is written where addresses are hashed."""

    def __call__(self, run: Path, key_id: str | None, /) -> str | None:
        """The keyed hash of the address as the run in this folder has it, which names its key; None if it has none."""


def timeline(folder: OutputFolder, address: str, hash_in: HashIn) -> Timeline:
    """Each change of the address in any spelling, or as its hash, in the order in which the runs have finished.

    Raises:
        UsageError: as from `hash_in`.
        StorageError: a feed cannot be read.
    """
    runs = [(path, manifest) for path in folder.runs() if (manifest := read_manifest(path)) is not None]
    found = Timeline([], [])
    for path, manifest in sorted(runs, key=lambda run: (str(run[1]["finished_at"]), run[0].name)):
        if CHANGES.name in manifest["tables"]:
            run_id, hashed = str(manifest["run_id"]), partial(hash_in, path, manifest.get("key_id"))
            if not _add_events(path / FILE, run_id, key(address), hashed, found.events):
                found.silent.append(run_id)
    return found


def _add_events(path: Path, run_id: str, wanted: str, hashed: Callable[[], str | None], events: list[Event]) -> bool:
    """Add those of one run; return whether it says whom its changes are about."""
    is_silent = False
    with open_table(path) as file:
        for batch in file.iter_batches(_BATCH_ROWS, columns=list(CHANGES.names)):
            emails: Any = batch.column("requested_email")
            is_silent |= emails.null_count > 0
            is_plain: Any = pc.all(pc.match_substring(emails, "@"))
            spellings = {wanted} if is_plain.as_py() in (True, None) else {wanted, hashed()}
            # Arrow is quick, but need not write every letter of the world in the same way in lower case.
            likely: Any = pc.or_(
                pc.is_in(pc.utf8_lower(emails), value_set=pa.array(spellings - {None}, pa.string())),
                pc.invert(pc.string_is_ascii(emails)),
            )
            events += [
                Event(run=run_id, **{name: row[name] for name in CHANGES.names})
                for row in _times_as_text(batch.filter(likely)).to_pylist()
                if key(row["requested_email"]) in spellings
            ]
    return not is_silent


def _times_as_text(rows: pa.RecordBatch) -> pa.Table:
    table = pa.Table.from_batches([rows])
    for name in ("seen_before", "seen_at"):
        texts = [iso(ms or 0) for ms in table.column(name).cast(pa.int64()).to_pylist()]
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(texts, pa.string()))
    return table
