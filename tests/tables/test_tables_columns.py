from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.columns import Column, Type
from pipeline.replies.values import UnreadableValue, read_value
from pipeline.schema import TAGS
from pipeline.tables.columns import Cells
from pipeline.tables.frames import arrow_schema, arrow_type, make_frame, value_column


def column(values: Sequence[Any], kind: Type, timezone: str | None = None) -> "pa.Array[Any]":
    """The only column of a table."""
    cells = Cells([Column("only", kind, "", "neutral")])
    cells.add(list(values))
    return cells.columns(timezone)["only"]


def columns(*parts: list[str | None], max_bytes: int = 1000) -> dict[str, list[object]]:
    """The columns of a table with two of them, filled with these cells."""
    cells = Cells([Column("one", "string", "", "neutral"), Column("two", "string", "", "neutral")], max_bytes=max_bytes)
    for part in parts:
        cells.add(part)
    return {name: column.to_pylist() for name, column in cells.columns().items()}


def test_rows_become_columns() -> None:
    """In order, over all parts, some of which may be empty."""
    assert columns(["a", "b", "c", "d"], [], ["e", "f"]) == {"one": ["a", "c", "e"], "two": ["b", "d", "f"]}


def test_an_empty_string_is_null() -> None:
    """A null stays null; every other string stays to the letter, whatever its neighbours are."""
    assert columns(["", "\0", None, " "], ["é🎉", ""]) == {"one": [None, None, "é🎉"], "two": ["\0", " ", None]}


@pytest.mark.parametrize("parts", [(), ([],), ([None, None],), (["", ""], [None, ""])])
def test_a_table_may_hold_nothing(parts: tuple[list[str | None], ...]) -> None:
    """No rows, or rows of nulls."""
    nothing = [None] * (sum(map(len, parts)) // 2)
    assert columns(*parts) == {"one": nothing, "two": nothing}


def test_more_strings_than_one_array_holds_give_the_same_columns() -> None:
    """Numbers and dates are parsed from them as well."""
    cells = Cells(
        [Column("number", "int64", "", "neutral"), Column("date", "timestamp[s]", "", "neutral")], max_bytes=10
    )
    cells.add(["12", "2019-03-26 06:35:31", "", "0000-00-00 00:00:00"])
    number, date = cells.columns().values()
    assert columns(["a" * 20, "b"], ["", None], max_bytes=10) == columns(["a" * 20, "b"], ["", None])
    assert number.to_pylist() == [12, None]
    assert [str(value) for value in date.to_pylist()] == ["2019-03-26 06:35:31", "None"]


def test_frames_share_the_memory_of_their_columns() -> None:
    """Neither making a frame nor reading a column back copies a byte; names may repeat."""
    strings = pa.array(["a", "b"] * 1000)
    frame = make_frame(["x", "x"], [strings, strings])
    assert list(frame.columns) == ["x", "x"]
    back = pa.array(frame.iloc[:, 1].array)
    assert [b.address for b in back.buffers() if b] == [b.address for b in strings.buffers() if b]


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
    """EST is five hours behind all year; New York observes daylight saving."""
    assert instant(text, timezone) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-11-03 00:59:59", utc(2024, 11, 3, 4, 59, 59)),
        ("2024-11-03 01:30:00", utc(2024, 11, 3, 5, 30)),
        ("2024-11-03 02:00:00", utc(2024, 11, 3, 7)),
    ],
)
def test_an_hour_that_occurs_twice_means_the_first(text: str, expected: datetime) -> None:
    """Half past one on the night when daylight saving ends is read as daylight saving time."""
    assert instant(text, "America/New_York") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-10 01:59:59", utc(2024, 3, 10, 6, 59, 59)),
        ("2024-03-10 02:30:00", utc(2024, 3, 10, 7)),
        ("2024-03-10 03:00:00", utc(2024, 3, 10, 7)),
    ],
)
def test_an_hour_that_is_skipped_moves_forward(text: str, expected: datetime) -> None:
    """Half past two on the night when daylight saving begins is three o'clock."""
    assert instant(text, "America/New_York") == expected


@pytest.mark.parametrize("timezone", ["EST", "America/New_York", "Asia/Tokyo", "Pacific/Honolulu", "UTC"])
@pytest.mark.parametrize("text", ["0001-01-01 00:00:00", "9999-12-31 23:59:59"])
def test_the_ends_of_the_calendar_stay_where_they_are(text: str, timezone: str) -> None:
    """Their instants could lie outside the calendar; they are written to mean "never"."""
    assert instant(text, timezone) == datetime.fromisoformat(f"{text}+00:00")


