"""What a purge would do: how many rows of these people each file holds, and how many of others mention them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pipeline.jobs.kept_answers import state_folders_of_files
from pipeline.jobs.purge import Held, Purge, existing_folder, newer_version
from pipeline.jobs.purge_combined import left_in_combined
from pipeline.jobs.purge_found import find
from pipeline.privacy.identity import people_of
from pipeline.privacy.key import COLUMNS, load_key
from pipeline.privacy.mentions import is_text
from pipeline.privacy.places import OUT_OF_REACH
from pipeline.privacy.proof import prove
from pipeline.privacy.reading import batches
from pipeline.privacy.run_search import hits_in

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.privacy.identity import People
    from pipeline.privacy.reading import RunFiles
    from pipeline.settings import Settings


_ROWS = 4_000


def count_held(settings: Settings, addresses: Sequence[str], out: Path) -> Purge:
    """Count what the folder `out` holds of the people with these cleaned addresses; nothing is changed.

    Raises:
        UsageError: there is no such folder, a run was written by a newer version, or the key is missing or another one.
        StorageError: something cannot be read, or is damaged.
    """
    folder = existing_folder(out)
    key = load_key(settings)
    people = people_of(addresses, key.hasher(COLUMNS) if key else None)
    states = [folder.state, *state_folders_of_files(out)]
    found = find(folder, states, people, key_id=key.id if key else None)
    if found.newer:
        raise newer_version(found.newer[0].folder)
    if found.unreadable:
        raise found.unreadable[0]
    held: list[Held] = []
    for run, _ in found.runs:
        held += _held_by(run, people, out)
    for path, hits in found.journals:
        held.append(Held(path.relative_to(out).as_posix(), len(hits.rows), hits.mentions))
    known = {one.path for one in held}
    mentions: Counter[str] = Counter()
    for remain in (*prove(out, people.needles).remains, *left_in_combined(out, people.needles)):
        mentions[remain.path] += remain.values
    held += [Held(path, 0, count) for path, count in mentions.items() if path not in known]
    return Purge(
        purge_id=None,
        people=len(people.keys),
        rows=sum(one.rows for one in held),
        held=sorted(held, key=lambda one: one.path),
        out_of_reach=[*OUT_OF_REACH],
    )


def _held_by(run: RunFiles, people: People, root: Path) -> list[Held]:
    """The rows of theirs in each file of a run, and the values of others in it that mention them."""
    hits = hits_in(run, people, every_table=True)
    held = []
    files = [(table, run.folder / name) for table, names in run.tables.items() for name in names]
    for table, path in (*files, *run.hidden.items()):
        numbers = {"outcomes": hits.rows, "replies": hits.answers}.get(table)
        rows, mentions = _counted(run, table, path, people, numbers)
        if rows or mentions:
            held.append(Held(path.relative_to(root).as_posix(), rows, mentions))
    return held


def _counted(run: RunFiles, table: str, path: Path, people: People, numbers: frozenset[int] | None) -> tuple[int, int]:
    rows = mentions = first = 0
    for batch in batches(path, rows=_ROWS):
        if numbers is None:
            theirs = people.rows_of(table, batch, run.account).to_pylist()
        else:
            theirs = [first + number in numbers for number in range(batch.num_rows)]
        rows += sum(map(bool, theirs))
        for column in batch.columns:
            if is_text(column.type):
                mentions += sum(1 for number in people.needles.in_column(column) if not theirs[number])
        first += batch.num_rows
    return rows, mentions
