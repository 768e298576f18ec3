"""Everything that a folder holds about one person, for the right of access: rows, raw replies, meanings of columns."""

from __future__ import annotations

import base64
import json
from contextlib import closing, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from pipeline.errors import StorageError, UsageError
from pipeline.files import durable
from pipeline.files.folder import OutputFolder
from pipeline.jobs.column_rules import check_key
from pipeline.jobs.kept_answers import state_folders_of_files
from pipeline.journal.database import connect_read_only, reading, rows_of
from pipeline.outcomes import iso
from pipeline.privacy.identity import people_of
from pipeline.privacy.journal_search import answers_in, hits_in_journal, leads_in_journal
from pipeline.privacy.key import COLUMNS, load_key
from pipeline.privacy.mentions import in_table
from pipeline.privacy.reading import batches
from pipeline.privacy.run_search import hits_in, their_leads
from pipeline.privacy.runs import published_runs
from pipeline.privacy.suppression import SUPPRESSED, SuppressionList
from pipeline.schema import TABLES
from pipeline.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.files.state import StateFolder
    from pipeline.privacy.identity import People
    from pipeline.privacy.reading import RunFiles
    from pipeline.settings import Settings

_BODIES = "body"
_RAW = ("replies",)
"""Tables whose text is in others as well: who is mentioned in them is counted there."""


