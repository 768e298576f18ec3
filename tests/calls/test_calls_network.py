"""The way to the API: proxies from settings and environment, and the certificate authorities that are trusted."""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import trustme
from calls_proxy import proxying, tls_front
from calls_wire import http, settings, wire

from pipeline.calls.network import Proxy, choose_proxy, trusted_authorities
from pipeline.calls.transport import Endpoint
from pipeline.errors import ApiUnavailable, LeadExportError, Unreachable, UsageError, WrongEndpoint
from pipeline.sandbox.options import SandboxOptions
from pipeline.sandbox.process import running

if TYPE_CHECKING:
    from pathlib import Path

BODY = b'{"status":"Success"}'
HOST = "api.example.com"
URL = f"https://{HOST}/api"
SECRET = "pr0xy-pass"
SANDBOX = SandboxOptions(limit_per_s=0)
CREDENTIALS = {f"KARTRA_{name.upper()}": getattr(SANDBOX, name) for name in ("app_id", "api_key", "api_password")}


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Signs the certificates of these tests."""
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The authority's own certificate."""
    path = tmp_path_factory.mktemp("ca") / "authority.pem"
    authority.cert_pem.write_to_path(path)
    return path


def server_tls(authority: trustme.CA, name: str = HOST) -> ssl.SSLContext:
    """A server's end of TLS, with a certificate for `name`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def port_of(url: str) -> int:
    """The port in a URL."""
    return urlsplit(url).port or 443


async def post(url: str, times: int = 1, **changes: Any) -> list[bytes]:
    """The bodies of the replies to calls made one after the other, through the proxy that the settings choose."""
    chosen = settings(url, **{"connect_timeout_s": 10, "read_timeout_s": 10, **changes})
    endpoint = Endpoint(chosen, choose_proxy(chosen))
    try:
        return [(await endpoint.post(b"a=1")).body for _ in range(times)]
    finally:
        await endpoint.close()


async def failure(url: str, **changes: Any) -> LeadExportError:
    """The error of one call."""
    with pytest.raises(LeadExportError) as caught:
        await post(url, **changes)
    return caught.value


# Which proxy.


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://one:3128"}, Proxy("http://one:3128", "HTTPS_PROXY")),
        ({"https_proxy": "http://two:3128", "HTTPS_PROXY": "http://one"}, Proxy("http://two:3128", "https_proxy")),
        ({"ALL_PROXY": "three:8080", "HTTP_PROXY": "http://no"}, Proxy("http://three:8080", "ALL_PROXY")),
        ({"HTTPS_PROXY": " "}, None),
        ({"HTTP_PROXY": "http://one:3128"}, None),
        *(
            ({"HTTPS_PROXY": "http://one", "NO_PROXY": listed}, None)
            for listed in ("*", HOST, "a.org, EXAMPLE.com", ".example.com", "*.example.com", f"{HOST}:443")
        ),
        *(
            ({"HTTPS_PROXY": "http://one", "no_proxy": listed}, Proxy("http://one", "HTTPS_PROXY"))
            for listed in ("", "ample.com", f"{HOST}:8443", "other.example.com", "[::1]:443,::1", ",")
        ),
    ],
    ids=str,
)
def test_proxy_comes_from_the_environment(environ: dict[str, str], expected: Proxy | None) -> None:
    """HTTPS_PROXY, then ALL_PROXY, lower case first; NO_PROXY exempts hosts and domains, with or without a port."""
    assert choose_proxy(settings(URL), environ) == expected


def test_proxy_setting_comes_first() -> None:
    """The setting is stronger than the environment, NO_PROXY included."""
    environ = {"HTTPS_PROXY": "http://one:3128", "NO_PROXY": "*"}
    assert choose_proxy(settings(URL, proxy="http://mine:1"), environ) == Proxy("http://mine:1", "proxy")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/api", "http://localhost:1/api", "https://localhost/api"])
def test_loopback_is_proxied_only_if_the_setting_says_so(url: str) -> None:
    """An API on this machine is never reached through a proxy from the environment."""
    assert choose_proxy(settings(url), {"HTTPS_PROXY": "http://one", "HTTP_PROXY": "http://one"}) is None
    assert choose_proxy(settings(url, proxy="http://one"), {}) == Proxy("http://one", "proxy")


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        (f"socks5://user:{SECRET}@proxy:1080", "socks5://"),
        (f"user:{SECRET}://proxy", "proxy"),
        (f"http://user:{SECRET}@", "proxy"),
        (f"http://user:{SECRET}@proxy:0", "proxy"),
        (f"http://user:{SECRET}@proxy:port", "proxy"),
        ("not a url", "proxy"),
        (f"http://user:{SECRET}@pro xy:3128", "proxy"),
        ("http://proxy.example.com,proxy.example.net:3128", "proxy"),
        ("http://<proxy>:3128", "proxy"),
    ],
)
def test_what_is_not_an_http_proxy_is_wrong_usage(text: str, fact: str) -> None:
    """The error says where it was configured, and shows neither user nor password."""
    for proxy, environ, origin in ((text, {}, "proxy"), ("", {"ALL_PROXY": text}, "ALL_PROXY")):
        with pytest.raises(UsageError) as caught:
            choose_proxy(settings(URL, proxy=proxy), environ)
        assert str(caught.value).startswith(origin)
        assert fact in str(caught.value)
        assert SECRET not in str(caught.value)


@pytest.mark.parametrize("host", ["proxy", "my_proxy.example.com", "192.0.2.1", "[2001:db8::1]", "прокси.example.com"])
def test_hosts_of_proxies(host: str) -> None:
    """Whatever can be the name or the address of a machine."""
    assert choose_proxy(settings(URL, proxy=f"http://{host}:3128"), {}) == Proxy(f"http://{host}:3128", "proxy")


@pytest.mark.parametrize("proxy", ["http://no-such-proxy.invalid:3128", "http://127.0.0.1:1"])
async def test_a_proxy_that_cannot_be_reached_is_blamed(proxy: str) -> None:
    """Its name does not resolve, or nobody listens there: the error names the proxy, not the server."""
    error = await failure(URL, proxy=proxy)
    assert isinstance(error, Unreachable)
    assert (proxy in str(error), "server" in str(error), error.sent) == (True, False, False)


def test_proxy_is_shown_without_its_credentials() -> None:
    """Neither its address nor its representation holds the password, which the settings hide as well."""
    chosen = settings(URL, proxy=f"http://user:{SECRET}@proxy.example.com:3128")
    proxy = choose_proxy(chosen, {})
    assert proxy is not None
    assert proxy.address == "http://proxy.example.com:3128"
    assert SECRET not in repr(proxy) + repr(chosen) + str(chosen.public())


# Calls through a proxy.


async def test_calls_go_through_a_tunnel(authority: trustme.CA, ca_file: Path) -> None:
    """The proxy gets its credentials and the API's name, and nothing of the call, which is encrypted end to end."""
    async with wire(http(BODY), tls=server_tls(authority)) as server:
        port = port_of(server.url)
        async with proxying(port, credentials=f"user:{SECRET}") as proxy:
            address = f"http://user:{SECRET}@{proxy.address}"
            assert await post(URL, 3, proxy=address, ca_file=ca_file) == [BODY] * 3
        assert proxy.targets == [f"{HOST}:443"]
        assert "Proxy-Authorization" not in server.requests[0].headers


