"""Whether the disk has room for a run, before it makes its first call."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pipeline.errors import StorageError
from pipeline.files.output_format import load_format
from pipeline.journal.writer import COMMIT_INTERVAL_S
from pipeline.schema import LEAD_TABLES
from pipeline.words import counted

if TYPE_CHECKING:
    from pipeline.files.state import StateFolder
    from pipeline.journal.store import Journal
    from pipeline.settings import Settings

logger = logging.getLogger(__name__)

ROW_BYTES = 200
"""A row of a list in the journal, with its address."""
ANSWER_BYTES = 370
"""An answer in the journal, where many are packed together."""
PACK_BYTES = 2_900
"""What a pack takes in addition, where few answers arrive together: they compress worse and leave pages half full."""
LARGEST_ANSWER_BYTES = 1_450
"""An answer in a pack of its own."""
LOG_BYTES, LOG_BYTES_PER_COMMIT, LOG_BYTES_PER_ANSWER = 4_200_000, 20_000, 700
"""SQLite's write-ahead log: its limit, and what it grows by until then."""
UNLIMITED_PER_S = 200.0
"""How many answers may arrive in a second where no rate is set."""
REPLY_BYTES = 370
"""A reply in `replies.parquet`."""
RESERVE_BYTES = 150_000
"""For the manifest, `replies.parquet` without rows, shared memory of SQLite, and blocks that are not full."""


def needed_bytes(settings: Settings, *, rows: int, addresses: int, unanswered: int, new: bool = True) -> int:
    """Bytes that a run over that many rows and addresses has yet to write, until it is published.

    `new` is whether its rows have yet to be written to the journal. The journal and its log are still there when the
    tables are written. Measured with the sandbox's people, whose replies are about as large as the documented example;
    accounts with many custom fields need more, and unknown addresses hardly anything.

    Raises:
        UsageError: an output format does not exist, or its library is not installed.
    """
    tables = sum(_table_bytes(name, rows=rows, addresses=addresses) for name in settings.formats)
    if settings.replies_go != "none":
        tables += addresses * REPLY_BYTES
        if "parquet" not in settings.formats:  # outcomes.parquet, which belongs to the replies
            tables += load_format("parquet").bytes_per_row * rows
    imports = rows * ROW_BYTES if new else 0
    return imports + _journal_bytes(settings, unanswered) + tables + RESERVE_BYTES


def _table_bytes(name: str, *, rows: int, addresses: int) -> int:
    one = load_format(name)
    files = len(LEAD_TABLES) + 1
    return files * one.bytes_per_file + addresses * one.bytes_per_lead + rows * one.bytes_per_row


def _journal_bytes(settings: Settings, answers: int) -> int:
    """What answers take in the journal and its log; the fewer arrive in a second, the more each of them takes.

    Until the log has reached its limit, the journal itself does not grow.
    """
    together = 1 + (settings.rate_per_s or UNLIMITED_PER_S) * COMMIT_INTERVAL_S
    each = min(ANSWER_BYTES + PACK_BYTES / together, LARGEST_ANSWER_BYTES)
    logged_each = LOG_BYTES_PER_COMMIT / together + LOG_BYTES_PER_ANSWER
    logged = min(answers, LOG_BYTES / logged_each)
    return int(logged * logged_each + (answers - logged) * each)


def check_space(folder: StateFolder, journal: Journal, settings: Settings) -> None:
    """Refuse to fetch what could not be stored, and warn if space may run out.

    Raises:
        StorageError: there is not even half of the space that such a run usually needs.
    """
    run = journal.summary()
    needed = needed_bytes(
        settings, rows=run.rows, addresses=run.addresses, unanswered=run.askable - run.answered, new=False
    )
    free = folder.free_bytes()
    addresses = f"{counted(run.addresses, 'address')} {'needs' if run.addresses == 1 else 'need'}"
    sizes = f"{megabytes(free)} are free, but {addresses} about {megabytes(needed)}"
    if is_too_little(free, needed):
        raise StorageError(
            f"{folder.owner}: {sizes}; free some space, then run the same command again, or name another --out."
        )
    if free < needed:
        logger.warning(
            "%s: %s; if the disk fills up, the run stops and can be resumed once there is space.", folder.owner, sizes
        )


def is_too_little(free: int, needed: int) -> bool:
    """Whether a run is refused: leads differ in size, so only half of what is usually needed is certain."""
    return free < needed // 2


def megabytes(count: int) -> str:
    """A number of bytes as text, such as `1.2 MB`."""
    return f"{count / 1e6:,.1f} MB"
