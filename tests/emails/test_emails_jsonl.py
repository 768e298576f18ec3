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
        (f'{{"email": "{JOE}"}}\n\n{{"email": }}\n', ["line 3", "valid JSON"]),
        (f'{{"email": "{JOE}"}}\n"{JIM}"\n', ["line 2", "JSON object"]),
        (f'{{"email": "{JOE}"}}\nnull\n', ["line 2", "JSON object"]),
        (f'{{"email": "{JOE}"}} {{}}\n', ["line 1", "valid JSON"]),
        (f'{{"email": "{JOE}", "score": NaN}}\n', ["line 1", "NaN"]),
        (f'{{"id": "\\ud800", "email": "{JOE}"}}\n' * 2, ["line 1", "surrogate"]),
        (f'[{{"email": "{JOE}"}}]\n', ["line 1", "JSON object"]),
        (f"{JOE}\n", ["line 1", "JSON string"]),
        (f'"{JOE}"\n{{"email": "{JIM}"}}\n', ["line 2", "JSON string"]),
        (f'"{JOE}" x\n', ["line 1", "JSON string"]),
        ('"a\\ud800"\n', ["line 1", "surrogate"]),
        ('{"email": ' + "[" * 100_000 + "\n", ["line 1", "nested too deeply"]),
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


NESTED = [
    ({"properties": {"email": JOE}}, "properties.email"),
    ({"email": {"address": JOE}}, "email.address"),
    ({"type": "RECORD", "stream": "contacts", "record": {"email": JOE}}, "record.email"),
    ({"_airbyte_data": {"email": JOE, "id": 1}}, "_airbyte_data.email"),
    ({"_airbyte_data": json.dumps({"email": JOE})}, "_airbyte_data.email"),
    ({"emails": [{"kind": "work", "value": JOE}]}, "emails.0.value"),
    ({"emails": [JOE, JIM]}, "emails.0"),
    ({"a.b": {"c.d": {"email": JOE}}}, "a.b.c.d.email"),
]


@pytest.mark.parametrize(("row", "path"), NESTED)
def test_addresses_within_objects_are_read_by_their_path(tmp_path: Path, row: dict[str, object], path: str) -> None:
    """Never asked as JSON text: without the option the message names the path, and with it they are read."""
    others: list[dict[str, object]] = [{"id": 1}, {"type": "STATE", "value": {"a": [1]}}]
    text = as_jsonl([{"id": 0} | row, *others, row])
    refusal(listed(tmp_path, text, NAME), "--email-column", path)
    emails = listed(tmp_path, text, NAME, email_column=path)
    assert list(emails.cells()) == [JOE, "", "", JOE]
    assert (emails.rows, emails.detected().email_column) == (4, path)
    assert columns_of(emails)[0][0] == "id"


def test_a_path_that_only_later_objects_have_is_found(tmp_path: Path) -> None:
    """As a key at the top is."""
    text = as_jsonl([*([{"id": 1}] * 300), {"a": {"email": JOE}}])
    assert list(listed(tmp_path, text, NAME, email_column="a.email").cells())[299:] == ["", JOE]


@pytest.mark.parametrize("stated", ["a", "a.mail", "a.email.x", "a.0", ".", "a.", "email"])
def test_a_path_without_a_value_is_refused(tmp_path: Path, stated: str) -> None:
    """The message names the keys, or the paths that there are."""
    message = refusal(listed(tmp_path, as_jsonl([{"id": 1, "a": {"email": JOE}}]), NAME, email_column=stated))
    assert "a.email" in message or "'id', 'a'" in message


def test_objects_keyed_by_addresses_are_not_named(tmp_path: Path) -> None:
    """A path may hold somebody's address; messages do not."""
    text = as_jsonl([{"by": {JOE: {"email": JOE}, "x": {"email": JOE}}}])
    assert "@" not in refusal(listed(tmp_path, text, NAME), "by.x.email")


@given(
    st.lists(st.dictionaries(st.text("ab.0", max_size=3), VALUES, max_size=3), min_size=1, max_size=4),
    st.text("ab.0", max_size=6),
)
def test_any_path_is_read_or_refused(folder: Path, objects: list[dict[str, object]], path: str) -> None:
    """Whatever the objects and the path, there is a cell for each object, or one sentence."""
    emails = listed(folder, as_jsonl([{"a": {"b": JOE}}, *objects]), NAME, email_column=path)
    try:
        assert len(list(emails.cells())) == len(objects) + 1
    except UsageError as error:
        assert "--email-column" in str(error) or "column" in str(error)  # noqa: PT017
