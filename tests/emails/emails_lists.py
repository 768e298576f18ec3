"""Lists in every format, for tests: real files, as other programs write them."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from pipeline.emails.lists import EmailList, ReadOptions
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

JOE, JIM, ANN = "joe@example.com", "jim@example.com", "ann@example.com"

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": partial(gzip.compress, mtime=0),
    ".zst": zstandard.compress,
}


def compress(content: bytes, name: str) -> bytes:
    """The content as a file of this name holds it."""
    return COMPRESS.get(Path(name).suffix, bytes)(content)


def write(folder: Path, content: str | bytes, name: str = "list.csv") -> Path:
    """A list with exactly this content."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def listed(folder: Path, content: str | bytes, name: str = "list.csv", **stated: Any) -> EmailList:
    """A list with this content, and with what is stated about it."""
    return EmailList(write(folder, content, name), ReadOptions(**stated))


def refusal(emails: EmailList, *facts: object) -> str:
    """The message with which reading a list is refused; it starts with the list's name and contains these facts."""
    with pytest.raises(UsageError) as error:
        list(emails.cells())
    message = str(error.value)
    assert message.startswith(f"{emails.name}: ")
    assert [fact for fact in facts if str(fact) not in message] == [], message
    return message


def as_csv(rows: Iterable[Iterable[str]], delimiter: str = ",", line_end: str = "\n") -> str:
    """Rows as the standard library writes them."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=line_end, quoting=csv.QUOTE_ALL).writerows(rows)
    return text.getvalue()


def as_jsonl(values: Iterable[object]) -> str:
    """Values as JSON, one on each line."""
    return "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values)


def as_parquet(columns: dict[str, Sequence[object]] | pa.Table, **options: object) -> bytes:
    """Columns as a Parquet file."""
    file = io.BytesIO()
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    pq.write_table(table, file, **options)  # type: ignore[arg-type]
    return file.getvalue()


def as_workbook(*sheets: Iterable[Sequence[object]]) -> bytes:
    """Sheets as a workbook."""
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for rows in sheets:
        sheet = book.create_sheet()
        for row in rows:
            sheet.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def columns_of(emails: EmailList, width: int | None = None) -> tuple[list[str], list[list[object]]]:
    """Names and rows of all batches."""
    names: list[str] = []
    rows: list[list[object]] = []
    for batch in emails.batches(width):
        names = batch.schema.names
        rows += [list(row) for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)]
    return names, rows


READ_AND_MEASURE = r"""
import re, sys
from pathlib import Path
from pipeline.emails.lists import EmailList
from pipeline.errors import UsageError
def peak_kib():
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])
if sys.argv[1].endswith((".zst", ".parquet")):
    import pyarrow.parquet
before = peak_kib()
emails = EmailList(Path(sys.argv[1]))
try:
    print(sum(1 for _ in emails.cells()) if sys.argv[2] == "cells" else sum(len(part) for part in emails.batches()))
except UsageError as error:
    print(error)
print((peak_kib() - before) // 1024)
"""


def read_and_measure(path: Path, how: str = "cells") -> tuple[str, int]:
    """What a process of its own reads or reports, and by how many MiB its memory grows."""
    child = subprocess.run(
        [sys.executable, "-c", READ_AND_MEASURE, str(path), how], capture_output=True, check=True, text=True
    )
    result, grown = child.stdout.splitlines()
    return result, int(grown)
