"""The exact sentences about calls that users see most."""

from __future__ import annotations

import aiohttp
import pytest

from pipeline.calls.kartra import judge
from pipeline.calls.network import choose_proxy
from pipeline.calls.refusals import FAILED_IN_A_ROW, Refusals
from pipeline.calls.retry import Lookup, RetryPolicy
from pipeline.calls.transport import translate
from pipeline.errors import LeadExportError, ReplyTooLarge, UnknownApiError
from pipeline.outcomes import Address
from pipeline.settings import Settings

EMAIL = "ann@example.com"


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (200, b'{"status":"Error","type":"203"}', "the API key is wrong (KARTRA_API_KEY) (type 203)"),
        (200, b'{"status":"Error","type":"233"}', "the API password is wrong (KARTRA_API_PASSWORD) (type 233)"),
        (200, b'{"status":"Error","type":"239"}', "the App id is wrong (KARTRA_APP_ID) (type 239)"),
        (200, b'{"status":"Error","type":"242"}', "this machine's IP address is not allowed for the App (type 242)"),
        (200, b'{"status":"Error","type":"987","message":"Oops"}', "undocumented API error: Oops"),
        (302, b"", "the server redirects elsewhere; check api_url (HTTP 302)"),
        (403, b"", "access was refused, probably by a firewall (HTTP 403)"),
        (404, b"", "there is no API at this URL; check api_url (HTTP 404)"),
        (418, b"", "unexpected HTTP status 418"),
        (429, b"", "too many requests (HTTP 429)"),
        (503, b"", "the server failed (HTTP 503)"),
    ],
)
def test_replies(status: int, body: bytes, sentence: str) -> None:
    """What a reply means."""
    with pytest.raises(LeadExportError) as caught:
        judge(status, body, email=EMAIL)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (
            aiohttp.ClientConnectorCertificateError,
            (
                "the server's certificate is not trusted; check api_url and this machine's clock, and if your network"
                " inspects TLS, name its certificate authority in ca_file or SSL_CERT_FILE"
            ),
        ),
        (aiohttp.ClientProxyConnectionError, "no connection to the proxy http://proxy:3128"),
        (aiohttp.ConnectionTimeoutError, "no connection within the time limit"),
        (TimeoutError, "no complete reply within the time limit"),
        (aiohttp.ServerDisconnectedError, "the server closed the connection"),
        (aiohttp.ClientConnectorError, "no connection to the proxy http://proxy:3128"),
    ],
)
def test_network_errors(kind: type[Exception], sentence: str) -> None:
    """What went wrong on the way to the API."""
    assert str(translate(kind.__new__(kind), "http://proxy:3128")) == sentence


@pytest.mark.parametrize(
    ("proxy", "sentence"),
    [
        (
            "socks5://proxy:1080",
            "proxy: socks5:// proxies are not supported; use the URL of an HTTP proxy (http://…).",
        ),
        ("http://", "proxy: not the URL of a proxy; use one such as http://proxy.example.com:3128."),
    ],
)
def test_proxies(proxy: str, sentence: str) -> None:
    """Why a proxy cannot be used."""
    with pytest.raises(LeadExportError) as caught:
        choose_proxy(Settings.load({"proxy": proxy}, environ={}), {})
    assert str(caught.value) == sentence


def test_addresses_that_are_refused_alone() -> None:
    """Why a single address failed although the API answers, and why one failed that got somebody else's lead."""
    lookup = Lookup(Address(1, EMAIL))
    with pytest.raises(LeadExportError) as caught:
        judge(302, b"", email=EMAIL)
    assert lookup.refusal(caught.value).message == (
        "the API answers for other addresses, but for this one:"
        " the server redirects elsewhere; check api_url (HTTP 302)"
    )
    with pytest.raises(LeadExportError) as caught:
        judge(200, b'{"status":"Success","lead_details":{"id":"1","email":"bob@example.com"}}', email=EMAIL)
    assert str(caught.value) == "the reply holds the lead of another address"


def test_patience() -> None:
    """Why a run stopped after nothing but 429s."""
    with pytest.raises(LeadExportError) as caught:
        RetryPolicy(5, 0.5, 30.0, 900.0).check_patience(0.0, 901.0)
    assert str(caught.value) == (
        "The API has answered every call with 429 Too Many Requests for 900 seconds; is another program using this App?"
    )


def test_failing_everybody() -> None:
    """Why a run stopped because addresses failed that should not."""
    refusals = Refusals(RetryPolicy(5, 0.5, 30.0, 900.0))
    refusals.holds_back(Lookup(Address(1, EMAIL)), ReplyTooLarge("too long"))
    with pytest.raises(LeadExportError) as caught:
        refusals.probe_failed(ReplyTooLarge("the reply is longer than 8,388,608 bytes"))
    assert str(caught.value) == (
        "The API has answered for no address, not even for one that cannot exist:"
        " the reply is longer than 8,388,608 bytes; check api_url."
    )
    oops = UnknownApiError("undocumented API error: Oops", code="987")
    reasons = [refusals.failed(oops) for _ in range(FAILED_IN_A_ROW)]
    assert str(next(filter(None, reasons))) == (
        "The API has failed 25 addresses in a row: undocumented API error: Oops (type 987)."
    )
