"""The entry point: a reply in the usual shape is decoded in one step, any other goes through the lenient path.

1. `ReplyReader.read` decodes the bytes into the structs of `shape`.
2. What does not decode goes through `lenient`, which makes the same structs from any JSON object.
3. A key without a column that has come twice becomes a field: an account's further keys come with each of its leads.

Both paths leave it to `pipeline.tables` to convert cells, and give the same rows.
"""

from __future__ import annotations

from collections import Counter
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec.structs import astuple

from pipeline.errors import MalformedReply
from pipeline.replies.drift import Drift, looks_like_a_key
from pipeline.replies.envelope import LEADING, Envelope, is_success, may_be_deep, parse_envelope
from pipeline.replies.lenient import LenientReader
from pipeline.replies.shape import COLLECTIONS, DOCUMENTED, REPLY, Scalar, shape_with
from pipeline.replies.values import is_empty, is_keyed_list, read_value

if TYPE_CHECKING:
    from pipeline.replies.drift import Extras
    from pipeline.replies.shape import Key, Shape

MAX_LEARNED = 64
"""Undocumented keys that become fields, if they look like names; replies with others take the lenient path.

That takes ten times as long, half a millisecond for a lead, and gives the same rows.
"""
_MAX_SEEN = 1000
_collections = attrgetter(*COLLECTIONS)


class LeadIdentity(NamedTuple):
    """What identifies a lead; null where it is empty."""

    id: str | None
    email: str | None


class _Identity(msgspec.Struct, gc=False):
    id: Scalar = None
    email: Scalar = None


class _IdentityReply(msgspec.Struct, gc=False):
    status: str
    lead_details: _Identity | list[_Identity] | str


_identity_reply_decoder = msgspec.json.Decoder(_IdentityReply)
_identity_decoder = msgspec.json.Decoder(_Identity | list[_Identity])


class FoundLead(msgspec.Struct, frozen=True):
    """A lead, and whatever in the reply is not in its structs.

    Attributes:
        lead: an instance of `Shape.lead` with all documented values and those of the keys that are fields.
        extras: other keys and values, by table and row.
        drift: counts of these; read-only, because all replies without any share one empty instance.
        undocumented: the keys that the structs have no field for.
    """

    lead: Any
    extras: Extras = msgspec.field(default_factory=dict)
    drift: Drift = msgspec.field(default_factory=Drift)
    undocumented: frozenset[Key] = frozenset()


_NO_DRIFT = Drift()  # shared, because creating one takes a third as long as decoding a reply


class ReplyReader:
    """Reads the replies of an account.

    Attributes:
        shape: of the leads that `read` returns; another one after a call that met a key for the second time.
    """

    def __init__(self) -> None:
        self.shape = DOCUMENTED
        self._keys: frozenset[Key] = frozenset()
        self._seen: Counter[Key] = Counter()

    def read(self, body: bytes) -> FoundLead | Envelope:
        """Read the bytes of any reply: a lead if its status is Success, otherwise its envelope.

        Raises:
            MalformedReply: it cannot be parsed as a reply, or it is a Success without a lead.
        """
        found: FoundLead | Envelope | None = read_directly(body, self.shape)
        if found is None:
            found = read_leniently(body, self.shape)
            if isinstance(found, FoundLead) and found.undocumented:
                self._learn(found.undocumented)
        return found

    def _learn(self, keys: frozenset[Key]) -> None:
        """Make fields of the keys that were seen before; memory is bounded, however many there are."""
        if len(self._keys) >= MAX_LEARNED:
            return
        if len(self._seen) + len(keys) > _MAX_SEEN:
            self._seen.clear()
        likely = sorted(key for key in keys if looks_like_a_key(key.name))[:_MAX_SEEN]
        known = [key for key in likely if self._seen[key]]
        self._seen.update(likely)
        if known:
            self._keys |= frozenset(known[: MAX_LEARNED - len(self._keys)])
            self.shape = shape_with(self._keys)


