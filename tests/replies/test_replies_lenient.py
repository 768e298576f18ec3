import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from lead_structs import COLLECTIONS, CustomField, Lead, Option

from pipeline.replies.drift import Drift
from pipeline.replies.read import FoundLead, read_leniently
from pipeline.replies.shape import Item

Tag, Transaction, MailingList, Sequence, Membership = (
    COLLECTIONS[name] for name in ("tags", "transactions", "lists", "sequences", "memberships")
)


def found(details: dict[str, Any], **around: Any) -> FoundLead:
    """The lead of a Success with an id, these details, and these keys in the envelope."""
    reply = read_leniently(json.dumps({"status": "Success", "lead_details": {"id": "1"} | details, **around}).encode())
    assert isinstance(reply, FoundLead)
    return reply


def items(table: str, value: object) -> list[Item]:
    """The items that a collection sent as `value` is read as, with nothing left over."""
    reply = found({table: value})
    assert reply.extras == {}
    found_items: list[Item] = getattr(reply.lead, table)
    return found_items


# Two raw items for each collection, and the items they are read as.
RAW: dict[str, list[Any]] = {
    "tags": [{"tag_name": "vip, gold"}, {"tag_name": "a;b"}],
    "transactions": [{"id": "7", "product_name": "book"}, {"id": "8", "transaction_type": "Rebill"}],
    "lists": [{"list_name": "news", "active": "1"}, {"list_name": "launch", "active": "0"}],
    "sequences": [{"sequence_name": "start", "step": "3", "status": "active"}, {"sequence_name": "end"}],
    "memberships": [{"name": "club", "level_name": "gold"}, {"name": "club", "active": "0"}],
    "custom_fields": [{"field_id": "1", "field_value": "pie"}, {"field_identifier": "dish"}],
}
READ: dict[str, list[Any]] = {
    "tags": [Tag("vip, gold"), Tag("a;b")],
    "transactions": [Transaction("7", "book"), Transaction("8", transaction_type="Rebill")],
    "lists": [MailingList("news", "1"), MailingList("launch", "0")],
    "sequences": [Sequence("start", "3", "active"), Sequence("end")],
    "memberships": [Membership("club", "gold"), Membership("club", active="0")],
    "custom_fields": [CustomField("1", field_value="pie"), CustomField(field_identifier="dish")],
}
each_collection = pytest.mark.parametrize("table", COLLECTIONS)


@each_collection
@pytest.mark.parametrize(
    "encode",
    [
        list,
        lambda raw: dict(enumerate(raw)),
        lambda raw: {"3": raw[0], "17": raw[1]},
        lambda raw: {"-1": raw[0], "0": raw[1]},
        lambda raw: [None, raw[0], "", False, raw[1], []],
    ],
    ids=["list", "numbered", "gaps", "negative", "holes"],
)
def test_a_collection_is_a_list_or_an_object_with_numeric_keys(
    table: str, encode: Callable[[list[Any]], object]
) -> None:
    """PHP encodes arrays either way; the order is kept, and empty members are skipped."""
    assert items(table, encode(RAW[table])) == READ[table]


@each_collection
def test_a_single_item_is_a_collection_of_one(table: str) -> None:
    """An object with the keys of an item is read as a list of that item."""
    assert items(table, RAW[table][0]) == READ[table][:1]


@each_collection
@pytest.mark.parametrize("nothing", [[], {}, "", None, False])
def test_an_empty_collection_has_five_encodings(table: str, nothing: object) -> None:
    """`[]`, `{}`, the empty string, null and false."""
    assert items(table, nothing) == []


def test_an_absent_collection_is_empty() -> None:
    """A lead without any collection is read completely."""
    assert found({"score": 3}) == FoundLead(Lead(id="1", score="3"))


@each_collection
def test_an_item_without_keys_is_an_item(table: str) -> None:
    """The fast path and the lenient path both read it as an item whose values are all empty."""
    assert items(table, [{}]) == items(table, [{}, None]) == [COLLECTIONS[table]()]


