"""The same with dlt, as its documentation has it: a resource of addresses into an async transformer, Parquet files out.

    python benchmarks/peers/dlt_pipeline.py URL LIST FOLDER

dlt makes a table of each collection. 50 calls at a time, as the others have; its telemetry is off.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ |= {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
    "EXTRACT__MAX_PARALLEL_ITEMS": "50",
    "EXTRACT__WORKERS": "50",
}

import aiohttp
import dlt
from tidied import tidied

if TYPE_CHECKING:
    from collections.abc import Iterator

# dlt's event loop is gone before the session could be closed in it, which aiohttp complains about at length.
logging.getLogger("asyncio").setLevel(logging.CRITICAL)
FORM = {"app_id": "bench", "api_key": "bench", "api_password": "bench"}


def leads_of(url: str, emails: list[str]) -> Any:  # noqa: ANN401 - dlt decides what its decorators return
    """The resource of all leads."""
    sessions: list[aiohttp.ClientSession] = []

    @dlt.resource(name="emails")
    def addresses() -> Iterator[str]:
        yield from emails

    @dlt.transformer(data_from=addresses, name="leads", write_disposition="replace")
    async def leads(email: str) -> dict[str, Any]:
        if not sessions:  # a session belongs to the event loop, which is dlt's
            sessions.append(aiohttp.ClientSession())
        async with sessions[0].post(url, data=FORM | {"get_lead[email]": email}) as response:
            return tidied((await response.json(content_type=None))["lead_details"])

    return leads


def main(url: str, emails: list[str], folder: Path) -> int:
    """Run the pipeline; return the number of leads."""
    pipeline = dlt.pipeline(
        "bench",
        pipelines_dir=str(folder / "state"),
        destination=dlt.destinations.filesystem(bucket_url=str(folder / "tables")),
        dataset_name="export",
    )
    pipeline.run(leads_of(url, emails), loader_file_format="parquet").raise_on_failed_jobs()
    count: int = pipeline.last_trace.last_normalize_info.row_counts["leads"]
    return count


if __name__ == "__main__":
    api, path, out = sys.argv[1:]
    print(main(api, Path(path).read_text().split()[1:], Path(out)))
