"""The ad-hoc job: a file comes back as it was, with what the API knows about each row's address beside it."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import pyarrow as pa

from pipeline.emails.reader import EmailList, Reading
from pipeline.errors import StorageError, UsageError
from pipeline.files import private
from pipeline.files.output_format import check_fits, format_of
from pipeline.files.state import StateFolder
from pipeline.jobs.conduct import conduct
from pipeline.jobs.enriched_file import EnrichTarget, write_enriched
from pipeline.jobs.manifest import OutputFile
from pipeline.jobs.observer import Observer
from pipeline.jobs.request import Request
from pipeline.jobs.runs import open_run
from pipeline.journal.store import Journal
from pipeline.tables.columns import make_frame
from pipeline.tables.wide import CUSTOM, select_fields

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from pipeline.jobs.manifest import Manifest, ManifestBuilder
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
        StopRun: it had to stop; `manifest` on it says what was done, and the answers are kept.
    """
    observer = observer or Observer()
    settings.require_credentials()
    source = EmailList(path, Reading(settings.email_column, settings.encoding, settings.delimiter))
    source.check()
    fields = select_fields(how.fields)
    with private.storage(out):
        _check_out(path, out, how)
    folder = StateFolder.beside(out)
    folder.prepare()
    try:
        with folder.lock():
            folder.clear_leftovers()
            try:
                request = Request.of(folder, [source], settings, resume=resume, command=command)
                target = _target(source, out, fields, how, settings)
                with open_run(folder, [source], settings, request) as journal:
                    check_fits(out, _own_header(source, target.width), journal.rows_read())
                    manifest = conduct(
                        folder,
                        journal,
                        settings,
                        observer,
                        lambda builder: _finish(folder, journal, target, builder),
                    )
                    _tidy_up(folder)
            finally:
                folder.clear_spools()
                folder.remove()
    finally:
        with suppress(OSError):
            folder.place.rmdir()
    observer.published(out)
    return manifest


def _check_out(path: Path, out: Path, how: Enrichment) -> None:
    format_of(out)
    if not how.separator or "\\" in how.separator:
        raise UsageError("--list-separator: must be a text without a backslash, which marks it inside names.")
    if out.is_dir():
        raise UsageError(f"{out}: is a folder; name a file.")
    if out.exists() and path.exists() and path.samefile(out):
        raise UsageError(f"{out}: is the list itself; name another --out.")
    if out.exists() and not how.force:
        raise UsageError(f"{out}: is there already; add --force to replace it, or name another --out.")


def _target(source: EmailList, out: Path, fields: list[str], how: Enrichment, settings: Settings) -> EnrichTarget:
    """What is written, once it is known that it can be and that no two columns share a name.

    Raises:
        UsageError: `out` cannot hold the list's columns, or one of them has the name of an added column.
    """
    shape = source.shape()
    header = _own_header(source, shape.width)
    check_fits(out, header)
    own = list(header.columns)
    added = [f"{how.prefix}{name}" for name in ("outcome", "id", *(n for n in fields if not n.startswith(CUSTOM)))]
    if taken := [name for name in added if name in own]:
        raise UsageError(f"{source.name}: already has a column {taken[0]!r}; choose another --prefix.")
    patterns = [name for name in fields if name.startswith(CUSTOM)]
    if any(fnmatchcase(name, pattern) for name in own for pattern in patterns):
        raise UsageError(f"{source.name}: already has columns for custom fields; leave them out with --fields.")
    if shape.ragged:
        text = "%s: %d rows have more or fewer cells than the first line; the first are in lines %s."
        logger.warning(text, source.name, shape.ragged, ", ".join(map(str, shape.ragged_lines)))
    return EnrichTarget(
        source,
        shape.width,
        out,
        fields,
        how.prefix,
        how.separator,
        settings,
        only_found=how.only_found,
        force=how.force,
    )


def _own_header(source: EmailList, width: int) -> pd.DataFrame:
    """The columns of the list itself, without rows; a list without rows is refused when it is imported."""
    first = next(iter(source.batches(width)), None)
    schema = pa.schema([]) if first is None else first.schema
    return make_frame(schema.names, (pa.array([], kind) for kind in schema.types))


def _finish(folder: StateFolder, journal: Journal, target: EnrichTarget, builder: ManifestBuilder) -> Manifest:
    """Write the file, check it, and put it in its place."""
    staged = folder.partial(target.out.name)
    with private.storage(staged):
        written = write_enriched(target, journal, staged)
        private.sync(staged)
        output = OutputFile(
            name=target.out.name,
            rows=written.rows,
            bytes=staged.stat().st_size,
            sha256=private.sha256(staged),
            columns=[*written.columns],
        )
        try:
            private.put(staged, target.out, replace=target.force)
        except FileExistsError:
            raise StorageError(
                f"{target.out}: has appeared meanwhile; move it, or add --force to replace it."
            ) from None
        private.sync(target.out.parent)
    logger.info("wrote %s", target.out)
    return builder.enriched(journal.count_rows(), output, written.drift)


def _tidy_up(folder: StateFolder) -> None:
    """Forget every journal of this file: what they hold is in it, or was replaced."""
    try:
        for path in folder.journals():
            Journal.remove_file(path)
    except StorageError as error:
        logger.warning("%s", error)
