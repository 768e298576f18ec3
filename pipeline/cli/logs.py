"""The log on standard error: plain lines for people, JSON lines for machines; never an address, never a secret."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from pipeline.cli.output import Voice


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write time, level, source and message."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": moment, "level": record.levelname.lower(), "logger": record.name}
        return json.dumps({**line, "message": record.getMessage()})


def set_up(*, verbose: int, quiet: bool, as_json: bool) -> None:
    """Send the package's log to standard error: warnings, with -v what happens, with -vv every detail.

    What libraries log is dropped: it may hold addresses, and asyncio logs whole tracebacks.
    """
    Voice.as_json = as_json
    logging.getLogger().addHandler(logging.NullHandler())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if as_json else logging.Formatter("%(levelname)s: %(message)s"))
    logger = logging.getLogger("pipeline")
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(logging.ERROR if quiet else (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)])
