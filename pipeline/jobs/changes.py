"""What changed between two published runs that kept their replies, whatever the runs between them have published."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import msgspec

from pipeline.errors import UsageError
from pipeline.files import durable
from pipeline.files.latest import run_at
from pipeline.files.output_format import format_of
from pipeline.files.published import PublishedRun
from pipeline.files.state import StateFolder
from pipeline.history.predecessor import account_in
from pipeline.jobs.change_facts import ChangeFacts  # noqa: TC001 - the type of a field
from pipeline.jobs.column_rules import rules_of_run
from pipeline.jobs.comparing import check_ignored, compared_runs
from pipeline.jobs.feed_rules import FeedRules
from pipeline.jobs.manifest import Manifest
from pipeline.jobs.manifest_files import PublishedFile
from pipeline.jobs.suppressing import state_folders_around, suppression_of
from pipeline.jobs.table_files import open_table, write_changes
from pipeline.jobs.workers import open_pool
from pipeline.privacy.key import load_key
from pipeline.schema import CHANGES
from pipeline.settings import OUTPUT_SETTINGS
from pipeline.tables.frames import empty_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pipeline.settings import Settings

_RULES = ("drop_columns", "hash_columns", "keep_columns")


class ChangesFile(msgspec.Struct, frozen=True):
    """The file with the changes, and what is in it.

    Attributes:
        run_id: the later of the two runs.
        file: the file.
        changes: what it holds.
    """

    run_id: str
    file: PublishedFile
    changes: ChangeFacts


def changes(
    old: Path, new: Path, out: Path, load: Callable[[Mapping[str, object]], Settings], *, force: bool = False
) -> ChangesFile:
    """Write what changed from the run in the folder `old` to that in `new` into the file `out`; return what that is.

    Nothing is said about people who are on a suppression list around the runs, or on that of the settings.
    `load` makes the settings from the `OUTPUT_SETTINGS` of `new`, with what `old` leaves out or hashes as well.

    Raises:
        UsageError: a folder is no published run with its replies, the runs are of two accounts, the key of hashes or of
            a suppression list is missing or another one, or `out` cannot be written, or exists and `force` is false.
        StorageError: a run is damaged, or something cannot be read or written.
    """
    _check_out(out, force=force)
    before, now = (PublishedRun(run_at(run)) for run in (old, new))
    if account_in(before.manifest) != account_in(now.manifest):
        raise UsageError(f"{old} and {new}: are runs of two Apps or APIs, so their leads cannot be compared.")
    settings = load(_settings_of(before.manifest, now.manifest))
    check_ignored(settings)
    rules = _rules((old, before), (new, now), settings)
    suffix = out.suffix.lower().removeprefix(".")
    staged = f".{out.name}.{secrets.token_hex(4)}"
    place = StateFolder.in_folder(run_at(new).resolve().parent).path
    with (
        durable.storage_errors(out),
        compared_runs(before, now, settings, place, rules) as comparison,
        open_pool(settings, now.answers().count) as pool,
    ):
        path = out.with_name(f"{staged}.{suffix}")
        try:
            with open_table(out.parent, staged, empty_frame(CHANGES), settings, suffix) as file:
                feed = comparison.feed
                counts = write_changes(pool.map(feed.build, range(feed.count)), file)
            (written,) = file.files()
            durable.move(path, out, replace=force)
        finally:
            path.unlink(missing_ok=True)
    info = PublishedFile(out.name, written.rows, written.bytes, written.sha256)
    return ChangesFile(str(now.manifest["run_id"]), info, comparison.facts(counts))


def _settings_of(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, object]:
    """The `OUTPUT_SETTINGS` of the later of two manifests; what either run leaves out or hashes, it does as well."""
    was, is_now = before["settings"], now["settings"]
    base = {name: is_now[name] for name in OUTPUT_SETTINGS if is_now.get(name) is not None}
    for name in _RULES:
        base[name] = list(dict.fromkeys([*(is_now.get(name) or ()), *(was.get(name) or ())]))
    return base


def _rules(old: tuple[Path, PublishedRun], new: tuple[Path, PublishedRun], settings: Settings) -> FeedRules:
    """What becomes of people's data, under the key of the later run, or of the earlier if only that has hashes.

    Raises:
        UsageError: a key is missing or another one, or the settings are wrong.
        StorageError: a suppression list, or a run, cannot be read.
    """
    suppressed = suppression_of(settings, *state_folders_around(old[0], new[0]))
    found = [(path, Manifest.from_dict(run.manifest, path)) for path, run in (new, old)]
    path, manifest = next((one for one in found if one[1].key_id), found[0])
    rules = rules_of_run(path, manifest, settings, load_key(settings))
    return FeedRules.of(rules, suppressed, old[1].outcomes_path, new[1].outcomes_path)


def _check_out(out: Path, *, force: bool) -> None:
    """Check that a file of a known format can be written there."""
    if str(out) == "-":
        raise UsageError("--out -: name a file, whose ending chooses the format, such as changes.csv.")
    format_of(out)
    with durable.storage_errors(out):
        if out.is_dir():
            raise UsageError(f"{out}: is a folder; name a file.")
        if not out.absolute().parent.is_dir():
            raise UsageError(f"{out}: there is no folder {out.absolute().parent}; create it, or name another --out.")
        if out.exists() and not force:
            raise UsageError(f"{out}: already exists; add --force to replace it, or name another --out.")
