"""The object around every reply, `{"status", "message", "type", "lead_details"}`, parsed leniently.

Source: Kartra's inbound API documentation. `lead_details` is documented as a JSON string but is an object in practice;
both are accepted, as are a byte order mark or whitespace before the JSON, invalid UTF-8 and unpaired surrogates.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from pipeline.errors import MalformedReply

if TYPE_CHECKING:
    from collections.abc import Iterable

LEADING = b"\xef\xbb\xbf \t\r\n"
"""Bytes that may come before the JSON: a byte order mark and whitespace."""
_MAX_DEPTH = 100
_MAX_DIGITS = 4300  # of an integer: the limit of both Python and msgspec
_KNOWN_KEYS = ("status", "message", "type", "lead_details")

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Envelope:
    """A reply that is a JSON object with a status; strings are stripped, and "" if absent."""

    status: str
    message: str
    type: str
    details: JsonObject | None
    unknown_keys: JsonObject

    @property
    def succeeded(self) -> bool:
        """Whether the status is Success, ignoring case."""
        return is_success(self.status)


def parse_envelope(body: bytes) -> Envelope:
    """Parse the bytes of a reply.

    Raises:
        MalformedReply: they are empty, truncated, not JSON, or not an object with a status.
    """
    reply = _parse(body.lstrip(LEADING), whole=body)
    if not isinstance(reply, dict) or not isinstance(reply.get("status"), str):
        raise MalformedReply("the reply is JSON but has no status", code="not_an_answer", body=body)
    return Envelope(
        status=reply["status"].strip(),
        message=_as_string(reply.get("message")),
        type=_as_string(reply.get("type")),
        details=_details(reply.get("lead_details"), whole=body) if is_success(reply["status"]) else None,
        unknown_keys={key: value for key, value in reply.items() if key not in _KNOWN_KEYS},
    )


def _details(value: object, *, whole: bytes) -> JsonObject | None:
    """The lead as an object, from an object, a list of one object, or either as a JSON string."""
    if isinstance(value, str):
        stripped = value.encode().lstrip(LEADING)
        value = _parse(stripped, whole=whole) if stripped else None
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, dict) and value else None


def _as_string(value: object) -> str:
    """A message or type, which may be a string or a number; "" for anything else."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def is_success(status: str) -> bool:
    """Whether a reply with this status holds a lead, ignoring case."""
    return status == "Success" or status.strip().casefold() == "success"


def _parse(raw: bytes, *, whole: bytes) -> Any:  # noqa: ANN401 - any JSON
    if not raw:
        raise MalformedReply("the reply is empty", code="empty_body", body=whole)
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        value = _parse_damaged(raw, whole=whole)
    if _is_deep(value):
        raise MalformedReply("the reply is nested too deeply to be from the API", code="not_an_answer", body=whole)
    return value


def _parse_damaged(raw: bytes, *, whole: bytes) -> Any:  # noqa: ANN401 - any JSON
    """JSON that strict parsers reject: invalid UTF-8, unpaired surrogates, non-finite or oversized numbers.

    Invalid bytes become U+FFFD and surrogates `?`; NaN, infinities and oversized numbers become strings.
    """
    try:
        value = json.loads(raw.decode(errors="replace"), parse_constant=str, parse_float=_finite, parse_int=_bounded)
        return msgspec.json.decode(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        cut = raw.startswith((b"{", b"[")) and not raw.rstrip().endswith((b"}", b"]"))
        reason, code = ("is truncated", "cut_off") if cut else ("is not JSON", "not_json")
        raise MalformedReply(f"the reply {reason}", code=code, body=whole) from None


def _finite(digits: str) -> float | str:
    number = float(digits)
    return number if math.isfinite(number) else digits


def _bounded(digits: str) -> int | str:
    return int(digits) if len(digits) <= _MAX_DIGITS else digits


def _is_deep(value: object) -> bool:
    """Whether the nesting exceeds the limit, which is fixed so that no parser depends on the stack that is left."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [inner for outer in level for inner in _children(outer)]
        if not level:
            return False
    return True


def may_be_deep(body: bytes) -> bool:
    """Whether a reply may exceed the nesting limit; one with few brackets cannot."""
    brackets = len(body) - len(body.translate(None, b"{["))  # takes half as long as counting
    return brackets >= _MAX_DEPTH


def _children(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
