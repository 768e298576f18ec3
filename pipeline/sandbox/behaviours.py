"""The table of behaviours: the local part of an address selects the reply, as in `not-found.17@example.com`.

A behaviour is selected by its name, alone or followed by `.`, `+` or `_` and anything; case is ignored. Capital
letters at the end of a name stand for a number, as in `slow-500@example.com`. Any other address is simply found.
"""

import codecs
import re
from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Literal, TypeAlias

from pipeline.sandbox import faults, replies, shapes
from pipeline.sandbox.ageing import NEVER, Course, life_at, manner_draw
from pipeline.sandbox.events import Life
from pipeline.sandbox.options import LAST_EPOCH
from pipeline.sandbox.people import lead_details
from pipeline.sandbox.renderings import rendered
from pipeline.sandbox.replies import Lead, Reply
from pipeline.sandbox.rewriting import rewritten

# How a good client treats it: an answer · an answer, read leniently · retry · this address fails · stop the run, unless
# other addresses are answered.
Kind: TypeAlias = Literal["result", "shape", "transient", "permanent", "stop"]

BY_CHANCE = "by chance"
_ERRORS = {"not_found": "234", "deleted": "245"}


@dataclass(frozen=True, slots=True)
class Lookup:
    """One admitted call for one address."""

    address: str
    seed: int
    attempt: int = 1  # how many calls for this address were admitted, including this one
    number: int = 0  # the number in the name, if there is one
    shape: str = "text"  # one of `renderings`
    epoch: int = 0
    course: Course = NEVER

    def life(self, least: int = 0) -> Life:
        """What has become of the person by now, with at least `least` items in each collection in epoch 0."""
        return life_at(self.address, self.seed, self.epoch, self.course, least)

    def lead(self, least: int = 0) -> Lead:
        """The facts about the address, all values as strings."""
        return self.life(least).lead

    def details(self, lead: Lead | None = None) -> object:
        """The `lead_details` to send for `lead`, by default that of the address."""
        return rendered(lead or self.lead(), self.shape, self.seed)


@dataclass(frozen=True)
class Behaviour:
    """One row of the table; capital letters at the end of `name` stand for a number."""

    name: str
    kind: Kind
    description: str
    reply: Callable[[Lookup], Reply]
    numbers: Container[int] = ()
    ages: str = ""  # "by chance", one of `events.PLANNED` in the epoch in its name, or not

    def course(self, number: int, share: float) -> Course:
        """How an address with this behaviour and this number in its name ages, if it ages."""
        if self.ages == BY_CHANCE:
            return Course(share)
        return Course(plan=self.ages, epoch=number) if self.ages else NEVER

    @property
    def stem(self) -> str:
        """The name without the placeholder for its number."""
        return self.name.rpartition("-")[0] if self.numbers else self.name


def choose_behaviour(address: str) -> tuple[Behaviour, int]:
    """The behaviour that an address selects, and the number in its name (0 if there is none)."""
    name = _NAME_END.split(address.partition("@")[0].casefold(), maxsplit=1)[0]
    if name in _PLAIN:
        return _PLAIN[name], 0
    stem, _, digits = name.rpartition("-")
    behaviour = _NUMBERED.get(stem)
    if behaviour and digits.isdecimal() and len(digits) < 7 and int(digits) in behaviour.numbers:
        return behaviour, int(digits)
    return ORDINARY, 0


def random_fault(lookup: Lookup, rate: float) -> Reply | None:
    """A transient fault for a share of all calls, determined by seed, address and attempt; None for the others."""
    key = f"{lookup.seed}|{lookup.address.casefold()}|{lookup.attempt}".encode(errors="replace")
    number = int.from_bytes(blake2b(key, digest_size=8, person=b"fault").digest())
    if number >= rate * 2**64:
        return None
    return _FAULTS[number % len(_FAULTS)](lookup.lead())


def _found(lookup: Lookup) -> Reply:
    """The lead; whoever has left or was deleted by now, which only people who age can, gets the error for that."""
    life = lookup.life()
    if life.status != "found":
        return replies.error(_ERRORS[life.status])
    details = lookup.details(life.lead)
    if life.manner:
        details = rewritten(details, manner_draw(lookup.address, lookup.seed, life.manner))
    return replies.success(details)


