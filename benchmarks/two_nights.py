"""Two nights of a list without a call, and what it takes to publish the second one; `changes.py` runs this.

    python benchmarks/two_nights.py make FOLDER --addresses 100000 --asked 0.33 --changed 0.02
    python benchmarks/two_nights.py publish FOLDER [--without]

`make` publishes the first night, and leaves the answers of the second one in a journal. `publish` writes its tables
with the changes, or without, and prints the seconds that each part took as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from server import Template

from pipeline.emails.lists import EmailList
from pipeline.files.folder import OutputFolder
from pipeline.jobs.comparing import compared_with_run_before
from pipeline.jobs.export import People, publish_run
from pipeline.jobs.import_lists import import_lists
from pipeline.jobs.manifest import ManifestBuilder
from pipeline.jobs.publishing import write_tables
from pipeline.jobs.table_files import open_table, write_changes
from pipeline.journal.records import RunRecord
from pipeline.journal.store import Journal
from pipeline.outcomes import Answer, Outcome
from pipeline.schema import CHANGES
from pipeline.settings import Settings
from pipeline.tables.frames import empty_frame

if TYPE_CHECKING:
    from collections.abc import Iterator

PEOPLE = 4_096
DAY_MS = 86_400_000
SETTINGS = Settings.model_validate({"app_id": "bench", "workers": 1})
_CHANGES = ((b'"score":"', b'"score":"1'), (b'"tag_name":"', b'"tag_name":"new '))
"""What is different about people who change: their score, and their first tag."""


def answers(addresses: int, night: int, asked: float, changed: float) -> Iterator[Answer]:
    """The answers of a night: in the second one a share is asked again, and another of all has changed."""
    templates = [Template.of(f"person{number}@example.com", "text") for number in range(PEOPLE)]
    for number in range(addresses):
        email = f"person{number}@example.com"
        body = templates[number % PEOPLE].body(email.encode())
        is_asked = bool(night) and number < asked * addresses
        if is_asked and number % 1_000 < 1_000 * changed / asked:
            for before, after in _CHANGES:
                body = body.replace(before, after, 1)
        at = DAY_MS * (1 + is_asked) + number
        yield Answer(email, Outcome.FOUND, lead_id=str(number), answered_at_ms=at, body=body)


def journal_of(folder: OutputFolder, emails: Path, night: int, given: argparse.Namespace) -> Journal:
    """A journal with the answers of a night."""
    record = RunRecord(f"night{night}", DAY_MS * (1 + night), "a benchmark")
    journal = import_lists([EmailList(emails)], folder.state.journal(record.run_id), record)

    async def answer() -> None:
        for number, each in enumerate(answers(given.addresses, night, given.asked, given.changed), 1):
            await journal.append(number, each)
        await journal.flush()

    asyncio.run(answer())
    return journal


def make(root: Path, given: argparse.Namespace) -> None:
    """Publish the first night, and prepare the second."""
    emails = root / "emails.txt"
    with emails.open("w") as file:
        file.writelines(f"person{number}@example.com\n" for number in range(given.addresses))
    folder = OutputFolder(root / "out")
    with folder.locked():
        with journal_of(folder, emails, 0, given) as journal:
            publish_run(
                folder, journal, SETTINGS, People.of(SETTINGS, folder), ManifestBuilder.start(journal, SETTINGS)
            )
        journal_of(folder, emails, 1, given).close()


def publish(root: Path, *, without: bool) -> None:
    """Write the tables of the second night, and print how long it took."""
    folder, staging = OutputFolder(root / "out"), root / "staging"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    seconds: dict[str, float] = {}
    began = time.process_time()
    with Journal.open(folder.state.journal("night1")) as journal:
        write_tables(journal, SETTINGS, staging)
        seconds["tables"] = time.process_time() - began
        if not without:
            began = time.process_time()
            with compared_with_run_before(folder, journal, SETTINGS, *People.of(SETTINGS, folder)) as comparison:
                seconds["match"] = time.process_time() - began
                feed = comparison.feed
                with open_table(staging, CHANGES.name, empty_frame(CHANGES), SETTINGS, "parquet") as file:
                    counts = write_changes(map(feed.build, range(feed.count)), file)
            seconds["changes"] = time.process_time() - began
            seconds["rows"] = counts.rows.total()
    print(json.dumps(seconds))


def main() -> None:
    """Do one of both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("make", "publish"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--addresses", type=int, default=100_000)
    parser.add_argument("--asked", type=float, default=0.33)
    parser.add_argument("--changed", type=float, default=0.02)
    parser.add_argument("--without", action="store_true")
    given = parser.parse_args()
    if given.what == "make":
        make(given.folder, given)
    else:
        publish(given.folder, without=given.without)


if __name__ == "__main__":
    main()
