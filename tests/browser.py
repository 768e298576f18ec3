"""Pages in headless Chromium, where one is installed: how wide they are, what they complain about, how they look."""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import shutil
import signal
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-extensions", "--disable-sync"),
    *("--remote-debugging-port=0", "--remote-allow-origins=*", "--hide-scrollbars"),
)
_TRIES = 300


@dataclass
class Tab:
    """One tab, driven by Chromium's DevTools protocol.

    Attributes:
        complaints: what was logged as a warning or an error since the page was opened, and what it asked for.
    """

    socket: aiohttp.ClientWebSocketResponse
    complaints: list[str] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def do(self, method: str, **params: object) -> dict[str, Any]:
        """Send one command; return its result."""
        number = next(self._numbers)
        await self.socket.send_json({"id": number, "method": method, "params": params})
        async with asyncio.timeout(60):
            while True:
                message = await self.socket.receive_json()
                if message.get("id") == number:
                    assert "error" not in message, message
                    result: dict[str, Any] = message["result"]
                    return result
                self._note(message)

    async def open(self, path: Path, *, width: int, height: int = 900, scheme: str = "light") -> None:
        """Open a file in a window of that width, in pixels, for readers who prefer that colour scheme."""
        self.complaints.clear()
        await self.do(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        await self.do("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        await self.do("Page.navigate", url=path.as_uri())
        for _ in range(_TRIES):
            if (
                await self.value("document.readyState") == "complete"
                and await self.value("location.href") != "about:blank"
            ):
                return
            await asyncio.sleep(0.02)
        raise TimeoutError(path)

    async def value(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page; its policy does not concern the tester."""
        result = await self.do("Runtime.evaluate", expression=expression, returnByValue=True)
        return result["result"].get("value")

    async def screenshot(self) -> bytes:
        """A PNG of the whole page."""
        result = await self.do("Page.captureScreenshot", captureBeyondViewport=True, format="png")
        return base64.b64decode(result["data"])

    def _note(self, message: dict[str, Any]) -> None:
        match message:
            case {"method": "Log.entryAdded", "params": {"entry": {"level": "error" | "warning", "text": text}}}:
                self.complaints.append(text)
            case {"method": "Runtime.exceptionThrown" | "Runtime.consoleAPICalled"}:
                self.complaints.append(str(message["params"]))
            case {"method": "Network.requestWillBeSent", "params": {"request": {"url": url}}} if not url.startswith(
                "file:"
            ):
                self.complaints.append(f"asked for {url}")


@asynccontextmanager
async def tab(profile: Path) -> AsyncIterator[Tab]:
    """A tab of a Chromium that ends with the block; its files are in the folder `profile`."""
    assert CHROMIUM is not None
    process = await asyncio.create_subprocess_exec(
        CHROMIUM,
        *_OPTIONS,
        f"--user-data-dir={profile}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        port = await _port(profile / "DevToolsActivePort")
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as response:
                pages = [page for page in await response.json() if page["type"] == "page"]
            async with session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                opened = Tab(socket)
                for domain in ("Page", "Log", "Runtime", "Network"):
                    await opened.do(f"{domain}.enable")
                yield opened
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _port(file: Path) -> int:
    """The port that Chromium has chosen, once it has written it down."""
    for _ in range(_TRIES):
        if lines := _lines(file):
            return int(lines[0])
        await asyncio.sleep(0.1)
    raise TimeoutError("Chromium did not start.")


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []
