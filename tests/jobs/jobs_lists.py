"""Lists, settings and journals that tests of the jobs share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.emails.lists import EmailList
from pipeline.jobs.import_lists import import_lists
from pipeline.journal.records import RunRecord
from pipeline.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pipeline.journal.store import Journal

CREDENTIALS = {"app_id": "sandbox-app", "api_key": "sandbox-key", "api_password": "sandbox-password"}


SUBJECT = "a test"


def settings(url: str = "http://127.0.0.1:1/api", **changes: object) -> Settings:
    """Settings for a sandbox: no limit, no delays."""
    quick = {"rate_per_s": 0, "retry_first_delay_s": 0, "max_attempts": 2}
    return Settings.load({"api_url": url, **CREDENTIALS, **quick, **changes}, environ={})


def write_list(path: Path, emails: Iterable[str]) -> Path:
    """A list with an address a line."""
    path.write_text("".join(f"{email}\n" for email in emails), encoding="utf-8")
    return path


def journal(folder: Path, *emails: str, name: str = "test") -> Journal:
    """An open journal over one list."""
    people = write_list(folder / "people.txt", emails)
    return import_lists([EmailList(people)], folder / f"{name}.journal", RunRecord(name, 1_000, SUBJECT))
