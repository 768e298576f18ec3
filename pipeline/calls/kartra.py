"""Kartra's API, without any network: the request of one call, and the meaning of a reply.

Source: Kartra's inbound API documentation and code in live use. Every reply, errors included, is documented as HTTP
200, so the body decides before the status does.
"""

from __future__ import annotations

import html
import math
import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import quote_plus, urlencode

from pipeline.errors import (
    AddressRefused,
    CredentialsRefused,
    EmailMismatch,
    FirewallPage,
    GiveUp,
    InternalError,
    LeadExportError,
    MalformedReply,
    PermissionRefused,
    ServerTrouble,
    Throttled,
    UnknownApiError,
    WrongEndpoint,
)
from pipeline.outcomes import Answer, Outcome
from pipeline.replies.read import FoundLead, LeadIdentity, peek_identity, read_leniently
from pipeline.settings import CREDENTIAL_VARIABLES

if TYPE_CHECKING:
    from pipeline.replies.envelope import Envelope
    from pipeline.settings import Settings


_QUOTED = re.compile(r"([\"'`]).*\1|[\u201c\u201e\u2018\u201a].*[\u201c\u201d\u2018\u2019]", re.DOTALL)
"""Straight ones, backticks, and those that word processors and chats put in their place."""
_SIMPLE_ADDRESS = re.compile(r"[A-Za-z0-9_.~@-]*")
"""Nearly every address: only its @ needs quoting, which is several times faster than `quote_plus`."""


def request_prefix(settings: Settings) -> bytes:
    """The part of a request's body that is the same for every address: the credentials, in PHP's form encoding.

    Bytes of the environment that are not valid UTF-8 are sent unchanged.
    """
    secrets = {
        "app_id": settings.app_id,
        "api_key": settings.api_key,
        "api_password": settings.api_password,
    }
    pairs = [(key, secret.get_secret_value()) for key, secret in secrets.items()]
    return f"{urlencode(pairs, errors='surrogateescape')}&get_lead%5Bemail%5D=".encode("ascii")


def quoted_credentials(settings: Settings) -> list[str]:
    """Variables of credentials that begin and end with quotation marks, and so were probably copied with them."""
    return [
        variable
        for key, variable in CREDENTIAL_VARIABLES.items()
        if _QUOTED.fullmatch(getattr(settings, key).get_secret_value())
    ]


