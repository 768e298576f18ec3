"""The way to the API: through which proxy, and which certificate authorities are trusted."""

from __future__ import annotations

import os
import re
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pipeline.errors import UsageError
from pipeline.settings import LOOPBACK_HOSTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.settings import Settings

_PROXY_VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
_BYPASS_VARIABLES = ("no_proxy", "NO_PROXY")
_HOST = re.compile(r"[\w.:%-]+")
"""A name, or an IPv4 or IPv6 address, perhaps with its zone."""
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """The proxy that calls go through.

    Attributes:
        url: its URL, which may hold a user name and a password: never to be shown.
        origin: where it was configured: the setting `proxy`, or an environment variable.
    """

    url: str = field(repr=False)
    origin: str

    @property
    def address(self) -> str:
        """Its URL without user name and password, for people."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def choose_proxy(
    settings: Settings, environ: Mapping[str, str] = os.environ, *, url: str | None = None
) -> Proxy | None:
    """The proxy to use for `url`, by default that of the API; None connects directly.

    The setting `proxy` counts first. Otherwise HTTPS_PROXY or ALL_PROXY is used, as by curl, unless NO_PROXY lists the
    host; a server on this machine is never reached through a proxy from the environment.

    Raises:
        UsageError: it is not the URL of an HTTP proxy.
    """
    if explicit := settings.proxy.get_secret_value():
        return _checked(explicit, "proxy")
    target = urlsplit(url or settings.api_url)
    host = target.hostname or ""
    if host in LOOPBACK_HOSTS or _is_bypassed(host, target.port or _DEFAULT_PORTS[target.scheme], environ):
        return None
    name = next((name for name in _PROXY_VARIABLES if environ.get(name, "").strip()), None)
    return _checked(environ[name], name) if name else None


def _checked(text: str, origin: str) -> Proxy:
    url = text.strip()
    url = url if "://" in url else f"http://{url}"
    scheme = url.partition("://")[0].lower()
    if scheme not in ("http", "https"):
        shown = scheme if scheme.isalnum() else "this"
        raise UsageError(f"{origin}: {shown}:// proxies are not supported; use the URL of an HTTP proxy (http://…).")
    try:
        parts = urlsplit(url)
        is_usable = bool(_HOST.fullmatch(parts.hostname or "")) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        raise UsageError(f"{origin}: not the URL of a proxy; use one such as http://proxy.example.com:3128.")
    return Proxy(url, origin)


def _is_bypassed(host: str, port: int, environ: Mapping[str, str]) -> bool:
    """Whether NO_PROXY lists the host: `*`, or names that match it or a parent domain, each with or without a port."""
    listed = next((value for name in _BYPASS_VARIABLES if (value := environ.get(name, ""))), "")
    for entry in listed.lower().replace(",", " ").split():
        has_port = entry.count(":") == 1 or "]:" in entry
        name, _, number = entry.rpartition(":") if has_port else (entry, "", "")
        name = name.strip("[]").removeprefix("*").removeprefix(".")
        is_named = entry == "*" or (name and (host == name or host.endswith(f".{name}")))
        if is_named and number in ("", str(port)):
            return True
    return False


def check_access(settings: Settings) -> None:
    """Check that there are credentials, and that proxy and `ca_file` can be used; nothing is connected.

    Raises:
        UsageError: a credential is missing, or one of the others cannot be used.
    """
    settings.require_credentials()
    choose_proxy(settings)
    if settings.ca_file is not None:
        tls_context(settings)


def tls_context(settings: Settings) -> ssl.SSLContext:
    """Trust the system's certificate authorities, SSL_CERT_FILE and SSL_CERT_DIR included, and those in `ca_file`.

    Raises:
        UsageError: `ca_file` cannot be read, or holds no certificate.
    """
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if settings.ca_file is not None:
        try:
            context.load_verify_locations(cafile=settings.ca_file)
        except ssl.SSLError:
            raise UsageError(f"ca_file: {settings.ca_file} holds no PEM certificates.") from None
        except OSError as error:
            raise UsageError(f"ca_file: {settings.ca_file} cannot be read ({error.strerror}).") from error
    return context


def trusted_authorities(settings: Settings, environ: Mapping[str, str] = os.environ) -> str:
    """Which certificate authorities are trusted, for people."""
    system = [f"{name} {environ[name]}" for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if environ.get(name)]
    added = [f"ca_file {settings.ca_file}"] if settings.ca_file is not None else []
    return " and ".join((*(system or ["the system's certificate authorities"]), *added))
