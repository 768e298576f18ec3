"""Erase people from everything that an output folder holds, and prove it.

Found first, then forgotten: only what holds them is written anew, each run in one step. What was found is on the disk
before anything goes, so that the same command goes on after whatever interrupts it. Then every file is decoded again.
"""

from __future__ import annotations

import json
import logging
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from pipeline.errors import InternalError, StorageError, UsageError
from pipeline.files import durable
from pipeline.files.folder import MANIFEST, OutputFolder
from pipeline.filesystem import sync
from pipeline.jobs.expire import finish_removals
from pipeline.jobs.kept_answers import state_folders_of_files
from pipeline.jobs.purge_combined import left_in_combined
from pipeline.jobs.purge_files import clear_reports, purge_journal, purge_set_aside, remove_leftovers
from pipeline.jobs.purge_found import Found, find, untold_files
from pipeline.jobs.purge_replacement import Replacement
from pipeline.jobs.purge_run import Erasure, purge_run
from pipeline.outcomes import iso
from pipeline.privacy.encodings import ENCODINGS
from pipeline.privacy.identity import people_of
from pipeline.privacy.key import COLUMNS, NAME_A_KEY, load_key
from pipeline.privacy.places import OUT_OF_REACH
from pipeline.privacy.proof import Proof, Remain, prove
from pipeline.privacy.suppression import SUPPRESSED, SuppressionList
from pipeline.privacy.unfinished import PURGES, ChangedFile, UnfinishedPurge, prepared_runs
from pipeline.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pipeline.files.state import StateFolder
    from pipeline.privacy.identity import People
    from pipeline.privacy.key import PrivacyKey
    from pipeline.privacy.reading import RunFiles
    from pipeline.privacy.run_search import Hits
    from pipeline.settings import Settings

logger = logging.getLogger(__name__)
Mentions = Literal["report", "redact"]
REASON = "purge"


class Held(msgspec.Struct, frozen=True):
    """A file that holds some of these people: how many rows, and how many rows of others mention them."""

    path: str
    rows: int
    mentions: int


class Purge(msgspec.Struct, frozen=True, kw_only=True):
    """What a purge did, or would do.

    Attributes:
        purge_id: its name; None if it only counted, or if nothing is held.
        people: how many people were named.
        rows: how many rows of lists, answers and rows of tables were, or would be, erased.
        held: the files that hold them; of a dry run only.
        files: what was changed; empty for a dry run.
        suppressed: how many people were put on the suppression list.
        remains: what is left of them in data that others have, or in files of others.
        out_of_reach: where lead-export cannot look, a sentence each.
        report: the file of the report; None if there is none.
    """

    purge_id: str | None
    people: int
    rows: int = 0
    held: list[Held] = []
    files: list[ChangedFile] = []
    suppressed: int = 0
    remains: list[Remain] = []
    out_of_reach: list[str] = []
    report: str | None = None


def purge(
    settings: Settings,
    addresses: Sequence[str],
    out: Path,
    *,
    now_ms: Callable[[], int],
    suppress: bool = True,
    mentions: Mentions = "report",
) -> Purge:
    """Erase the people with these cleaned addresses from the folder `out`.

    Args:
        settings: the key.
        addresses: as `emails.address.clean` gives them.
        out: the folder that runs are published in.
        now_ms: milliseconds since 1970 UTC.
        suppress: whether they are put on the suppression list, so that no run asks for them again.
        mentions: whether addresses of theirs in the data of others are only reported, or replaced by `[erased]`.

    Raises:
        UsageError: there is no such folder or no key, or a run was written by a newer version; nothing was changed.
        StorageError: something cannot be read or written, or is damaged; the same command goes on.
        FolderBusy: a job is using the folder.
    """
    key = load_key(settings)
    folder = existing_folder(out)
    if suppress and key is None:
        raise UsageError(
            f"{out}: to keep these people from being asked for again takes a key: make one with lead-export key new"
            f" FILE, then {NAME_A_KEY}; or add --no-suppress."
        )
    with ExitStack() as stack:
        states = [*_held(folder, stack)]
        listed = SuppressionList.read(folder.state.path / SUPPRESSED, key)
        people = people_of(addresses, key.hasher(COLUMNS) if key else None)
        return _Purging(folder, states, people, key, now_ms, mentions).done(listed if suppress else None, addresses)


def existing_folder(out: Path) -> OutputFolder:
    """The folder, which must exist.

    Raises:
        UsageError: it does not.
    """
    with durable.storage_errors(out):
        exists = out.is_dir()
    if not exists:
        raise UsageError(f"{out}: no such folder; name the --out of a run.")
    return OutputFolder(out)


def newer_version(run: Path) -> UsageError:
    """That a run has what this version does not know."""
    return UsageError(f"{run}: was published by a newer version of lead-export; purge with that one.")


def _held(folder: OutputFolder, stack: ExitStack) -> Iterator[StateFolder]:
    """The state folders of the runs and of the files in the folder, each with its lock."""
    stack.enter_context(folder.locked())
    yield folder.state
    for state in state_folders_of_files(folder.root):
        stack.enter_context(state.locked_while_needed())
        yield state


def _manifests(files: list[ChangedFile]) -> list[str | None]:
    """The SHA-256 of a manifest before and after its run is replaced."""
    return next(([file.old_sha256, file.new_sha256] for file in files if file.path.endswith(MANIFEST)), [])


