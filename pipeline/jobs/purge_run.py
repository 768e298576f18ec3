"""One published run without some people: written next to it, checked, and exchanged with it in one step."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from pydantic import ValidationError

from pipeline.errors import StorageError
from pipeline.files import durable
from pipeline.files.folder import MANIFEST
from pipeline.files.output_format import check_formats
from pipeline.files.published import PublishedRun
from pipeline.filesystem import sync
from pipeline.jobs.column_rules import rules_of_run
from pipeline.jobs.manifest import Manifest
from pipeline.jobs.manifest_counts import DriftCounts
from pipeline.jobs.manifest_files import PublishedFile, PublishedTable, private_of, tables_of
from pipeline.jobs.publishing import FAILURES, write_tables
from pipeline.jobs.purge_note import PurgeNote
from pipeline.jobs.purge_replacement import Replacement, take_over_access
from pipeline.jobs.purged_manifest import ErasedRows, purged_manifest, recounted
from pipeline.jobs.report.write import REPORT, add_report
from pipeline.outcomes import iso
from pipeline.privacy.filtering import RowFilter, filter_file
from pipeline.privacy.forget import RecordsWithout
from pipeline.privacy.reading import first_changed, read_schema
from pipeline.privacy.unfinished import ChangedFile
from pipeline.privacy.untold import untold_tables
from pipeline.schema import ACCOUNT, CHANGES, LEAD_TABLES, OUTCOMES, REPLIES, TABLES
from pipeline.settings import OUTPUT_SETTINGS, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pipeline.columns import Table
    from pipeline.files.folder import OutputFolder
    from pipeline.files.output_format import FileInfo
    from pipeline.privacy.columns import ColumnRules
    from pipeline.privacy.identity import People
    from pipeline.privacy.key import PrivacyKey
    from pipeline.privacy.reading import RunFiles
    from pipeline.privacy.run_search import Hits

MADE_AGAIN, FILTERED = "made again", "filtered"


@dataclass(frozen=True, slots=True)
class Erasure:
    """What is erased, and how it is noted.

    Attributes:
        purge_id: the name of the purge.
        people: whose data goes.
        key: what hashes their addresses, and columns; None without one.
        redact: whether their addresses are replaced in the data of others.
        now_ms: milliseconds since 1970 UTC.
    """

    purge_id: str
    people: People
    key: PrivacyKey | None
    redact: bool
    now_ms: Callable[[], int]

    @property
    def key_id(self) -> str | None:
        """Names the key; None without one."""
        return self.key.id if self.key else None


def purge_run(
    folder: OutputFolder,
    run: RunFiles,
    hits: Hits,
    erasure: Erasure,
    prepared: Callable[[list[ChangedFile]], None],
) -> list[ChangedFile]:
    """Replace a published run by one without these people; return what became of each of its files.

    `prepared` is told the same once everything is written and synced, right before the run is replaced.

    Raises:
        StorageError: a file is not the one that the manifest describes, or something cannot be read or written; the run
            stays as it is.
        UsageError: a format needs a library that is not installed.
    """
    if changed := first_changed(run):
        raise StorageError(
            f"{changed}: differs from what the manifest describes (changed or damaged), so the run was left as it is;"
            " restore it, or remove the run, then run the same command again."
        )
    before = Manifest.from_dict(run.manifest, run.folder)
    made_with = _settings(run, before, erasure)
    replacement = Replacement(folder, run.folder)
    with replacement.staging() as staging:
        manifest = _staged(run, before, hits, erasure, made_with, staging)
        if before.report is not None:
            manifest = add_report(manifest, staging, folder.state.path)
        _copy_others(run, staging)
        _write_manifest(staging, manifest, run.manifest)
        take_over_access(staging, run.folder)
        replacement.split()
        files = _compared(folder, run, replacement, before, manifest, MADE_AGAIN if made_with else FILTERED)
        prepared(files)
    replacement.apply()
    return files


def _staged(
    run: RunFiles, before: Manifest, hits: Hits, erasure: Erasure, made_with: _MadeWith | None, staging: Path
) -> Manifest:
    """Write all tables into `staging`; return the manifest."""
    erased = ErasedRows(run.path(OUTCOMES.name), hits.rows)
    note = PurgeNote(
        purge_id=erasure.purge_id,
        at=iso(erasure.now_ms()),
        people=len(erasure.people.keys),
        rows=len(hits.rows),
        how=MADE_AGAIN if made_with else FILTERED,
        key_id=erasure.key_id,
    )
    # Changes that do not say whose they are cannot be filtered.
    names = [name for name in run.tables if name != CHANGES.name or name not in untold_tables(run)]
    if made_with is None:
        tables = {name: _filtered(run, name, hits, erasure, staging) for name in names}
        return purged_manifest(before, erased, _some(tables), note)
    needles = erasure.people.needles if erasure.redact else None
    records = RecordsWithout(PublishedRun(run.folder), hits.answers, hits.rows, needles, erasure.people.needles)
    pending = bool(before.rows.pending)
    published = write_tables(records, made_with.settings, staging, rules=made_with.rules, may_be_pending=pending)
    made = tables_of(published)
    for name in names:
        if name not in made and name != FAILURES:  # of which nothing is left
            made[name] = _filtered(run, name, hits, erasure, staging)
    order = [*(before.tables or ()), *made]
    tables = {name: made[name] for name in dict.fromkeys(order) if name in made}
    manifest = purged_manifest(before, erased, tables, note, DriftCounts.of(published.drift))
    return msgspec.structs.replace(manifest, private=private_of(published))


def _some(tables: dict[str, PublishedTable]) -> dict[str, PublishedTable]:
    """The tables but for a list of failures that has none left."""
    return {name: table for name, table in tables.items() if name != FAILURES or table.files[0].rows}


def _filtered(run: RunFiles, table: str, hits: Hits, erasure: Erasure, staging: Path) -> PublishedTable:
    what = RowFilter(table, erasure.people, run.account, hits.rows, redact=erasure.redact)
    files = [filter_file(run.folder / name, staging / name, what) for name in run.tables[table]]
    if table == FAILURES and not files[0].rows:
        (staging / files[0].name).unlink()
    return PublishedTable([_described(info) for info in files])


def _described(info: FileInfo) -> PublishedFile:
    return PublishedFile(info.name, info.rows, info.bytes, info.sha256)


class _MadeWith(NamedTuple):
    """With what the tables of a run can be made again."""

    settings: Settings
    rules: ColumnRules


def _settings(run: RunFiles, before: Manifest, erasure: Erasure) -> _MadeWith | None:
    """With what the tables can be made again; None if they have to be filtered.

    That is so where there are no replies, where only the changes were kept, or where this version would give the tables
    other columns.
    """
    if run.manifest.get("tables_removed_at") or not run.has_replies:
        return None
    given = {key: before.settings[key] for key in OUTPUT_SETTINGS if before.settings.get(key) is not None}
    try:
        settings = Settings.model_validate(given)
    except ValidationError:
        return None
    rules = rules_of_run(run.folder, before, settings, erasure.key)
    for table in (*LEAD_TABLES, OUTCOMES, REPLIES):
        path = run.folder / f"{table.name}.parquet"
        if path.name in run.tables.get(table.name, ()) and not _has_columns(path, table, settings, rules):
            return None
    check_formats(settings.formats)
    return _MadeWith(settings, rules)


def _has_columns(path: Path, table: Table, settings: Settings, rules: ColumnRules) -> bool:
    """Whether a published table has the columns that this version would give it."""
    in_utc = bool(settings.timezone) and table in LEAD_TABLES
    wanted = {column.name: column.type_in_files(timezone=in_utc) for column in table.columns}
    kept = rules.header(table).columns if table is not REPLIES else table.names
    hashed = {name for name in kept if rules.action(table.name, name) == "hash"}
    fields = [(field.name, "string" if field.name in hashed else str(field.type)) for field in read_schema(path)]
    return fields == [(name, "string" if name in hashed else wanted[name]) for name in kept]


def _copy_others(run: RunFiles, staging: Path) -> None:
    """Take along what somebody has put into the folder of the run."""
    known = {MANIFEST, REPORT, *(path.name for path in run.hashes)}
    for path in run.folder.iterdir():
        if path.name in known or (staging / path.name).exists():
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.copytree(path, staging / path.name, symlinks=True)
        else:
            shutil.copy2(path, staging / path.name, follow_symlinks=False)


def _write_manifest(staging: Path, manifest: Manifest, before: Mapping[str, object]) -> None:
    """Write the manifest, with what only another version knows of the one before."""
    known = set(Manifest.__struct_fields__)
    plain = {**manifest.to_dict(), **{key: value for key, value in before.items() if key not in known}}
    changes = next((path for path in staging.glob(f"{CHANGES.name}.*")), None)
    if changes is not None and isinstance(plain.get(CHANGES.name), dict):
        plain[CHANGES.name] = recounted(plain[CHANGES.name], changes)
    if changes is None and before.get(CHANGES.name):
        del plain[CHANGES.name]
    with durable.create(staging / MANIFEST) as file:
        file.write(json.dumps(plain, ensure_ascii=False, indent=2).encode() + b"\n")
    sync(staging / MANIFEST)
    sync(staging)


def _compared(
    folder: OutputFolder, run: RunFiles, made: Replacement, before: Manifest, after: Manifest, how: str
) -> list[ChangedFile]:
    """What becomes of each file that the manifests describe, and of the manifest itself."""
    files = []
    for place, described in (
        (run.folder, (before.files(), after.files())),
        (made.private_place, (_private(before), _private(after))),
    ):
        old, new = ({file.name: file for file in some} for some in described)
        for name in dict.fromkeys([*old, *new]):
            was, is_now = old.get(name), new.get(name)
            files.append(
                ChangedFile(
                    (place / name).relative_to(folder.root).as_posix(),
                    how,
                    was.rows if was else None,
                    is_now.rows if is_now else None,
                    was.sha256 if was else None,
                    is_now.sha256 if is_now else None,
                )
            )
    for name in (REPORT, MANIFEST):
        if (run.folder / name).is_file():
            new_file = made.run / name
            sha256 = durable.sha256(new_file) if new_file.is_file() else None
            path = (run.folder / name).relative_to(folder.root).as_posix()
            files.append(ChangedFile(path, how, old_sha256=durable.sha256(run.folder / name), new_sha256=sha256))
    return files


def _private(manifest: Manifest) -> list[PublishedFile]:
    return [file for table in (manifest.private or {}).values() for file in table.files]


def needs_newer_version(run: RunFiles) -> bool:
    """Whether a run has tables or columns that this version does not know, so that it cannot tell whose they are.

    Raises:
        StorageError: a file cannot be read.
    """
    first = {ACCOUNT} if run.manifest.get("accounts") else set()
    known = {table.name: {*table.names, *first} for table in TABLES}
    for name in run.tables:
        if name not in {*known, FAILURES, CHANGES.name}:
            return True
        path = run.path(name, "parquet")
        if path is not None and name in known and not known[name].issuperset(read_schema(path).names):
            return True
    return False
