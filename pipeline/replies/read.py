"""The one reader of replies: the normal shape in one typed step, any other through the lenient path."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import msgspec

from pipeline.errors import MalformedReply
from pipeline.replies.envelope import Envelope, open_envelope
from pipeline.replies.lead import Lead  # noqa: TC001 - the decoder resolves it when it is built
from pipeline.replies.lenient import Drift, Extras, LenientReader
from pipeline.replies.values import is_plain_date, is_plain_integer


class _NormalReply(msgspec.Struct, forbid_unknown_fields=True):
    status: Literal["Success"]
    lead_details: Lead
    message: str | None = None
    type: str | int | None = None


_normal = msgspec.json.Decoder(_NormalReply)


@dataclass(frozen=True, slots=True)
class FoundLead:
    """A lead in normal form, and what of the reply did not fit it.

    Attributes:
        lead: every documented value.
        extras: for each table and row, the keys and values that have no place in a column.
        drift: the same, counted.
    """

    lead: Lead
    extras: Extras = field(default_factory=dict)
    drift: Drift = field(default_factory=Drift)


def read_reply(body: bytes) -> FoundLead | Envelope:
    """Read any bytes: a lead if the reply is a Success, else its envelope.

    Raises:
        MalformedReply: it cannot be read as an answer, or it is a Success that names no lead.
    """
    return _read_normal(body) or read_leniently(body)


def _read_normal(body: bytes) -> FoundLead | None:
    try:
        lead = _normal.decode(body).lead_details
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return FoundLead(lead) if _is_plain(lead) and _names_a_lead(lead) else None


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


def _names_a_lead(lead: Lead) -> bool:
    """Without an id and an address there is nobody that the rest could belong to."""
    return bool(lead.id or lead.email)


def _is_plain(lead: Lead) -> bool:
    """Whether every number and date reads as its column's type; the decoder has checked the rest."""
    return (
        is_plain_integer(lead.score)
        and is_plain_date(lead.date_joined)
        and is_plain_date(lead.lead_deleted_date)
        and is_plain_date(lead.gdpr_lead_status_date)
        and all(is_plain_date(item.transaction_date) for item in lead.transactions)
    )