async def test_environment_chooses_the_proxy(
    authority: trustme.CA, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTPS_PROXY is used; with the host in NO_PROXY the call goes out directly, where this host does not exist."""
    async with wire(http(BODY), tls=server_tls(authority)) as server:
        async with proxying(port_of(server.url)) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.address}")
            assert await post(URL, ca_file=ca_file) == [BODY]
            monkeypatch.setenv("NO_PROXY", "example.com")
            error = await failure(URL, ca_file=ca_file, connect_timeout_s=2)
        assert (error.sent, error.code in ("connect", "connect_timeout")) == (False, True)
        assert proxy.targets == [f"{HOST}:443"]


async def test_plain_calls_on_this_machine_go_through_a_proxy_too() -> None:
    """Where the setting says so, the proxy gets the whole URL."""
    async with wire(http(BODY)) as server, proxying(credentials=f"user:{SECRET}") as proxy:
        assert await post(server.url, proxy=f"http://user:{SECRET}@{proxy.address}") == [BODY]
    assert proxy.targets == [server.url]


@pytest.mark.parametrize("url", [URL, "http://127.0.0.1:1/api"])
async def test_proxy_that_requires_other_credentials_stops_the_run(url: str) -> None:
    """No waiting changes that: exit 5 after one request, with the proxy's host and no password in the message."""
    async with proxying(credentials="user:other") as proxy:
        error = await failure(url, proxy=f"http://user:{SECRET}@{proxy.address}")
        assert len(proxy.targets) == 1
    assert isinstance(error, ApiUnavailable)
    assert (error.code, error.exit_code) == ("proxy", 5)
    assert proxy.address in str(error)
    assert SECRET not in str(error)


@pytest.mark.parametrize("status", ["403 Forbidden", "502 Bad Gateway"])
async def test_proxy_that_refuses_a_tunnel_may_recover(status: str) -> None:
    """The request has not left, and the message names the proxy and its status."""
    async with proxying(status=status) as proxy:
        error = await failure(URL, proxy=f"http://user:{SECRET}@{proxy.address}")
    assert isinstance(error, Unreachable)
    assert (error.code, error.sent) == ("proxy", False)
    assert all(fact in str(error) for fact in (proxy.address, status[:3]))
    assert SECRET not in str(error)


async def test_proxy_that_is_not_there_may_come_back() -> None:
    """The message names the proxy, not the API."""
    async with proxying() as proxy:
        pass
    error = await failure(URL, proxy=f"http://user:{SECRET}@{proxy.address}")
    assert isinstance(error, Unreachable)
    assert (error.code, error.sent) == ("proxy", False)
    assert proxy.address in str(error)


# Certificates.


async def test_ca_file_is_trusted_besides_the_system(authority: trustme.CA, ca_file: Path) -> None:
    """A server with a certificate of that authority is called."""
    async with wire(http(BODY), tls=server_tls(authority, "127.0.0.1")) as server:
        assert await post(server.url, ca_file=ca_file) == [BODY]


async def test_environment_names_authorities(
    authority: trustme.CA, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSL_CERT_FILE is honoured, as by every program that uses OpenSSL."""
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    async with wire(http(BODY), tls=server_tls(authority, "127.0.0.1")) as server:
        assert await post(server.url) == [BODY]
    assert str(ca_file) in trusted_authorities(settings(URL))


@pytest.mark.parametrize(("name", "is_trusted"), [("127.0.0.1", False), ("example.com", True)])
async def test_nobody_else_gets_the_credentials(
    authority: trustme.CA, ca_file: Path, name: str, *, is_trusted: bool
) -> None:
    """An unknown authority, or a certificate for another name: nothing is sent, and the remedy is named."""
    async with wire(http(BODY), tls=server_tls(authority, name)) as server:
        error = await failure(server.url, **({"ca_file": ca_file} if is_trusted else {}))
        assert server.requests == []
    assert isinstance(error, WrongEndpoint)
    assert (error.code, error.exit_code, error.sent) == ("tls", 4, False)
    assert all(remedy in str(error) for remedy in ("ca_file", "SSL_CERT_FILE"))


@pytest.mark.parametrize("content", [None, b"", b"not a certificate", b"\xff"])
async def test_ca_file_that_cannot_be_used_is_wrong_usage(tmp_path: Path, content: bytes | None) -> None:
    """Before any call, with the setting and the file named."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    error = await failure(URL, ca_file=path)
    assert isinstance(error, UsageError)
    assert all(fact in str(error) for fact in ("ca_file", str(path)))


# The command.


async def lead_export(*arguments: object, **env: str) -> tuple[int | None, str]:
    """The exit code of the command, and everything it says."""
    bare = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "pipeline", *map(str, arguments)),
        env={**bare, **CREDENTIALS, "LEAD_EXPORT_API_URL": URL, "LEAD_EXPORT_RATE_PER_S": "0", **env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_run_behind_a_proxy_that_inspects_tls(authority: trustme.CA, ca_file: Path, tmp_path: Path) -> None:
    """With HTTPS_PROXY and ca_file a run fetches every lead; `check` shows both, and no password is ever shown."""
    people = tmp_path / "people.txt"
    people.write_text("".join(f"person{n}@example.com\n" for n in range(20)))
    with running(SANDBOX) as sandbox:
        async with (
            tls_front(port_of(sandbox.url), server_tls(authority)) as front,
            proxying(front, credentials=f"user:{SECRET}") as proxy,
        ):
            env = {"HTTPS_PROXY": f"http://user:{SECRET}@{proxy.address}", "LEAD_EXPORT_CA_FILE": str(ca_file)}
            code, said = await lead_export("run", people, "--out", tmp_path / "out", **env)
            assert (code, sandbox.stats()["calls"]) == (0, 20)
            checked = await lead_export("check", **env)
    manifest = (tmp_path / "out" / "latest" / "manifest.json").read_text()
    assert checked[0] == 0
    assert all(fact in checked[1] for fact in (f"http://{proxy.address}", "HTTPS_PROXY", str(ca_file)))
    assert SECRET not in said + checked[1] + manifest


async def test_run_behind_a_proxy_with_wrong_credentials(tmp_path: Path) -> None:
    """Exit 5 at once, and the same from `check`; the password is not shown."""
    people = tmp_path / "people.txt"
    people.write_text("ann@example.com\n")
    async with proxying(credentials="user:other") as proxy:
        env = {"LEAD_EXPORT_PROXY": f"http://user:{SECRET}@{proxy.address}"}
        code, said = await lead_export("run", people, "--out", tmp_path / "out", "-vv", **env)
        checked = await lead_export("check", **env)
    assert (code, checked[0]) == (5, 5)
    assert all(proxy.address in words for words in (said, checked[1]))
    assert SECRET not in said + checked[1]
