"""`known-drift.json`: how replies differ from the API's documentation, as far as it was told already.

A job that is watched by nobody tells of each difference once, rather than every night.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FILE = "known-drift.json"
_MAX_NAMES = 2_000


def take_untold(state: Path, names: Iterable[str]) -> list[str]:
    """Those of the names that were never taken before; from now on they were.

    If that cannot be noted, they are told once more the next time.
    """
    path = state / FILE
    known: list[str] = []
    with suppress(OSError, ValueError, RecursionError):
        content = json.loads(path.read_bytes())
        known = [name for name in content if isinstance(name, str)] if isinstance(content, list) else []
    new = [name for name in names if name not in known]
    if new:
        with suppress(OSError):
            path.write_text(json.dumps([*known, *new][-_MAX_NAMES:]), encoding="utf-8")
    return new