@each_collection
@pytest.mark.parametrize("value", ["a, b", 7, True, {"0": {}, "total": 1}, {"unheard": "of"}])
def test_a_value_that_is_not_a_collection_goes_into_extra(table: str, value: object) -> None:
    """A string, number or unknown object yields no items and is kept unchanged in the lead's extra."""
    reply = found({table: value})
    assert reply.lead == Lead(id="1", **{table: []})
    assert reply.extras == {"leads": {0: {table: value}}}
    assert reply.drift == Drift(unreadable_values=reply.drift.unreadable_values)
    assert reply.drift.unreadable_values == {f"leads.{table}": 1}


@pytest.mark.parametrize(
    ("table", "read"),
    [
        ("tags", [Tag("vip"), Tag("7"), Tag("a, b")]),
        ("lists", [MailingList("vip"), MailingList("7"), MailingList("a, b")]),
        ("sequences", [Sequence("vip"), Sequence("7"), Sequence("a, b")]),
        ("memberships", [Membership("vip"), Membership("7"), Membership("a, b")]),
    ],
)
def test_a_bare_string_is_the_name_of_an_item(table: str, read: list[Item]) -> None:
    """Items that have a name, such as tags, may be sent as just that name."""
    assert items(table, ["vip", 7, "a, b"]) == items(table, {"1": "vip", "5": 7, "6": "a, b"}) == read


@pytest.mark.parametrize("table", ["transactions", "custom_fields"])
def test_a_bare_string_in_a_collection_of_unnamed_items_goes_into_extra(table: str) -> None:
    """The item keeps its row, so that the positions of later ones are right."""
    reply = found({table: ["odd", RAW[table][0]]})
    assert getattr(reply.lead, table) == [COLLECTIONS[table](), READ[table][0]]
    assert reply.extras == {table: {0: {"item": "odd"}}}


@pytest.mark.parametrize(
    ("table", "raw", "read"),
    [
        ("memberships", {"membership_name": "club", "level": "gold"}, Membership("club", "gold")),
        (
            "transactions",
            {"transaction_id": 7, "type": "Sale", "date": "2019-03-26 06:35:33"},
            Transaction("7", None, "Sale", "2019-03-26 06:35:33"),
        ),
    ],
)
def test_aliases_count_as_the_documented_keys(table: str, raw: dict[str, Any], read: Item) -> None:
    """Alternative spellings seen in related calls fill the same columns."""
    assert items(table, [raw]) == [read]


@pytest.mark.parametrize("flip", [False, True], ids=["documented first", "alias first"])
@pytest.mark.parametrize(
    ("table", "documented", "alias"),
    [
        ("memberships", {"name": "club"}, {"membership_name": "other"}),
        ("memberships", {"level_name": "gold"}, {"level": "other"}),
        ("transactions", {"id": "7"}, {"transaction_id": "other"}),
        ("transactions", {"transaction_type": "Sale"}, {"type": "other"}),
        ("transactions", {"transaction_date": "2019-03-26 06:35:33"}, {"date": "2020-01-01 00:00:00"}),
    ],
)
def test_the_documented_key_takes_precedence_over_its_alias(
    table: str, documented: dict[str, str], alias: dict[str, str], *, flip: bool
) -> None:
    """If both have a value, in either order, the alias counts as an unknown key."""
    reply = found({table: [alias | documented if flip else documented | alias]})
    assert getattr(reply.lead, table) == getattr(found({table: [documented]}).lead, table)
    assert reply.extras == {table: {0: alias}}
    assert reply.drift.unknown_keys == {f"{table}.{key}": 1 for key in alias}


@pytest.mark.parametrize("raw", [{"name": "", "membership_name": "club"}, {"membership_name": "club", "name": None}])
def test_an_alias_is_used_if_the_documented_key_is_empty(raw: dict[str, Any]) -> None:
    """The order of the two keys does not matter."""
    assert items("memberships", [raw]) == [Membership("club")]


@pytest.mark.parametrize("code", ["transaction_id", "id"])
def test_an_unreadable_value_is_kept_under_the_key_it_was_sent_with(code: str) -> None:
    """A key and its alias can both be kept, without one replacing the other."""
    assert found({"transactions": [{code: ["x"]}]}).extras == {"transactions": {0: {code: ["x"]}}}
    assert found({"transactions": [{"id": [1], "transaction_id": "5"}]}).extras == {
        "transactions": {0: {"id": [1], "transaction_id": "5"}}
    }


