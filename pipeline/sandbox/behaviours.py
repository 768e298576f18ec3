"""The table of behaviours: a name as the local part of an address chooses the reply, `not-found.17@example.com`.

A behaviour is chosen by its name alone or followed by `.`, `+` or `_` and anything; case does not matter. Where a name
ends in capitals a number stands in their place: `slow-500@example.com`. Any other address is simply found.
"""

import codecs
import re
from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Literal, TypeAlias

from pipeline.sandbox import malformed, replies, shapes
from pipeline.sandbox.people import lead_details
from pipeline.sandbox.replies import Lead, Reply

# What a good client makes of it: an answer · an answer, read leniently · ask again · this address fails · stop.
Kind: TypeAlias = Literal["result", "shape", "transient", "permanent", "stop"]


@dataclass(frozen=True, slots=True)
class Ask:
    """One admitted call for one address."""

    address: str
    seed: int
    attempt: int = 1  # how often this address was let in, this time included
    number: int = 0  # the number in the name, where there is one

    def lead(self, least: int = 0) -> Lead:
        """Return the normal lead of the address."""
        return lead_details(self.address, self.seed, least)


@dataclass(frozen=True)
class Behaviour:
    """One row of the table; `name` ends in capitals where a number is to stand."""

    name: str
    kind: Kind
    description: str
    reply: Callable[[Ask], Reply]
    numbers: Container[int] = ()

    @property
    def stem(self) -> str:
        """The name without the place of its number."""
        return self.name.rpartition("-")[0] if self.numbers else self.name


def choose(address: str) -> tuple[Behaviour, int]:
    """Return the behaviour an address asks for and the number in its name (0 where there is none)."""
    name = _NAME_END.split(address.partition("@")[0].casefold(), maxsplit=1)[0]
    if name in _PLAIN:
        return _PLAIN[name], 0
    stem, _, digits = name.rpartition("-")
    behaviour = _NUMBERED.get(stem)
    if behaviour and digits.isdecimal() and len(digits) < 7 and int(digits) in behaviour.numbers:
        return behaviour, int(digits)
    return ORDINARY, 0


def random_fault(ask: Ask, rate: float) -> Reply | None:
    """Return a transient fault for a share of all calls; seed, address and attempt decide which."""
    key = f"{ask.seed}|{ask.address.casefold()}|{ask.attempt}".encode(errors="replace")
    number = int.from_bytes(blake2b(key, digest_size=8, person=b"fault").digest())
    if number >= rate * 2**64:
        return None
    return _FAULTS[number % len(_FAULTS)](ask.lead())


def _found(ask: Ask) -> Reply:
    return replies.success(ask.lead())


def _shape(bend: Callable[[Lead], object]) -> Callable[[Ask], Reply]:
    """Bend a lead that has at least two items in each collection, so that there is something to see."""
    return lambda ask: replies.success(bend(ask.lead(least=2)))


def _broken(malform: malformed.Malform) -> Callable[[Ask], Reply]:
    return lambda ask: malform(ask.lead())


def _always(reply: Reply) -> Callable[[Ask], Reply]:
    return lambda _: reply


def _error(code: str, message: str = "") -> Callable[[Ask], Reply]:
    return _always(replies.error(code, message))


def _numbered_error(ask: Ask) -> Reply:
    return replies.error(str(ask.number))


def _other_lead(ask: Ask) -> Reply:
    return replies.success(lead_details("someone.else@example.com", ask.seed))


def _upper_status(ask: Ask) -> Reply:
    return replace(_found(ask), body=replies.php_json({"status": "SUCCESS", "lead_details": ask.lead()}))


def _byte_order_mark(ask: Ask) -> Reply:
    reply = _found(ask)
    return replace(reply, body=codecs.BOM_UTF8 + b"\r\n\r\n" + reply.body)


def _numeric_type(_: Ask) -> Reply:
    body = replies.php_json({"status": "Error", "message": "No lead found", "type": 234})
    return Reply(body, conclusive=True)


def _slow(ask: Ask) -> Reply:
    return replace(_found(ask), delay_ms=ask.number)


def _fails(ask: Ask) -> Reply:
    if ask.attempt > ask.number:
        return _found(ask)
    return _FAULTS[(ask.attempt - 1) % len(_FAULTS)](ask.lead())


_always_500 = malformed.fault_page(500, "500 Internal Server Error")
_http_502 = malformed.fault_page(502, "502 Bad Gateway")

# What fails-N and the switch fault_rate take in turn: a firewall page and eternal silence would need other patience.
_FAULTS: tuple[malformed.Malform, ...] = (
    lambda _: _http_502,
    malformed.cut_off,
    malformed.dropped,
    malformed.php_warning,
    malformed.empty_body,
    malformed.dropped_midway,
    lambda _: _always_500,
)

ORDINARY = Behaviour("anything else", "result", "found: an invented person, always the same one", _found)

