"""Every table and column that is published: name, type and meaning, declared once.

The readers of replies, the frames, the files, `lead-export schema` and the README's tables all follow this page: a
column that is added here is read from the replies, where it stands under its name unless `api` says otherwise.
Types are Arrow's by name; `timestamp[s]` columns hold the API's own clock unless the `timezone` setting makes them UTC.
Source of the `leads` and collection columns: Kartra's inbound API documentation for `get_lead`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Type = Literal["string", "int8", "int32", "int64", "timestamp[s]", "timestamp[ms, UTC]", "binary"]

ZERO_DATES = ("0000-00-00 00:00:00", "0000-00-00")
"""What MySQL, and so the API, writes for "no date"."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, Arrow type and what it means.

    Attributes:
        api: the key of the API's objects that holds it, where that is not called like the column.
        inside: the key of an item whose members hold it, where the item itself does not.
        ours: whether lead-export makes it, and no reply has it.
        distinct: whether hardly a value in it comes twice.
    """

    name: str
    type: Type
    meaning: str
    api: str = ""
    inside: str = ""
    ours: bool = False
    distinct: bool = False

    @property
    def key(self) -> str:
        """What the API calls it."""
        return self.api or self.name


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its name, what a row is, and its columns in order."""

    name: str
    row: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(column.name for column in self.columns)

    @property
    def read(self) -> tuple[Column, ...]:
        """The columns that come from the API's objects, in order."""
        return tuple(column for column in self.columns if not column.ours)

    @property
    def distinct(self) -> frozenset[str]:
        """Names of the columns in which hardly a value comes twice."""
        return frozenset(column.name for column in self.columns if column.distinct)

    def type_of(self, name: str) -> Type:
        """The Arrow type of the column called `name`; KeyError if there is none."""
        return {column.name: column.type for column in self.columns}[name]


def _text(
    name: str, meaning: str, *, api: str = "", inside: str = "", ours: bool = False, distinct: bool = False
) -> Column:
    return Column(name, "string", meaning, api, inside, ours, distinct)


def _flag(name: str, meaning: str) -> Column:
    return Column(name, "int8", meaning)


def _date(name: str, meaning: str) -> Column:
    return Column(name, "timestamp[s]", meaning, distinct=True)


_EXTRA = _text(
    "extra", "JSON object of keys without a column and of values that do not fit theirs; null if none", ours=True
)


def _child(name: str, row: str, *columns: Column) -> Table:
    """A table of things that belong to a lead: its key columns first, `extra` last."""
    return Table(
        name,
        row,
        (
            _text("lead_id", "`leads.id`", ours=True),
            _text("email", "`leads.email`", ours=True),
            Column("position", "int32", "place among the lead's rows of this table, from 0", ours=True),
            *columns,
            _EXTRA,
        ),
    )


