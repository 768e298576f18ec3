"""Replies that are not answers: error pages, broken bodies, closed connections, and redirects."""

from collections.abc import Callable
from dataclasses import replace

from pipeline.sandbox import shapes
from pipeline.sandbox.replies import Delivery, Lead, Reply, page, php_json, success

OVERSIZE_BYTES = 9 * 1024 * 1024
NESTING = 100_000
MOVED_PATH = "/moved/api"

Fault = Callable[[Lead], Reply]  # takes the lead that a normal reply would contain

_WARNING = b"<br />\n<b>Warning</b>:  Undefined array key 3 in <b>/srv/www/api.php</b> on line <b>12</b><br />\n"


def fault(body: bytes, *, delivery: Delivery = Delivery.WHOLE) -> Reply:
    """A transient fault with HTTP 200."""
    return Reply(body, delivery=delivery, fault=True)


def fault_page(status: int, title: str) -> Reply:
    """A transient fault that a proxy or firewall explains in HTML."""
    return replace(page(status, title), fault=True)


def cut_off(lead: Lead) -> Reply:
    """Truncate the body; the declared length is that of the truncated body."""
    body = success(lead).body
    return fault(body[: len(body) * 3 // 5])


def php_warning(lead: Lead) -> Reply:
    """Print a PHP warning before the JSON."""
    return fault(_WARNING + success(lead).body)


def dropped(_: Lead) -> Reply:
    """Close the connection without a reply."""
    return fault(b"", delivery=Delivery.DROPPED)


def dropped_midway(lead: Lead) -> Reply:
    """Close the connection in the middle of the body."""
    return fault(success(lead).body, delivery=Delivery.HALF)


def never_answers(_: Lead) -> Reply:
    """Never reply."""
    return fault(b"", delivery=Delivery.NEVER)


def empty_body(_: Lead) -> Reply:
    """Reply with HTTP 200 and no body."""
    return fault(b"")


def empty_success(_: Lead) -> Reply:
    """Report success without a lead."""
    return fault(php_json({"status": "Success"}))


def empty_success_list(_: Lead) -> Reply:
    """Report success with an empty list as the lead."""
    return fault(php_json({"status": "Success", "lead_details": []}))


def all_empty(lead: Lead) -> Reply:
    """Report success with a lead whose scalars are all empty and that has no collections."""
    return fault(success(shapes.all_empty(lead)).body)


def not_json_object(lead: Lead) -> Reply:
    """Send a JSON list instead of an object."""
    return fault(php_json(["Success", lead["id"]]))


def bad_utf8(lead: Lead) -> Reply:
    """Put a Latin-1 character into the JSON, which is not valid UTF-8."""
    reply = success(lead | {"first_name": "Zoe"})
    return replace(reply, body=reply.body.replace(b'"Zoe"', b'"Zo\xeb"'))


def deep_nesting(_: Lead) -> Reply:
    """Nest more deeply than recursive parsers can handle."""
    return fault(b'{"status":"Success","lead_details":' + b"[" * NESTING + b"]" * NESTING + b"}")


def oversize(lead: Lead) -> Reply:
    """Send more than a client should read into memory."""
    return replace(success(lead), padding=OVERSIZE_BYTES, conclusive=False)


def redirect(_: Lead) -> Reply:
    """Redirect to another path, to which a client must not send its credentials."""
    return page(302, "302 Found", headers={"Location": MOVED_PATH})