@pytest.mark.parametrize(
    ("key", "native", "text"),
    [
        ("id", 4035, "4035"),
        ("score", 35, "35"),
        ("score", -20, "-20"),
        ("phone", 5_555_550_100, "5555550100"),
        ("source_id", 0, "0"),
        ("blacklisted", 1, "1"),
        ("lead_deleted", False, "0"),
        ("gdpr_lead_status", 5, "5"),
        ("gdpr_lead_communications", 0, "0"),
    ],
)
def test_numbers_may_be_json_numbers_or_strings(key: str, native: object, text: str) -> None:
    """A number reads like the string that PHP usually sends."""
    assert found({key: native}) == found({key: text}) == FoundLead(msgspec.convert({"id": "1"} | {key: text}, Lead))


def test_empty_values_are_null() -> None:
    """Null, false, and empty strings, arrays and objects are; so is N/A in a number or date column."""
    details: dict[str, Any] = {
        "first_name": None,
        "city": False,
        "zip": [],
        "notes": {},
        "score": "N/A",
        "date_joined": "N/A",
    }
    assert found(details) == FoundLead(Lead(id="1"))


def test_not_available_is_kept_in_a_string_column() -> None:
    """N/A there is a string like any other."""
    assert found({"city": "N/A", "score": 1}).lead == Lead(id="1", city="N/A", score="1")


MEDIUM = {"option_id": "11", "option_value": "medium"}
UNKNOWN = {"added": "in 2031", "nested": {"depth": [1, {"two": None}]}, "empty": ""}


@each_collection
def test_unknown_keys_of_an_item_go_into_its_extra(table: str) -> None:
    """They are kept as received, in the row they belong to, and counted."""
    reply = found({table: [RAW[table][0], RAW[table][1] | UNKNOWN]})
    assert getattr(reply.lead, table) == READ[table]
    assert reply.extras == {table: {1: UNKNOWN}}
    assert reply.drift == Drift(unknown_keys=reply.drift.unknown_keys)
    assert reply.drift.unknown_keys == {f"{table}.{key}": 1 for key in UNKNOWN}


def test_unknown_keys_of_the_lead_and_the_reply_go_into_the_lead_s_extra() -> None:
    """Keys next to lead_details are marked by a prefix."""
    reply = found({"sales_tax_id": "00-1", "surveys": []}, quota={"left": 5})
    assert reply.lead == Lead(id="1")
    assert reply.extras == {"leads": {0: {"sales_tax_id": "00-1", "surveys": [], "reply.quota": {"left": 5}}}}
    assert reply.drift.unknown_keys == {"leads.sales_tax_id": 1, "leads.surveys": 1, "leads.reply.quota": 1}


@pytest.mark.parametrize(
    ("table", "raw"),
    [
        ("tags", {"tag_name": ["a"]}),
        ("transactions", {"transaction_date": "last tuesday"}),
        ("transactions", {"product_name": {"name": "book"}}),
        ("lists", {"active": "maybe"}),
        ("sequences", {"step": [1]}),
        ("memberships", {"active": 1000}),
        ("custom_fields", {"field_id": [1]}),
    ],
)
def test_unreadable_values_of_an_item_go_into_its_extra(table: str, raw: dict[str, Any]) -> None:
    """The column is null; the value is kept as received and counted."""
    (key,) = raw
    reply = found({table: [raw]})
    assert getattr(reply.lead, table) == [COLLECTIONS[table]()]
    assert reply.extras == {table: {0: raw}}
    assert reply.drift == Drift(unreadable_values=reply.drift.unreadable_values)
    assert reply.drift.unreadable_values == {f"{table}.{key}": 1}


@pytest.mark.parametrize("value", [{"unheard": "of"}, {"0": MEDIUM, "total": 1}])
def test_an_unreadable_field_value_goes_into_extra(value: object) -> None:
    """An object without options leaves the field empty and is kept unchanged."""
    reply = found({"custom_fields": [{"field_id": "1", "field_value": value}]})
    assert reply.lead == Lead(id="1", custom_fields=[CustomField("1", field_value=[])])
    assert reply.extras == {"custom_fields": {0: {"field_value": value}}}
    assert reply.drift.unreadable_values == {"custom_fields.field_value": 1}


