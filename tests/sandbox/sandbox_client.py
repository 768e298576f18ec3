"""A client for tests of the sandbox: a server in the running event loop, and its replies unprocessed."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from pipeline.sandbox.options import SandboxOptions
from pipeline.sandbox.server import listening

CREDENTIALS = {"app_id": "sandbox-app", "api_key": "sandbox-key", "api_password": "sandbox-password"}


@dataclass(frozen=True)
class HttpReply:
    """A reply as received."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


@dataclass(frozen=True)
class SandboxClient:
    """Calls one sandbox."""

    url: str
    session: aiohttp.ClientSession

    async def get_lead(self, address: str, **fields: str) -> HttpReply:
        """Look up one address; `fields` are added to the form or replace its fields."""
        return await self.post(CREDENTIALS | {"get_lead[email]": address} | fields)

    async def outcome(self, address: str, **fields: str) -> str:
        """Look up one address and summarize the reply in a word: an error type, a status or a defect."""
        try:
            reply = await self.get_lead(address, **fields)
        except aiohttp.ServerDisconnectedError:
            return "dropped"
        except aiohttp.ClientPayloadError:
            return "dropped midway"
        if reply.status != 200:
            return str(reply.status)
        try:
            return str(reply.json.get("type") or reply.json["status"])
        except ValueError:
            return "not JSON" if reply.body else "empty"

    async def outcomes(self, count: int) -> list[str]:
        """Look up `count` ordinary people, one after the other."""
        return [await self.outcome(f"person{number}@example.com") for number in range(count)]

    async def post(self, data: Any, path: str = "", headers: Mapping[str, str] | None = None) -> HttpReply:
        """Post a body to the API."""
        return await self.send("POST", self.url + path, data=data, headers=headers)

    async def send(self, method: str, url: str, **options: Any) -> HttpReply:
        """Send any request, without following redirects."""
        async with self.session.request(method, url, allow_redirects=False, **options) as response:
            return HttpReply(response.status, response.headers, await response.read())

    async def stats(self, query: str = "") -> dict[str, Any]:
        """The counters."""
        counters: dict[str, Any] = (await self.send("GET", self.url.removesuffix("/api") + "/stats" + query)).json
        return counters

    async def control(self, **switches: object) -> HttpReply:
        """Change switches."""
        return await self.send("POST", self.url.removesuffix("/api") + "/control", json=switches)


@asynccontextmanager
async def sandbox(**switches: Any) -> AsyncIterator[SandboxClient]:
    """Serve a sandbox in the running event loop, without a limit unless one is given."""
    options = SandboxOptions(**({"limit_per_s": 0} | switches))
    async with listening(options) as url, aiohttp.ClientSession() as session:
        yield SandboxClient(url, session)
