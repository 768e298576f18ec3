"""The published tables and columns, each declared once: name, type and meaning.

The reply readers, the data frames, the files, `lead-export schema` and the tables in the README all derive from this
module: a column added here is read from the replies under its own name unless `source_key` says otherwise.
Types are Arrow's names. `timestamp[s]` columns hold the API's local time unless the `timezone` setting converts them
to UTC. Source of the `leads` and collection columns: Kartra's inbound API documentation for `get_lead`.
"""

from __future__ import annotations

from pipeline.columns import FREE_TEXT, IDENTITY, NEUTRAL, PERSONAL, Column, Table, address, date, flag, lead_id, string

_EXTRA = string(
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
            string("lead_id", "`leads.id`", IDENTITY, derived=True, copy_of="leads.id"),
            string("email", "`leads.email`", IDENTITY, derived=True, copy_of="leads.email"),
            Column("position", "int32", "index among the lead's rows in this table, from 0", NEUTRAL, derived=True),
            *columns,
            _EXTRA,
        ),
    )


LEADS = Table(
    "leads",
    "an address for which a lead was found",
    (
        string("id", "the lead's id in the API, as a string like all ids", IDENTITY, mostly_unique=True),
        string("email", "address as stored in the API", IDENTITY, mostly_unique=True),
        address("requested_email", "address as it was looked up", derived=True),
        string("first_name", "first name", PERSONAL),
        string("middle_name", "middle name", PERSONAL),
        string("last_name", "last name", PERSONAL),
        string("last_name2", "second last name", PERSONAL),
        string("company", "company", PERSONAL),
        string("phone_country_code", "country calling code, without `+`", PERSONAL),
        string("phone", "phone number as entered", PERSONAL),
        string("address", "street address", PERSONAL),
        string("zip", "postal code, leading zeros kept", PERSONAL),
        string("city", "city", PERSONAL),
        string("state", "state or province", PERSONAL),
        string("country", "country", PERSONAL),
        string("website", "website", PERSONAL),
        string("facebook", "Facebook profile", PERSONAL),
        string("twitter", "Twitter profile", PERSONAL),
        string("linkedin", "LinkedIn profile", PERSONAL),
        string("google_plus", "Google+ profile, in old accounts only", PERSONAL),
        string("lead_picture", "URL of the lead's picture, which may hold the lead's id", FREE_TEXT),
        string("lead_preferred_time_zone", "time zone chosen by the lead", PERSONAL),
        string("notes", "free text, may contain line breaks", FREE_TEXT),
        Column("score", "int64", "lead score", PERSONAL),
        string("source", "how the lead was acquired: `checkout`, `import`, `api`, … (open set)", PERSONAL),
        string("source_id", "id of the form, product or other source through which the lead was acquired", PERSONAL),
        string("ip", "IP address at sign-up", PERSONAL),
        string("ip_country", "country of that IP address", PERSONAL),
        date("date_joined", "when the lead joined"),
        flag("blacklisted", "1 if blacklisted"),
        flag("lead_deleted", "1 if the lead is marked as deleted but still returned"),
        date("lead_deleted_date", "when the lead was deleted"),
        flag("gdpr_lead_status", "0 off, 1 not subject to GDPR, 2 accepted, 3 not accepted, 4 unknown, 5 pending"),
        date("gdpr_lead_status_date", "when the GDPR status was set"),
        string("gdpr_lead_status_ip", "IP address from which the GDPR status was set", PERSONAL),
        flag(
            "gdpr_lead_communications", "0 or 1 as received; Kartra documents both meanings, so it is not interpreted"
        ),
        _EXTRA,
        Column(
            "fetched_at", "timestamp[ms, UTC]", "when the reply was received", NEUTRAL, derived=True, mostly_unique=True
        ),
    ),
)
TAGS = _child("tags", "a lead's tag", string("tag_name", "name of the tag", PERSONAL))
TRANSACTIONS = _child(
    "transactions",
    "a lead's transaction",
    string("transaction_id", "id of the transaction", PERSONAL, source_key="id", mostly_unique=True),
    string("product_name", "name of the product", PERSONAL),
    string("transaction_type", "`Sale`, `Refund`, `Cancelation`, `Rebill`, `Chargeback`, … (open set)", PERSONAL),
    date("transaction_date", "when the transaction took place"),
)
LISTS = _child(
    "lists",
    "a list the lead is or was on",
    string("list_name", "name of the list", PERSONAL),
    flag("active", "1 if currently subscribed"),
)
SEQUENCES = _child(
    "sequences",
    "a sequence the lead is or was in",
    string("sequence_name", "name of the sequence", PERSONAL),
    string("step", "step reached", PERSONAL),
    string("status", "`active` or `unsubscribed`", PERSONAL),
)
MEMBERSHIPS = _child(
    "memberships",
    "a level of a lead's membership",
    string("name", "name of the membership; repeats if the lead has several of its levels", PERSONAL),
    string("level_name", "name of the level", PERSONAL),
    flag("active", "1 if currently active"),
)
CUSTOM_FIELDS = _child(
    "custom_fields",
    "a chosen option of a custom field, or a custom field that holds text or is empty",
    string("field_id", "id of the field", NEUTRAL),
    string("field_identifier", "name of the field: letters, digits, `-`, `_`", NEUTRAL),
    string("field_type", "`input_field`, `text_area`, `drop_down`, `radio_button`, `checkbox`", NEUTRAL),
    string(
        "option_id",
        "id of the option, unique only within its field; null for text fields",
        PERSONAL,
        nested_in="field_value",
    ),
    string(
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
        string("input", "name of the file that holds the row", NEUTRAL),
        Column("row", "int64", "data row in that file, from 1", NEUTRAL, mostly_unique=True),
        address("given", "the cell as it is in the file; null if suppressed or erased"),
        address("email", "the address it was read as; null if invalid, suppressed or erased"),
        string(
            "outcome",
            "`found`, `not_found`, `deleted`, `failed`, `pending`, `suppressed`, `invalid`, `duplicate` or `erased`",
            PERSONAL,
        ),
        string(
            "code",
            "the API's error type, or our reason; `email_mismatch` if the reply is for another address",
            PERSONAL,
        ),
        string("message", "one sentence for a person", FREE_TEXT),
        lead_id("`leads.id`, also on duplicates"),
        Column("attempts", "int32", "calls made for the row; 0 if it was never looked up", NEUTRAL),
        Column("answered_at", "timestamp[ms, UTC]", "when the last reply arrived", NEUTRAL, mostly_unique=True),
    ),
)
"""Documents the fields of `outcomes.RowOutcome`."""
REPLIES = Table(
    "replies",
    "an address that was looked up",
    (
        address("email", "the address as it was sent"),
        string("outcome", "`found`, `not_found`, `deleted` or `failed`", PERSONAL),
        string("code", "as in `outcomes`", PERSONAL),
        string("message", "as in `outcomes`", FREE_TEXT),
        lead_id("as in `outcomes`"),
        Column("attempts", "int32", "calls made for the address", NEUTRAL),
        Column("answered_at", "timestamp[ms, UTC]", "when the last reply arrived", NEUTRAL, mostly_unique=True),
        Column("body", "binary", "the raw reply; null if none arrived whole", FREE_TEXT, mostly_unique=True),
    ),
)
"""Documents the fields of `outcomes.Answer`."""

