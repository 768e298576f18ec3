"""What a manifest says about the files that a job wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.files.output_format import FileInfo
    from pipeline.jobs.publishing import Published


class PublishedFile(msgspec.Struct, frozen=True):
    """One file of a table; `sha256` (hex) is that of its bytes."""

    name: str
    rows: int
    bytes: int
    sha256: str


class PublishedTable(msgspec.Struct, frozen=True):
    """The files of one table, one for each format."""

    files: list[PublishedFile]


class ReportFile(msgspec.Struct, frozen=True):
    """The HTML report of a run; `sha256` (hex) is that of its bytes."""

    name: str
    bytes: int
    sha256: str


class OutputFile(msgspec.Struct, frozen=True):
    """The file that `enrich` wrote.

    Attributes:
        sha256: of its bytes, in hex.
        columns: the names of its columns.
        filled: how many of its rows have the data of a lead: those found, and duplicates of these.
    """

    name: str
    rows: int
    bytes: int
    sha256: str
    columns: list[str]
    filled: int


def tables_of(published: Published) -> dict[str, PublishedTable]:
    """The files of every table."""
    return _tables(published.tables)


def private_of(published: Published) -> dict[str, PublishedTable] | None:
    """The files that tables are made of and that are not published; None if there are none."""
    return _tables(published.private) or None


def _tables(files: Mapping[str, list[FileInfo]]) -> dict[str, PublishedTable]:
    return {
        name: PublishedTable([PublishedFile(info.name, info.rows, info.bytes, info.sha256) for info in infos])
        for name, infos in files.items()
    }