LEADS = Table(
    "leads",
    "a found address",
    (
        _text("id", "the lead's id in the API; text, as everywhere", distinct=True),
        _text("email", "address as the API has it", distinct=True),
        _text("requested_email", "address as it was asked", ours=True, distinct=True),
        _text("first_name", "first name"),
        _text("middle_name", "middle name"),
        _text("last_name", "last name"),
        _text("last_name2", "second last name"),
        _text("company", "company"),
        _text("phone_country_code", "country calling code, without `+`"),
        _text("phone", "phone number as it was entered"),
        _text("address", "street address"),
        _text("zip", "postal code, leading zeros kept"),
        _text("city", "city"),
        _text("state", "state or province"),
        _text("country", "country"),
        _text("website", "web site"),
        _text("facebook", "Facebook profile"),
        _text("twitter", "Twitter profile"),
        _text("linkedin", "LinkedIn profile"),
        _text("google_plus", "Google+ profile; only in old accounts"),
        _text("lead_picture", "URL of a picture"),
        _text("lead_preferred_time_zone", "time zone the lead chose"),
        _text("notes", "free text, may hold line breaks"),
        Column("score", "int64", "lead score"),
        _text("source", "how the lead came in: `checkout`, `import`, `api`, …; an open set"),
        _text("source_id", "id of what the lead came in by"),
        _text("ip", "IP address at sign-up"),
        _text("ip_country", "country of that IP address"),
        _date("date_joined", "when the lead joined"),
        _flag("blacklisted", "1 if blacklisted"),
        _flag("lead_deleted", "1 if the lead is deleted but still answered"),
        _date("lead_deleted_date", "when it was deleted"),
        _flag("gdpr_lead_status", "0 off, 1 not subject, 2 accepted, 3 not accepted, 4 unknown, 5 pending"),
        _date("gdpr_lead_status_date", "when the GDPR status was set"),
        _text("gdpr_lead_status_ip", "IP address it was set from"),
        _flag(
            "gdpr_lead_communications", "0 or 1 as given; its sense is documented both ways, so it is not translated"
        ),
        _EXTRA,
        Column("fetched_at", "timestamp[ms, UTC]", "when the reply arrived", ours=True, distinct=True),
    ),
)
TAGS = _child("tags", "a tag of a lead", _text("tag_name", "the tag"))
TRANSACTIONS = _child(
    "transactions",
    "a transaction of a lead",
    _text("transaction_id", "the transaction's id", api="id", distinct=True),
    _text("product_name", "product"),
    _text("transaction_type", "`Sale`, `Refund`, `Cancelation`, `Rebill`, `Chargeback`, …; an open set"),
    _date("transaction_date", "when it happened"),
)
LISTS = _child(
    "lists",
    "a list a lead is or was on",
    _text("list_name", "the list"),
    _flag("active", "1 if subscribed now"),
)
SEQUENCES = _child(
    "sequences",
    "a sequence a lead is or was in",
    _text("sequence_name", "the sequence"),
    _text("step", "the step reached"),
    _text("status", "`active` or `unsubscribed`"),
)
MEMBERSHIPS = _child(
    "memberships",
    "a level of a membership",
    _text("name", "the membership; one row a level, so it may repeat"),
    _text("level_name", "the level"),
    _flag("active", "1 if active now"),
)
CUSTOM_FIELDS = _child(
    "custom_fields",
    "a chosen option, or a field with its text; a null value where the field is empty",
    _text("field_id", "the field's id"),
    _text("field_identifier", "the field's name: letters, digits, `-`, `_`"),
    _text("field_type", "`input_field`, `text_area`, `drop_down`, `radio_button`, `checkbox`"),
    _text("option_id", "the option's id, unique within the field only; null for text fields", inside="field_value"),
    _text("value", "the text, or the option's text", api="option_value", inside="field_value"),
)
OUTCOMES = Table(
    "outcomes",
    "an input row",
    (
        _text("input", "name of the file that holds the row"),
        Column("row", "int64", "data row in that file, from 1", distinct=True),
        _text("given", "the cell as it stands in the file", distinct=True),
        _text("email", "the address it was read as; null if invalid", distinct=True),
        _text("outcome", "`found`, `not_found`, `deleted`, `failed`, `invalid` or `duplicate`"),
        _text("code", "the API's error type, or our reason; `email_mismatch` if the reply is for another address"),
        _text("message", "one sentence for a person"),
        _text("lead_id", "`leads.id`, also on duplicates", distinct=True),
        Column("attempts", "int32", "calls made for the row; 0 if it was never looked up"),
        Column("answered_at", "timestamp[ms, UTC]", "when the last reply arrived", distinct=True),
    ),
)
"""Documents the fields of `outcomes.RowOutcome`."""
REPLIES = Table(
    "replies",
    "an address that was looked up",
    (
        _text("email", "the address as it was sent", distinct=True),
        _text("outcome", "`found`, `not_found`, `deleted` or `failed`"),
        _text("code", "as in `outcomes`"),
        _text("message", "as in `outcomes`"),
        _text("lead_id", "as in `outcomes`", distinct=True),
        Column("attempts", "int32", "calls made for the address"),
        Column("answered_at", "timestamp[ms, UTC]", "when the last reply arrived", distinct=True),
        Column("body", "binary", "the raw reply; null if none arrived whole", distinct=True),
    ),
)
"""Documents the fields of `outcomes.Answer`."""

LEAD_TABLES = (LEADS, TAGS, TRANSACTIONS, LISTS, SEQUENCES, MEMBERSHIPS, CUSTOM_FIELDS)
"""What `flatten` makes from replies."""

TABLES = (*LEAD_TABLES, OUTCOMES, REPLIES)
"""Everything a run publishes as a table."""
