"""The log on standard error, set up only when a command runs: help is shown without loading `logging`."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

from pipeline.cli.output import MessageFormat, json_line
from pipeline.cli.screen import above_last_line


class JsonLines(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write time, level, logger and message."""
        return json_line(record.created, record.levelname.lower(), record.name, record.getMessage())


class Notices(logging.Handler):
    """Collects warnings of what must not be overlooked."""

    def __init__(self, collected: list[str]) -> None:
        super().__init__()
        self._collected = collected

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the message."""
        if is_notice(record):
            self._collected.append(record.getMessage())


def is_notice(record: logging.LogRecord) -> bool:
    """Whether a warning must not be overlooked; see `jobs.notice`."""
    return bool(getattr(record, "is_notice", False))


def _is_shown_if_quiet(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR or is_notice(record)


class AboveLastLine(logging.StreamHandler[TextIO]):
    """Prints messages above the progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a message."""
        with above_last_line():
            super().emit(record)


def set_up_log(*, verbose: int, quiet: bool, as_json: bool) -> None:
    """Send the package's log to standard error: warnings; with -v also what happens; with -vv every detail.

    With `quiet` only those warnings are shown that must not be overlooked.

    Other libraries' log messages are dropped: they may contain addresses, and asyncio logs whole tracebacks.
    """
    MessageFormat.as_json, MessageFormat.with_frames = as_json, verbose > 1
    logging.getLogger().addHandler(logging.NullHandler())
    handler = AboveLastLine(sys.stderr)
    handler.setFormatter(JsonLines() if as_json else logging.Formatter("%(levelname)s: %(message)s"))
    if quiet:
        handler.addFilter(_is_shown_if_quiet)
    logger = logging.getLogger("pipeline")
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel((logging.WARNING, logging.INFO, logging.DEBUG)[0 if quiet else min(verbose, 2)])
