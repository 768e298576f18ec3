"""HTTP replies: the `Reply` type, the usual ones, and JSON as PHP encodes it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, TypeAlias

Lead: TypeAlias = dict[str, Any]

# PHP's default content type, which the API does not change.
HTML = "text/html; charset=UTF-8"

ERROR_MESSAGES = {
    "201": "The connection is not secure",
    "202": "API key is empty",
    "203": "API key is invalid",
    "204": "Account is not active",
    "206": "Email is empty",
    "223": "The request is not valid",
    "224": "The request has no data",
    "233": "API password is invalid",
    "234": "No lead found",
    "236": "No command was given",
    "238": "App id is empty",
    "239": "App id is invalid",
    "240": "App account is not active",
    "242": "This IP address is not allowed",
    "243": "Lead not found",
    "245": "Lead is deleted",
    "254": "The command is not known",
    "262": "The App lacks the permission for this command",
    "429": "Too many requests",
}
CONCLUSIVE_ERRORS = frozenset({"234", "243", "245"})


class Delivery(Enum):
    """How much of a reply reaches the client."""

    WHOLE = auto()
    HALF = auto()  # headers and half of the body, then the connection is closed
    DROPPED = auto()  # the connection is closed at once
    NEVER = auto()  # nothing is sent until the client disconnects


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP reply and how it is delivered."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delivery: Delivery = Delivery.WHOLE
    delay_ms: int = 0
    padding: int = 0  # bytes of whitespace streamed before the body
    conclusive: bool = False  # returns the lead or says that there is none, so that no retry is needed
    fault: bool = False  # a failure that a retry may not meet


_encoder = json.JSONEncoder(separators=(",", ":"))


def php_json(value: object) -> bytes:
    r"""Encode as PHP's `json_encode` does: compact, ASCII only, `/` written `\/`."""
    # In JSON, slashes occur only inside strings, so it is safe to replace them all.
    return _encoder.encode(value).replace("/", "\\/").encode("ascii")


def success(details: object) -> Reply:
    """The reply that contains a lead, in whatever shape it is given."""
    return Reply(php_json({"status": "Success", "lead_details": details}), conclusive=True)


def error(code: str, message: str = "") -> Reply:
    """An error reply; documented codes have a default message."""
    body = php_json({"status": "Error", "message": message or ERROR_MESSAGES[code], "type": code})
    return Reply(body, conclusive=code in CONCLUSIVE_ERRORS)


def untyped_error(message: str) -> Reply:
    """An error reply that has a message but no type."""
    return Reply(php_json({"status": "Error", "message": message}))


def page(status: int, title: str, *, headers: Mapping[str, str] | None = None) -> Reply:
    """A short HTML page such as a proxy or firewall sends instead of the API's reply."""
    html = f"<html>\r\n<head><title>{title}</title></head>\r\n<body><h1>{title}</h1></body>\r\n</html>\r\n"
    return Reply(html.encode(), status=status, headers=headers or {})
