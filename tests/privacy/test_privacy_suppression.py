"""The suppression list: keyed, durable, the same for every spelling of an address, and useless without its key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import StorageError, UsageError
from pipeline.privacy.key import PrivacyKey
from pipeline.privacy.suppression import SUPPRESSED, SuppressionList

if TYPE_CHECKING:
    from pathlib import Path

KEY, OTHER_KEY = PrivacyKey(b"k" * 32), PrivacyKey(b"o" * 32)
NOW = 1_795_003_200_000
ANN, BOB = "Ann.Lee@example.com", "bob@example.com"


def added(path: Path, *addresses: str) -> SuppressionList:
    """A list with these people on it."""
    made = SuppressionList.read(path, KEY)
    made.add(addresses, reason="purge", at_ms=NOW)
    return made


def test_nobody_is_on_a_list_that_does_not_exist(tmp_path: Path) -> None:
    """No key is needed as long as nobody is on it, and no file is made."""
    nobody = SuppressionList.read(tmp_path / SUPPRESSED, None)
    assert (len(nobody), ANN in nobody, [*tmp_path.iterdir()]) == (0, False, [])
    with pytest.raises(UsageError, match="needs a key"):
        nobody.add([ANN], reason="purge", at_ms=NOW)


def test_an_address_is_recognised_in_any_case(tmp_path: Path) -> None:
    """And after the file is read again; adding it twice adds it once."""
    path = tmp_path / SUPPRESSED
    assert added(path, ANN).add([ANN.upper(), BOB, BOB], reason="purge", at_ms=NOW) == 1
    again = SuppressionList.read(path, KEY)
    assert (len(again), ANN.lower() in again, BOB.upper() in again, "carol@example.com" in again) == (
        2,
        True,
        True,
        False,
    )


def test_the_file_names_nobody(tmp_path: Path) -> None:
    """It holds hashes, the id of the key, the time and the reason, and only its owner can read it."""
    path = tmp_path / SUPPRESSED
    made = added(path, ANN)
    entry = json.loads(path.read_text())
    assert entry == {
        "hash": made.hash(ANN),
        "key_id": KEY.id,
        "at": "2026-11-18T12:00:00.000+00:00",
        "reason": "purge",
    }
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == [SUPPRESSED]


def test_the_last_one_takes_the_file_along(tmp_path: Path) -> None:
    """An empty list needs no key."""
    path = tmp_path / SUPPRESSED
    made = added(path, ANN, BOB)
    assert made.remove([BOB.upper(), "carol@example.com"]) == 1
    assert (ANN in made, BOB in made, path.exists()) == (True, False, True)
    assert SuppressionList.read(path, KEY).remove([ANN]) == 1
    assert not path.exists()


def test_several_lists_are_heeded_and_one_is_changed(tmp_path: Path) -> None:
    """Those of others are only read."""
    here, there = tmp_path / "here.jsonl", tmp_path / "there.jsonl"
    added(there, ANN)
    both = SuppressionList.read(here, KEY, there, tmp_path / "none.jsonl")
    assert (len(both), ANN in both, both.remove([ANN])) == (1, True, 0)
    both.add([ANN, BOB], reason="purge", at_ms=NOW)
    assert (len(both), len(SuppressionList.read(here, KEY)), len(SuppressionList.read(there, KEY))) == (2, 2, 1)


def test_a_missing_or_wrong_key_is_refused(tmp_path: Path) -> None:
    """Or people who were erased would silently be asked for again."""
    path = tmp_path / SUPPRESSED
    added(path, ANN)
    with pytest.raises(UsageError, match="cannot be read without its key; name the file of the key in"):
        SuppressionList.read(path, None)
    with pytest.raises(UsageError, match=f"made with the key {KEY.id}, not with {OTHER_KEY.id}"):
        SuppressionList.read(path, OTHER_KEY)
    with pytest.raises(UsageError, match="cannot be read without its key"):
        SuppressionList.read(tmp_path / "none", None, path)


@given(cut=st.integers(1, 100), junk=st.sampled_from([b"", b"\0", b"{}", b"[]"]))
def test_damage_is_named_by_line(tmp_path_factory: pytest.TempPathFactory, cut: int, junk: bytes) -> None:
    """A cut or strange line is an error that shows nothing of it."""
    path = tmp_path_factory.mktemp("damaged") / SUPPRESSED
    added(path, ANN, BOB)
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + second[: -cut - 1] + junk + b"\n")
    with pytest.raises(StorageError, match="line 2 is damaged; restore the file"):
        SuppressionList.read(path, KEY)


def test_a_folder_that_cannot_be_written_leaves_the_list_as_it_was(tmp_path: Path) -> None:
    """Nothing is half written, and the list in memory says what is in the file."""
    made = added(tmp_path / SUPPRESSED, ANN)
    (tmp_path / f"{SUPPRESSED}.partial").mkdir()
    before = (tmp_path / SUPPRESSED).read_bytes()
    with pytest.raises(StorageError):
        made.add([BOB], reason="purge", at_ms=NOW)
    assert (BOB in made, (tmp_path / SUPPRESSED).read_bytes()) == (False, before)
