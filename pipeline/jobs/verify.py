"""Whether a published run is still what was published: its checksums, its counts, and its tables made again.

No call is made, nothing of the run is changed, and no lock is taken: another run may be going on in the same folder.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from pipeline.errors import StorageError, UsageError
from pipeline.files import durable
from pipeline.files.folder import MANIFEST, read_manifest
from pipeline.files.latest import RUN_PREFIX, run_at
from pipeline.files.output_format import format_names, load_format
from pipeline.jobs.manifest import Manifest
from pipeline.jobs.remaking import compare_with_replies
from pipeline.jobs.tallies import contradictions, row_contradictions
from pipeline.jobs.verification import Difference, Findings
from pipeline.schema import OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.privacy.key import PrivacyKey


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What was verified, and what differs.

    Attributes:
        run_id: name of the run.
        folder: where it is.
        ok: whether nothing differs.
        files: files that the manifest describes.
        bytes: their size.
        rows: rows of all lists together.
        rebuilt: whether the tables were made again from the replies.
        identical: files that came out the same byte for byte.
        same_content: files with the same content but other bytes, as another version of a library writes them.
        differences: what is not as it was published.
        notes: what could not be verified, and why.
    """

    run_id: str
    folder: str
    ok: bool
    files: int
    bytes: int
    rows: int
    rebuilt: bool
    identical: list[str]
    same_content: list[str]
    differences: list[Difference]
    notes: list[str]


def verify(run: Path, *, workers: int = 0, key: PrivacyKey | None = None) -> Verification:
    """Compare the run in the folder `run` with its manifest, and with tables made again from the replies it kept.

    Args:
        run: the folder of a published run, or `latest`.
        workers: processes that make tables, as in `Settings`.
        key: the key with which columns were hashed, if any were.

    Raises:
        UsageError: `run` is not a published run, its key is missing or another one, or a format needs a library that
            is not installed.
        StorageError: there is no room for the tables, or the run was removed meanwhile.
    """
    run = run_at(run)
    if run.is_symlink():  # `latest`, which may be switched meanwhile
        run = run.parent / run.readlink()
    findings = Findings(run)
    manifest = _manifest(run, findings)
    if manifest is not None:
        _compare_files(run, manifest, findings)
        _compare_counts(run, manifest, findings)
        compare_with_replies(run, manifest, findings, workers=workers, key=key)
        if not run.is_dir():
            raise StorageError(f"{run}: was removed while it was being verified.")
    files = manifest.files() if manifest else []
    return Verification(
        run_id=manifest.run_id if manifest else run.resolve().name.removeprefix(RUN_PREFIX),
        folder=str(run),
        ok=not findings.differences,
        files=len(files),
        bytes=sum(file.bytes for file in files),
        rows=manifest.rows.read if manifest else 0,
        rebuilt=findings.is_rebuilt,
        identical=findings.identical,
        same_content=findings.same_content,
        differences=findings.differences,
        notes=findings.notes,
    )


def _manifest(run: Path, findings: Findings) -> Manifest | None:
    """The manifest; None, and a difference, if there are tables of a run but no manifest that can be read."""
    plain = read_manifest(run)
    if plain is not None:
        with suppress(StorageError):  # reported below, as a damaged manifest
            manifest = Manifest.from_dict(plain, run)
            if manifest.tables is not None:
                return manifest
    elif not run.is_dir() or not _looks_published(run):
        raise UsageError(f"{run}: not a published run; name a folder such as DIR/latest.")
    how = "is damaged" if (run / MANIFEST).exists() else "is missing"
    findings.differs(MANIFEST, "manifest", f"{how}, and without it nothing can be verified.")
    return None


def _looks_published(run: Path) -> bool:
    return run.resolve().name.startswith(RUN_PREFIX) or any(run.glob(f"{OUTCOMES.name}.*"))


def _compare_files(run: Path, manifest: Manifest, findings: Findings) -> None:
    """Compare size and checksum of every file, and look for tables that the manifest does not know."""
    for file in manifest.files():
        path = run / file.name
        if not path.is_file():
            findings.differs(file.name, "missing", "is missing.")
            continue
        with durable.storage_errors(path):
            size, sha256 = path.stat().st_size, durable.sha256(path)
        if sha256 != file.sha256:
            length = f" ({size:,} bytes instead of {file.bytes:,})" if size != file.bytes else ""
            findings.differs(file.name, "checksum", f"has changed or is damaged: its checksum is another one{length}.")
        elif size != file.bytes:
            findings.differs(MANIFEST, "manifest", f"gives {file.name} {file.bytes:,} bytes, but it has {size:,}.")
    described = {file.name for file in manifest.files()}
    with durable.storage_errors(run):
        tables = {path.name for path in run.iterdir() if path.suffix.removeprefix(".") in format_names()}
    for name in sorted(tables - described):
        findings.notes.append(f"{run / name}: is not in the manifest, and was not verified.")


def _compare_counts(run: Path, manifest: Manifest, findings: Findings) -> None:
    """Compare the counts in the manifest with one another, and with the rows of the files that are intact."""
    messages = [*contradictions(manifest, run)]
    outcomes = f"{OUTCOMES.name}.parquet"
    if findings.is_intact(outcomes):
        messages += row_contradictions(manifest, run / outcomes)
    for file in manifest.files():
        count_rows = _counter(file.name)
        if count_rows is None or not findings.is_intact(file.name):
            continue
        with durable.storage_errors(run / file.name):
            rows = count_rows(run / file.name)
        if rows != file.rows:
            messages.append(f"gives {file.name} {file.rows:,} rows, but it has {rows:,}.")
    for message in messages:
        findings.differs(MANIFEST, "manifest", message)


def _counter(name: str) -> Callable[[Path], int] | None:
    """What counts the rows of a file of that name; None if its format is not known here, or cannot be read."""
    try:
        return load_format(name.rpartition(".")[2]).count_rows
    except UsageError:
        return None
