import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from lead_shapes import TABLES, reply, rows

from pipeline.outcomes import Answer, Outcome
from pipeline.replies.drift import Drift
from pipeline.sandbox import shapes
from pipeline.sandbox.people import lead_details
from pipeline.schema import LEAD_TABLES
from pipeline.tables.flatten import Frames, flatten

PERSON = lead_details("ann@example.com", 1, least=2)
# Spelled out rather than derived from the schema: readers of the files rely on them.
DTYPES = {
    "string": pd.ArrowDtype(pa.string()),
    "int8": pd.ArrowDtype(pa.int8()),
    "int32": pd.ArrowDtype(pa.int32()),
    "int64": pd.ArrowDtype(pa.int64()),
    "timestamp[s]": pd.ArrowDtype(pa.timestamp("s")),
    "timestamp[ms, UTC]": pd.ArrowDtype(pa.timestamp("ms", "UTC")),
}


def custom_fields(*fields: dict[str, Any]) -> pd.DataFrame:
    """The custom fields of a lead that has these."""
    return flatten([reply({"id": "1", "custom_fields": list(fields)})]).custom_fields


def assert_same_tables(actual: Frames, expected: Frames) -> None:
    """All seven tables are equal in every cell."""
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(actual, name), getattr(expected, name))


@pytest.mark.parametrize("bodies", [[], [reply(PERSON)], [reply({"id": "1"})], [b"broken"]])
@pytest.mark.parametrize("table", LEAD_TABLES, ids=TABLES)
def test_every_table_has_all_its_columns_in_their_types(table: Any, bodies: list[bytes]) -> None:
    """With rows, without rows and without replies, columns, order and types are those that are declared."""
    frame = getattr(flatten(bodies), table.name)
    assert list(frame.columns) == list(table.names)
    assert list(frame.dtypes) == [DTYPES[column.type] for column in table.columns]


@pytest.mark.parametrize("bodies", [[], [reply(PERSON)]])
def test_with_a_time_zone_only_the_dates_change_their_type(bodies: list[bytes]) -> None:
    """The API's dates become instants in UTC, in every table."""
    plain, zoned = flatten(bodies), flatten(bodies, timezone="EST")
    instants = pd.ArrowDtype(pa.timestamp("s", "UTC"))
    for name in TABLES:
        expected = [instants if dtype == DTYPES["timestamp[s]"] else dtype for dtype in getattr(plain, name).dtypes]
        assert list(getattr(zoned, name).dtypes) == expected


def test_a_lead_becomes_rows() -> None:
    """A whole reply: scalars in `leads`, each collection in its table with the lead's id, address and positions."""
    frames = flatten(
        [
            reply(
                {
                    "id": "4035",
                    "email": "joe@example.com",
                    "first_name": "Joe",
                    "last_name": "",
                    "zip": "00501",
                    "score": "35",
                    "date_joined": "2019-03-26 06:35:31",
                    "lead_deleted_date": "0000-00-00 00:00:00",
                    "blacklisted": "0",
                    "tags": [{"tag_name": "vip, gold"}, {"tag_name": "a;b"}],
                    "lists": [{"list_name": "news", "active": "1"}],
                    "sequences": [{"sequence_name": "start", "step": "3", "status": "active"}],
                    "memberships": [
                        {"name": "club", "level_name": "gold", "active": "1"},
                        {"name": "club", "level_name": "silver", "active": "0"},
                    ],
                    "transactions": [
                        {
                            "id": "1187",
                            "product_name": "book",
                            "transaction_type": "Sale",
                            "transaction_date": "2019-03-26 06:35:33",
                        }
                    ],
                    "custom_fields": [{"field_id": "1", "field_identifier": "dish", "field_value": "pie"}],
                }
            )
        ]
    )
    (lead,) = frames.leads.dropna(axis="columns").to_dict("records")
    joined = datetime(2019, 3, 26, 6, 35, 31)  # noqa: DTZ001 - the API's own clock, whose zone nobody knows
    assert lead == {
        "id": "4035",
        "email": "joe@example.com",
        "first_name": "Joe",
        "zip": "00501",
        "score": 35,
        "date_joined": joined,
        "blacklisted": 0,
    }
    key = ("4035", "joe@example.com")
    assert rows(frames.tags) == [(*key, 0, "vip, gold", None), (*key, 1, "a;b", None)]
    assert rows(frames.lists) == [(*key, 0, "news", 1, None)]
    assert rows(frames.sequences) == [(*key, 0, "start", "3", "active", None)]
    assert rows(frames.memberships) == [(*key, 0, "club", "gold", 1, None), (*key, 1, "club", "silver", 0, None)]
    assert rows(frames.transactions) == [(*key, 0, "1187", "book", "Sale", joined.replace(second=33), None)]
    assert rows(frames.custom_fields) == [(*key, 0, "1", "dish", None, None, "pie", None)]
    assert (frames.drift, frames.skipped) == (Drift(), 0)


