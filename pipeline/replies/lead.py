"""The normal form of a lead: typed structs that a normal reply decodes straight into.

Every cell is text as PHP gives it, or None. Where a column is a number or a date the text is known to read as one,
so that whole columns can be cast at once. Source of the names: Kartra's inbound API documentation for `get_lead`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Text = str | None
# What a normal reply has here; the lenient path takes any other number as well that fits the column.
Flag = Literal["", "0", "1"] | None
GdprStatus = Literal["", "0", "1", "2", "3", "4", "5"] | None


class Item(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """Base of everything that stands in a collection."""


class Tag(Item):
    """`tags[]`."""

    tag_name: Text = None


class Transaction(Item):
    """`transactions[]`; `transaction_type` is an open set."""

    transaction_id: Text = msgspec.field(default=None, name="id")
    product_name: Text = None
    transaction_type: Text = None
    transaction_date: Text = None


class MailingList(Item):
    """`lists[]`."""

    list_name: Text = None
    active: Flag = None


class Sequence(Item):
    """`sequences[]`."""

    sequence_name: Text = None
    step: Text = None
    status: Text = None


class Membership(Item):
    """`memberships[]`: one item a level, so a name may repeat."""

    name: Text = None
    level_name: Text = None
    active: Flag = None


class Option(Item):
    """One chosen option of a custom field; ids are unique within the field only."""

    option_id: Text = None
    option_value: Text = None


class CustomField(Item):
    """`custom_fields[]`: text for input fields, a list of options for menus and boxes."""

    field_id: Text = None
    field_identifier: Text = None
    field_type: Text = None
    field_value: str | list[Option] | None = None


class Lead(msgspec.Struct, forbid_unknown_fields=True):
    """`lead_details`: scalars in the order of the `leads` table, then the collections."""

    id: Text = None
    email: Text = None
    first_name: Text = None
    middle_name: Text = None
    last_name: Text = None
    last_name2: Text = None
    company: Text = None
    phone_country_code: Text = None
    phone: Text = None
    address: Text = None
    zip: Text = None
    city: Text = None
    state: Text = None
    country: Text = None
    website: Text = None
    facebook: Text = None
    twitter: Text = None
    linkedin: Text = None
    google_plus: Text = None
    lead_picture: Text = None
    lead_preferred_time_zone: Text = None
    notes: Text = None
    score: Text = None
    source: Text = None
    source_id: Text = None
    ip: Text = None
    ip_country: Text = None
    date_joined: Text = None
    blacklisted: Flag = None
    lead_deleted: Flag = None
    lead_deleted_date: Text = None
    gdpr_lead_status: GdprStatus = None
    gdpr_lead_status_date: Text = None
    gdpr_lead_status_ip: Text = None
    gdpr_lead_communications: Flag = None
    tags: list[Tag] = []
    transactions: list[Transaction] = []
    lists: list[MailingList] = []
    sequences: list[Sequence] = []
    memberships: list[Membership] = []
    custom_fields: list[CustomField] = []


COLLECTIONS: dict[str, type[Item]] = {
    "tags": Tag,
    "transactions": Transaction,
    "lists": MailingList,
    "sequences": Sequence,
    "memberships": Membership,
    "custom_fields": CustomField,
}
SCALARS: tuple[str, ...] = tuple(name for name in Lead.__struct_fields__ if name not in COLLECTIONS)