def test_unreadable_values_of_the_lead_go_into_its_extra() -> None:
    """The column is null; the value is kept as received and counted."""
    odd = {"score": "many", "city": ["a", "b"], "blacklisted": "maybe", "lead_deleted_date": "2019-02-30 00:00:00"}
    reply = found(odd)
    assert reply.lead == Lead(id="1")
    assert reply.extras == {"leads": {0: odd}}
    assert reply.drift.unreadable_values == {f"leads.{key}": 1 for key in odd}


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("pie", "pie"),
        (7, "7"),
        ("", None),
        (None, None),
        (False, None),
        ([], []),
        ({}, []),
        ([MEDIUM], [Option("11", "medium")]),
        (MEDIUM, [Option("11", "medium")]),
        ({"0": MEDIUM, "4": {"option_value": "large"}}, [Option("11", "medium"), Option(None, "large")]),
        ([{"option_id": 11, "option_value": True}], [Option("11", "1")]),
        (["medium", "large"], [Option(None, "medium"), Option(None, "large")]),
        ([None, MEDIUM, ""], [Option("11", "medium")]),
        ([None, ""], []),
    ],
)
def test_the_value_of_a_custom_field_is_a_string_or_options(value: object, read: object) -> None:
    """Options are encoded like any collection, and an option may be a bare string."""
    assert items("custom_fields", [{"field_value": value}]) == [CustomField(field_value=read)]


def test_extras_of_options_are_in_their_rows() -> None:
    """A field with two options has two rows, an empty field has one."""
    reply = found(
        {
            "custom_fields": [
                {"field_value": [MEDIUM, {"option_value": ["x"], "price": 1}]},
                {"field_value": [], "help": "a"},
                {"field_value": "pie", "help": "b"},
            ]
        }
    )
    assert reply.extras == {
        "custom_fields": {1: {"option_value": ["x"], "price": 1}, 2: {"help": "a"}, 3: {"help": "b"}}
    }


@pytest.mark.parametrize("flip", [False, True], ids=["field first", "option first"])
def test_a_field_and_its_option_may_have_the_same_unknown_key(*, flip: bool) -> None:
    """They share a row of the table, and both values are kept, the option's under a prefix."""
    pairs: list[tuple[str, Any]] = [("help", "a"), ("field_value", [{"help": "b"}])]
    reply = found({"custom_fields": [dict(reversed(pairs) if flip else pairs)]})
    assert reply.extras == {"custom_fields": {0: {"help": "a", "options.help": "b"}}}


def test_a_lead_and_the_object_around_it_may_have_the_same_unknown_key() -> None:
    """Keys around the lead have a prefix; the lead's own key may look just like that."""
    reply = found({"reply.help": "a", "help": "b"}, help="c")
    assert reply.extras == {"leads": {0: {"reply.help": "a", "help": "b", "reply.reply.help": "c"}}}


@pytest.mark.parametrize("key", ["joe@example.com", "Joe Smith", "5555550100", "", "é", "x" * 65])
def test_keys_that_may_be_data_are_counted_without_their_name(key: str) -> None:
    """Drift is published, so it names only keys that look like field names; extra keeps every key."""
    reply = found({key: "x", "tags": [{"tag_name": "vip", key: 1}]}, **{key: 2})
    assert reply.drift.unknown_keys == {"leads.(others)": 2, "tags.(others)": 1}
    assert reply.extras == {"leads": {0: {key: "x", f"reply.{key}": 2}}, "tags": {0: {key: 1}}}


def test_the_size_of_drift_is_limited() -> None:
    """Beyond 500 distinct keys the rest are counted together, and none is lost."""
    drift = Drift()
    for start in (0, 400, 400):
        drift.add(found({f"key{n}": n for n in range(start, start + 400)}).drift)
    assert len(drift.unknown_keys) == 501
    assert drift.unknown_keys["leads.key450"] == 2
    assert drift.unknown_keys["(others)"] == 2 * 300
    assert drift.unknown_keys.total() == 1200