def test_rows_are_in_the_order_of_the_replies() -> None:
    """Positions restart with each lead; a lead without items has no row in their table."""
    bodies = [reply({"id": n, "tags": tags}) for n, tags in [("1", ["a", "b"]), ("2", []), ("3", ["c"])]]
    frames = flatten(iter(bodies))
    assert rows(frames.leads, "id") == [("1",), ("2",), ("3",)]
    assert rows(frames.tags, "lead_id", "position", "tag_name") == [("1", 0, "a"), ("1", 1, "b"), ("3", 0, "c")]


def test_the_same_replies_give_the_same_frames() -> None:
    """Flattening is a function of the replies alone."""
    bodies = [reply(lead_details(f"p{n}@example.com", 1)) for n in range(20)]
    assert_same_tables(flatten(bodies), flatten(iter(bodies)))


def test_replies_may_be_flattened_in_any_portions() -> None:
    """Frames of two batches, one after the other, are the frame of both."""
    bodies = [reply(shapes.new_keys(lead_details(f"p{n}@example.com", 1))) for n in range(6)]
    whole, parts = flatten(bodies), (flatten(bodies[:2]), flatten(bodies[2:]))
    for name in TABLES:
        joined = pd.concat([getattr(part, name) for part in parts], ignore_index=True)
        pd.testing.assert_frame_equal(joined, getattr(whole, name))
    drift = Drift()
    for part in parts:
        drift.add(part.drift)
    assert drift == whole.drift


def test_answers_add_the_requested_address_and_the_time() -> None:
    """Only answers fill `requested_email` and `fetched_at`; bare bodies leave them null."""
    body = reply({"id": "1", "email": "Ann@example.com"})
    answer = Answer("ann@example.com", Outcome.FOUND, lead_id="1", answered_at_ms=1_553_600_131_250, body=body)
    assert rows(flatten([answer, body]).leads, "email", "requested_email", "fetched_at") == [
        ("Ann@example.com", "ann@example.com", datetime(2019, 3, 26, 11, 35, 31, 250_000, UTC)),
        ("Ann@example.com", None, None),
    ]


def test_replies_without_a_lead_are_skipped_and_counted() -> None:
    """Errors, broken bodies, empty successes and answers without a body give no row and do not disturb the others."""
    not_found = b'{"status":"Error","message":"No lead found","type":"234"}'
    frames = flatten(
        [
            not_found,
            reply({"id": "1"}),
            b"<html>",
            b"",
            reply([]),
            Answer("a@example.com", Outcome.NOT_FOUND, body=not_found),
            Answer("b@example.com", Outcome.FAILED),
            reply({"id": "2"}),
        ]
    )
    assert rows(frames.leads, "id") == [("1",), ("2",)]
    assert frames.skipped == 6


def test_a_soft_deleted_lead_is_a_row() -> None:
    """`lead_deleted` is a column like others, not a reason to leave the lead out."""
    leads = flatten([reply(shapes.soft_deleted(PERSON))]).leads
    assert rows(leads, "lead_deleted", "lead_deleted_date") == [(1, datetime(2024, 2, 29, 23, 59, 59))]  # noqa: DTZ001


@pytest.mark.parametrize(
    "shape",
    [shapes.native_numbers, shapes.details_as_text, shapes.keyed_objects, shapes.bare_tags, shapes.aliases],
    ids=lambda shape: str(shape.__name__),
)
def test_the_shape_of_a_reply_does_not_show_in_the_tables(shape: Callable[[Any], object]) -> None:
    """However the same person is encoded, the tables are the same."""
    people = [lead_details(f"p{n}@example.com", 1, least=n) for n in range(4)]
    bent = flatten([reply(shape(lead_details(f"p{n}@example.com", 1, least=n))) for n in range(4)])
    assert_same_tables(bent, flatten([reply(person) for person in people]))
    assert bent.drift == Drift()


@pytest.mark.parametrize(
    "shape",
    [*map(shapes.collections_as, ["", None, False, {}]), shapes.absent_collections],
    ids=["text", "null", "false", "object", "absent"],
)
def test_empty_collections_give_no_rows(shape: Callable[[Any], Any]) -> None:
    """However an empty collection is encoded, the lead keeps its row and has none elsewhere."""
    frames = flatten([reply(shape(PERSON))])
    assert [len(getattr(frames, name)) for name in TABLES] == [1, 0, 0, 0, 0, 0, 0]
    assert_same_tables(frames, flatten([reply(shapes.collections_as([])(PERSON))]))


