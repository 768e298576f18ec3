"""Nights of invented people, published one after the other without a call."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pandas as pd
from feed_apply import records
from lead_shapes import reply

from pipeline.emails.lists import EmailList
from pipeline.files.folder import OutputFolder
from pipeline.jobs.export import People, publish_run
from pipeline.jobs.import_lists import import_lists
from pipeline.jobs.manifest import ManifestBuilder
from pipeline.journal.records import RunRecord
from pipeline.outcomes import Answer, Outcome
from pipeline.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from feed_apply import Row

    from pipeline.jobs.freshness import EndedBy
    from pipeline.jobs.manifest import Manifest

HOUR_MS = 3_600_000
CREDENTIALS = {"app_id": "sandbox-app", "api_key": "sandbox-key", "api_password": "sandbox-password"}


def settings(**changes: object) -> Settings:
    """Settings for an account."""
    return Settings.load({"api_url": "http://127.0.0.1:1/api", **CREDENTIALS, "workers": 1, **changes}, environ={})


def found(email: str, lead: dict[str, Any] | None = None, *, at: int) -> Answer:
    """A lead, asked for at that hour; without one given it has a name only."""
    details = {"id": email.partition("@")[0], "email": email} if lead is None else lead
    return Answer(
        email, Outcome.FOUND, lead_id=str(details.get("id")), answered_at_ms=at * HOUR_MS, body=reply(details)
    )


def other(email: str, outcome: Outcome, *, at: int) -> Answer:
    """An answer without a lead."""
    body = json.dumps({"status": "Error", "type": "243"}).encode()
    return Answer(email, outcome, code="243", message="no", answered_at_ms=at * HOUR_MS, body=body)


def night(out: Path, run_id: str, answers: Sequence[Answer | str], *, at: int, **changes: object) -> Manifest:
    """Publish a run of that hour over these addresses, in this order; an address alone has no answer yet."""
    folder, given = OutputFolder(out), settings(**changes)
    emails = [each if isinstance(each, str) else each.email for each in answers]
    with folder.locked():
        people = out / f"{run_id}.txt"
        people.write_text("".join(f"{email}\n" for email in emails), encoding="utf-8")
        record = RunRecord(run_id, at * HOUR_MS, "a test")
        with import_lists([EmailList(people)], folder.state.journal(run_id), record) as journal:

            async def answer() -> None:
                for number, each in enumerate(answers, 1):
                    if isinstance(each, Answer):
                        await journal.append(number, each)
                await journal.flush()

            asyncio.run(answer())
            ended: EndedBy = "deadline" if len(emails) != sum(isinstance(each, Answer) for each in answers) else "done"
            manifest = publish_run(
                folder, journal, given, People.of(given, folder), ManifestBuilder.start(journal, given), ended
            )
        folder.switch_latest_to(run_id)
    return manifest


def feed_of(out: Path, run_id: str) -> list[Row]:
    """The feed that a run has published."""
    return records(pd.read_parquet(out / f"run={run_id}" / "changes.parquet", dtype_backend="pyarrow"))


def told(rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    """Address, table, change, item and column of each row."""
    names = ("requested_email", "table_name", "change", "item", "column_name")
    return [tuple(row[name] for name in names) for row in rows]