CHANGES = Table(
    "changes",
    "a value that changed, or a row that came or went, since the run before",
    (
        address("requested_email", "the address as it was looked up"),
        lead_id("`leads.id`, of a lead that is gone the one it had"),
        string(
            "table_name", "the table: `leads` to `custom_fields`, or `outcomes` for what became of the address", NEUTRAL
        ),
        string("change", "`changed`, `added` or `removed`", NEUTRAL),
        string(
            "item", "JSON array of what identifies the row among the lead's; null for `leads` and `outcomes`", PERSONAL
        ),
        string(
            "column_name",
            "the column that changed, `extra.KEY` for a key of `extra`; null if a row came or went",
            NEUTRAL,
        ),
        string("old_value", "the value before; of a row that went, all of it as a JSON object", PERSONAL),
        string("new_value", "the value now; of a row that came, all of it as a JSON object", PERSONAL),
        Column("seen_before", "timestamp[ms, UTC]", "when it was not so yet: it happened after this …", NEUTRAL),
        Column("seen_at", "timestamp[ms, UTC]", "… and before this, when it was first seen", NEUTRAL),
        string("since_run", "name of the run that this one was compared with", NEUTRAL),
    ),
)

IDENTITIES = {
    TAGS.name: ("tag_name",),
    TRANSACTIONS.name: ("transaction_id",),
    LISTS.name: ("list_name",),
    SEQUENCES.name: ("sequence_name",),
    MEMBERSHIPS.name: ("name", "level_name"),
    CUSTOM_FIELDS.name: ("field_id", "option_id"),
}
"""The columns that tell the items of a lead apart, by table."""

LEAD_TABLES = (LEADS, TAGS, TRANSACTIONS, LISTS, SEQUENCES, MEMBERSHIPS, CUSTOM_FIELDS)
"""The tables that `flatten` builds from replies."""

TABLES = (*LEAD_TABLES, OUTCOMES, REPLIES, CHANGES)
"""Every table that a run publishes."""
ACCOUNT = "account"
"""The first column of the tables of several accounts together: whose row it is."""
