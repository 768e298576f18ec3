from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest
import zstandard
from emails_lists import ANN, COMPRESS, JIM, JOE, as_csv, listed, read_and_measure, refusal

if TYPE_CHECKING:
    from pathlib import Path

LINES = as_csv([["email", "n"], *([f"p{n}@example.com", str(n * n)] for n in range(2_000))]).encode()
TITLES = {".gz": "gzip", ".zst": "Zstandard"}


@pytest.mark.parametrize("suffix", TITLES)
def test_a_truncated_list_is_refused(tmp_path: Path, suffix: str) -> None:
    """Wherever it was cut off, and before the first row: the missing rows would be lost silently."""
    compressed = COMPRESS[suffix](LINES)
    for size in (1, 5, 12, 18, len(compressed) // 2, *range(len(compressed) - 12, len(compressed))):
        refusal(listed(tmp_path, compressed[:size], "list.csv" + suffix), TITLES[suffix])


@pytest.mark.parametrize("suffix", TITLES)
def test_a_list_that_is_not_compressed_as_its_suffix_says_is_refused(tmp_path: Path, suffix: str) -> None:
    """The name promises a compressed file."""
    refusal(listed(tmp_path, b"email\njoe@example.com\n" * 9, "list.csv" + suffix), TITLES[suffix])
    refusal(listed(tmp_path, COMPRESS[suffix](LINES) + b"junk", "list.csv" + suffix), TITLES[suffix])
    refusal(listed(tmp_path, b"", "list.csv" + suffix), "empty")


def test_damage_inside_is_refused(tmp_path: Path) -> None:
    """Both compressions can carry a checksum; gzip always does."""
    checked = zstandard.ZstdCompressor(write_checksum=True).compress(LINES)
    for suffix, compressed in ((".gz", gzip.compress(LINES)), (".zst", checked)):
        damaged = bytearray(compressed)
        damaged[len(compressed) // 2] ^= 0xFF
        refusal(listed(tmp_path, bytes(damaged), "list.csv" + suffix), TITLES[suffix])


@pytest.mark.parametrize("suffix", TITLES)
def test_concatenated_files_are_one_list(tmp_path: Path, suffix: str) -> None:
    """As `cat a.gz b.gz` makes them, one of them empty; zeros at the end of a gzip file are ignored."""
    parts = b"".join(COMPRESS[suffix](f"{part}\n".encode()) for part in ("email", JOE, "", JIM, ANN))
    padding = b"\0" * 5_000 if suffix == ".gz" else b""
    assert list(listed(tmp_path, parts + padding, "list.csv" + suffix).cells()) == [JOE, JIM, ANN]


def test_the_encoding_is_detected_however_small_the_first_part_is(tmp_path: Path) -> None:
    """A compressed file may begin with a part of a single byte."""
    content = f"email,n\n{JOE},1\n".encode("utf-16-le")
    parts = COMPRESS[".gz"](content[:1]) + COMPRESS[".gz"](content[1:])
    emails = listed(tmp_path, parts, "list.csv.gz")
    assert (list(emails.cells()), emails.detected().encoding) == ([JOE], "utf-16-le")


@pytest.mark.parametrize("suffix", TITLES)
def test_memory_does_not_grow_with_a_compressed_list(tmp_path: Path, suffix: str) -> None:
    """60 MB in a file of a few KB are decompressed and read a piece at a time."""
    path = tmp_path / f"list.csv{suffix}"
    rows = f"{JOE},{'x' * 2_000}\n".encode() * 500
    with gzip.open(path, "wb", 1) if suffix == ".gz" else zstandard.open(path, "wb") as file:
        for _ in range(60):
            file.write(rows)
    result, grown = read_and_measure(path)
    assert result == "30000"
    assert grown < 40
