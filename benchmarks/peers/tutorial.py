"""What one writes in an hour: everything gathered under a semaphore, `json_normalize`, `to_parquet`.

    python benchmarks/peers/tutorial.py URL LIST FOLDER

No pace, no retries, no journal, three tables of strings instead of seven with types.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pandas as pd
from tidied import COLLECTIONS, tidied

FORM = {"app_id": "bench", "api_key": "bench", "api_password": "bench"}


async def ask(session: aiohttp.ClientSession, places: asyncio.Semaphore, url: str, email: str) -> dict[str, Any]:
    """One lead, as the API gives it."""
    async with places, session.post(url, data=FORM | {"get_lead[email]": email}) as response:
        return tidied((await response.json(content_type=None))["lead_details"])


async def ask_all(url: str, emails: list[str]) -> list[dict[str, Any]]:
    """All leads, in order."""
    places = asyncio.Semaphore(50)
    async with aiohttp.ClientSession() as session:
        return await asyncio.gather(*(ask(session, places, url, email) for email in emails))


def write(leads: list[dict[str, Any]], folder: Path) -> int:
    """Make three tables; return the number of leads."""
    folder.mkdir(parents=True)
    table = pd.json_normalize(leads).drop(columns=list(COLLECTIONS))
    table.to_parquet(folder / "leads.parquet")
    for name in ("tags", "transactions"):
        rows = pd.json_normalize(leads, name, ["id", "email"], meta_prefix="lead_")
        rows.to_parquet(folder / f"{name}.parquet")
    return len(table)


if __name__ == "__main__":
    api, path, out = sys.argv[1:]
    print(write(asyncio.run(ask_all(api, Path(path).read_text().split()[1:])), Path(out)))
