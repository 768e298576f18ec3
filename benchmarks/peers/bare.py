"""aiohttp as its documentation has it: 50 workers post the form, read the bodies and drop them.

    python benchmarks/peers/bare.py URL LIST

No tables; prints how many replies were read.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Iterator

FORM = {"app_id": "bench", "api_key": "bench", "api_password": "bench"}
WORKERS = 50


async def work(session: aiohttp.ClientSession, url: str, emails: Iterator[str]) -> int:
    """Ask until nobody is left; return the replies read."""
    replies = 0
    for email in emails:
        async with session.post(url, data=FORM | {"get_lead[email]": email}) as response:
            await response.read()
        replies += 1
    return replies


async def main(url: str, emails: Iterator[str]) -> int:
    """Let all workers share one iterator."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=WORKERS)) as session:
        return sum(await asyncio.gather(*(work(session, url, emails) for _ in range(WORKERS))))


if __name__ == "__main__":
    api, path = sys.argv[1:]
    print(asyncio.run(main(api, iter(Path(path).read_text().split()[1:]))))
