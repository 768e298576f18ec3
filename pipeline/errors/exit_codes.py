"""The exit codes of the command line."""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class ExitCode(IntEnum):
    """Exit codes of the command line, with their documentation."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> Self:
        """Attach the documentation to the code."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    OK = 0, "every row is accounted for and none failed"
    BUG = 1, "a bug in lead-export; please report it"
    USAGE = 2, "invalid usage, settings, input or output folder; no call was made"
    ROWS_FAILED = 3, "finished, but some rows failed; run lists them in failures.csv, enrich in lead_reason"
    REFUSED = 4, "stopped: the API refuses access (credentials, App, permission, URL of the API)"
    UNAVAILABLE = 5, "stopped: the API is unavailable"
    STORAGE = 6, "stopped: local storage (full, not writable, files damaged), memory or too many open files"
    BUSY = 7, "another run is using the output folder"
    INCOMPLETE = 8, "published within the time or calls allowed, but rows are pending or older than max_age_days"
    LEADS_GONE = 9, "not published: implausibly many leads are gone; run --accept-gone publishes without a call"
    INTERRUPTED = 130, "stopped by SIGINT (Ctrl-C)"
    TERMINATED = 143, "stopped by SIGTERM or SIGHUP"
