"""Where people are, before anything is changed: runs and journals that hold them."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.errors import StorageError, UsageError
from pipeline.jobs.purge_run import needs_newer_version
from pipeline.privacy.identity import with_joint_ids
from pipeline.privacy.journal_search import hits_in_journal, leads_in_journal
from pipeline.privacy.key import NAME_A_KEY
from pipeline.privacy.mentions import in_file, in_table
from pipeline.privacy.proof import Remain
from pipeline.privacy.reading import RunFiles, batches
from pipeline.privacy.run_search import Hits, hits_in, their_leads
from pipeline.privacy.runs import published_runs
from pipeline.privacy.untold import UNTOLD, untold_tables
from pipeline.schema import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pipeline.files.folder import OutputFolder
    from pipeline.files.state import StateFolder
    from pipeline.privacy.identity import People
    from pipeline.privacy.journal_search import JournalHits
    from pipeline.privacy.unfinished import UnfinishedPurge


@dataclass(slots=True)
class Found:
    """What was found.

    Attributes:
        runs: published runs that hold people, with what of theirs.
        journals: the same of journals.
        newer: runs of a newer version, in which nobody can be found for sure.
        unreadable: what could not be searched.
    """

    runs: list[tuple[RunFiles, Hits]] = field(default_factory=list)
    journals: list[tuple[Path, JournalHits]] = field(default_factory=list)
    newer: list[RunFiles] = field(default_factory=list)
    unreadable: list[StorageError] = field(default_factory=list)


def find(
    folder: OutputFolder,
    states: Sequence[StateFolder],
    people: People,
    work: UnfinishedPurge | None = None,
    *,
    mentions: bool = False,
    key_id: str | None = None,
) -> Found:
    """Find people, and the leads that are theirs under another address, in all runs and journals.

    Args:
        folder: that of the runs.
        states: the state folders with journals.
        people: who is looked for; learns which leads are theirs.
        work: what an attempt that was interrupted has found.
        mentions: whether runs and journals count, too, in which others mention them.
        key_id: names the key with which columns may be hashed; None without one.

    Raises:
        UsageError: a run has hashes of another key, in which nobody can be found.
    """
    found = Found()
    runs = [*_searchable(folder, found)]
    for run in runs:
        _check_key(run, key_id)
    journals = [path for state in states for path in state.journals()]
    readable = [path for path in journals if _learn_of_journal(path, people, found)]
    for run in runs:
        with _noted(found):
            people.lead_ids[run.account] |= their_leads(run, people)
            if work is not None and work.knows_leads(run.account):
                people.lead_ids[run.account] |= _known_leads(run, work)
    _find_in_all(found, runs, readable, people, mentions=mentions)
    return found


def _find_in_all(
    found: Found, runs: Sequence[RunFiles], journals: Sequence[Path], people: People, *, mentions: bool
) -> None:
    """Find what is theirs, now that all of their leads are known."""
    for run in runs:
        with _noted(found):
            hits = hits_in(run, people)
            if hits or (mentions and mentioned_in(run, people)):
                found.runs.append((run, hits))
    for path in journals:
        with _noted(found):
            held = hits_in_journal(path, people)
            if held or (mentions and held.mentions) or in_file(path, people.needles):
                found.journals.append((path, held))


def _check_key(run: RunFiles, key_id: str | None) -> None:
    known = run.manifest.get("key_id")
    if known and known != key_id:
        what = f"the key that is set is {key_id}" if key_id else "no key is set"
        raise UsageError(f"{run.folder}: its columns were hashed with the key {known}, but {what}; {NAME_A_KEY}.")


def _searchable(folder: OutputFolder, found: Found) -> Iterator[RunFiles]:
    for run in published_runs(folder):
        if isinstance(run, StorageError):
            found.unreadable.append(run)
            continue
        with _noted(found):
            if needs_newer_version(run):
                found.newer.append(run)
            else:
                yield run


def _learn_of_journal(path: Path, people: People, found: Found) -> bool:
    try:
        account, ids = leads_in_journal(path, people)
    except StorageError as error:
        found.unreadable.append(error)
        return False
    people.lead_ids[account] |= ids
    return True


def _known_leads(run: RunFiles, work: UnfinishedPurge) -> set[str]:
    """The ids of leads in a run that an attempt which was interrupted found to be theirs."""
    found: set[str] = set()
    for table, name in (("leads", "id"), ("replies", "lead_id")):
        path = run.path(table)
        for part in batches(path, (name, ACCOUNT)) if path else ():
            batch = with_joint_ids(part, name)
            values = {value for value in batch.column(name).to_pylist() if value}
            found.update(value for value in values if work.is_their_lead(run.account, value))
    return found


def mentioned_in(run: RunFiles, people: People) -> Counter[str]:
    """How many values in each table of a run have one of their addresses in them.

    Raises:
        StorageError: a file cannot be read.
    """
    counts: Counter[str] = Counter()
    for table in run.all_tables:
        path = run.path(table)
        counts[table] += sum(1 for _ in in_table(path, people.needles)) if path else 0
    return +counts


def untold_files(folder: OutputFolder) -> Iterator[Remain]:
    """The files in which anybody's rows may be without saying so.

    Raises:
        StorageError: a file cannot be read.
    """
    for run in published_runs(folder):
        if not isinstance(run, RunFiles):
            continue
        for table in untold_tables(run):
            for name in run.tables[table]:
                path = (run.folder / name).relative_to(folder.root).as_posix()
                yield Remain(path, UNTOLD, 0, is_ours=True)


@contextmanager
def _noted(found: Found) -> Iterator[None]:
    """Note what cannot be read, and go on."""
    try:
        yield
    except StorageError as error:
        found.unreadable.append(error)