@pytest.mark.parametrize("timezone", [None, "EST", "America/New_York"])
@pytest.mark.parametrize("text", ["0000-00-00 00:00:00", "0000-00-00", "", None])
def test_zero_dates_are_null(text: str | None, timezone: str | None) -> None:
    """With and without a time zone, alone and among others."""
    dates = column([text, "2019-03-26 06:35:31", text], "timestamp[s]", timezone)
    assert [value is None for value in dates.to_pylist()] == [True, False, True]
    assert column([text], "timestamp[s]", timezone).to_pylist() == [None]


def test_without_a_time_zone_dates_stay_as_given() -> None:
    """They are the API's own clock, from the first year to the last."""
    texts = ["0001-01-01 00:00:00", "2024-03-10 02:30:00", "9999-12-31 23:59:59"]
    assert [str(value) for value in column(texts, "timestamp[s]").to_pylist()] == texts


@pytest.mark.parametrize("kind", ["string", "int8", "int64", "timestamp[s]"])
@pytest.mark.parametrize("timezone", [None, "EST"])
def test_empty_columns_have_their_type(kind: Type, timezone: str | None) -> None:
    """Without any string, or with nulls only."""
    for texts in ([], [None, ""]):
        nothing = column(texts, kind, timezone)
        assert (nothing.type, nothing.null_count) == (arrow_type(kind, timezone), len(texts))


def test_zero_dates_are_strings_in_a_string_column() -> None:
    """Only the empty string is null there."""
    assert column(["0000-00-00", "", None, "0"], "string").to_pylist() == ["0000-00-00", None, None, "0"]


def test_values_become_columns_of_their_type() -> None:
    """Milliseconds become instants; numbers, bytes and nulls stay what they are."""
    assert value_column([1_553_600_131_250, None], "timestamp[ms, UTC]").to_pylist() == [
        datetime(2019, 3, 26, 11, 35, 31, 250_000, UTC),
        None,
    ]
    assert value_column([3, None], "int32").to_pylist() == [3, None]
    assert value_column([b"\xff", None], "binary").to_pylist() == [b"\xff", None]


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


values = st.one_of(
    st.datetimes().flatmap(lambda moment: st.sampled_from(_variants(moment))),
    st.text("0123456789-: T.Z+N/A", max_size=21),
    st.sampled_from(["2019-02-30 00:00:00", "2019-02-28 24:00:00", "0000-00-00", "127", "128", "-128", "-0", "007"]),
    st.integers().map(str),
    st.integers(),
    st.integers(-130, 130),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
    st.text(max_size=4),
)
kinds = st.sampled_from(["string", "int8", "int32", "int64", "timestamp[s]"])


@given(st.lists(values, max_size=6), kinds)
def test_a_column_holds_what_each_value_means_alone(cells: list[Any], kind: Type) -> None:
    """Whatever its neighbours are; what does not fit is null and set aside as it was received."""
    collected = Cells([Column("only", kind, "", "neutral")])
    collected.add(cells[:2])
    collected.add(cells[2:])
    meanings, unreadable = [], []
    for row, value in enumerate(cells):
        try:
            meanings.append(read_value(value, kind))
        except UnreadableValue:
            meanings.append(None)
            unreadable.append((row, "only", value))
    whole = collected.columns()["only"]
    assert whole == pa.array(meanings, pa.string()).cast(arrow_type(kind))
    assert sorted(collected.unreadable) == unreadable


def test_numbers_may_come_after_thousands_of_strings() -> None:
    """Each cell is in its row, however many came before, and whatever the other columns hold."""
    cells = Cells([Column("text", "string", "", "neutral"), Column("number", "int64", "", "neutral")])
    numbers: list[str | int] = [str(row) if row < 2_000 else row for row in range(5_000)]
    numbers[4_321] = "odd"
    for row, number in enumerate(numbers):
        cells.add([False if row % 7 == 0 else "x", number])
    columns = cells.columns()
    assert columns["text"].to_pylist() == [None if row % 7 == 0 else "x" for row in range(5_000)]
    assert columns["number"].to_pylist() == [None if row == 4_321 else row for row in range(5_000)]
    assert cells.unreadable == [(4_321, "number", "odd")]


@pytest.mark.parametrize("kind", ["string", "int8", "int64", "timestamp[s]"])
@pytest.mark.parametrize("value", ["12", 12, 12.0, True, False, None, "", " 12 ", "+12", "2019-03-26 06:35:31", "2019"])
def test_a_value_means_the_same_in_a_column_of_any_length(value: Any, kind: Type) -> None:
    """Alone, many times over, or among plain ones."""
    (alone,) = column([value], kind).to_pylist()
    assert column([value] * 100, kind).to_pylist() == [alone] * 100
    assert column(["", value, None], kind).to_pylist() == [None, alone, None]
