from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.columns import Type
from pipeline.replies.values import (
    UnreadableValue,
    is_empty,
    is_keyed_list,
    read_value,
)


@pytest.mark.parametrize("value", ["", None, False, [], {}])
def test_php_writes_no_value_in_five_ways(value: object) -> None:
    """The empty string, null, false and the empty array or object all mean "no value"."""
    assert is_empty(value)


@given(st.dictionaries(st.text("019-²x", max_size=3), st.none(), max_size=4))
def test_an_object_stands_for_a_list_if_each_key_is_a_number(value: dict[str, None]) -> None:
    """Each by itself, whatever all of them look like together."""
    assert is_keyed_list(value) == all(is_keyed_list({key: None}) for key in value)
    assert not is_keyed_list(value | {"": None})


@pytest.mark.parametrize("value", [0, 0.0, "0", " ", True, [0], {"a": None}])
def test_zero_and_whitespace_are_values(value: object) -> None:
    """So is any array or object with a member."""
    assert not is_empty(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0042", "0042"),
        ("  padded  ", "  padded  "),
        ("N/A", "N/A"),
        ("0000-00-00 00:00:00", "0000-00-00 00:00:00"),
        (5_555_550_100, "5555550100"),
        (0, "0"),
        (-7, "-7"),
        (35.0, "35"),
        (49.9, "49.9"),
        (1e300, "1e+300"),
        (10**40, "1" + "0" * 40),
        (True, "1"),
        (False, None),
        (None, None),
        ("", None),
        ([], None),
        ({}, None),
    ],
)
def test_any_scalar_fits_a_string_column(value: object, text: str | None) -> None:
    """Strings are unchanged, numbers become their digits, true is 1 as PHP prints it, and empty values are null."""
    assert read_value(value, "string") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("35", "35"),
        (35, "35"),
        (35.0, "35"),
        ("35.00", "35"),
        (" 35 ", "35"),
        ("+7", "7"),
        ("-20", "-20"),
        ("007", "7"),
        (0, "0"),
        (True, "1"),
        (2**63 - 1, "9223372036854775807"),
        (str(-(2**63)), "-9223372036854775808"),
        ("N/A", None),
        (" N/A ", None),
        ("   ", None),
        ("", None),
        (None, None),
        (False, None),
    ],
)
def test_integers_are_read_from_numbers_and_strings(value: object, text: str | None) -> None:
    """Signs, whitespace, leading zeros and zero fractions are normalized; N/A is null."""
    assert read_value(value, "int64") == text


@pytest.mark.parametrize(("value", "text"), [(False, "0"), (True, "1"), (0, "0"), ("1", "1"), (5, "5"), (None, None)])
def test_false_is_zero_in_a_flag(value: object, text: str | None) -> None:
    """In a flag column false is a value rather than the lack of one."""
    assert read_value(value, "int8") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2019-03-26 06:35:31", "2019-03-26 06:35:31"),
        (" 2019-03-26 06:35:31\n", "2019-03-26 06:35:31"),
        ("2019-03-26T06:35:31", "2019-03-26 06:35:31"),
        ("2019-03-26 06:35:31.999999", "2019-03-26 06:35:31"),
        ("2019-03-26 06:35", "2019-03-26 06:35:00"),
        ("2019-03-26", "2019-03-26 00:00:00"),
        ("0001-01-01 00:00:00", "0001-01-01 00:00:00"),
        ("9999-12-31 23:59:59", "9999-12-31 23:59:59"),
        ("0000-00-00 00:00:00", None),
        (" 0000-00-00 ", None),
        ("N/A", None),
        ("  ", None),
        ("", None),
        (None, None),
        (False, None),
    ],
)
def test_dates_are_read_with_or_without_a_time(value: object, text: str | None) -> None:
    """Fractions of a second are dropped; zero dates and N/A are null."""
    assert read_value(value, "timestamp[s]") == text


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (["a"], "string"),
        ({"a": 1}, "string"),
        ("many", "int64"),
        ("35.5", "int64"),
        (35.5, "int64"),
        ("1e3", "int64"),
        ("٣٥", "int64"),
        (2**63, "int64"),
        ([35], "int64"),
        ("maybe", "int8"),
        (128, "int8"),
        ("-129", "int8"),
        ("last tuesday", "timestamp[s]"),
        ("2019-02-30 00:00:00", "timestamp[s]"),
        ("2019-00-00 00:00:00", "timestamp[s]"),
        ("2019-03-26 06:35:31+00:00", "timestamp[s]"),
        ("2019-03-26T06:35:31Z", "timestamp[s]"),
        ("2019-W13-2", "timestamp[s]"),
        ("20190326", "timestamp[s]"),
        ("26/03/2019", "timestamp[s]"),
        (1_553_582_131, "timestamp[s]"),
        (True, "timestamp[s]"),
        ({"date": "2019-03-26"}, "timestamp[s]"),
    ],
)
def test_a_value_that_does_not_fit_its_type_is_unreadable(value: Any, kind: Type) -> None:
    """Overflow, other notations, UTC offsets and epochs are rejected rather than interpreted."""
    with pytest.raises(UnreadableValue):
        read_value(value, kind)
