"""The files of a table, opened for writing as the settings say, and the table `changes` written part by part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from pipeline.files.output_format import TableWriter, WriteOptions
from pipeline.history.feed import FeedCounts
from pipeline.schema import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pandas as pd

    from pipeline.history.feed import FeedBatch
    from pipeline.settings import Settings

T_co = TypeVar("T_co", covariant=True)
_MOSTLY_UNIQUE = {table.name: table.mostly_unique for table in TABLES}


class Parts(Protocol[T_co]):
    """What is built part by part, each from its number alone; pickled, it can be built by another process too."""

    @property
    def count(self) -> int:
        """The number of parts."""

    def build(self, number: int) -> T_co:
        """Part `number`, counted from 0."""


def open_table(folder: Path, name: str, header: pd.DataFrame, settings: Settings, *formats: str) -> TableWriter:
    """Open a new table in these formats, or in those of the settings."""
    options = WriteOptions(
        bom=bool(settings.csv_bom),
        title=name,
        formula_guard=settings.formula_guard,
        mostly_unique=_MOSTLY_UNIQUE.get(name, frozenset()),
    )
    return TableWriter(folder, name, header, formats or settings.formats, options)


def write_changes(batches: Iterable[FeedBatch], file: TableWriter) -> FeedCounts:
    """Write the parts of a feed to a table that is open; return what they add up to."""
    counts = FeedCounts()
    for batch in batches:
        file.write(batch.frame)
        counts.add(batch)
    return counts


def feed_formats(settings: Settings) -> tuple[str, ...]:
    """The formats of the table `changes`: it is always published as Parquet, too, as no other table gives it again."""
    return tuple(dict.fromkeys([*settings.formats, "parquet"]))