@pytest.mark.parametrize("kind", ["input_field", "text_area"])
@pytest.mark.parametrize(
    ("raw", "value"), [("pie", "pie"), ("0042", "0042"), ("a\nb", "a\nb"), ("", None), (None, None)]
)
def test_a_custom_field_with_a_string_is_one_row(kind: str, raw: object, value: str | None) -> None:
    """Its value is the string, or null; it has no option."""
    frame = custom_fields({"field_id": "2", "field_identifier": "dish", "field_type": kind, "field_value": raw})
    assert rows(frame, "position", "field_id", "field_identifier", "field_type", "option_id", "value") == [
        (0, "2", "dish", kind, None, value)
    ]


@pytest.mark.parametrize("kind", ["drop_down", "radio_button", "checkbox"])
@pytest.mark.parametrize("nothing", [[], {}, "", None, False])
def test_a_custom_field_without_a_choice_is_one_row(kind: str, nothing: object) -> None:
    """The field is there, its option and value are null."""
    frame = custom_fields({"field_id": "3", "field_type": kind, "field_value": nothing})
    assert rows(frame, "position", "field_id", "field_type", "option_id", "value") == [(0, "3", kind, None, None)]


def test_each_chosen_option_is_a_row() -> None:
    """Positions count rows, not fields; every row repeats what the field is."""
    chosen = [{"option_id": "31", "option_value": "cooking"}, {"option_id": "33", "option_value": "travel"}]
    frame = custom_fields(
        {"field_id": "4", "field_type": "radio_button", "field_value": chosen[:1]},
        {"field_id": "5", "field_type": "checkbox", "field_value": chosen},
        {"field_id": "6", "field_type": "input_field", "field_value": "pie"},
    )
    assert rows(frame, "position", "field_id", "option_id", "value") == [
        (0, "4", "31", "cooking"),
        (1, "5", "31", "cooking"),
        (2, "5", "33", "travel"),
        (3, "6", None, "pie"),
    ]


def test_extra_is_on_the_row_it_belongs_to() -> None:
    """Also after leads and items that have none, and after fields of several rows."""
    frames = flatten(
        [
            reply({"id": "1", "tags": ["a"], "custom_fields": [{"field_value": ["x", "y"]}, {"field_value": []}]}),
            reply({"id": "2", "tags": ["b", {"tag_name": "c", "since": 2019}], "new": {"depth": [1, "é"]}}),
            reply(
                {
                    "id": "3",
                    "custom_fields": [
                        {"field_value": ["x", {"option_value": "y", "price": 1}]},
                        {"field_value": "z", "help": "?"},
                    ],
                }
            ),
        ]
    )
    assert rows(frames.leads, "id", "extra") == [("1", None), ("2", '{"new":{"depth":[1,"é"]}}'), ("3", None)]
    assert rows(frames.tags, "tag_name", "extra") == [("a", None), ("b", None), ("c", '{"since":2019}')]
    assert rows(frames.custom_fields, "lead_id", "value", "extra") == [
        ("1", "x", None),
        ("1", "y", None),
        ("1", None, None),
        ("3", "x", None),
        ("3", "y", '{"price":1}'),
        ("3", "z", '{"help":"?"}'),
    ]


def test_drift_is_counted_over_the_batch() -> None:
    """Counts by table and key, of all replies together, without any value."""
    frames = flatten([reply({"id": "1", "new": "x", "score": "many", "tags": [{"tag_name": "a", "new": 1}]})] * 2)
    assert frames.drift.unknown_keys == {"leads.new": 2, "tags.new": 2}
    assert frames.drift.unreadable_values == {"leads.score": 2}


def test_strings_are_kept_exactly() -> None:
    """Whitespace, quotes, line breaks, formulas and every script come through; only the empty string is null."""
    texts = ["  a  ", 'say "b"', "c\r\nd", "=1+1", "0042", "null", "N/A", "\0", "é🎉", "\u202ex", ""]
    frame = flatten([reply({"id": "1", "tags": [{"tag_name": text} for text in texts]})]).tags
    assert rows(frame, "tag_name") == [(text or None,) for text in texts]


def test_extra_is_json_that_reads_back() -> None:
    """The content of extra is one JSON object with the values as they came."""
    odd = {"a": [1, 2.5, None, True], "b": {"c": "é\n"}, "d": "", "e": 10**30}
    (extra,) = rows(flatten([reply({"id": "1"} | odd)]).leads, "extra")[0]
    assert json.loads(extra) == odd