def request_body(prefix: bytes, email: str) -> bytes:
    """The body of the call for `email`, in UTF-8; a plus sign becomes %2B."""
    is_simple = _SIMPLE_ADDRESS.fullmatch(email)
    quoted = email.replace("@", "%40") if is_simple else quote_plus(email, errors="replace")
    return prefix + quoted.encode("ascii")


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of the table of replies: which ones it matches, and what they mean.

    A rule matches by the envelope's `type`, by a phrase in its `message`, or by its HTTP status (a range).

    Attributes:
        verdict: the outcome of the address, or the error to raise.
        meaning: the message for a person.
        code: the code to report, if not the `type` or status itself.
    """

    verdict: Outcome | type[LeadExportError]
    meaning: str
    types: frozenset[str] = frozenset()
    phrases: tuple[str, ...] = ()
    statuses: tuple[int, int] | None = None
    code: str | None = None

    def matches(self, status: int, envelope: Envelope | None) -> bool:
        """Whether the rule is about this reply."""
        if self.statuses is not None:
            return self.statuses[0] <= status <= self.statuses[1]
        if envelope is None:
            return False
        message = envelope.message.casefold()
        return envelope.type in self.types or any(phrase in message for phrase in self.phrases)


def _types(*types: int) -> frozenset[str]:
    return frozenset(map(str, types))


RULES: tuple[Rule, ...] = (
    # What the body says.
    Rule(Outcome.NOT_FOUND, "the API has no such lead", _types(234, 243)),
    Rule(Outcome.DELETED, "the lead was deleted", _types(245)),
    Rule(AddressRefused, "the API considers the address empty", _types(206)),
    Rule(Throttled, "too many requests", _types(429), code="429"),
    Rule(WrongEndpoint, "the API considers the connection insecure; check api_url", _types(201)),
    Rule(CredentialsRefused, "the API key is empty (KARTRA_API_KEY)", _types(202)),
    Rule(CredentialsRefused, "the API key is wrong (KARTRA_API_KEY)", _types(203)),
    Rule(CredentialsRefused, "the API password is wrong (KARTRA_API_PASSWORD)", _types(233)),
    Rule(CredentialsRefused, "the account behind the API key is inactive (KARTRA_API_KEY)", _types(204)),
    Rule(CredentialsRefused, "the App id is empty (KARTRA_APP_ID)", _types(238)),
    Rule(CredentialsRefused, "the App id is wrong (KARTRA_APP_ID)", _types(239)),
    Rule(CredentialsRefused, "the account of the App is inactive (KARTRA_APP_ID)", _types(240)),
    Rule(PermissionRefused, "this machine's IP address is not allowed for the App", _types(242)),
    Rule(PermissionRefused, "the App lacks the permission to read leads", _types(262)),
    Rule(InternalError, "the API considers the request malformed; please report this", _types(236, 223, 224, 254)),
    Rule(
        Outcome.NOT_FOUND,
        "the API has no such lead",
        phrases=("no lead found", "lead not found"),
    ),
    Rule(Throttled, "too many requests", phrases=("too many requests",), code="429"),
    # What only the HTTP status says.
    Rule(Throttled, "too many requests", statuses=(429, 429), code="429"),
    Rule(ServerTrouble, "the server timed out", statuses=(408, 408)),
    Rule(ServerTrouble, "the server failed", statuses=(500, 599)),
    Rule(FirewallPage, "access was refused, probably by a firewall", statuses=(403, 403)),
    Rule(WrongEndpoint, "the server requires another login; check api_url", statuses=(401, 401)),
    Rule(WrongEndpoint, "there is no API at this URL; check api_url", statuses=(404, 404)),
    Rule(WrongEndpoint, "the server redirects elsewhere; check api_url", statuses=(300, 399)),
)
"""What a reply means; the first match counts. Any other reply is an undocumented error, which fails its address."""

_MISMATCH = "the reply holds the lead of another address"
_WHITESPACE = re.compile(r"\s+")
_SECONDS = re.compile(r"[0-9]+(\.[0-9]*)?")
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,32}")


def refuses_the_app(code: str | None) -> bool:
    """Whether an error with this code is about credentials or permissions."""
    refusals = (CredentialsRefused, PermissionRefused)
    return any(code in rule.types for rule in RULES if rule.verdict in refusals)


def judge(status: int, body: bytes, *, email: str, accept_mismatch: bool = False) -> Answer:
    """What the reply `body` with HTTP `status` says about the address `email`: found, not found or deleted.

    With `accept_mismatch` the lead of another address counts as found, too, with a code that says so.

    Raises:
        LeadExportError: none of these; the class tells what to do next, `code` is the API's error type.
    """
    lead = peek_identity(body)
    if lead is not None:
        return _found(lead, body, email, accept_mismatch=accept_mismatch)
    reply: FoundLead | Envelope | None = None
    malformed: MalformedReply | None = None
    try:
        reply = read_leniently(body)
    except MalformedReply as error:
        malformed = error
    if isinstance(reply, FoundLead):
        return _found(LeadIdentity(reply.lead.id, reply.lead.email), body, email, accept_mismatch=accept_mismatch)
    for rule in RULES:
        if rule.matches(status, reply):
            return _apply(rule, status, reply, body, email)
    if malformed is not None and 200 <= status <= 299:
        raise malformed
    raise _unknown(status, reply, body)


def _found(lead: LeadIdentity, body: bytes, email: str, *, accept_mismatch: bool) -> Answer:
    if not lead.email or lead.email == email or _folded(lead.email) == _folded(email):
        return Answer(email, Outcome.FOUND, lead_id=lead.id or None, body=body)
    if not accept_mismatch:
        raise EmailMismatch(_MISMATCH, body=body)
    return Answer(email, Outcome.FOUND, code=EmailMismatch.code, message=_MISMATCH, lead_id=lead.id or None, body=body)


def _folded(email: str) -> str:
    """The form in which spellings of one address are equal: a server may have escaped it, or encoded its domain."""
    text = unicodedata.normalize("NFC", html.unescape(email).lower())
    text = "".join(character for character in text if not _is_invisible(character))
    local, at, domain = text.rpartition("@")
    return local + at + ".".join(map(_decoded_label, domain.split(".")))


def _is_invisible(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) in ("Cf", "Cc")


def _decoded_label(label: str) -> str:
    """A part of a domain in Unicode; the A-label of RFC 5890 is decoded, not mapped, so that `ß` remains `ß`."""
    try:
        return label.removeprefix("xn--").encode("ascii").decode("punycode") if label.startswith("xn--") else label
    except (UnicodeError, ValueError):
        return label


def _apply(rule: Rule, status: int, reply: Envelope | None, body: bytes, email: str) -> Answer:
    by_status = rule.statuses is not None or reply is None
    code = rule.code or (f"http_{status}" if by_status else reply.type if reply else None) or None
    if isinstance(rule.verdict, Outcome):
        return Answer(email, rule.verdict, code=code, message=rule.meaning, body=body)
    detail = f" (HTTP {status})" if by_status else f" (type {code})"
    raise rule.verdict(f"{rule.meaning}{detail}", code=code, body=body)


def _unknown(status: int, reply: Envelope | None, body: bytes) -> GiveUp:
    if reply is None:
        return UnknownApiError(f"unexpected HTTP status {status}", code=f"http_{status}", body=body)
    # A code goes into logs, so it must look like one; a string that could be anything stays in the message.
    code = reply.type if _CODE.fullmatch(reply.type) else "unknown"
    said = _WHITESPACE.sub(" ", " ".join((*([] if code == reply.type else [reply.type]), reply.message))).strip()[:200]
    return UnknownApiError(f"undocumented API error: {said or 'no message'}", code=code, body=body)


def retry_after_s(header: str | None, *, now: float) -> float | None:
    """Seconds to wait according to a `Retry-After` header, which holds a number or a date (RFC 9110, 10.2.3).

    Decimals, which some servers send although the standard has whole seconds only, are rounded up.

    Args:
        header: the header's value, if there was one.
        now: seconds since 1970 UTC.
    """
    if header is None:
        return None
    value = header.strip()
    if _SECONDS.fullmatch(value):
        return float(math.ceil(float(value[:9])))
    try:
        moment = parsedate_to_datetime(value)
        # A date without a zone means UTC too; Python would take it as local time.
        return max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, OverflowError):
        return None
