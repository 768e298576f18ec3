"""The wrapping of every reply: `{"status", "message", "type", "lead_details"}`, read leniently.

Source: Kartra's inbound API documentation. `lead_details` is documented as JSON text and seen as an object: both are
taken. A byte order mark or blanks before the JSON, invalid UTF-8 and halves of characters inside it are put right.
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

_LEADING = b"\xef\xbb\xbf \t\r\n"
_MAX_DEPTH = 100
_MAX_DIGITS = 4300  # of an integer, as Python and msgspec set it
_KNOWN = ("status", "message", "type", "lead_details")

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Envelope:
    """A reply that is a JSON object with a status; every text is stripped, "" where there was none."""

    status: str
    message: str
    type: str
    details: JsonObject | None
    others: JsonObject

    @property
    def succeeded(self) -> bool:
        """Whether the status says Success, in any case."""
        return _is_success(self.status)


def open_envelope(body: bytes) -> Envelope:
    """Read any bytes as an envelope.

    Raises:
        MalformedReply: empty, cut off, not JSON, or no object with a status.
    """
    reply = _parse(body.lstrip(_LEADING), whole=body)
    if not isinstance(reply, dict) or not isinstance(reply.get("status"), str):
        raise MalformedReply("the reply is JSON, but not an answer", code="not_an_answer", body=body)
    return Envelope(
        status=reply["status"].strip(),
        message=_word(reply.get("message")),
        type=_word(reply.get("type")),
        details=_details(reply.get("lead_details"), whole=body) if _is_success(reply["status"]) else None,
        others={key: value for key, value in reply.items() if key not in _KNOWN},
    )


def _details(value: object, *, whole: bytes) -> JsonObject | None:
    """The lead as an object: from JSON text, from an object, or from a list of one."""
    if isinstance(value, str):
        stripped = value.encode().lstrip(_LEADING)
        value = _parse(stripped, whole=whole) if stripped else None
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, dict) and value else None


def _word(value: object) -> str:
    """A message or type: text, or a native number."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _is_success(status: str) -> bool:
    return status.strip().casefold() == "success"


def _parse(text: bytes, *, whole: bytes) -> Any:  # noqa: ANN401 - any JSON
    if not text:
        raise MalformedReply("the reply is empty", code="empty_body", body=whole)
    try:
        value = msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        value = _parse_damaged(text, whole=whole)
    if _is_deep(value):
        raise MalformedReply("the reply is nested too deeply for an answer", code="not_an_answer", body=whole)
    return value


def _parse_damaged(text: bytes, *, whole: bytes) -> Any:  # noqa: ANN401 - any JSON
    """JSON that strict readers refuse: bytes that are no UTF-8, halves of characters, numbers beyond all measure.

    Bytes become U+FFFD, halves of characters `?`; NaN, infinities and numbers too large to compute with become texts.
    """
    try:
        value = json.loads(text.decode(errors="replace"), parse_constant=str, parse_float=_finite, parse_int=_bounded)
        return msgspec.json.decode(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        cut = text.startswith((b"{", b"[")) and not text.rstrip().endswith((b"}", b"]"))
        reason, code = ("breaks off in the middle", "cut_off") if cut else ("is not JSON", "not_json")
        raise MalformedReply(f"the reply {reason}", code=code, body=whole) from None


def _finite(digits: str) -> float | str:
    number = float(digits)
    return number if math.isfinite(number) else digits


def _bounded(digits: str) -> int | str:
    return int(digits) if len(digits) <= _MAX_DIGITS else digits


def _is_deep(value: object) -> bool:
    """Whether anything lies further down than answers go; with a fixed bound, no reader depends on its stack."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return False
    return True


def may_be_deep(body: bytes) -> bool:
    """Whether anything in a reply could lie further down than answers go; one with few brackets cannot be deep."""
    brackets = len(body) - len(body.translate(None, b"{["))  # in half the time that counting takes
    return brackets >= _MAX_DEPTH


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
