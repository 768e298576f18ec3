"""From codes and numbers to words that need no documentation."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.emails.address import REFUSALS
from pipeline.errors import ExitCode
from pipeline.outcomes import Outcome
from pipeline.words import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.jobs.manifest import Manifest
    from pipeline.reporters.history import Attempt

OTHER = "(others)"
_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,100}(\(others\))?")
WAITED_FOR = {
    "limiter": "keeping to the limit",
    "network": "waiting for answers",
    "backoff": "holding back after 429s, failures and outages",
    "journal": "writing answers to the disk",
    "rest": "everything else",
}
"""What the time went to, by the names in the manifest; `rest` is what is left."""
_BOUND_BY = {
    "limit-bound": "The configured limit set the pace, as it should.",
    "server-throttled": "The API set the pace by refusing calls (429 Too Many Requests).",
    "concurrency-bound": "The number of calls that may be in flight set the pace.",
    "latency-bound": "The time that the API takes to answer set the pace.",
    "retry-bound": "Waiting to repeat failed calls set the pace.",
}
_REASONS = {
    "206": "the API rejects the address",
    "429": "too many requests",
    "connect": "no connection to the server",
    "connect_timeout": "no connection in time",
    "connection": "the connection broke",
    "cut_off": "the reply was cut off",
    "disconnected": "the server closed the connection",
    "email_mismatch": "the reply was for another address",
    "empty_body": "the reply was empty",
    "empty_success": "the API reported success but sent no lead",
    "malformed": "the reply was damaged",
    "not_an_answer": "the reply was not from the API",
    "not_http": "the reply was not valid HTTP",
    "not_json": "the reply was not JSON",
    "open_files": "this machine has too many files open",
    "proxy": "the proxy refused the connection",
    "stale_connection": "the server had closed the connection",
    "tls": "no secure connection to the server",
    "timeout": "no complete answer in time",
    "too_large": "the reply was larger than any lead should be",
    "unknown": "an error that the API does not document",
    **{refusal.code: refusal.message for refusal in REFUSALS},
}
"""Why an address failed, or a cell is not one, by code."""


def headline(manifest: Manifest) -> str:
    """What a person wants to know first."""
    rows = manifest.rows
    if not rows.read:
        return "The lists were empty"
    if rows.failed:
        return f"{rows.failed:,} of {counted(rows.read, 'row')} failed"
    if rows.pending:
        return f"{rows.pending:,} of {counted(rows.read, 'row')} are pending"
    return f"All {counted(rows.read, 'row')} are accounted for" if rows.read > 1 else "The row is accounted for"


def pace_sentence(manifest: Manifest) -> str:
    """What limited the speed; "" if there were too few calls to tell."""
    return _BOUND_BY.get(manifest.speed.bound_by or "", "") if manifest.calls.sent else ""


def named(counts: Mapping[str, int]) -> dict[str, int]:
    """Counts by code or key; what does not look like one may be lead data, and is counted together."""
    kept: Counter[str] = Counter()
    for name_, count in counts.items():
        kept[name_ if _NAME.fullmatch(name_) else OTHER] += count
    return dict(kept)


def reason(code: str) -> str:
    """A code in words; "" if the code is all there is."""
    status = re.fullmatch(r"http_(\d\d\d|5xx)", code)
    return f"the server answered with HTTP status {status[1]}" if status else _REASONS.get(code, "")


def ended(attempt: Attempt) -> str:
    """How an attempt ended, in a few words."""
    if attempt.exit_code is None:
        return "ended without a word"
    return ENDINGS.get(attempt.exit_code, f"ended with exit code {attempt.exit_code}")


ENDINGS: dict[int, str] = {
    ExitCode.OK: "complete",
    ExitCode.BUG: "ended by a bug",
    ExitCode.USAGE: "not started: wrong settings or input",
    ExitCode.ROWS_FAILED: "complete, some rows failed",
    ExitCode.REFUSED: "stopped: the API refused access",
    ExitCode.UNAVAILABLE: "stopped: the API was unavailable",
    ExitCode.STORAGE: "stopped: disk trouble",
    ExitCode.BUSY: "not started: another run was on",
    ExitCode.INCOMPLETE: "published, some rows pending or too old",
    ExitCode.LEADS_GONE: "not published: too many leads gone",
    ExitCode.INTERRUPTED: "stopped by Ctrl-C",
    ExitCode.TERMINATED: "stopped by a signal",
}


def percent(share: float) -> str:
    """A share of 1 that never looks like all or nothing unless it is."""
    if 0 < share < 0.001:
        return "<0.1%"
    if 0.999 < share < 1:
        return ">99.9%"
    return f"{share:.0%}" if share in (0, 1) else f"{share:.1%}"


def size(count: int) -> str:
    """Bytes as `12.3 MB`."""
    unit = min(4, max(0, len(str(count)) - 1) // 3)
    return f"{count / 1000**unit:.1f} {('', 'k', 'M', 'G', 'T')[unit]}B" if unit else counted(count, "byte")


def day(moment: str) -> str:
    """A time of a manifest as `23 November 2026`."""
    when = datetime.fromisoformat(moment)
    return f"{when.day} {when:%B %Y}"


def name(given: str | None) -> str:
    """What monitoring calls this export, unless that may be an address."""
    return given if given and "@" not in given and given.isprintable() else "Lead export"


def meaning(outcome: str) -> str:
    """What an outcome means; names of columns are in backticks."""
    return Outcome(outcome).meaning
