"""Rebuild the tables of a published run from the replies it kept, without a call: another format, columns, rules."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import msgspec

from pipeline.errors import StorageError, UsageError
from pipeline.files import durable
from pipeline.files.folder import OutputFolder, read_manifest
from pipeline.files.latest import run_at
from pipeline.files.modes import Modes
from pipeline.files.output_format import check_formats
from pipeline.files.private import PRIVATE
from pipeline.files.published import PublishedRun, published_manifest
from pipeline.jobs.column_rules import rules_of_run
from pipeline.jobs.kept_changes import copied_changes
from pipeline.jobs.manifest import Manifest, status_of
from pipeline.jobs.manifest_counts import DriftCounts, RowCounts
from pipeline.jobs.manifest_files import private_of, tables_of
from pipeline.jobs.publishing import write_tables
from pipeline.jobs.report.write import add_report
from pipeline.jobs.suppressing import codes_of, state_folders_around, suppression_of, without_suppressed
from pipeline.outcomes import FORGOTTEN, Outcome
from pipeline.privacy.key import load_key
from pipeline.privacy.reading import RunFiles, batches
from pipeline.schema import CHANGES, OUTCOMES, REPLIES
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
    from pipeline.privacy.suppression import SuppressionList

logger = logging.getLogger(__name__)


def _unchanged(settings: Mapping[str, object]) -> Settings:
    return Settings.model_validate(settings)


def rebuild(run: Path, out: Path, load: Callable[[Mapping[str, object]], Settings] = _unchanged) -> Manifest:
    """Publish the run in the folder `run` once more, under its name, in `out`; return the manifest.

    `load` makes the settings from the `OUTPUT_SETTINGS` that the run was published with; by default these are used
    unchanged. What the manifest says about the calls is kept. With the same code and settings every file, the manifest
    included, is identical byte for byte. A run that `out` holds already, rebuilt so, is left as it is.

    Raises:
        UsageError: `run` is not a published run with its replies, or `out` cannot take it.
        StorageError: something cannot be read or written, or is damaged.
        FolderBusy: a run is publishing there.
    """
    source = Source.of(run_at(run), load)
    published = PublishedRun(source.run)
    folder = OutputFolder(out, Modes.of(source.settings))
    with folder.locked():
        manifest = source.rebuilt_before(folder) or source.rebuild(published, folder)
        if folder.is_newest(manifest.finished_at):
            folder.switch_latest_to(manifest.run_id)
    return manifest


@dataclass(frozen=True, slots=True)
class Source:
    """A published run to be rebuilt.

    Attributes:
        run: its folder.
        plain: its manifest; keys that only another version knows are kept, too.
        before: the same.
        settings: those to make its tables with.
        rules: what becomes of each column.
    """

    run: Path
    plain: dict[str, Any]
    before: Manifest
    settings: Settings
    rules: ColumnRules

    @classmethod
    def of(cls, run: Path, load: Callable[[Mapping[str, object]], Settings]) -> Self:
        """The run in the folder `run`; see `rebuild` for `load`.

        Raises:
            UsageError: it is not a published run, the settings are wrong, or the key of hashes is.
            StorageError: its manifest is damaged.
        """
        plain = published_manifest(run)
        before = Manifest.from_dict(plain, run)
        settings = load({key: before.settings[key] for key in OUTPUT_SETTINGS if before.settings.get(key) is not None})
        check_formats(settings.formats)
        return cls(run, plain, before, settings, rules_of_run(run, before, settings, load_key(settings)))

    def check_target(self, folder: OutputFolder) -> bool:
        """Whether `folder` seems to have this run already, rebuilt by this version with the same settings.

        Raises:
            UsageError: it has another run of this name, or an unfinished one, or is where this run is.
        """
        path = folder.run(self.before.run_id)
        if not path.exists():
            if folder.state.journal(self.before.run_id).exists():
                raise UsageError(
                    f"{folder.root}: an unfinished run there is named {self.before.run_id}; name another --out."
                )
            return False
        found = read_manifest(path)
        if path.samefile(self.run):
            raise UsageError(f"{path}: this run already exists, and is the one to be rebuilt; name another --out.")
        if found is None or not self._made(found):
            raise UsageError(
                f"{path}: this run already exists, from another version, or with other settings or another key; name"
                " another --out."
            )
        return True

    def rebuilt_before(self, folder: OutputFolder) -> Manifest | None:
        """The manifest of this run in `folder`, if it is there, rebuilt by this version with the same settings.

        Raises:
            UsageError: as from `check_target`, or it holds people who are suppressed by now.
            StorageError: one of its files is not the one that its manifest describes.
        """
        if not self.check_target(folder):
            return None
        path = folder.run(self.before.run_id)
        found = Manifest.from_dict(published_manifest(path), path)
        checksums = {file.name: file.sha256 for file in found.files()}
        if found.report:
            checksums[found.report.name] = found.report.sha256
        for name, sha256 in checksums.items():
            with durable.storage_errors(path / name):
                intact = durable.sha256(path / name) == sha256
            if not intact:
                raise StorageError(
                    f"{path / name}: differs from what the manifest describes (changed or damaged); remove {path},"
                    " then run the same command again."
                )
        if self._holds_suppressed(path, folder):
            raise UsageError(
                f"{path}: holds people who were put on the suppression list after it was rebuilt; remove {path}, then"
                " run the same command again."
            )
        logger.info("%s is there already", path)
        return found

    def _holds_suppressed(self, path: Path, folder: OutputFolder) -> bool:
        """Whether the run as rebuilt before in `path` has a row that `rebuild` would suppress now.

        Addresses may be hashed there; but its rows are those of this run, one for one, and say how each ended.
        """
        suppressed = self._suppressed(folder)
        kept = without_suppressed(PublishedRun(self.run), suppressed) if len(suppressed) else None
        if kept is None:
            return False
        rows, table = kept.rows(), RunFiles.of(path, published_manifest(path)).path(OUTCOMES.name)
        ended = (one for batch in batches(table, ["outcome"]) for one in batch.column(0).to_pylist()) if table else ()
        both = zip(rows.slice(0, rows.count), ended, strict=False)
        return any(row.outcome == Outcome.SUPPRESSED and before not in FORGOTTEN for row, before in both)

    def needs_key(self, folder: OutputFolder) -> bool:
        """Whether the key of hashes is needed to rebuild it in `folder`.

        Raises:
            UsageError: it is missing or wrong.
            StorageError: a suppression list cannot be read.
        """
        return self.rules.key_id is not None or len(self._suppressed(folder)) > 0

    def _suppressed(self, folder: OutputFolder) -> SuppressionList:
        """The list of `folder`, of the settings, and of the folders that this run is in."""
        return suppression_of(self.settings, folder.state.path, *state_folders_around(self.run))

    def rebuild(self, published: PublishedRun, folder: OutputFolder) -> Manifest:
        """Publish the run in `folder`, whose lock is held, without those who are suppressed; `latest` stays as it is.

        Raises:
            StorageError: something cannot be read or written, or is damaged; nothing is published.
        """
        settings, run_id = self.settings, self.before.run_id
        suppressed = self._suppressed(folder)
        with folder.staging(run_id) as staging:
            kept = without_suppressed(published, suppressed)
            replies = _copied(published, settings, staging) if kept is None else None
            tables = write_tables(
                kept or published,
                settings,
                staging,
                rules=self.rules,
                replies=replies,
                may_be_pending=bool(self.before.rows.pending),
            )
            if changes := self._changes(staging, is_whole=kept is None):
                tables.tables[CHANGES.name] = changes
            manifest = _rebuilt(self._remade(), tables, self.rules)
            if kept is not None:
                manifest = _without_suppressed(manifest, self.before, codes_of(kept))
            if settings.report:
                manifest = add_report(manifest, staging, folder.state.path)
            path = folder.publish(staging, run_id, _with_unknown_keys(manifest.to_dict(), self.plain))
        logger.info("published %s", path)
        return manifest

    def _changes(self, staging: Path, *, is_whole: bool) -> list[FileInfo]:
        """The feed of the run, taken over into the folder `staging` as it is.

        It is left out if it may hold what the tables are not to hold: it cannot be made again.
        """
        if self.before.changes is None:
            return []
        was, is_now = self.before.settings, self.settings.output_settings()
        if is_whole and all(was.get(name, default) == is_now[name] for name, default in _OF_THE_FEED.items()):
            return copied_changes(self.run, self.before, self.settings, staging)
        why = (
            "it was made in another time zone, or with other columns dropped or hashed"
            if is_whole
            else "it may name suppressed people"
        )
        logger.warning("%s: its table of changes is left out, as %s.", self.run, why)
        return []

    def _remade(self) -> Manifest:
        """The manifest with what is known before the tables are made again."""
        return msgspec.structs.replace(
            self.before,
            tool=msgspec.structs.replace(self.before.tool, version=__version__),
            settings={**self.before.settings, **self.settings.output_settings()},
        )

    def _made(self, found: Mapping[str, Any]) -> bool:
        """Whether a manifest differs from that which `rebuild` would write at most in what the tables decide."""
        expected = {**self.plain, **self._remade().to_dict()}
        return found.get("key_id") == self.rules.key_id and all(
            found.get(key) == expected[key] for key in expected.keys() - _FROM_TABLES
        )


_OF_THE_FEED: dict[str, object] = {"drop_columns": [], "hash_columns": [], "timezone": None}
"""The settings that the values in the feed depend on, and what they are in a manifest that does not know them."""
_FROM_TABLES = frozenset(
    ("status", "rows", "codes", "first_failed", "tables", "private", "key_id", "changes", "drift", "report")
)


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


def _rebuilt(remade: Manifest, published: Published, rules: ColumnRules) -> Manifest:
    """The manifest with the keys `_FROM_TABLES`, but for the report."""
    changes: dict[str, Any] = {
        "status": status_of(published.rows, remade.codes, remade.freshness),
        "rows": RowCounts.of(published.rows),
        "tables": tables_of(published),
        "changes": remade.changes if CHANGES.name in published.tables else None,
        "private": private_of(published),
        "key_id": rules.key_id,
        "drift": DriftCounts.of(published.drift),
        "report": None,
    }
    return msgspec.structs.replace(remade, **changes)
