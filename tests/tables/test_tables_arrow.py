from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.replies.values import is_castable_date, is_castable_integer, read_value
from pipeline.schema import TAGS, Type
from pipeline.tables.arrow import arrow_schema, arrow_type, column_of_texts, column_of_values
from pipeline.tables.texts import Texts


def column(texts: Sequence[str | None], kind: Type, timezone: str | None = None) -> "pa.Array[Any]":
    """The column of a table that has no other."""
    cells = Texts(["texts"])
    cells.add(texts)
    return column_of_texts(cells.columns()["texts"], kind, timezone)


def instant(text: str, timezone: str) -> datetime | None:
    """The instant in UTC that a date of the API is in a time zone."""
    (value,) = column([text], "timestamp[s]", timezone).to_pylist()
    assert value is None or isinstance(value, datetime)
    return value


def utc(*parts: int) -> datetime:
    """Year, month, day, hour, minute, second in UTC."""
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]  # mypy counts the zone among the parts


@pytest.mark.parametrize(
    ("timezone", "text", "expected"),
    [
        ("EST", "2019-01-26 06:35:31", utc(2019, 1, 26, 11, 35, 31)),
        ("EST", "2019-07-26 06:35:31", utc(2019, 7, 26, 11, 35, 31)),
        ("America/New_York", "2019-01-26 06:35:31", utc(2019, 1, 26, 11, 35, 31)),
        ("America/New_York", "2019-07-26 06:35:31", utc(2019, 7, 26, 10, 35, 31)),
        ("UTC", "2019-07-26 06:35:31", utc(2019, 7, 26, 6, 35, 31)),
        ("Asia/Tokyo", "2019-07-26 06:35:31", utc(2019, 7, 25, 21, 35, 31)),
    ],
)
def test_dates_become_instants_of_their_zone(timezone: str, text: str, expected: datetime) -> None:
    """EST is five hours behind all year; New York keeps summer time."""
    assert instant(text, timezone) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-11-03 00:59:59", utc(2024, 11, 3, 4, 59, 59)),
        ("2024-11-03 01:30:00", utc(2024, 11, 3, 5, 30)),
        ("2024-11-03 02:00:00", utc(2024, 11, 3, 7)),
    ],
)
def test_of_an_hour_that_comes_twice_the_first_is_meant(text: str, expected: datetime) -> None:
    """Half past one in the night when summer time ends is taken for summer time."""
    assert instant(text, "America/New_York") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-10 01:59:59", utc(2024, 3, 10, 6, 59, 59)),
        ("2024-03-10 02:30:00", utc(2024, 3, 10, 7)),
        ("2024-03-10 03:00:00", utc(2024, 3, 10, 7)),
    ],
)
def test_an_hour_that_never_was_moves_to_the_next_moment(text: str, expected: datetime) -> None:
    """Half past two in the night when summer time begins is three o'clock."""
    assert instant(text, "America/New_York") == expected


@pytest.mark.parametrize("timezone", ["EST", "America/New_York", "Asia/Tokyo", "Pacific/Honolulu", "UTC"])
@pytest.mark.parametrize("text", ["0001-01-01 00:00:00", "9999-12-31 23:59:59"])
def test_the_ends_of_the_calendar_stay_where_they_are(text: str, timezone: str) -> None:
    """Their instants could lie outside of every calendar; who writes them means "never"."""
    assert instant(text, timezone) == datetime.fromisoformat(f"{text}+00:00")


@pytest.mark.parametrize("timezone", [None, "EST", "America/New_York"])
@pytest.mark.parametrize("text", ["0000-00-00 00:00:00", "0000-00-00", "", None])
def test_zero_dates_are_null(text: str | None, timezone: str | None) -> None:
    """So is no date, with and without a time zone, alone and beside others."""
    dates = column([text, "2019-03-26 06:35:31", text], "timestamp[s]", timezone)
    assert [value is None for value in dates.to_pylist()] == [True, False, True]
    assert column([text], "timestamp[s]", timezone).to_pylist() == [None]


def test_without_a_time_zone_dates_stay_as_given() -> None:
    """They are the API's own clock, from the first year to the last."""
    texts = ["0001-01-01 00:00:00", "2024-03-10 02:30:00", "9999-12-31 23:59:59"]
    assert [str(value) for value in column(texts, "timestamp[s]").to_pylist()] == texts


@pytest.mark.parametrize("kind", ["string", "int8", "int64", "timestamp[s]"])
@pytest.mark.parametrize("timezone", [None, "EST"])
def test_columns_of_nothing_have_their_type(kind: Type, timezone: str | None) -> None:
    """Also where no text, or only nothing, is in them."""
    for texts in ([], [None, ""]):
        nothing = column(texts, kind, timezone)
        assert (nothing.type, nothing.null_count) == (arrow_type(kind, timezone), len(texts))


def test_zero_dates_are_texts_where_text_is_meant() -> None:
    """Only the empty text is null in a text column."""
    assert column(["0000-00-00", "", None, "0"], "string").to_pylist() == ["0000-00-00", None, None, "0"]


def test_values_become_columns_of_their_type() -> None:
    """Milliseconds become instants; numbers, bytes and nulls stay what they are."""
    assert column_of_values([1_553_600_131_250, None], "timestamp[ms, UTC]").to_pylist() == [
        datetime(2019, 3, 26, 11, 35, 31, 250_000, UTC),
        None,
    ]
    assert column_of_values([3, None], "int32").to_pylist() == [3, None]
    assert column_of_values([b"\xff", None], "binary").to_pylist() == [b"\xff", None]


def test_the_schema_of_a_table_is_as_declared() -> None:
    """Names, order and Arrow types."""
    schema = arrow_schema(TAGS)
    assert schema.names == ["lead_id", "email", "position", "tag_name", "extra"]
    assert schema.types == [pa.string(), pa.string(), pa.int32(), pa.string(), pa.string()]


def _variants(moment: datetime) -> list[str]:
    iso = moment.isoformat(" ")
    return [
        iso,
        iso[:19],
        iso[:16],
        iso[:10],
        iso.replace(" ", "T"),
        f"{iso[:19]}Z",
        f" {iso[:19]}",
        iso[1:],
        f"{iso}+01:00",
    ]


dates = st.datetimes().flatmap(lambda moment: st.sampled_from(_variants(moment)))


@given(dates | st.text("0123456789-: T.Z", max_size=21))
def test_a_plain_date_is_cast_to_what_it_reads_as(text: str) -> None:
    """What skips the lenient reading gives the same column as if it had been read."""
    if is_castable_date(text):
        read = read_value(text, "timestamp[s]")
        assert column([text], "timestamp[s]") == column([read], "timestamp[s]")


@given(st.integers().map(str) | st.text("0123456789-+. ", max_size=20))
def test_a_plain_integer_is_cast_to_what_it_reads_as(text: str) -> None:
    """What skips the lenient reading gives the same column as if it had been read."""
    if is_castable_integer(text):
        assert column([text], "int64") == column([read_value(text, "int64")], "int64")
