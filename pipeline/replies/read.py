"""The one reader of replies: the normal shape in one typed step, any other through the lenient path."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeVar

import msgspec

from pipeline.errors import MalformedReply
from pipeline.replies.envelope import Envelope, may_be_deep, open_envelope
from pipeline.replies.lead import Lead  # noqa: TC001 - the decoder resolves it when it is built
from pipeline.replies.lenient import Drift, Extras, LenientReader
from pipeline.replies.values import PLAIN
from pipeline.schema import LEAD_TABLES, LEADS


class Named(msgspec.Struct, gc=False):
    """Of a lead in the documented shape what tells it from others."""

    id: str | None = None
    email: str | None = None


class _NormalReply(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    status: Literal["Success"]
    lead_details: Lead
    message: str | None = None
    type: str | int | None = None


class _AnyReply(msgspec.Struct, gc=False):
    status: Literal["Success"]
    lead_details: Named


R = TypeVar("R", _NormalReply, _AnyReply)
_normal = msgspec.json.Decoder(_NormalReply)
_glance = msgspec.json.Decoder(_AnyReply)
_LEAD_CHECKS = [(column.name, PLAIN[column.type]) for column in LEADS.api_columns if column.type in PLAIN]
_ITEM_CHECKS = [
    (table.name, column.name, PLAIN[column.type])
    for table in LEAD_TABLES
    if table is not LEADS
    for column in table.api_columns
    if column.type in PLAIN and not column.nested_in
]


@dataclass(frozen=True, slots=True)
class FoundLead:
    """A lead in normal form, and what of the reply did not fit it.

    Attributes:
        lead: every documented value.
        extras: for each table and row, the keys and values that have no place in a column.
        drift: the same, counted; only to be read, for normal replies share one that is empty.
    """

    lead: Lead
    extras: Extras = field(default_factory=dict)
    drift: Drift = field(default_factory=Drift)


_NO_DRIFT = Drift()  # making one takes as long as a third of a reply's decoding


def read_reply(body: bytes) -> FoundLead | Envelope:
    """Read any bytes: a lead if the reply is a Success, else its envelope.

    Raises:
        MalformedReply: it cannot be read as an answer, or it is a Success that names no lead.
    """
    lead = read_normal(body)
    return read_leniently(body) if lead is None else FoundLead(lead, drift=_NO_DRIFT)


def read_normal(body: bytes) -> Lead | None:
    """The lead if the reply is a Success in the documented shape, of which nothing is left over; None if not."""
    reply = _decoded(body, _normal)
    return reply.lead_details if reply and _is_plain(reply.lead_details) else None


def glance_at_lead(body: bytes) -> Lead | Named | None:
    """Whom a Success is about, and no more: enough to know that `read_reply` finds a lead, and which; None if not.

    What is not looked at may be anything in JSON, as long as it cannot be nested too deeply to be read later on.
    """
    reply = _decoded(body, _normal) if may_be_deep(body) else _decoded(body, _glance)
    return reply.lead_details if reply else None


def _decoded(body: bytes, decoder: msgspec.json.Decoder[R]) -> R | None:
    try:
        reply = decoder.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return reply if _names_a_lead(reply.lead_details) else None


def read_leniently(body: bytes) -> FoundLead | Envelope:
    """The same as `read_reply`, with the lenient path only."""
    envelope = open_envelope(body)
    if not envelope.succeeded:
        return envelope
    if envelope.details is not None:
        reader = LenientReader()
        lead = reader.read(envelope.details, envelope.others)
        if _names_a_lead(lead):
            if not _is_utf8(body):
                reader.drift.unreadable_values["reply.text"] += 1
            return FoundLead(lead, reader.extras, reader.drift)
    raise MalformedReply("the API says Success but gives no lead", code="empty_success", body=body)


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _names_a_lead(lead: Lead | Named) -> bool:
    """Without an id and an address there is nobody that the rest could belong to."""
    return bool(lead.id or lead.email)


def _is_plain(lead: Lead) -> bool:
    """Whether every number and date reads as its column's type; the decoder has checked the rest."""
    for name, is_plain in _LEAD_CHECKS:
        if not is_plain(getattr(lead, name)):
            return False
    for collection, name, is_plain in _ITEM_CHECKS:
        for item in getattr(lead, collection):
            if not is_plain(getattr(item, name)):
                return False
    return True
