"""The published tables and columns, each declared once: name, type and meaning.

The reply readers, the data frames, the files, `lead-export schema` and the tables in the README all derive from this
module: a column added here is read from the replies under its own name unless `source_key` says otherwise.
Types are Arrow's names. `timestamp[s]` columns hold the API's local time unless the `timezone` setting converts them
to UTC. Source of the `leads` and collection columns: Kartra's inbound API documentation for `get_lead`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["identity", "personal", "free text", "neutral"]
"""What a column says about people: which person it is, something about her, anything at all, or nothing."""
IDENTITY: Kind = "identity"
PERSONAL: Kind = "personal"
FREE_TEXT: Kind = "free text"
NEUTRAL: Kind = "neutral"

Type = Literal["string", "int8", "int32", "int64", "timestamp[s]", "timestamp[ms, UTC]", "binary"]

_IN_FILES: dict[Type, str] = {"timestamp[s]": "timestamp[ms]", "timestamp[ms, UTC]": "timestamp[ms, tz=UTC]"}
"""What types are in Parquet, where that differs from frames: Parquet has no timestamps in whole seconds."""

ZERO_DATES = ("0000-00-00 00:00:00", "0000-00-00")
"""How MySQL, and therefore the API, writes "no date"."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, Arrow type, meaning, and what it says about people.

    Attributes:
        source_key: the key under which the API's objects hold the value; the column's name unless stated otherwise.
        nested_in: the key of an item's member objects that hold the value, where the item itself does not.
        derived: whether lead-export computes the value, rather than reading it from the reply.
        mostly_unique: whether values rarely repeat within the column.
        copy_of: the column, as `table.column`, that holds the same values about the same people; "" if none does.
    """

    name: str
    type: Type
    meaning: str
    kind: Kind
    source_key: str = ""
    nested_in: str = ""
    derived: bool = False
    mostly_unique: bool = False
    copy_of: str = ""

    def __post_init__(self) -> None:
        """Default the key in the API's objects to the column's name."""
        if not self.source_key:
            object.__setattr__(self, "source_key", self.name)

    def type_in_files(self, *, timezone: bool = False) -> str:
        """Arrow's name of its type in Parquet files; `timezone` says whether the setting of that name is set."""
        return _IN_FILES.get("timestamp[ms, UTC]" if timezone and self.type == "timestamp[s]" else self.type, self.type)


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its name, what one row is, and its columns in order.

    Attributes:
        grain: what one row stands for.
        names: the names of all columns, in order.
        api_columns: the columns that are read from the API's objects, in order.
        mostly_unique: the names of the columns whose values rarely repeat.
    """

    name: str
    grain: str
    columns: tuple[Column, ...]
    names: tuple[str, ...] = field(init=False, repr=False, compare=False)
    api_columns: tuple[Column, ...] = field(init=False, repr=False, compare=False)
    mostly_unique: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work out what follows from the columns, once."""
        derived_facts = {
            "names": tuple(column.name for column in self.columns),
            "api_columns": tuple(column for column in self.columns if not column.derived),
            "mostly_unique": frozenset(column.name for column in self.columns if column.mostly_unique),
        }
        for name, value in derived_facts.items():
            object.__setattr__(self, name, value)

    def type_of(self, name: str) -> Type:
        """The Arrow type of the column called `name`; KeyError if there is none."""
        return {column.name: column.type for column in self.columns}[name]


def _string(
    name: str,
    meaning: str,
    kind: Kind,
    *,
    source_key: str = "",
    nested_in: str = "",
    derived: bool = False,
    mostly_unique: bool = False,
    copy_of: str = "",
) -> Column:
    return Column(name, "string", meaning, kind, source_key, nested_in, derived, mostly_unique, copy_of)


def _address(name: str, meaning: str, *, derived: bool = False) -> Column:
    """The address of a lead, as `leads.email` or as it was asked for."""
    return _string(name, meaning, IDENTITY, derived=derived, mostly_unique=True, copy_of="leads.email")


def _lead_id(meaning: str) -> Column:
    return _string("lead_id", meaning, IDENTITY, mostly_unique=True, copy_of="leads.id")