def _shape(reshape: Callable[[Lead], object]) -> Callable[[Lookup], Reply]:
    """Reshape a lead that has at least two items in each collection, so that there is something to see.

    It is written as text otherwise, whatever the switch `shape` is, so that each of these shapes comes alone.
    """
    return lambda lookup: replies.success(reshape(lookup.lead(least=2)))


def _fault(fault: faults.Fault) -> Callable[[Lookup], Reply]:
    return lambda lookup: fault(lookup.lead())


def _always(reply: Reply) -> Callable[[Lookup], Reply]:
    return lambda _: reply


def _error(code: str, message: str = "") -> Callable[[Lookup], Reply]:
    return _always(replies.error(code, message))


def _numbered_error(lookup: Lookup) -> Reply:
    return replies.error(str(lookup.number))


def _other_lead(lookup: Lookup) -> Reply:
    # Not conclusive: what is asked about the address remains unanswered.
    lead = lookup.details(lead_details("someone.else@example.com", lookup.seed))
    return replace(replies.success(lead), conclusive=False)


def _soft_deleted(lookup: Lookup) -> Reply:
    return replies.success(lookup.details(shapes.soft_deleted(lookup.lead(least=2))))


def _upper_status(lookup: Lookup) -> Reply:
    return replace(_found(lookup), body=replies.php_json({"status": "SUCCESS", "lead_details": lookup.details()}))


def _byte_order_mark(lookup: Lookup) -> Reply:
    reply = _found(lookup)
    return replace(reply, body=codecs.BOM_UTF8 + b"\r\n\r\n" + reply.body)


def _numeric_type(_: Lookup) -> Reply:
    body = replies.php_json({"status": "Error", "message": "No lead found", "type": 234})
    return Reply(body, conclusive=True)


def _slow(lookup: Lookup) -> Reply:
    return replace(_found(lookup), delay_ms=lookup.number)


def _fails(lookup: Lookup) -> Reply:
    if lookup.attempt > lookup.number:
        return _found(lookup)
    return _FAULTS[(lookup.attempt - 1) % len(_FAULTS)](lookup.lead())


_always_500 = faults.fault_page(500, "500 Internal Server Error")
_http_502 = faults.fault_page(502, "502 Bad Gateway")

# The faults that fails-N and fault_rate use; firewall pages and missing replies are left out, as they take longer.
_FAULTS: tuple[faults.Fault, ...] = (
    lambda _: _http_502,
    faults.cut_off,
    faults.dropped,
    faults.php_warning,
    faults.empty_body,
    faults.dropped_midway,
    lambda _: _always_500,
)

ORDINARY = Behaviour("anything else", "result", "found; always the same invented person", _found, ages=BY_CHANCE)

