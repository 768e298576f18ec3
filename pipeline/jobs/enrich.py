"""The ad-hoc job: a file comes back as it was, with what the API knows about each row's address beside it."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipeline.emails.lists import EmailList, ReadOptions
from pipeline.errors import StorageError, UsageError
from pipeline.files import private
from pipeline.files.single import check_columns, check_name, check_rows, names_of
from pipeline.files.state import StateFolder
from pipeline.jobs.beside import Beside, write_beside
from pipeline.jobs.conduct import conduct
from pipeline.jobs.observer import Observer
from pipeline.jobs.request import Request
from pipeline.jobs.runs import open_run
from pipeline.journal.store import Journal
from pipeline.tables.wide import CUSTOM, pick

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.jobs.report import Manifest, Report
    from pipeline.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Enrichment:
    """What is to be put beside the rows, and how.

    Attributes:
        fields: names of fields or patterns, see `pipeline.tables.wide`; empty is all.
        prefix: before the name of every column but custom fields.
        separator: between names in one cell.
        only_found: leave out rows whose address was not found.
        force: replace a file that is there already.
    """

    fields: tuple[str, ...] = ()
    prefix: str = "lead_"
    separator: str = "|"
    only_found: bool = False
    force: bool = False


def enrich(
    settings: Settings,
    path: Path,
    out: Path,
    how: Enrichment = Enrichment(),
    *,
    resume: bool = True,
    command: str = "",
    observer: Observer | None = None,
) -> Manifest:
    """Write `path` to `out` with columns of what is known about its addresses; return an account like a manifest.

    All rows and columns of the file come first and stay as they are. The answers are kept beside `out` until it is
    written, so that the same call goes on after a stop; `out` appears whole or not at all.

    Raises:
        UsageError: settings, `path`, `out` or `how` are not usable; nothing was called.
        StopRun: it had to stop; `report` on it says what was done, and the answers are kept.
    """
    observer = observer or Observer()
    settings.require_credentials()
    source = EmailList(path, ReadOptions(settings.email_column, settings.encoding, settings.delimiter))
    source.check()
    picked = pick(how.fields)
    with private.storage(out):
        _check_out(path, out, how)
    folder = StateFolder.beside(out)
    folder.prepare()
    try:
        with folder.lock():
            folder.clear_leftovers()
            try:
                request = Request.of(folder, [source], settings, resume=resume, command=command)
                beside = _beside(source, out, picked, how, settings)
                with open_run(folder, [source], settings, request) as journal:
                    check_rows(out, journal.rows_read())
                    manifest = conduct(
                        folder, journal, settings, observer, lambda report: _finish(folder, beside, report)
                    )
                    _tidy_up(folder)
            finally:
                folder.remove()
    finally:
        with suppress(OSError):
            folder.place.rmdir()
    observer.published(out)
    return manifest


def _check_out(path: Path, out: Path, how: Enrichment) -> None:
    check_name(out)
    if not how.separator or "\\" in how.separator:
        raise UsageError("--list-separator: must be a text without a backslash, which marks it inside names.")
    if out.is_dir():
        raise UsageError(f"{out}: is a folder; name a file.")
    if out.exists() and path.exists() and path.samefile(out):
        raise UsageError(f"{out}: is the list itself; name another --out.")
    if out.exists() and not how.force:
        raise UsageError(f"{out}: is there already; add --force to replace it, or name another --out.")


def _beside(source: EmailList, out: Path, picked: list[str], how: Enrichment, settings: Settings) -> Beside:
    """What is written beside what, once it is known that it can be, and that no column has the name of another."""
    shape = source.row_counts()
    first = next(iter(source.batches(shape.width)), None)
    schema = first.schema if first is not None else pa.schema([])  # a list without rows is refused when it is taken in
    check_columns(out, schema)
    ours = [f"{how.prefix}{name}" for name in ("outcome", "id", *(n for n in picked if not n.startswith(CUSTOM)))]
    if taken := [name for name in ours if name in schema.names]:
        raise UsageError(f"{source.name}: has a column {taken[0]!r} already; choose another --prefix.")
    patterns = [name for name in picked if name.startswith(CUSTOM)]
    if any(fnmatchcase(name, pattern) for name in schema.names for pattern in patterns):
        raise UsageError(f"{source.name}: has columns for custom fields already; leave these out with --fields.")
    if shape.ragged:
        text = "%s: %d rows have more or fewer cells than the first line; the first are in lines %s."
        logger.warning(text, source.name, shape.ragged, ", ".join(map(str, shape.ragged_lines)))
    return Beside(
        source,
        shape.width,
        out,
        picked,
        how.prefix,
        how.separator,
        settings,
        only_found=how.only_found,
        force=how.force,
    )


def _finish(folder: StateFolder, beside: Beside, report: Report) -> Manifest:
    """Write the file, see that it is whole, and put it in its place."""
    staged = folder.partial(beside.out.name)
    with private.storage(staged):
        written = write_beside(beside, report.journal, staged)
        private.sync(staged)
        file = {"name": beside.out.name, "rows": written.rows, "bytes": staged.stat().st_size}
        columns = names_of(beside.out.suffix, written.schema)
        output: dict[str, Any] = {**file, "sha256": private.sha256(staged), "columns": columns}
        try:
            private.put(staged, beside.out, replace=beside.force)
        except FileExistsError:
            raise StorageError(
                f"{beside.out}: has appeared meanwhile; move it, or add --force to replace it."
            ) from None
        private.sync(beside.out.parent)
    logger.info("wrote %s", beside.out)
    return report.enriched(output, written.drift)


def _tidy_up(folder: StateFolder) -> None:
    """Forget every journal of this file: what they hold is in it, or was replaced."""
    try:
        for path in folder.journals():
            Journal.remove_file(path)
    except StorageError as error:
        logger.warning("%s", error)
