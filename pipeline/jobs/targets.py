"""Where the tables of a run are written, and how: published ones, and what tables are made of and is not published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.files.private import PRIVATE
from pipeline.jobs.table_files import open_table
from pipeline.schema import OUTCOMES, REPLIES
from pipeline.tables.frames import empty_frame

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from pipeline.columns import Table
    from pipeline.files.output_format import TableWriter
    from pipeline.privacy.columns import ColumnRules
    from pipeline.settings import Settings


@dataclass(frozen=True, slots=True)
class Target:
    """Where tables are written and how.

    Attributes:
        sources: whether what tables can be made of again is written, too.
    """

    folder: Path
    settings: Settings
    rules: ColumnRules
    sources: bool

    @property
    def hides_rows(self) -> bool:
        """Whether the rows are kept beside the table `outcomes`, because that does not have them as they are."""
        return self.sources and self.rules.changes(OUTCOMES)

    @property
    def outcome_formats(self) -> tuple[str, ...]:
        """The formats of `outcomes`: if tables are made of it, one is Parquet, as CSV does not keep exact values."""
        formats = self.settings.formats
        is_source = self.settings.replies_go != "none" and not self.rules.changes(OUTCOMES)
        return tuple(dict.fromkeys([*formats, "parquet"])) if is_source else formats

    def open(self, name: str, header: pd.DataFrame, *formats: str) -> TableWriter:
        """Open a new table in these formats, or in those of the settings."""
        return open_table(self.folder, name, header, self.settings, *formats)

    def open_private(self, table: Table) -> TableWriter:
        """Open a new table that is not published."""
        folder = self.folder / PRIVATE
        folder.mkdir(mode=0o700, exist_ok=True)
        return open_table(folder, table.name, empty_frame(table), self.settings, "parquet")

    @property
    def hides_replies(self) -> bool:
        """Whether the raw replies are kept and not published."""
        return self.settings.replies_go == "private"

    def open_replies(self) -> TableWriter:
        """Open the table of the raw replies, wherever it goes."""
        if self.hides_replies:
            return self.open_private(REPLIES)
        return self.open(REPLIES.name, empty_frame(REPLIES), "parquet")
