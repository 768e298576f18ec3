"""The entry point: replies in the documented shape are decoded in one step, others go through the lenient path."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeVar

import msgspec

from pipeline.errors import MalformedReply
from pipeline.replies.drift import Drift, Extras
from pipeline.replies.envelope import Envelope, may_be_deep, parse_envelope
from pipeline.replies.lead import Lead  # noqa: TC001 - msgspec resolves the annotation at run time
from pipeline.replies.lenient import LenientReader
from pipeline.replies.values import CAST_CHECKS
from pipeline.schema import LEAD_TABLES, LEADS


class LeadIdentity(msgspec.Struct, gc=False):
    """What identifies a lead: its id and address; the rest of the lead is skipped, not checked."""

    id: str | None = None
    email: str | None = None


class _NormalReply(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    status: Literal["Success"]
    lead_details: Lead
    message: str | None = None
    type: str | int | None = None


class _IdentityReply(msgspec.Struct, gc=False):
    status: Literal["Success"]
    lead_details: LeadIdentity


R = TypeVar("R", _NormalReply, _IdentityReply)
_normal_decoder = msgspec.json.Decoder(_NormalReply)
_identity_decoder = msgspec.json.Decoder(_IdentityReply)
_LEAD_CHECKS = [(column.name, CAST_CHECKS[column.type]) for column in LEADS.api_columns if column.type in CAST_CHECKS]
_ITEM_CHECKS = [
    (table.name, column.name, CAST_CHECKS[column.type])
    for table in LEAD_TABLES
    if table is not LEADS
    for column in table.api_columns
    if column.type in CAST_CHECKS and not column.nested_in
]


@dataclass(frozen=True, slots=True)
class FoundLead:
    """A lead in normal form, and whatever in the reply did not fit it.

    Attributes:
        lead: all documented values.
        extras: keys and values without a column, by table and row.
        drift: counts of the same keys; read-only, because all normal replies share one empty instance.
    """

    lead: Lead
    extras: Extras = field(default_factory=dict)
    drift: Drift = field(default_factory=Drift)


_NO_DRIFT = Drift()  # shared, because creating one takes a third as long as decoding a reply


def read_reply(body: bytes) -> FoundLead | Envelope:
    """Read the bytes of any reply: a lead if its status is Success, otherwise its envelope.

    Raises:
        MalformedReply: it cannot be parsed as a reply, or it is a Success without a lead.
    """
    lead = read_normal(body)
    return read_leniently(body) if lead is None else FoundLead(lead, drift=_NO_DRIFT)


def read_normal(body: bytes) -> Lead | None:
    """The lead of a Success that fits the documented shape completely; None for any other reply."""
    reply = _decoded(body, _normal_decoder)
    return reply.lead_details if reply and _all_castable(reply.lead_details) else None


def peek_identity(body: bytes) -> Lead | LeadIdentity | None:
    """The id and address of the lead in a Success, for which `read_reply` then returns that lead; None if unsure.

    The rest of the reply is not checked, except that it cannot be nested too deeply to be read later.
    """
    reply = _decoded(body, _normal_decoder) if may_be_deep(body) else _decoded(body, _identity_decoder)
    return reply.lead_details if reply else None


def _decoded(body: bytes, decoder: msgspec.json.Decoder[R]) -> R | None:
    try:
        reply = decoder.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return reply if _has_identity(reply.lead_details) else None


def read_leniently(body: bytes) -> FoundLead | Envelope:
    """Like `read_reply`, but through the lenient path only."""
    envelope = parse_envelope(body)
    if not envelope.succeeded:
        return envelope
    if envelope.details is not None:
        reader = LenientReader()
        lead = reader.read(envelope.details, envelope.unknown_keys)
        if _has_identity(lead):
            if not _is_utf8(body):
                reader.drift.unreadable_values["reply.text"] += 1
            return FoundLead(lead, reader.extras, reader.drift)
    raise MalformedReply("the API reports success but returned no lead", code="empty_success", body=body)


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _has_identity(lead: Lead | LeadIdentity) -> bool:
    """Whether there is an id or an address, without which the rest cannot be attributed to anyone."""
    return bool(lead.id or lead.email)


def _all_castable(lead: Lead) -> bool:
    """Whether all numbers and dates can be cast to their columns' types; the decoder has checked the rest."""
    for name, is_castable in _LEAD_CHECKS:
        if not is_castable(getattr(lead, name)):
            return False
    for collection, name, is_castable in _ITEM_CHECKS:
        for item in getattr(lead, collection):
            if not is_castable(getattr(item, name)):
                return False
    return True
