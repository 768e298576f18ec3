"""Whose rows a published run holds, found by the columns that hold addresses and ids; nothing else is read.

Where addresses are read from bodies, that is because no table has them: the leads of runs that were published as CSV
alone, and the lead of a stranger that came instead of the one that was asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import EmailMismatch
from pipeline.outcomes import Outcome
from pipeline.privacy.identity import address_columns, lead_id_column, with_joint_ids
from pipeline.privacy.reading import batches
from pipeline.replies.read import peek_identity
from pipeline.schema import ACCOUNT, CHANGES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.privacy.identity import People
    from pipeline.privacy.reading import RunFiles

_REPLY_COLUMNS = ("email", "lead_id", "outcome", "code")
_ROW_COLUMNS = ("given", "email", "lead_id", ACCOUNT)


@dataclass(frozen=True, slots=True)
class Hits:
    """What a run holds of some people.

    Attributes:
        answers: the numbers of their answers in `replies`, from 0.
        rows: the numbers of their rows in `outcomes`, from 0.
        tables: how many rows of theirs each table has, as far as it was looked at.
        cells: how many rows of others mention them in the cell of the list.
    """

    answers: frozenset[int] = frozenset()
    rows: frozenset[int] = frozenset()
    tables: dict[str, int] = field(default_factory=dict)
    cells: int = 0

    def __bool__(self) -> bool:
        """Whether there is anything of theirs."""
        return bool(self.answers or self.rows or any(self.tables.values()) or self.cells)


def their_leads(run: RunFiles, people: People) -> set[str]:
    """The ids of leads that a run holds under the addresses of these people.

    Raises:
        StorageError: a file cannot be read.
    """
    found: set[str] = set()
    for table in ("leads", "replies", CHANGES.name) if run.is_plain or not run.has_replies else ("replies",):
        path = run.path(table)
        if path is None:
            continue
        lead_id = lead_id_column(table)
        for part in batches(path, {*address_columns(table), lead_id, ACCOUNT}):
            batch = with_joint_ids(part, lead_id)
            mask = _any(batch, [people.addresses_in(batch.column(name)) for name in _present(table, batch)])
            if lead_id in batch.schema.names:
                found.update(value for value in batch.column(lead_id).filter(mask).to_pylist() if value)
    if not _has_leads(run):
        found.update(lead_id for _, _, lead_id, is_theirs in _leads_in_bodies(run, people) if is_theirs and lead_id)
    return found


def hits_in(run: RunFiles, people: People, *, every_table: bool = False) -> Hits:
    """What a run holds of these people; with `every_table` the rows of each of its tables are counted.

    Raises:
        StorageError: a file cannot be read.
    """
    answers, sent = _answers(run, people)
    rows, cells = _rows(run, people, sent)
    tables = {"outcomes": len(rows), "replies": len(answers)}
    for table in run.all_tables if every_table else ("leads", CHANGES.name):
        path = run.path(table)
        if table not in tables and path is not None:
            tables[table] = _count(table, path, people, run.account)
    counts = {name: count for name, count in tables.items() if count}
    return Hits(frozenset(answers), frozenset(rows), counts, cells)


def _answers(run: RunFiles, people: People) -> tuple[list[int], set[str]]:
    """The numbers of their answers, and the addresses that were sent for these."""
    path = run.path("replies", "parquet")
    if path is None:
        return [], set()
    requested = _requested(run, people)
    numbers: list[int] = []
    sent: set[str] = set()
    first, has_strangers = 0, False
    for batch in batches(path, _REPLY_COLUMNS):
        email = batch.column("email")
        masks = [people.addresses_in(email), people.leads_in(batch.column("lead_id"), run.account)]
        masks.append(pc.is_in(email, value_set=pa.array(sorted(requested), pa.string())))
        mask = _any(batch, masks)
        numbers += [first + number for number in pc.call_function("indices_nonzero", [mask]).to_pylist()]
        sent.update(value for value in email.filter(mask).to_pylist() if value)
        failed: Any = pc.equal(batch.column("outcome"), pa.scalar(Outcome.FAILED.value))
        strangers: Any = pc.and_(failed, pc.equal(batch.column("code"), pa.scalar(EmailMismatch.code)))
        has_strangers |= bool(strangers.true_count)
        first += batch.num_rows
    if has_strangers or not _has_leads(run):
        bodies = [(number, email) for number, email, _, is_theirs in _leads_in_bodies(run, people) if is_theirs]
        numbers += [number for number, _ in bodies]
        sent.update(email for _, email in bodies)
    return sorted(set(numbers)), sent


def _has_leads(run: RunFiles) -> bool:
    """Whether the addresses of its leads can be read faster than from the raw replies."""
    return run.is_plain and run.path("leads", "parquet") is not None


def _requested(run: RunFiles, people: People) -> set[str]:
    """The addresses that were sent for leads which are theirs, perhaps under another address."""
    path = run.path("leads", "parquet")
    found: set[str] = set()
    for batch in batches(path, ("id", *address_columns("leads"))) if path and run.is_plain else ():
        mask = people.rows_of("leads", batch, run.account)
        if mask.true_count and "requested_email" in batch.schema.names:
            found.update(value for value in batch.column("requested_email").filter(mask).to_pylist() if value)
    return found


def _leads_in_bodies(run: RunFiles, people: People) -> Iterator[tuple[int, str, str | None, bool]]:
    """Of each answer with a lead in its body: its number, the address sent, the lead's id, and whether it is theirs.

    The id is None where the lead is that of a stranger.
    """
    path = run.path("replies", "parquet")
    first = 0
    for batch in batches(path, ("email", "outcome", "body")) if path else ():
        rows = zip(*(batch.column(name).to_pylist() for name in ("email", "outcome", "body")), strict=True)
        for number, (email, outcome, body) in enumerate(rows, first):
            lead = peek_identity(body) if body else None
            if lead is not None:
                lead_id = lead.id if outcome == Outcome.FOUND else None
                is_theirs = people.has(lead.email) or lead_id in people.lead_ids[run.account]
                yield number, email, lead_id, is_theirs
        first += batch.num_rows


def _rows(run: RunFiles, people: People, sent: set[str]) -> tuple[list[int], int]:
    """The numbers of their rows: by what was given, by address, by lead, and those of the answers that are theirs.

    Also how many rows of others mention them in what was given.
    """
    path = run.path("outcomes")
    numbers: list[int] = []
    first = cells = 0
    values = pc.utf8_lower(pa.array(sorted(sent), pa.string()))
    for batch in batches(path, _ROW_COLUMNS) if path else ():
        mask = people.rows_of("outcomes", batch, run.account)
        if sent and "email" in batch.schema.names:
            lowered = pc.utf8_lower(batch.column("email").cast(pa.string()))
            mask = pc.or_(mask, pc.is_in(lowered, value_set=values))
        mentioned: Any = pc.call_function(
            "and_not", [people.cells_of(batch), pc.coalesce(mask, pa.scalar(value=False))]
        )
        cells += mentioned.true_count
        numbers += [first + number for number in pc.call_function("indices_nonzero", [mask]).to_pylist()]
        first += batch.num_rows
    return numbers, cells


def _count(table: str, path: Path, people: People, account: str) -> int:
    columns = {*address_columns(table), lead_id_column(table), ACCOUNT}
    return sum(people.rows_of(table, batch, account).true_count for batch in batches(path, columns))


def _present(table: str, batch: pa.RecordBatch | pa.Table) -> list[str]:
    return [name for name in address_columns(table) if name in batch.schema.names]


def _any(batch: pa.RecordBatch | pa.Table, masks: list[Any]) -> Any:  # noqa: ANN401 - an Arrow array of booleans
    mask = pa.array([False] * batch.num_rows, pa.bool_())
    for other in masks:
        mask = pc.or_(mask, other)
    return mask
