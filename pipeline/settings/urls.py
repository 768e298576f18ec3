"""Which URLs settings may hold: secure ones, and of the API's nothing but scheme, host, port and path."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from urllib.parse import SplitResult

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")
TEMPLATE_NAMES = ("exit_code", "run_id", "message", "attempt_id")
"""What the URL of a ping may hold in braces."""
PLACEHOLDERS = f"{', '.join(f'{{{name}}}' for name in TEMPLATE_NAMES[:-1])} and {{{TEMPLATE_NAMES[-1]}}}"
_BRACES = re.compile(r"\{([^{}]*)\}")


def api_url(url: str) -> str:
    """The URL of the API, checked.

    Raises:
        ValueError: it holds more than an address, or is not secure.
    """
    parts = _split(url)
    if parts.username or parts.password or parts.query or parts.fragment or not _has_usable_port(parts):
        raise ValueError("may contain only scheme, host, port and path")
    _check_secure(parts)
    return url


def monitoring_url(url: str, *, is_template: bool) -> str:
    """The URL of a ping or a notification, checked; empty if there is none.

    Raises:
        ValueError: it is not secure, or holds braces that mean nothing. The message does not show it.
    """
    if url:
        unknown = [name for name in _BRACES.findall(url) if name not in TEMPLATE_NAMES]
        if is_template and unknown:
            raise ValueError(f"may hold only {PLACEHOLDERS} in braces")
        parts = _split(url)
        if not _has_usable_port(parts):
            raise ValueError("has an impossible port")
        _check_secure(parts)
    return url


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise ValueError("is not a URL") from None


def _check_secure(parts: SplitResult) -> None:
    is_local = parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS
    if not is_local and not (parts.scheme == "https" and parts.hostname):
        raise ValueError("must start with https:// (http:// is allowed on loopback only)")


def _has_usable_port(parts: SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:
        return False
