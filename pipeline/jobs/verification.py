"""What a verification finds, collected on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pathlib import Path


class Difference(msgspec.Struct, frozen=True):
    """One thing that is not as it was published.

    Attributes:
        file: the name of the file in the run's folder.
        code: `missing`, `checksum`, `manifest`, `replies` or `rebuilt`.
        message: what differs, as a sentence that begins with the file and holds no lead data.
    """

    file: str
    code: str
    message: str


@dataclass(slots=True)
class Findings:
    """The findings about the run in the folder `run`; see `Verification` for what each of them means."""

    run: Path
    is_rebuilt: bool = False
    identical: list[str] = field(default_factory=list)
    same_content: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def differs(self, name: str, code: str, what: str) -> None:
        """Add that a file differs; `what` is the end of a sentence that begins with its path."""
        self.differences.append(Difference(name, code, f"{self.run / name}: {what}"))

    def is_intact(self, name: str) -> bool:
        """Whether the file is there, and nothing is known to be wrong with it."""
        return (self.run / name).is_file() and all(found.file != name for found in self.differences)
