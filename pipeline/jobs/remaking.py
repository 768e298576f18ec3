"""The tables of a published run made again from its replies for a moment, and compared with those that it published."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from pipeline.errors import InternalError, UsageError
from pipeline.files import durable
from pipeline.files.folder import MANIFEST
from pipeline.files.output_format import FileInfo, check_formats, load_format
from pipeline.files.published import PublishedRun, source_file
from pipeline.files.scratch import scratch_folder
from pipeline.files.state import StateFolder
from pipeline.jobs.column_rules import rules_of_run
from pipeline.jobs.feed_rules import FeedRules
from pipeline.jobs.kept_changes import feed_again
from pipeline.jobs.manifest_counts import DriftCounts
from pipeline.jobs.publishing import FAILURES, write_tables
from pipeline.jobs.tallies import first_stray_reply
from pipeline.jobs.verification import Difference
from pipeline.schema import CHANGES, OUTCOMES, REPLIES, TABLES
from pipeline.settings import OUTPUT_SETTINGS, Settings
from pipeline.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.files.published import SourceFile
    from pipeline.jobs.manifest import Manifest
    from pipeline.jobs.publishing import Published
    from pipeline.jobs.verification import Findings
    from pipeline.privacy.key import PrivacyKey

SPARE_BYTES = 1_000_000
"""Room to be left next to the tables."""
_MADE = {table.name for table in TABLES if table is not CHANGES} | {FAILURES}
_REPLIES, _OUTCOMES = f"{REPLIES.name}.parquet", f"{OUTCOMES.name}.parquet"


def compare_with_replies(
    run: Path, manifest: Manifest, findings: Findings, *, workers: int, key: PrivacyKey | None = None
) -> None:
    """Make all tables of a run again and compare them with those that are intact, as far as it kept what they need.

    Raises:
        UsageError: a format needs a library that is not installed, and nothing else is known to be wrong; or the key
            with which columns were hashed is missing or another one.
        StorageError: there is no room for the tables, or a file cannot be read.
    """
    sources = _sources(run, manifest, findings)
    settings = _settings(run, manifest, findings, workers) if sources else None
    if sources is None or settings is None:
        return
    rules = rules_of_run(run, manifest, settings, key)
    info = sources[REPLIES.name][1]
    replies = FileInfo(info.name, info.rows, info.bytes, info.sha256)
    room = sum(file.bytes for file in manifest.files() if file.name != _REPLIES) + SPARE_BYTES
    with scratch_folder(StateFolder.in_folder(run.resolve().parent).path, room) as folder:
        try:
            with feed_again(run, manifest, settings, FeedRules(rules), findings) as feed:
                made = write_tables(
                    PublishedRun(run),
                    settings,
                    folder,
                    rules=rules,
                    replies=replies,
                    sources=False,
                    may_be_pending=bool(manifest.rows.pending),
                    feed=feed,
                )
        except InternalError as error:
            findings.differs(_REPLIES, "replies", f"no tables can be made of it ({error})")
            return
        findings.is_rebuilt = True
        _compare_all(run, manifest, made, folder, findings)


def _sources(run: Path, manifest: Manifest, findings: Findings) -> dict[str, tuple[Path, SourceFile]] | None:
    """The files that tables are made of, by table, if they are intact, and the replies are those of the rows."""
    files = {name: source_file(run, manifest.to_dict(), name) for name in (REPLIES.name, OUTCOMES.name)}
    found = {name: (path, described) for name, (path, described) in files.items() if described}
    if len(found) < len(files):
        findings.notes.append(
            f"{run}: has no replies (--no-keep-replies, or older than keep_replies_days), so its tables could not be"
            " made again; only checksums and counts were verified."
        )
        return None
    hidden = [path for path, _ in found.values() if path.parent != run]
    if hidden and not hidden[0].parent.is_dir():
        findings.notes.append(
            f"{run}: its replies are not published but kept in {hidden[0].parent}, which is not there, so its tables"
            " could not be made again; only checksums and counts were verified."
        )
        return None
    damaged = [path.name for path, described in found.values() if not _is_intact(run, path, described, findings)]
    if damaged:
        findings.notes.append(f"{run}: its tables were not made again, as that needs {' and '.join(damaged)}.")
        return None
    if number := first_stray_reply(*(path for path, _ in found.values())):
        findings.differs(_REPLIES, "replies", f"is not about the rows in {_OUTCOMES}, from reply {number:,} on.")
        return None
    return found


def _is_intact(run: Path, path: Path, described: SourceFile, findings: Findings) -> bool:
    """Whether a file that tables are made of is as it was; published ones were compared before."""
    if path.parent == run:
        return findings.is_intact(path.name)
    if path.is_file():
        with durable.storage_errors(path):
            if durable.sha256(path) == described.sha256:
                return True
    what = "has changed or is damaged: its checksum is another one." if path.is_file() else "is missing."
    findings.differences.append(Difference(path.name, "checksum" if path.is_file() else "missing", f"{path}: {what}"))
    return False


def _settings(run: Path, manifest: Manifest, findings: Findings, workers: int) -> Settings | None:
    """The settings with which the run was published, not those of today; None if its tables cannot be made with them.

    Raises:
        UsageError: a format needs a library that is not installed, and nothing else is known to be wrong.
    """
    keys = (*OUTPUT_SETTINGS, "changes_ignore")
    before = {key: manifest.settings[key] for key in keys if manifest.settings.get(key) is not None}
    try:
        settings = Settings.model_validate({**before, "workers": workers})
        check_formats(settings.formats)
    except ValidationError:
        findings.differs(MANIFEST, "manifest", "its settings are not valid, so the tables were not made again.")
        return None
    except UsageError as error:
        if not findings.differences:
            raise
        findings.notes.append(f"{run}: its tables were not made again ({error})")
        return None
    return settings


def _compare_all(run: Path, manifest: Manifest, made: Published, folder: Path, findings: Findings) -> None:
    published = {file.name: file for file in manifest.files()}
    again = {info.name: info for infos in made.tables.values() for info in infos}
    for name, info in again.items():
        if name not in published:
            findings.differs(name, "rebuilt", "is not in the manifest, but the replies give it.")
        elif name != _REPLIES and findings.is_intact(name):
            if info.sha256 == published[name].sha256:
                findings.identical.append(name)
            else:
                _compare_content(run / name, folder / name, manifest.tool.version, findings)
    for name in sorted(published.keys() - again.keys()):
        if name.partition(".")[0] == CHANGES.name:
            continue  # there is a note about it
        if name.partition(".")[0] in _MADE:
            findings.differs(name, "rebuilt", "is in the manifest, but the replies do not give it.")
        else:
            findings.notes.append(f"{run / name}: is not made from replies; only its checksum and rows were verified.")
    if DriftCounts.of(made.drift) != manifest.drift:
        findings.differs(MANIFEST, "manifest", "its unknown keys and unreadable values are not those of the replies.")


def _compare_content(published: Path, made: Path, version: str, findings: Findings) -> None:
    """Compare two files with different bytes: another version of a library may write the same content differently."""
    difference = load_format(made.name.rpartition(".")[2]).difference
    where = difference(published, made) if difference else "in its bytes"
    if where is None:
        findings.same_content.append(made.name)
        return
    versions = f" (made by version {__version__}, published by {version})" if version != __version__ else ""
    findings.differs(made.name, "rebuilt", f"differs from the table that the replies give{versions}: {where}.")
