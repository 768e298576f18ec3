"""The one hook by which a job tells what it is doing: progress, logs and tests listen to the same calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.outcomes import Address, Answer


class Observer:
    """Listens to a job; every method does nothing until a subclass says otherwise."""

    def listed(self, *, rows: int, addresses: int, answered: int) -> None:
        """All lists are read: so many rows and distinct addresses, `answered` of them by an earlier, stopped run."""

    def answered(self, address: Address, answer: Answer) -> None:
        """One more address is finished."""

    def publishing(self) -> None:
        """Every address is finished; tables are made now."""

    def published(self, place: Path) -> None:
        """The run is there for others to read."""