def _flag(name: str, meaning: str) -> Column:
    return Column(name, "int8", meaning, PERSONAL)


def _date(name: str, meaning: str) -> Column:
    return Column(name, "timestamp[s]", meaning, PERSONAL, mostly_unique=True)


_EXTRA = _string(
    "extra",
    "JSON object of unknown keys and of values that do not fit their column; null if there are none",
    FREE_TEXT,
    derived=True,
)


def _child(name: str, grain: str, *columns: Column) -> Table:
    """A table of a lead's items: key columns first, `extra` last."""
    return Table(
        name,
        grain,
        (
            _string("lead_id", "`leads.id`", IDENTITY, derived=True, copy_of="leads.id"),
            _string("email", "`leads.email`", IDENTITY, derived=True, copy_of="leads.email"),
            Column("position", "int32", "index among the lead's rows in this table, from 0", NEUTRAL, derived=True),
            *columns,
            _EXTRA,
        ),
    )


LEADS = Table(
    "leads",
    "an address for which a lead was found",
    (
        _string("id", "the lead's id in the API, as a string like all ids", IDENTITY, mostly_unique=True),
        _string("email", "address as stored in the API", IDENTITY, mostly_unique=True),
        _address("requested_email", "address as it was looked up", derived=True),
        _string("first_name", "first name", PERSONAL),
        _string("middle_name", "middle name", PERSONAL),
        _string("last_name", "last name", PERSONAL),
        _string("last_name2", "second last name", PERSONAL),
        _string("company", "company", PERSONAL),
        _string("phone_country_code", "country calling code, without `+`", PERSONAL),
        _string("phone", "phone number as entered", PERSONAL),
        _string("address", "street address", PERSONAL),
        _string("zip", "postal code, leading zeros kept", PERSONAL),
        _string("city", "city", PERSONAL),
        _string("state", "state or province", PERSONAL),
        _string("country", "country", PERSONAL),
        _string("website", "website", PERSONAL),
        _string("facebook", "Facebook profile", PERSONAL),
        _string("twitter", "Twitter profile", PERSONAL),
        _string("linkedin", "LinkedIn profile", PERSONAL),
        _string("google_plus", "Google+ profile, in old accounts only", PERSONAL),
        _string("lead_picture", "URL of the lead's picture, which may hold the lead's id", FREE_TEXT),
        _string("lead_preferred_time_zone", "time zone chosen by the lead", PERSONAL),
        _string("notes", "free text, may contain line breaks", FREE_TEXT),
        Column("score", "int64", "lead score", PERSONAL),
        _string("source", "how the lead was acquired: `checkout`, `import`, `api`, … (open set)", PERSONAL),
        _string("source_id", "id of the form, product or other source through which the lead was acquired", PERSONAL),
        _string("ip", "IP address at sign-up", PERSONAL),
        _string("ip_country", "country of that IP address", PERSONAL),
        _date("date_joined", "when the lead joined"),
        _flag("blacklisted", "1 if blacklisted"),
        _flag("lead_deleted", "1 if the lead is marked as deleted but still returned"),
        _date("lead_deleted_date", "when the lead was deleted"),
        _flag("gdpr_lead_status", "0 off, 1 not subject to GDPR, 2 accepted, 3 not accepted, 4 unknown, 5 pending"),
        _date("gdpr_lead_status_date", "when the GDPR status was set"),
        _string("gdpr_lead_status_ip", "IP address from which the GDPR status was set", PERSONAL),
        _flag(
            "gdpr_lead_communications", "0 or 1 as received; Kartra documents both meanings, so it is not interpreted"
        ),
        _EXTRA,
        Column(
            "fetched_at", "timestamp[ms, UTC]", "when the reply was received", NEUTRAL, derived=True, mostly_unique=True
        ),
    ),
)
TAGS = _child("tags", "a lead's tag", _string("tag_name", "name of the tag", PERSONAL))
TRANSACTIONS = _child(
    "transactions",
    "a lead's transaction",
    _string("transaction_id", "id of the transaction", PERSONAL, source_key="id", mostly_unique=True),
    _string("product_name", "name of the product", PERSONAL),
    _string("transaction_type", "`Sale`, `Refund`, `Cancelation`, `Rebill`, `Chargeback`, … (open set)", PERSONAL),
    _date("transaction_date", "when the transaction took place"),
)
LISTS = _child(
    "lists",
    "a list the lead is or was on",
    _string("list_name", "name of the list", PERSONAL),
    _flag("active", "1 if currently subscribed"),
)
SEQUENCES = _child(
    "sequences",
    "a sequence the lead is or was in",
    _string("sequence_name", "name of the sequence", PERSONAL),
    _string("step", "step reached", PERSONAL),
    _string("status", "`active` or `unsubscribed`", PERSONAL),
)
MEMBERSHIPS = _child(
    "memberships",
    "a level of a lead's membership",
    _string("name", "name of the membership; repeats if the lead has several of its levels", PERSONAL),
    _string("level_name", "name of the level", PERSONAL),
    _flag("active", "1 if currently active"),
)
CUSTOM_FIELDS = _child(
    "custom_fields",
    "a chosen option of a custom field, or a custom field that holds text or is empty",
    _string("field_id", "id of the field", NEUTRAL),
    _string("field_identifier", "name of the field: letters, digits, `-`, `_`", NEUTRAL),
    _string("field_type", "`input_field`, `text_area`, `drop_down`, `radio_button`, `checkbox`", NEUTRAL),
    _string(
        "option_id",
        "id of the option, unique only within its field; null for text fields",
        PERSONAL,
        nested_in="field_value",
    ),
    _string(
        "value",
        "the text, or the name of the option; null if the field is empty",
        FREE_TEXT,
        source_key="option_value",
        nested_in="field_value",
    ),
)
OUTCOMES = Table(
    "outcomes",
    "an input row",
    (
        _string("input", "name of the file that holds the row", NEUTRAL),
        Column("row", "int64", "data row in that file, from 1", NEUTRAL, mostly_unique=True),
        _address("given", "the cell as it is in the file; null if suppressed or erased"),
        _address("email", "the address it was read as; null if invalid, suppressed or erased"),
        _string(
            "outcome",
            "`found`, `not_found`, `deleted`, `failed`, `pending`, `suppressed`, `invalid`, `duplicate` or `erased`",
            PERSONAL,
        ),
        _string(
            "code",
            "the API's error type, or our reason; `email_mismatch` if the reply is for another address",
            PERSONAL,
        ),
        _string("message", "one sentence for a person", FREE_TEXT),
        _lead_id("`leads.id`, also on duplicates"),
        Column("attempts", "int32", "calls made for the row; 0 if it was never looked up", NEUTRAL),
        Column("answered_at", "timestamp[ms, UTC]", "when the last reply arrived", NEUTRAL, mostly_unique=True),
    ),
)
"""Documents the fields of `outcomes.RowOutcome`."""
REPLIES = Table(
    "replies",
    "an address that was looked up",
    (
        _address("email", "the address as it was sent"),
        _string("outcome", "`found`, `not_found`, `deleted` or `failed`", PERSONAL),
        _string("code", "as in `outcomes`", PERSONAL),
        _string("message", "as in `outcomes`", FREE_TEXT),
        _lead_id("as in `outcomes`"),
        Column("attempts", "int32", "calls made for the address", NEUTRAL),
        Column("answered_at", "timestamp[ms, UTC]", "when the last reply arrived", NEUTRAL, mostly_unique=True),
        Column("body", "binary", "the raw reply; null if none arrived whole", FREE_TEXT, mostly_unique=True),
    ),
)
"""Documents the fields of `outcomes.Answer`."""

LEAD_TABLES = (LEADS, TAGS, TRANSACTIONS, LISTS, SEQUENCES, MEMBERSHIPS, CUSTOM_FIELDS)
"""The tables that `flatten` builds from replies."""

TABLES = (*LEAD_TABLES, OUTCOMES, REPLIES)
"""Every table that a run publishes."""
