from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from emails_lists import ANN, JIM, JOE, as_jsonl, columns_of, listed, refusal
from hypothesis import given
from hypothesis import strategies as st

from pipeline.emails.lists import RowCounts
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

NAME = "list.jsonl"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all examples of a property."""
    return tmp_path_factory.mktemp("json")


def test_the_email_key_is_found_by_name_or_content(tmp_path: Path) -> None:
    """As a column is, with the keys as names; only keys at the top count."""
    assert list(listed(tmp_path, as_jsonl([{"id": 1, "Courriel": JOE}]), NAME).cells()) == [JOE]
    assert list(listed(tmp_path, as_jsonl([{"id": 1, "who": JOE, "in": {"email": ANN}}]), NAME).cells()) == [JOE]
    refusal(listed(tmp_path, as_jsonl([{"a": JOE, "b": JIM}]), NAME), "--email-column", "'a', 'b'")


def test_other_values_are_given_as_their_json(tmp_path: Path) -> None:
    """Numbers keep their digits; null and what is absent are empty cells; blank lines are skipped."""
    lines = [f'{{"email": "{JOE}"}}', "", '{"email": null}', '{"id": 7}', ' {"email": 1.10} ', '{"email": ["x", 1]}']
    emails = listed(tmp_path, "\r\n".join(lines), NAME)
    assert list(emails.cells()) == [JOE, "", "", "1.10", '["x", 1]']
    assert emails.rows == 5


def test_strings_are_addresses_themselves(tmp_path: Path) -> None:
    """A line may be a JSON string; null is an empty row."""
    emails = listed(tmp_path, f'"{JOE}"\n\nnull\n"a\\nb"\n', NAME)
    assert list(emails.cells()) == [JOE, "", "a\nb"]
    assert columns_of(emails) == (["column 1"], [[JOE], [None], ["a\nb"]])


def test_keys_are_columns_in_order_of_first_appearance(tmp_path: Path) -> None:
    """Over the whole list, also those that come late; missing and null are null, strings as they are."""
    rows: list[dict[str, object]] = [{"email": JOE, "n": 1}] * 300
    rows.append({"late": {"x": [True, None]}, "email": None})
    emails = listed(tmp_path, as_jsonl(rows), NAME)
    assert emails.row_counts() == RowCounts(rows=301, width=3, ragged=0, ragged_lines=())
    names, cells = columns_of(listed(tmp_path, as_jsonl(rows), NAME))
    assert names == ["email", "n", "late"]
    assert (cells[0], cells[-1]) == ([JOE, "1", None], [None, None, '{"x": [true, null]}'])


def test_a_stated_key_may_come_late(tmp_path: Path) -> None:
    """It is searched for in the whole list, not only in the first objects."""
    rows = [*({"email": JOE} for _ in range(300)), {"late": JIM}]
    emails = listed(tmp_path, as_jsonl(rows), NAME, email_column="late")
    assert list(emails.cells()) == [""] * 300 + [JIM]
    refusal(listed(tmp_path, as_jsonl(rows), NAME, email_column="lade"), "'lade'", "'late'?", "'email', 'late'")


def test_keys_that_are_data_are_refused(tmp_path: Path) -> None:
    """They would be as many columns; addresses can still be read if the keys only appear late."""
    emails = listed(tmp_path, as_jsonl([{"email": JOE, f"k{n}": 1} for n in range(10_100)]), NAME)
    assert sum(1 for _ in emails.cells()) == 10_100
    with pytest.raises(UsageError, match=r"^list\.jsonl: .*10,000"):
        emails.row_counts()
    wide = as_jsonl([{f"k{n}.{row}": 1 for n in range(200)} for row in range(100)])
    refusal(listed(tmp_path, wide, "wide.jsonl"), "10,000")


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("", ["empty"]),
        ("\n \n", ["empty"]),
        (f'{{"email": "{JOE}"}}\n\n{{"email": }}\n', ["line 3", "JSON object"]),
        (f'{{"email": "{JOE}"}}\n"{JIM}"\n', ["line 2", "JSON object"]),
        (f'{{"email": "{JOE}"}}\nnull\n', ["line 2", "JSON object"]),
        (f'{{"email": "{JOE}"}} {{}}\n', ["line 1", "JSON object"]),
        (f'[{{"email": "{JOE}"}}]\n', ["line 1", "JSON object"]),
        (f"{JOE}\n", ["line 1", "JSON string"]),
        (f'"{JOE}"\n{{"email": "{JIM}"}}\n', ["line 2", "JSON string"]),
        (f'"{JOE}" x\n', ["line 1", "JSON string"]),
        ('"a\\ud800"\n', ["line 1", "JSON string"]),
        ('{"email": ' + "[" * 100_000 + "\n", ["line 1", "JSON object"]),
        ('{"id": 1}\n', ["--email-column", "'id'"]),
        ("{}\n", ["--email-column"]),
        ("email,name\n", ["line 1", "JSON string"]),
    ],
)
def test_what_is_not_json_lines_is_refused(tmp_path: Path, text: str, facts: list[str]) -> None:
    """With the number of the line, and without its contents."""
    assert "example.com" not in refusal(listed(tmp_path, text, NAME), *facts)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(st.lists(st.dictionaries(st.text(max_size=3), VALUES, max_size=3), min_size=1, max_size=5), st.booleans())
def test_written_objects_come_back_value_for_value(
    folder: Path, objects: list[dict[str, object]], ascii_only: bool
) -> None:
    """Strings as they were, everything else as equivalent JSON."""
    objects = [{"email": JOE}, *objects]
    text = "".join(json.dumps(each, ensure_ascii=ascii_only) + "\n" for each in objects)
    names, rows = columns_of(listed(folder, text, NAME, email_column="email"))
    assert names == list(dict.fromkeys(key for each in objects for key in each))
    for each, row in zip(objects, rows, strict=True):
        for key, cell in zip(names, row, strict=True):
            value = each.get(key)
            if value is None or isinstance(value, str):
                assert cell == value
            else:
                assert json.loads(str(cell)) == value
