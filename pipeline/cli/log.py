"""The log on standard error, set up only when a command runs: help is shown without loading `logging`."""

from __future__ import annotations

import logging
import sys

from pipeline.cli.output import MessageFormat, json_line


class JsonLines(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write time, level, logger and message."""
        return json_line(record.created, record.levelname.lower(), record.name, record.getMessage())


def set_up_log(*, verbose: int, quiet: bool, as_json: bool) -> None:
    """Send the package's log to standard error: warnings; with -v also what happens; with -vv every detail.

    Other libraries' log messages are dropped: they may contain addresses, and asyncio logs whole tracebacks.
    """
    MessageFormat.as_json, MessageFormat.with_frames = as_json, verbose > 1
    logging.getLogger().addHandler(logging.NullHandler())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if as_json else logging.Formatter("%(levelname)s: %(message)s"))
    logger = logging.getLogger("pipeline")
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(logging.ERROR if quiet else (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)])
