"""Replies made small, and back to the last bit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.journal.packing import SAMPLE_REPLIES, Packing, checksum, is_intact

REPLY = b'{"status":"Success","lead_details":{"id":"%d","email":"p%d@example.com","notes":"%s"}}'
REPLIES = [REPLY % (n, n, bytes(str(n * 7919), "ascii") * 20) for n in range(100)]


def trained(samples: list[bytes]) -> tuple[Packing, bytes]:
    """A packing that has seen enough, and its dictionary."""
    packing = Packing(None)
    learnt = [packing.learn(sample) for sample in samples]
    assert learnt[:-1] == [None] * (SAMPLE_REPLIES - 1)
    assert learnt[-1] is not None
    return packing, learnt[-1]


@given(st.lists(st.binary(min_size=1, max_size=200), min_size=SAMPLE_REPLIES, max_size=SAMPLE_REPLIES), st.binary())
def test_any_bytes_come_back(samples: list[bytes], body: bytes) -> None:
    """Whatever the dictionary was made of, also by a later process that has only the dictionary."""
    packing, dictionary = trained(samples)
    packed, stored = packing.pack(body)
    assert packed
    assert packing.unpack(stored, packed=packed) == body
    assert Packing(dictionary).unpack(stored, packed=packed) == body
    assert Packing(dictionary).learn(body) is None


def test_the_first_replies_stay_as_they_are() -> None:
    """Until there is a dictionary nothing is packed, and nothing packed can be read."""
    packing = Packing(None)
    assert packing.pack(REPLIES[0]) == (False, REPLIES[0])
    assert packing.unpack(REPLIES[0], packed=False) == REPLIES[0]
    with pytest.raises(ValueError, match="no dictionary"):
        packing.unpack(REPLIES[0], packed=True)


def test_empty_replies_teach_nothing() -> None:
    """However many of them come first."""
    packing = Packing(None)
    assert [packing.learn(b"") for _ in range(2 * SAMPLE_REPLIES)] == [None] * 2 * SAMPLE_REPLIES
    assert packing.pack(b"x") == (False, b"x")


def test_replies_of_one_kind_become_small() -> None:
    """What all replies have in common is stored once."""
    packing, _ = trained(REPLIES[:SAMPLE_REPLIES])
    sizes = [(len(body), len(packing.pack(body)[1])) for body in REPLIES]
    assert sum(small for _, small in sizes) < sum(large for large, _ in sizes) / 4


@given(st.binary(max_size=100))
def test_damaged_bytes_are_a_value_error(noise: bytes) -> None:
    """Or, by chance, some other bytes: the checksum of the answer is there for that."""
    packing, _ = trained(REPLIES[:SAMPLE_REPLIES])
    try:
        packing.unpack(noise, packed=True)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - either way is fine


FACTS = (7, "found", None, "", "7", 1, 1_000, 1)


@pytest.mark.parametrize("place", range(len(FACTS)))
@pytest.mark.parametrize("value", ["", None, "found\0", 2, "1", 1_001])
def test_checksum_sees_every_fact(place: int, value: object) -> None:
    """Nothing about an answer can change without its checksum, not even nothing into an empty text."""
    changed = (*FACTS[:place], value, *FACTS[place + 1 :])
    assert (checksum(changed, b"x") == checksum(FACTS, b"x")) is (changed == FACTS)  # type: ignore[arg-type]


def test_checksum_sees_the_body() -> None:
    """Every byte of it."""
    assert len({checksum(FACTS, body) for body in (b"", b"\0", b"\0\0", b"x")}) == 4


def test_checksum_stays_the_same() -> None:
    """Or journals that are kept somewhere could not be read any more."""
    assert checksum(FACTS, b"x") == 1_658_010_124
    assert is_intact(FACTS, b"x", 1_658_010_124)
    assert not is_intact(FACTS, "x", 1_658_010_124)


@pytest.mark.parametrize("sample", [b"x", b'{"status":"Success"}', b"\x37\xa4\x30\xec" * 3, b"a" * 70_000])
def test_replies_that_teach_nothing_serve_as_they_stand(sample: bytes) -> None:
    """All alike, tiny, or like the beginning of a dictionary: what is packed with them comes back."""
    packing, dictionary = trained([sample] * SAMPLE_REPLIES)
    for body in (sample, b"", b"something else"):
        assert Packing(dictionary).unpack(packing.pack(body)[1], packed=True) == body