class HeldRun(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a published run holds.

    Attributes:
        run_id: its name.
        finished_at: when it was published; ISO 8601 in UTC.
        tables: the person's rows, by the name of the table; a raw reply as the JSON that it is, else as text.
        mentions: how many rows of other people mention the person, by table and column.
    """

    run_id: str
    finished_at: str
    tables: dict[str, list[dict[str, Any]]]
    mentions: dict[str, int] = {}


class HeldJournal(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the journal of an unfinished run, or of a file that `enrich` has not finished, holds.

    Attributes:
        path: the journal, relative to the folder.
        rows: the person's rows in the lists.
        answers: the answers about the person.
        mentions: how many answers about other people mention the person.
    """

    path: str
    rows: list[dict[str, Any]]
    answers: list[dict[str, Any]]
    mentions: int = 0


class Held(msgspec.Struct, frozen=True):
    """Everything that is held about a person.

    Attributes:
        address: that of the person, as it was given.
        lead_ids: the person's ids in the API.
        folder: where was searched.
        made_at: when; ISO 8601 in UTC.
        made_by: name and version of the program.
        suppressed: whether the person is on the suppression list; None if there is no key to tell.
        runs: what published runs hold, oldest name first.
        journals: what journals hold.
        unreadable: what could not be searched, a sentence each.
        columns: what the columns mean, by table; the first key of each, "", is what a row is.
    """

    address: str
    lead_ids: list[str]
    folder: str
    made_at: str
    made_by: str
    suppressed: bool | None
    runs: list[HeldRun]
    journals: list[HeldJournal]
    unreadable: list[str]
    columns: dict[str, dict[str, str]]

    @property
    def rows(self) -> int:
        """Rows and answers about the person, in all places."""
        of_runs = sum(len(rows) for run in self.runs for rows in run.tables.values())
        return of_runs + sum(len(one.rows) + len(one.answers) for one in self.journals)


def person(settings: Settings, address: str, out: Path, *, now_ms: int) -> Held:
    """Collect what is held about a person in the folder `out`; nothing is changed, and no lock is taken.

    Raises:
        UsageError: the address is not valid, there is no such folder, or the key is not that of the suppression list,
            or of the hashes in a run, among which nobody can be found without it.
        StorageError: a file cannot be read.
    """
    with durable.storage_errors(out):
        if not out.is_dir():
            raise UsageError(f"{out}: no such folder; name the --out of a run.")
    key = load_key(settings)
    people = people_of([address], key.hasher(COLUMNS) if key else None)
    folder = OutputFolder(out)
    runs, unreadable = _runs(folder)
    for run in runs:
        check_key(run.folder, run.manifest.get("key_id"), key.id if key else None)
    journals = [*_journals(folder)]
    for run in runs:
        people.lead_ids[run.account] |= their_leads(run, people)
    for _, path in journals:
        _learn(path, people, unreadable)
    held = [one for run in runs if (one := _of_run(run, people))]
    waiting = [found for _, path in journals if (found := _of_journal(path, out, people, unreadable))]
    return Held(
        address=address,
        lead_ids=sorted({lead_id for ids in people.lead_ids.values() for lead_id in ids}),
        folder=str(out),
        made_at=iso(now_ms),
        made_by=f"lead-export {__version__}",
        suppressed=_is_suppressed(settings, folder, people),
        runs=held,
        journals=waiting,
        unreadable=unreadable,
        columns={table.name: {"": table.grain, **{c.name: c.meaning for c in table.columns}} for table in TABLES},
    )


def _runs(folder: OutputFolder) -> tuple[list[RunFiles], list[str]]:
    runs, unreadable = [], []
    for run in published_runs(folder):
        if isinstance(run, StorageError):
            unreadable.append(str(run))
        else:
            runs.append(run)
    return runs, unreadable


def _journals(folder: OutputFolder) -> Iterator[tuple[StateFolder, Path]]:
    for state in (folder.state, *state_folders_of_files(folder.root)):
        for path in state.journals():
            yield state, path


def _learn(path: Path, people: People, unreadable: list[str]) -> None:
    try:
        account, found = leads_in_journal(path, people)
    except StorageError as error:
        unreadable.append(str(error))
    else:
        people.lead_ids[account] |= found


def _is_suppressed(settings: Settings, folder: OutputFolder, people: People) -> bool | None:
    key = load_key(settings)
    listed = SuppressionList.read(folder.state.path / SUPPRESSED, key)
    return None if key is None else any(address in listed for address in people.keys)


def _of_run(run: RunFiles, people: People) -> HeldRun | None:
    """What a run holds; None if that is nothing, not even a mention."""
    hits = hits_in(run, people, every_table=True)
    tables = {name: _rows(run, name, hits.answers, hits.rows, people) for name in run.all_tables}
    mentions: dict[str, int] = {}
    for name in run.all_tables:
        path = run.path(name)
        if path is None or name in _RAW:
            continue
        theirs = {row["row_number"] for row in tables[name]}
        for column, number in in_table(path, people.needles):
            if number not in theirs:
                mentions[f"{name}.{column}"] = mentions.get(f"{name}.{column}", 0) + 1
    for rows in tables.values():
        for row in rows:
            del row["row_number"]
    some = {name: rows for name, rows in tables.items() if rows}
    if not some and not mentions:
        return None
    manifest = run.manifest
    return HeldRun(str(manifest["run_id"]), str(manifest["finished_at"]), some, mentions)


def _rows(
    run: RunFiles, table: str, answers: frozenset[int], rows: frozenset[int], people: People
) -> list[dict[str, Any]]:
    """The person's rows of a table, each with its number from 0 as `row_number`."""
    path = run.path(table)
    found: list[dict[str, Any]] = []
    chosen = {"replies": answers, "outcomes": rows}.get(table)
    first = 0
    for batch in batches(path) if path and chosen != frozenset() else ():
        if chosen is None:
            mask = people.rows_of(table, batch, run.account).to_pylist()
            numbers = [number for number, is_theirs in enumerate(mask) if is_theirs]
        else:
            numbers = [number for number in range(batch.num_rows) if first + number in chosen]
        for number in numbers:
            (row,) = batch.slice(number, 1).to_pylist()
            found.append({"row_number": first + number, **{name: _value(name, value) for name, value in row.items()}})
        first += batch.num_rows
    return found


def _value(name: str, value: Any) -> Any:  # noqa: ANN401 - of any column
    if isinstance(value, datetime):
        return value.isoformat()
    return _body(value) if name == _BODIES or isinstance(value, bytes) else value


def _body(body: bytes | None) -> Any:  # noqa: ANN401 - any JSON
    """A raw reply as the JSON that it is, else as text, else in base64."""
    if body is None:
        return None
    with suppress(ValueError, RecursionError):
        return json.loads(body)
    try:
        return body.decode()
    except UnicodeDecodeError:
        return base64.b64encode(body).decode()


def _of_journal(path: Path, out: Path, people: People, unreadable: list[str]) -> HeldJournal | None:
    try:
        hits = hits_in_journal(path, people)
        if not hits and not hits.mentions:
            return None
        with reading(path), closing(connect_read_only(path)) as db:
            query = "SELECT * FROM row_outcomes ORDER BY id"
            rows = [row for row in rows_of(db, query) if row["id"] in hits.rows]
            answers = [
                {"email": email, "outcome": outcome, "lead_id": lead_id, "body": _body(body)}
                for number, email, outcome, lead_id, body in answers_in(db)
                if number in hits.addresses
            ]
    except StorageError as error:
        if str(error) not in unreadable:
            unreadable.append(str(error))
        return None
    return HeldJournal(path.relative_to(out).as_posix(), rows, answers, hits.mentions)