def read_directly(body: bytes, shape: Shape) -> FoundLead | None:
    """The lead of a Success that fits the shape; None for any other reply.

    Raises:
        MalformedReply: it fits, but is nested too deeply.
    """
    try:
        reply = shape.reply_decoder.decode(body.lstrip(LEADING))
        lead = _sole(reply.lead_details, shape.lead_decoder)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if lead is None or not (is_success(reply.status) and _has_identity(lead) and _is_regular(lead)):
        return None
    if shape.is_nested and _may_be_deep(body, reply.lead_details):
        parse_envelope(body)  # the values of undocumented keys may have any depth, and this is what limits it
    return _with_envelope(lead, reply, shape) if REPLY in shape.undocumented else FoundLead(lead, drift=_NO_DRIFT)


def peek_identity(body: bytes) -> LeadIdentity | None:
    """The id and address of the lead in a Success, as strings or null; `ReplyReader.read` then returns that lead.

    None if unsure. The rest of the reply is not checked, except that it cannot be nested too deeply to be read later.
    """
    try:
        reply = _identity_reply_decoder.decode(body.lstrip(LEADING))
        lead = _sole(reply.lead_details, _identity_decoder)
        if _may_be_deep(body, reply.lead_details):
            parse_envelope(body)
    except (msgspec.MsgspecError, MalformedReply, ValueError, RecursionError):
        return None
    if lead is None or not (is_success(reply.status) and _has_identity(lead)):
        return None
    return LeadIdentity(read_value(lead.id, "string"), read_value(lead.email, "string"))


def _sole(details: Any, decoder: msgspec.json.Decoder[Any]) -> Any:  # noqa: ANN401 - structs made at run time
    """The lead: an object, a list of one, or either as JSON text; None if there is not one."""
    if details.__class__ is str:
        details = decoder.decode(details.encode().lstrip(LEADING))
    if details.__class__ is list:
        details = details[0] if len(details) == 1 else None
    return details


def _may_be_deep(body: bytes, details: object) -> bool:
    """Whether anything in a reply may be nested too deeply; JSON text may hold escaped brackets."""
    return may_be_deep(body) or (isinstance(details, str) and may_be_deep(details.encode()))


def _has_identity(lead: Any) -> bool:  # noqa: ANN401 - a struct made at run time
    """Whether there is an id or an address, without which the rest cannot be attributed to anyone."""
    return not (is_empty(lead.id) and is_empty(lead.email))


def _is_regular(lead: Any) -> bool:  # noqa: ANN401 - a struct made at run time
    """Whether each collection, and each custom field's value, is a list, an object with numeric keys, or empty."""
    for members in _collections(lead):
        if members.__class__ is not list and members and not is_keyed_list(members):
            return False
    fields = lead.custom_fields or ()
    for item in fields.values() if fields.__class__ is dict else fields:
        if item and item.field_value.__class__ is dict and not is_keyed_list(item.field_value):
            return False
    return True


def _with_envelope(lead: Any, reply: Any, shape: Shape) -> FoundLead:  # noqa: ANN401 - structs made at run time
    """The lead, with the undocumented keys of the object around it."""
    keys = shape.undocumented[REPLY]
    values = dict(zip(keys, astuple(reply)[-len(keys) :], strict=True))
    extras = {f"{REPLY}.{key}": value for key, value in values.items() if value is not msgspec.UNSET}
    drift = Drift()
    for key in extras:
        drift.count_unknown("leads", key)
    return FoundLead(lead, {"leads": {0: extras}} if extras else {}, drift)


def read_leniently(body: bytes, shape: Shape | None = None) -> FoundLead | Envelope:
    """Like `ReplyReader.read`, but through the lenient path only; leads have the documented shape unless one is given.

    Raises:
        MalformedReply: as there.
    """
    envelope = parse_envelope(body)
    if not envelope.succeeded:
        return envelope
    if envelope.details is not None:
        reader = LenientReader(shape or DOCUMENTED)
        lead = reader.read(envelope.details, envelope.unknown_keys)
        if _has_identity(lead):
            if not _is_utf8(body):
                reader.drift.unreadable_values["reply.text"] += 1
            return FoundLead(lead, reader.extras, reader.drift, frozenset(reader.undocumented))
    raise MalformedReply("the API reports success but returned no lead", code="empty_success", body=body)


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
