"""A small client for tests of the sandbox: one server in the running loop, every answer whole and unread."""

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
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def lead(self) -> dict[str, Any]:
        """The lead in the body, which must be a plain success."""
        assert self.json["status"] == "Success"
        lead: dict[str, Any] = self.json["lead_details"]
        return lead


@dataclass(frozen=True)
class SandboxClient:
    """Ask one sandbox."""

    url: str
    session: aiohttp.ClientSession

    async def ask(self, address: str, **fields: str) -> Answer:
        """Ask for one address; `fields` replace or add to what the form holds."""
        return await self.post(CREDENTIALS | {"get_lead[email]": address} | fields)

    async def code(self, address: str, **fields: str) -> str:
        """Ask for one address and return the type of the error that came."""
        code: str = (await self.ask(address, **fields)).json["type"]
        return code

    async def post(self, data: Any, path: str = "", headers: Mapping[str, str] | None = None) -> Answer:
        """Post a body."""
        return await self.send("POST", self.url + path, data=data, headers=headers)

    async def send(self, method: str, url: str, **options: Any) -> Answer:
        """Send any request and read the whole answer; redirects are not followed."""
        async with self.session.request(method, url, allow_redirects=False, **options) as response:
            return Answer(response.status, response.headers, await response.read())

    async def stats(self, query: str = "") -> dict[str, Any]:
        """Return the counters."""
        shown: dict[str, Any] = (await self.send("GET", self.url.removesuffix("/api") + "/stats" + query)).json
        return shown

    async def control(self, **switches: object) -> Answer:
        """Change switches."""
        return await self.send("POST", self.url.removesuffix("/api") + "/control", json=switches)


@asynccontextmanager
async def sandbox(**switches: Any) -> AsyncIterator[SandboxClient]:
    """Serve a sandbox in the running loop, without a limit unless one is given."""
    options = SandboxOptions(**({"limit_per_s": 0} | switches))
    async with listening(options) as url, aiohttp.ClientSession() as session:
        yield SandboxClient(url, session)
