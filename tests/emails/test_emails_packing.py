from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest
import zstandard
from emails_lists import ANN, JIM, JOE, PACKERS, as_csv, listed, read_in_little_memory, refusal

if TYPE_CHECKING:
    from pathlib import Path

LINES = as_csv([["email", "n"], *([f"p{n}@example.com", str(n * n)] for n in range(2_000))]).encode()
NAMES = {".gz": "gzip", ".zst": "Zstandard"}


@pytest.mark.parametrize("packing", NAMES)
def test_a_packed_list_that_is_cut_off_is_refused(tmp_path: Path, packing: str) -> None:
    """Wherever the cut is, and before the first row: what is missing would be lost without a word."""
    packed = PACKERS[packing](LINES)
    for size in (*range(1, 40), len(packed) // 2, *range(len(packed) - 12, len(packed))):
        emails = listed(tmp_path, packed[:size], "list.csv" + packing)
        assert refusal(emails) == (f"list.csv{packing}: the {NAMES[packing]} file is cut off; fetch or make it again.")


@pytest.mark.parametrize("packing", NAMES)
@pytest.mark.parametrize(("content", "problem"), [(b"", "is empty"), (b"email\njoe@example.com\n" * 9, "is damaged")])
def test_what_is_not_packed_is_refused(tmp_path: Path, packing: str, content: bytes, problem: str) -> None:
    """The name promises a packed file."""
    emails = listed(tmp_path, content, "list.csv" + packing)
    assert refusal(emails) == f"list.csv{packing}: the {NAMES[packing]} file {problem}; fetch or make it again."


def test_damage_inside_is_refused(tmp_path: Path) -> None:
    """Both packings can carry a checksum; gzip always does."""
    checked = zstandard.ZstdCompressor(write_checksum=True).compress(LINES)
    for packing, packed in ((".gz", gzip.compress(LINES)), (".zst", checked)):
        damaged = bytearray(packed)
        damaged[len(packed) // 2] ^= 0xFF
        said = refusal(listed(tmp_path, bytes(damaged), "list.csv" + packing))
        assert said == f"list.csv{packing}: the {NAMES[packing]} file is damaged; fetch or make it again."


@pytest.mark.parametrize("packing", NAMES)
def test_packed_files_behind_each_other_are_one_list(tmp_path: Path, packing: str) -> None:
    """As `cat a.gz b.gz` makes them; zeros at the end of a gzip file are none of it."""
    parts = b"".join(PACKERS[packing](f"{part}\n".encode()) for part in ("email", JOE, "", JIM, ANN))
    padding = b"\0" * 5_000 if packing == ".gz" else b""
    assert list(listed(tmp_path, parts + padding, "list.csv" + packing).cells()) == [JOE, JIM, ANN]


def pack_much(path: Path, piece: bytes, pieces: int) -> None:
    """A packed file of the same piece, many times."""
    if path.suffix == ".gz":
        with gzip.open(path, "wb", 1) as file:
            for _ in range(pieces):
                file.write(piece)
    else:
        with zstandard.open(path, "wb") as file:
            for _ in range(pieces):
                file.write(piece)


@pytest.mark.parametrize("packing", NAMES)
def test_a_bomb_is_refused_in_little_memory(tmp_path: Path, packing: str) -> None:
    """Hundreds of megabytes in next to nothing: neither memory nor patience is used up."""
    path = tmp_path / f"list.csv{packing}"
    pack_much(path, b"\n" * (1 << 22), 70)
    said, grown = read_in_little_memory(path)
    problem = "unpacks to more than 200 times its size; this is not a list of addresses"
    assert said == f"list.csv{packing}: the {NAMES[packing]} file {problem}."
    assert grown < 50


def test_what_a_list_is_shows_however_small_its_first_piece_is(tmp_path: Path) -> None:
    """A packed file may begin with a part of a single byte."""
    content = f"email,n\n{JOE},1\n".encode("utf-16-le")
    parts = PACKERS[".gz"](content[:1]) + PACKERS[".gz"](content[1:])
    emails = listed(tmp_path, parts, "list.csv.gz")
    assert (list(emails.cells()), emails.detected().encoding) == ([JOE], "utf-16-le")


@pytest.mark.parametrize(
    ("piece", "problem"),
    [
        (b"\0", "binary data in line 1; this is not a text list."),
        (b"x", "line 1 is longer than 262,144 characters; this is not a list of addresses."),
    ],
)
def test_a_long_line_of_little_is_refused(tmp_path: Path, piece: bytes, problem: str) -> None:
    """A bomb too small to be known as one is no list either."""
    path = tmp_path / "list.csv.zst"
    pack_much(path, piece * (1 << 20), 50)
    assert refusal(listed(tmp_path, path.read_bytes(), "list.csv.zst")) == f"list.csv.zst: {problem}"


def test_memory_does_not_grow_with_a_packed_list(tmp_path: Path) -> None:
    """A list of 60 megabytes is unpacked and read a piece at a time."""
    path = tmp_path / "list.csv.gz"
    rows = [f"{n},person.{n * 7919 % 1_000_003}@example.com,{n * n}" for n in range(40_000)]
    pack_much(path, ("\n".join(rows) + "\n").encode(), 35)
    said, grown = read_in_little_memory(path)
    assert said == "1400000"
    assert grown < 40
