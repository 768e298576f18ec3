"""Rebuild the tables of a published run from the replies it kept, without a call: another format, columns, rules."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import msgspec

from pipeline.errors import UsageError
from pipeline.files.folder import OutputFolder
from pipeline.files.latest import run_at
from pipeline.files.modes import Modes
from pipeline.files.output_format import check_formats
from pipeline.files.private import PRIVATE
from pipeline.files.published import PublishedRun
from pipeline.jobs.column_rules import rules_of_run
from pipeline.jobs.manifest import Manifest, status_of
from pipeline.jobs.manifest_counts import DriftCounts, RowCounts
from pipeline.jobs.manifest_files import private_of, tables_of
from pipeline.jobs.publishing import write_tables
from pipeline.jobs.report.write import add_report
from pipeline.jobs.suppressing import codes_of, state_folders_around, suppression_of, without_suppressed
from pipeline.privacy.key import load_key
from pipeline.schema import REPLIES
from pipeline.settings import OUTPUT_SETTINGS, Settings
from pipeline.tables.frames import arrow_schema
from pipeline.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pipeline.files.output_format import FileInfo
    from pipeline.jobs.manifest import Codes
    from pipeline.jobs.publishing import Published
    from pipeline.privacy.columns import ColumnRules

logger = logging.getLogger(__name__)


def _unchanged(settings: Mapping[str, object]) -> Settings:
    return Settings.model_validate(settings)


def rebuild(run: Path, out: Path, load: Callable[[Mapping[str, object]], Settings] = _unchanged) -> Manifest:
    """Publish the run in the folder `run` once more, under its name, in `out`; return the manifest.

    `load` makes the settings from the `OUTPUT_SETTINGS` that the run was published with; by default these are used
    unchanged. What the manifest says about the calls is kept. With the same code and settings every file, the manifest
    included, is identical byte for byte.

    Raises:
        UsageError: `run` is not a published run with its replies, or `out` cannot take it.
        StorageError: something cannot be read or written, or is damaged.
        FolderBusy: a run is publishing there.
    """
    run = run_at(run)
    published = PublishedRun(run)
    before = Manifest.from_dict(published.manifest, run)
    settings = load({key: before.settings[key] for key in OUTPUT_SETTINGS if before.settings.get(key) is not None})
    check_formats(settings.formats)
    rules = rules_of_run(run, before, settings, load_key(settings))
    folder = OutputFolder(out, Modes.of(settings))
    run_id = before.run_id
    with folder.locked():
        suppressed = suppression_of(settings, folder.state.path, *state_folders_around(run))
        _check_name(folder, run_id)
        with folder.staging(run_id) as staging:
            kept = without_suppressed(published, suppressed)
            replies = _copied(published, settings, staging) if kept is None else None
            pending = bool(before.rows.pending)
            records = kept or published
            tables = write_tables(records, settings, staging, rules=rules, replies=replies, may_be_pending=pending)
            manifest = _rebuilt(before, tables, settings, rules)
            if kept is not None:
                manifest = _without_suppressed(manifest, before, codes_of(kept))
            if settings.report:
                manifest = add_report(manifest, staging, folder.state.path)
            newest = folder.is_newest(manifest.finished_at)
            path = folder.publish(staging, run_id, _with_unknown_keys(manifest.to_dict(), published.manifest))
        if newest:
            folder.switch_latest_to(run_id)
    logger.info("published %s", path)
    return manifest


def _check_name(folder: OutputFolder, run_id: str) -> None:
    if folder.run(run_id).exists():
        raise UsageError(f"{folder.run(run_id)}: this run already exists; name another --out.")
    if folder.state.journal(run_id).exists():
        raise UsageError(f"{folder.root}: an unfinished run there is named {run_id}; name another --out.")


def _with_unknown_keys(plain: dict[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest with the keys of the one before that only another version knows, all in the order they had."""
    known = set(Manifest.__struct_fields__)
    return {**{key: value for key, value in before.items() if key in plain or key not in known}, **plain}


def _without_suppressed(manifest: Manifest, before: Manifest, codes: Codes) -> Manifest:
    """The same with the codes of the rows that are left; the first failed rows stay if they are the same."""
    same = manifest.rows.failed == before.rows.failed
    return msgspec.structs.replace(manifest, codes=codes, first_failed=before.first_failed if same else None)


def _copied(published: PublishedRun, settings: Settings, staging: Path) -> FileInfo | None:
    """The table of the raw replies, copied to where it belongs; None if it has to be made again, or is not wanted."""
    if settings.replies_go == "none":
        return None
    folder = staging / PRIVATE if settings.replies_go == "private" else staging
    return published.copy_replies(folder, arrow_schema(REPLIES))


def _rebuilt(before: Manifest, published: Published, settings: Settings, rules: ColumnRules) -> Manifest:
    """The manifest of the run with what has changed."""
    changes: dict[str, Any] = {
        "status": status_of(published.rows, before.codes, before.freshness),
        "tool": msgspec.structs.replace(before.tool, version=__version__),
        "rows": RowCounts.of(published.rows),
        "settings": {**before.settings, **settings.output_settings()},
        "tables": tables_of(published),
        "private": private_of(published),
        "key_id": rules.key_id,
        "drift": DriftCounts.of(published.drift),
        "report": None,
    }
    return msgspec.structs.replace(before, **changes)
