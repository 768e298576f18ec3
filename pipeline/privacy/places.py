"""Every kind of file that lead-export can leave in an output folder, what it holds of people, and how it is purged.

Whoever adds a kind of file adds it here: a purge looks at nothing else, and a test compares this with the code.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple

from pipeline.files.folder import MANIFEST
from pipeline.files.latest import RUN_PREFIX
from pipeline.files.state import SUFFIX
from pipeline.schema import CHANGES, TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Holds = Literal["people", "hashes", "nobody"]
How = Literal["made again", "written anew", "cleared", "removed", "left"]


class Kind(NamedTuple):
    """A kind of file or folder.

    Attributes:
        name: what it is, in words.
        pattern: matches its whole path, relative to the folder that a purge is for.
        holds: `people` if there can be data of people in it, `hashes` if only keyed hashes of addresses.
        how: what a purge does with it: makes it again from the answers that stay, or filters it where there are none;
            writes it anew without the person; clears mentions out of it; removes it; or leaves it as it is.
    """

    name: str
    pattern: re.Pattern[str]
    holds: Holds
    how: How


def _kind(name: str, pattern: str, holds: Holds, how: How) -> Kind:
    return Kind(name, re.compile(pattern), holds, how)


_RUN = rf"{RUN_PREFIX}[^/]+/"
_STATE = rf"(?:\.[^/]+)?{re.escape(SUFFIX)}/"
_SIDE = r"(?:-wal|-shm|-journal)?"
KINDS: tuple[Kind, ...] = (
    _kind(
        "table of a run", rf"{_RUN}(?:{'|'.join(t.name for t in TABLES)}|{CHANGES.name})\.\w+", "people", "made again"
    ),
    _kind("list of rows that failed", rf"{_RUN}failures\.csv", "people", "made again"),
    _kind("report of a run", rf"{_RUN}report\.html", "nobody", "made again"),
    _kind("manifest of a run", rf"{_RUN}{re.escape(MANIFEST)}", "nobody", "made again"),
    _kind("name of the newest run", r"latest(?:\.json)?", "nobody", "left"),
    _kind("journal of an unfinished run", rf"{_STATE}[^/]+\.journal{_SIDE}", "people", "written anew"),
    _kind("journal that was set aside", rf"{_STATE}[^/]+\.journal\.unreadable\d*{_SIDE}", "people", "removed"),
    _kind("table of a run that is not published", rf"{_STATE}private/[^/]+/\w+\.parquet", "people", "made again"),
    _kind("run that a purge writes or has replaced", rf"{_STATE}[^/]+\.purging/.+", "people", "removed"),
    _kind("run that was being written", rf"{_STATE}[^/]+\.staging(?:/.+)?", "people", "removed"),
    _kind("run that was being removed", rf"{_STATE}[^/]+\.removed(?:/.+)?", "people", "removed"),
    _kind("run that was being replaced", rf"{_STATE}[^/]+\.replaced(?:/.+)?", "people", "removed"),
    _kind("tables that were being verified", rf"{_STATE}[^/]+\.scratch(?:/.+)?", "people", "removed"),
    _kind("file that was being written", rf"{_STATE}[^/]+\.partial{_SIDE}", "people", "removed"),
    _kind("link that was being made", rf"{_STATE}[^/]+\.link", "nobody", "removed"),
    _kind("file that tries the disk", rf"{_STATE}probe[-.][^/]+", "nobody", "removed"),
    _kind("report that was being written", r"\.[^/]+\.partial", "nobody", "removed"),
    _kind("lock", rf"{_STATE}(?:[^/]+\.)?lock", "nobody", "left"),
    _kind("history of attempts", rf"{_STATE}history\.jsonl", "nobody", "cleared"),
    _kind("last attempt", rf"{_STATE}(?:last-attempt\.json|[^/]+\.attempt)", "nobody", "cleared"),
    _kind("known differences of the API", rf"{_STATE}known-drift\.json", "nobody", "cleared"),
    _kind("suppression list", rf"{_STATE}suppressed\.jsonl", "hashes", "left"),
    _kind("unfinished purge", rf"{_STATE}purge-[^/]+\.json", "hashes", "left"),
    _kind("report of a purge", rf"{_STATE}purges/[^/]+\.json", "hashes", "left"),
)
"""More special ones come first."""
FOREIGN = _kind("file of somebody else", r".+", "people", "left")
"""What is in the folder and is none of these: a file that `enrich` has written, or one of the user's own."""
OUT_OF_REACH = (
    "backups and copies of the output folder; purge them as well, or let them be overwritten",
    "snapshots of the file system, and versions that an object store keeps",
    "blocks that the disk has not used again, as in a solid-state drive; encrypt the disk",
    "files that enrich has written elsewhere, and whatever else was made from the tables",
    "the lists of addresses themselves",
    "files that a program has held open since before the purge",
)
"""Where lead-export cannot look."""


def kind_of(relative: str) -> Kind:
    """The kind of the file with this path, relative to the output folder."""
    return next((kind for kind in KINDS if kind.pattern.fullmatch(relative)), FOREIGN)


def files_in(root: Path) -> Iterator[tuple[Path, Kind]]:
    """Every file below a folder, links left out, with its kind; in the order of their paths."""
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path, kind_of(path.relative_to(root).as_posix())