_not_found_message = replace(replies.untyped_error("Lead not found"), conclusive=True)
_RESULTS = (
    ("not-found", "error 234, the usual reply for an unknown lead", _error("234")),
    ("not-found-243", "error 243, the other reply for an unknown lead", _error("243")),
    (
        "not-found-message",
        'an error without a type, only with the message "Lead not found"',
        _always(_not_found_message),
    ),
    ("numeric-type", "error 234 with its type as a number instead of a string", _numeric_type),
    ("deleted", "error 245: the lead is deleted", _error("245")),
    ("soft-deleted", "found, with lead_deleted 1 and a deletion date", _soft_deleted),
)
_PLANS = (
    ("joins", "not found before epoch EPOCH, found from then on"),
    ("leaves", "found, and not found from epoch EPOCH on"),
    ("gets-deleted", "found, and deleted from epoch EPOCH on"),
    ("merges", "found; from epoch EPOCH on with the id of another lead"),
    ("changes", "found; in epoch EPOCH something of every kind changes"),
)
_SHAPES = (
    ("native-numbers", "ids, counts and flags as numbers", _shape(shapes.native_numbers)),
    ("details-as-text", "lead_details is a string of JSON", _shape(shapes.details_as_text)),
    ("keyed-objects", 'collections are objects with numeric keys: {"0": …, "2": …}', _shape(shapes.keyed_objects)),
    ("empty-collections-text", "collections are the empty string", _shape(shapes.collections_as(""))),
    ("null-collections", "collections are null", _shape(shapes.collections_as(None))),
    ("false-collections", "collections are false", _shape(shapes.collections_as(False))),
    ("absent-collections", "collections are absent", _shape(shapes.absent_collections)),
    ("bare-tags", "tags are plain strings", _shape(shapes.bare_tags)),
    ("aliases", "alternative keys: membership_name, level, transaction_id, type, date", _shape(shapes.aliases)),
    ("zero-dates", "every date is 0000-00-00 00:00:00", _shape(shapes.zero_dates)),
    ("nulls", "missing values are null, false or N/A", _shape(shapes.nulls)),
    ("absent-keys", "most scalars and most keys of items are absent", _shape(shapes.absent_keys)),
    ("minimal", "only id and email", _shape(shapes.minimal)),
    ("new-keys", "undocumented keys, scalar and nested, in the lead and its items", _shape(shapes.new_keys)),
    ("wrong-types", "values that do not fit their type: score many, active maybe", _shape(shapes.wrong_types)),
    ("upper-status", 'status is "SUCCESS"', _upper_status),
    ("bom", "a byte order mark and blank lines before the JSON", _byte_order_mark),
    ("bad-utf8", "a byte in the JSON that is not valid UTF-8", _fault(faults.bad_utf8)),
)
_TRANSIENT = (
    ("other-lead", "the lead of another address", _other_lead),
    ("cut-off", "a body that is truncated in the middle of the JSON", _fault(faults.cut_off)),
    ("php-warning", "a PHP warning before the JSON", _fault(faults.php_warning)),
    ("empty-body", "HTTP 200 with no body", _fault(faults.empty_body)),
    ("empty-success", "success without lead_details", _fault(faults.empty_success)),
    ("empty-success-list", "success with lead_details []", _fault(faults.empty_success_list)),
    ("all-empty", "success with empty scalars and without collections", _fault(faults.all_empty)),
    ("not-json-object", "a JSON list instead of an object", _fault(faults.not_json_object)),
    ("deep-nesting", "JSON nested 100,000 deep", _fault(faults.deep_nesting)),
    ("always-500", "HTTP 500", _always(_always_500)),
    ("html-502", "HTTP 502 with an HTML page from a proxy", _always(_http_502)),
    ("html-403", "HTTP 403 with an HTML page from a firewall", _always(faults.fault_page(403, "403 Forbidden"))),
    ("dropped", "the connection is closed without a reply", _fault(faults.dropped)),
    ("dropped-midway", "the connection is closed in the middle of the body", _fault(faults.dropped_midway)),
    ("never-answers", "no reply until the client disconnects", _fault(faults.never_answers)),
)
_PERMANENT = (
    ("unknown-error", "an error with the undocumented type 987", _error("987", "Something else went wrong")),
    ("oversize", "more than 8 MiB of whitespace before the JSON", _fault(faults.oversize)),
)
_STOP = (
    ("http-401", "HTTP 401", _always(replies.page(401, "401 Unauthorized"))),
    ("http-404", "HTTP 404", _always(replies.page(404, "404 Not Found"))),
    ("redirect", "HTTP 302 to another path, where requests are counted", _fault(faults.redirect)),
)


def _plans() -> list[Behaviour]:
    return [
        Behaviour(f"{plan}-EPOCH", "result", description, _found, range(1, LAST_EPOCH + 1), plan)
        for plan, description in _PLANS
    ]


def _rows(kind: Kind, rows: tuple[tuple[str, str, Callable[[Lookup], Reply]], ...]) -> list[Behaviour]:
    return [Behaviour(name, kind, description, reply) for name, description, reply in rows]


BEHAVIOURS: tuple[Behaviour, ...] = (
    *_rows("result", _RESULTS),
    Behaviour("slow-MS", "result", "found, after MS milliseconds", _slow, range(1, 600_001), BY_CHANCE),
    *_plans(),
    *_rows("shape", _SHAPES),
    Behaviour(
        "fails-N", "transient", "N transient faults of different kinds, then found", _fails, range(1, 100), BY_CHANCE
    ),
    *_rows("transient", _TRANSIENT),
    *_rows("permanent", _PERMANENT),
    Behaviour(
        "error-TYPE",
        "stop",
        "documented error TYPE; 206 is permanent, 429 transient, and 234, 243 and 245 are results",
        _numbered_error,
        frozenset(map(int, replies.ERROR_MESSAGES)),
    ),
    *_rows("stop", _STOP),
)

_NAME_END = re.compile(r"[.+_]")
_PLAIN = {behaviour.name: behaviour for behaviour in BEHAVIOURS if not behaviour.numbers}
_NUMBERED = {behaviour.stem: behaviour for behaviour in BEHAVIOURS if behaviour.numbers}
