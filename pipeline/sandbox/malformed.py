"""Replies that are no answer: pages of proxies, broken bodies, closed connections, and HTTP that must stop a client."""

from collections.abc import Callable
from dataclasses import replace

from pipeline.sandbox import shapes
from pipeline.sandbox.replies import Delivery, Lead, Reply, page, php_json, success

OVERSIZE_BYTES = 9 * 1024 * 1024
NESTING = 100_000
MOVED_PATH = "/moved/api"

Malform = Callable[[Lead], Reply]  # takes the lead that a healthy reply would carry

_WARNING = b"<br />\n<b>Warning</b>:  Undefined array key 3 in <b>/srv/www/api.php</b> on line <b>12</b><br />\n"


def fault(body: bytes, *, delivery: Delivery = Delivery.WHOLE) -> Reply:
    """Return a transient fault with HTTP 200."""
    return Reply(body, delivery=delivery, fault=True)


def fault_page(status: int, title: str) -> Reply:
    """Return a transient fault that a proxy or firewall explains in HTML."""
    return replace(page(status, title), fault=True)


def cut_off(lead: Lead) -> Reply:
    """End the body too early, although its length is announced so."""
    body = success(lead).body
    return fault(body[: len(body) * 3 // 5])


def php_warning(lead: Lead) -> Reply:
    """Print a PHP warning before the JSON."""
    return fault(_WARNING + success(lead).body)


def dropped(_: Lead) -> Reply:
    """Close the connection without a word."""
    return fault(b"", delivery=Delivery.DROPPED)


def dropped_midway(lead: Lead) -> Reply:
    """Close the connection inside of the body."""
    return fault(success(lead).body, delivery=Delivery.HALF)


def never_answers(_: Lead) -> Reply:
    """Keep the client waiting."""
    return fault(b"", delivery=Delivery.NEVER)


def empty_body(_: Lead) -> Reply:
    """Answer 200 with nothing."""
    return fault(b"")


def empty_success(_: Lead) -> Reply:
    """Claim success without a lead."""
    return fault(php_json({"status": "Success"}))


def empty_success_list(_: Lead) -> Reply:
    """Claim success with an empty list for a lead."""
    return fault(php_json({"status": "Success", "lead_details": []}))


def all_empty(lead: Lead) -> Reply:
    """Claim success about nobody: every scalar is empty, no collection is there."""
    return fault(success(shapes.all_empty(lead)).body)


def not_json_object(lead: Lead) -> Reply:
    """Send JSON, but a list."""
    return fault(php_json(["Success", lead["id"]]))


def bad_utf8(lead: Lead) -> Reply:
    """Put a byte that is no UTF-8 into the JSON, as a Latin-1 name would."""
    reply = success(lead | {"first_name": "Zoe"})
    return replace(reply, body=reply.body.replace(b'"Zoe"', b'"Zo\xeb"'))


def deep_nesting(_: Lead) -> Reply:
    """Nest deeper than recursive parsers go."""
    return fault(b'{"status":"Success","lead_details":' + b"[" * NESTING + b"]" * NESTING + b"}")


def oversize(lead: Lead) -> Reply:
    """Send more than anybody should read into memory."""
    return replace(success(lead), blanks=OVERSIZE_BYTES, conclusive=False)


def redirect(_: Lead) -> Reply:
    """Point to another path, where a client must not take its credentials."""
    return page(302, "302 Found", headers={"Location": MOVED_PATH})