class _Purging:
    """One attempt at a purge, with all locks held."""

    def __init__(
        self,
        folder: OutputFolder,
        states: list[StateFolder],
        people: People,
        key: PrivacyKey | None,
        now_ms: Callable[[], int],
        mentions: Mentions,
    ) -> None:
        self._folder, self._states = folder, states
        self._people, self._key, self._now_ms = people, key, now_ms
        self._redacts = mentions == "redact"
        self._key_id = key.id if key else None
        self._wrong: list[StorageError | InternalError] = []

    def done(self, listed: SuppressionList | None, addresses: Sequence[str]) -> Purge:
        """Erase, prove, and report."""
        for name, files in [*prepared_runs(self._folder.state.path)]:
            replacement = Replacement(self._folder, self._folder.root / name)
            # A run that was removed or reduced since is not brought back.
            if replacement.is_written and self._manifest(name) in _manifests(files):
                replacement.apply()
        finish_removals(self._folder)
        for state in self._states:
            remove_leftovers(state, self._folder.root)
        moment = datetime.fromtimestamp(self._now_ms() / 1000, UTC)
        work = UnfinishedPurge.begin(
            self._folder.state.path, self._people, self._key, f"{moment:%Y%m%dT%H%M%SZ}", iso(self._now_ms())
        )
        work.finish_prepared(self._is_replaced)
        found = find(self._folder, self._states, self._people, work, mentions=self._redacts, key_id=self._key_id)
        self._wrong += found.unreadable
        if newer := found.newer:
            if work.is_new:
                work.remove()
            raise newer_version(newer[0].folder)
        suppressed = listed.add(addresses, reason=REASON, at_ms=self._now_ms()) if listed is not None else 0
        work.learn_leads(self._people.lead_ids)
        self._erase(found, work)
        if self._wrong:
            raise self._wrong[0]
        proof = prove(self._folder.root, self._people.needles)
        proof.remains += untold_files(self._folder)
        return self._reported(work, proof, suppressed)

    def _erase(self, found: Found, work: UnfinishedPurge) -> None:
        erasure = Erasure(work.purge_id, self._people, self._key, self._redacts, self._now_ms)
        for run, hits in found.runs:
            with self._going_on():
                self._purge_run(run, hits, erasure, work)
        for path, journal_hits in found.journals:
            with self._going_on():
                changed = purge_journal(path, journal_hits, erasure, self._folder.root)
                work.done(None, [changed], len(journal_hits.rows) + len(journal_hits.addresses))
        for state in self._states:
            with self._going_on():
                work.done(None, [*purge_set_aside(state, erasure, self._folder.root)], 0)
                work.done(None, [*clear_reports(state, erasure, self._folder.root)], 0)

    def _purge_run(self, run: RunFiles, hits: Hits, erasure: Erasure, work: UnfinishedPurge) -> None:
        name = run.folder.name

        def prepared(files: list[ChangedFile]) -> None:
            work.prepared(name, files)

        files = purge_run(self._folder, run, hits, erasure, prepared)
        work.done(name, files, len(hits.rows) + len(hits.answers))
        logger.info("%s: %d rows erased", run.folder, len(hits.rows))

    @contextmanager
    def _going_on(self) -> Iterator[None]:
        """Keep an error of one run for the end, so that it does not keep the others as they are."""
        try:
            yield
        except (StorageError, InternalError) as error:
            self._wrong.append(error)

    def _is_replaced(self, name: str, files: list[ChangedFile]) -> bool:
        """Whether the manifest of a run is the one that an attempt which was killed had prepared."""
        return self._manifest(name) in _manifests(files)[1:]

    def _manifest(self, name: str) -> str:
        """The SHA-256 of the manifest of a run; "" if there is none."""
        path = self._folder.root / name / MANIFEST
        with durable.storage_errors(path):
            return durable.sha256(path) if path.is_file() else ""

    def _reported(self, work: UnfinishedPurge, proof: Proof, suppressed: int) -> Purge:
        """Write the report, unless nothing was held and nothing is left; then the purge is finished."""
        proof.remains += left_in_combined(self._folder.root, self._people.needles)
        held = bool(work.changed or work.rows or proof.remains)
        path = self._folder.state.path / PURGES / f"{work.purge_id}.json"
        done = Purge(
            purge_id=work.purge_id if held else None,
            people=len(self._people.keys),
            rows=work.rows,
            files=work.changed,
            suppressed=suppressed,
            remains=proof.remains,
            out_of_reach=[*OUT_OF_REACH],
            report=str(path) if held else None,
        )
        if held:
            self._write(path, done, work, proof)
        work.remove()
        return done

    def _write(self, path: Path, done: Purge, work: UnfinishedPurge, proof: Proof) -> None:
        content = {
            "purge_id": work.purge_id,
            "tool": {"name": "lead-export", "version": __version__},
            "started_at": work.started_at,
            "finished_at": iso(self._now_ms()),
            "key_id": work.key_id,
            "people": work.people if work.key_id else None,
            "people_count": done.people,
            "rows": done.rows,
            "suppressed": done.suppressed,
            "mentions": "redact" if self._redacts else "report",
            "files": msgspec.to_builtins(done.files),
            "proof": {"files": proof.files, "bytes": proof.bytes, "encodings": [*ENCODINGS]},
            "remains": msgspec.to_builtins(done.remains),
            "out_of_reach": done.out_of_reach,
        }
        staged = self._folder.state.partial(f"{work.purge_id}.report")
        with durable.storage_errors(path):
            path.parent.mkdir(mode=0o700, exist_ok=True)
            staged.unlink(missing_ok=True)
            with durable.create(staged) as file:
                file.write(json.dumps(content, ensure_ascii=False, indent=2).encode() + b"\n")
            sync(staged)
            staged.replace(path)
            sync(path.parent)
            sync(self._folder.state.path)
