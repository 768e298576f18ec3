from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING

import pytest
from emails_lists import PACKERS, as_csv, as_jsonl, as_parquet, as_workbook, write
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.emails.reader import EmailList, Reading
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

CELLS = [f"p{n}@example.com" for n in range(40)]
TABLE = [["id", "email"], *([str(n), cell] for n, cell in enumerate(CELLS))]
TEXT = as_csv(TABLE).encode()
GOOD = {
    "any.csv": TEXT,
    "any.tsv": as_csv(TABLE, "\t").encode("utf-16"),
    "any.txt": "\n".join(CELLS).encode(),
    "any.jsonl": as_jsonl({"id": n, "email": cell} for n, cell in enumerate(CELLS)).encode(),
    "any.csv.gz": PACKERS[".gz"](TEXT),
    "any.csv.zst": PACKERS[".zst"](TEXT),
    "any.jsonl.gz": PACKERS[".gz"](as_jsonl(CELLS).encode()),
    "any.parquet": as_parquet({"email": CELLS, "x": [[n] for n in range(40)]}, compression="none"),
    "any.xlsx": as_workbook(TABLE),
}
PREFIXES = [
    b"",
    b"PAR1",
    b"PK\x03\x04",
    b"\x1f\x8b\x08\0\0\0\0\0\0\x03",
    b"\x28\xb5\x2f\xfd",
    b"\xff\xfe",
    b'{"email":',
    b'"',
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all examples of a property."""
    return tmp_path_factory.mktemp("any")


def read_or_refused(folder: Path, name: str, content: bytes, reading: Reading = Reading()) -> bool:  # noqa: B008 - frozen
    """Whether a list was read, with its hash, as many cells as rows, and the same number by every way to read it."""
    emails = EmailList(write(folder, content, name), reading)
    try:
        cells = list(emails.cells())
        assert (emails.rows, emails.sha256) == (len(cells), hashlib.sha256(content).hexdigest())
        assert emails.detected().form in name
        shape = emails.shape()
        assert shape.rows == len(cells)
        assert sum(batch.num_rows for batch in emails.batches(shape.width)) == len(cells)
    except UsageError as error:
        assert str(error).startswith((f"{name}: ", "There is no encoding")) and "\n" not in str(error)  # noqa: PT017, PT018
        return False
    return True


@pytest.mark.parametrize("name", GOOD)
@settings(max_examples=60)
@given(prefix=st.sampled_from(PREFIXES), content=st.binary(max_size=200), suffix=st.sampled_from([b"", b"PAR1"]))
def test_any_bytes_are_read_or_refused(folder: Path, name: str, prefix: bytes, content: bytes, suffix: bytes) -> None:
    """Whatever is in the file, and however it begins, there is a reading of it or one sentence."""
    read_or_refused(folder, name, prefix + content + suffix)


@pytest.mark.parametrize("name", GOOD)
@settings(max_examples=60)
@given(seed=st.integers(0, 1 << 32), changes=st.integers(0, 8))
def test_any_damage_is_read_or_refused(folder: Path, name: str, seed: int, changes: int) -> None:
    """A good list with some bytes changed, taken out or put in, or cut off."""
    content, chance = bytearray(GOOD[name]), random.Random(seed)
    for _ in range(changes):
        place, size = chance.randrange(len(content)), chance.choice([0, 1, 1, 1, 2, 9])
        content[place : place + size] = chance.randbytes(chance.choice([size, size, 0, 3]))
        content = content or bytearray(b"x")
    if chance.random() < 0.2:
        del content[chance.randrange(len(content)) :]
    assert read_or_refused(folder, name, bytes(content)) or bytes(content) != GOOD[name]


@given(
    content=st.binary(max_size=60),
    encoding=st.sampled_from(
        ["utf-8", "ascii", "shift_jis", "gb18030", "utf-16", "utf-32", "hz", "iso2022_jp", "cp037", "big5hkscs", "no"]
    ),
    delimiter=st.sampled_from([None, ";", "x", " ", "é"]),
)
def test_any_bytes_are_read_or_refused_as_stated(
    folder: Path, content: bytes, encoding: str, delimiter: str | None
) -> None:
    """The same with what the user states, sensible or not."""
    read_or_refused(folder, "any.csv", content, Reading(None, encoding, delimiter))
    read_or_refused(folder, "any.txt", content, Reading("1", encoding, delimiter))
