"""TSV: as CSV, with a tab between fields."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.files.formats.csv import FORMAT as CSV
from pipeline.files.formats.csv import CsvWriter

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from pipeline.files.output_format import WriteOptions


def _open(path: Path, header: pd.DataFrame, options: WriteOptions) -> CsvWriter:
    return CsvWriter(path, header, replace(options, delimiter="\t"))


FORMAT = replace(CSV, open=_open)