_not_found_message = replace(replies.untyped_error("Lead not found"), conclusive=True)
_RESULTS = (
    ("not-found", "error 234, the usual way to say that there is no such lead", _error("234")),
    ("not-found-243", "error 243, the other way to say so", _error("243")),
    ("not-found-message", 'an error without a type, only the message "Lead not found"', _always(_not_found_message)),
    ("numeric-type", "error 234 whose type is a number, not a text", _numeric_type),
    ("deleted", "error 245, the lead is deleted", _error("245")),
    ("soft-deleted", "found, with lead_deleted 1 and a date", _shape(shapes.soft_deleted)),
)
_SHAPES = (
    ("native-numbers", "ids, counts and flags as numbers", _shape(shapes.native_numbers)),
    ("details-as-text", "lead_details is JSON encoded as a text", _shape(shapes.details_as_text)),
    ("keyed-objects", 'collections are objects: {"0": …, "2": …}', _shape(shapes.keyed_objects)),
    ("empty-collections-text", 'collections are ""', _shape(shapes.collections_as(""))),
    ("null-collections", "collections are null", _shape(shapes.collections_as(None))),
    ("false-collections", "collections are false", _shape(shapes.collections_as(False))),
    ("absent-collections", "collections are left out", _shape(shapes.absent_collections)),
    ("bare-tags", "tags are plain texts", _shape(shapes.bare_tags)),
    ("aliases", "membership_name, level, transaction_id, type and date as keys", _shape(shapes.aliases)),
    ("zero-dates", "every date is 0000-00-00 00:00:00", _shape(shapes.zero_dates)),
    ("nulls", "null, false and N/A where there is no value", _shape(shapes.nulls)),
    ("absent-keys", "most scalars and most keys of items are left out", _shape(shapes.absent_keys)),
    ("minimal", "only id and email", _shape(shapes.minimal)),
    ("new-keys", "undocumented keys, plain and nested, on the lead and on its items", _shape(shapes.new_keys)),
    ("wrong-types", "values whose type cannot be read: score many, active maybe", _shape(shapes.wrong_types)),
    ("other-lead", "the lead of another address", _other_lead),
    ("upper-status", 'status is "SUCCESS"', _upper_status),
    ("bom", "a byte order mark and blank lines before the JSON", _byte_order_mark),
    ("bad-utf8", "a byte that is no UTF-8 inside of the JSON", _broken(malformed.bad_utf8)),
)
_TRANSIENT = (
    ("cut-off", "a body that ends inside of the JSON", _broken(malformed.cut_off)),
    ("php-warning", "a PHP warning before the JSON", _broken(malformed.php_warning)),
    ("empty-body", "HTTP 200 with no body", _broken(malformed.empty_body)),
    ("empty-success", "success without lead_details", _broken(malformed.empty_success)),
    ("empty-success-list", "success with lead_details []", _broken(malformed.empty_success_list)),
    ("all-empty", "success where every scalar is empty and no collection is there", _broken(malformed.all_empty)),
    ("not-json-object", "JSON, but a list", _broken(malformed.not_json_object)),
    ("deep-nesting", "JSON nested 100,000 deep", _broken(malformed.deep_nesting)),
    ("always-500", "HTTP 500", _always(_always_500)),
    ("html-502", "HTTP 502 with a proxy's page", _always(_http_502)),
    ("html-403", "HTTP 403 with a firewall's page", _always(malformed.fault_page(403, "403 Forbidden"))),
    ("dropped", "the connection closes without an answer", _broken(malformed.dropped)),
    ("dropped-midway", "the connection closes inside of the body", _broken(malformed.dropped_midway)),
    ("never-answers", "silence until the client leaves", _broken(malformed.never_answers)),
)
_PERMANENT = (
    ("unknown-error", "an error of the undocumented type 987", _error("987", "Something else went wrong")),
    ("oversize", "more than 8 MiB of blanks before the JSON", _broken(malformed.oversize)),
)
_STOP = (
    ("http-401", "HTTP 401", _always(replies.page(401, "401 Unauthorized"))),
    ("http-404", "HTTP 404", _always(replies.page(404, "404 Not Found"))),
    ("redirect", "HTTP 302 to another path, which counts who follows", _broken(malformed.redirect)),
)


def _rows(kind: Kind, rows: tuple[tuple[str, str, Callable[[Ask], Reply]], ...]) -> list[Behaviour]:
    return [Behaviour(name, kind, description, reply) for name, description, reply in rows]


BEHAVIOURS: tuple[Behaviour, ...] = (
    *_rows("result", _RESULTS),
    Behaviour("slow-MS", "result", "found, after MS milliseconds", _slow, range(1, 600_001)),
    *_rows("shape", _SHAPES),
    Behaviour("fails-N", "transient", "N transient faults of changing kinds, then found", _fails, range(1, 100)),
    *_rows("transient", _TRANSIENT),
    *_rows("permanent", _PERMANENT),
    Behaviour(
        "error-TYPE",
        "stop",
        "the documented error TYPE; most of them stop a run (206 is permanent, 234, 243 and 245 are results)",
        _numbered_error,
        frozenset(map(int, replies.ERROR_MESSAGES)),
    ),
    *_rows("stop", _STOP),
)

_NAME_END = re.compile(r"[.+_]")
_PLAIN = {behaviour.name: behaviour for behaviour in BEHAVIOURS if not behaviour.numbers}
_NUMBERED = {behaviour.stem: behaviour for behaviour in BEHAVIOURS if behaviour.numbers}
