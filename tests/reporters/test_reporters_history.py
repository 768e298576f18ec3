"""The history of attempts: what is kept, how much of it, and that damage costs no more than a line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reporters_endings import ROWS, context, ending, manifest

from pipeline.reporters import history
from pipeline.reporters.ending import ReporterFailed

if TYPE_CHECKING:
    from pathlib import Path


def test_an_attempt_is_read_as_it_was_reported(tmp_path: Path) -> None:
    """Every fact of the ending and its manifest comes back, with counts instead of names of keys."""
    place = context(tmp_path)
    history.report(ending(3, "One row failed.", notes=("Look.",), manifest=manifest()), place)
    history.report(ending(7, "Busy."), place)
    first, second = history.read_history(tmp_path / ".lead-export")
    assert (first.exit_code, first.sentence, first.notes, first.duration_s) == (3, "One row failed.", ["Look."], 10.0)
    assert (first.run_id, first.status, first.rows) == ("20261123T020000Z", "complete_with_failures", ROWS)
    assert (first.failed_codes, first.calls["throttled"], first.bytes) == ({"timeout": 1}, 1, 1_000)
    assert (first.unknown_keys, first.is_success) == ({"leads": 2, "tags": 1}, True)
    assert (second.exit_code, second.run_id, second.rows, second.is_success) == (7, None, {}, False)


def test_a_line_is_about_a_kilobyte_however_long_the_sentences_are(tmp_path: Path) -> None:
    """Sentences are shortened, and only the first notes and the most frequent reasons are kept."""
    codes = {"failed": {f"code_{number}": 1_000_000 for number in range(500)}}
    notes = tuple(f"note {number} " * 20 for number in range(100))
    history.report(ending(3, "word\n" * 9_999, notes=notes, manifest=manifest(codes=codes)), context(tmp_path))
    line = (tmp_path / ".lead-export" / history.FILE).read_bytes()
    assert (line.count(b"\n"), len(line) < 4_000) == (1, True)
    (attempt,) = history.read_history(tmp_path / ".lead-export")
    assert (len(attempt.sentence), len(attempt.notes), len(attempt.failed_codes)) == (400, 5, 5)


def test_the_number_of_attempts_is_bounded(tmp_path: Path) -> None:
    """The newest five hundred or a few more are kept, in order."""
    place = context(tmp_path)
    for number in range(1_200):
        history.report(ending(0, str(number)), place)
    kept = [int(attempt.sentence) for attempt in history.read_history(tmp_path / ".lead-export")]
    assert history.MAX_ATTEMPTS <= len(kept) <= history.MAX_ATTEMPTS + 50
    assert kept == [*range(1_200 - len(kept), 1_200)]


@given(before=st.lists(st.binary(max_size=60), max_size=5))
def test_any_bytes_are_skipped(tmp_path_factory: pytest.TempPathFactory, before: list[bytes]) -> None:
    """Whatever stands in the file, what is no attempt is not read, and what is added afterwards is."""
    place = context(tmp_path_factory.mktemp("any"))
    assert place.state is not None
    (place.state / history.FILE).write_bytes(b"\n".join(before))
    history.report(ending(5, "The last one."), place)
    assert [attempt.sentence for attempt in history.read_history(place.state)] == ["The last one."]


def test_unknown_keys_of_later_versions_are_ignored(tmp_path: Path) -> None:
    """A line of a newer version is read as far as it is understood."""
    place = context(tmp_path)
    history.report(ending(0), place)
    path = tmp_path / ".lead-export" / history.FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), "moon": "full"}))
    assert [attempt.exit_code for attempt in history.read_history(tmp_path / ".lead-export")] == [0]


def test_a_folder_without_a_history(tmp_path: Path) -> None:
    """Nothing is known and nothing is made; where it cannot be written, the reporter says so."""
    assert history.read_history(tmp_path / "none") == []
    assert list(tmp_path.iterdir()) == []
    place = context(tmp_path)
    (tmp_path / ".lead-export" / history.FILE).mkdir()
    with pytest.raises(ReporterFailed, match=r"history\.jsonl"):
        history.report(ending(0), place)
    assert history.read_history(tmp_path / ".lead-export") == []
