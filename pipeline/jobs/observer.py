"""How a job reports what it is doing: progress bars, logs and tests are observers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.outcomes import Address, Answer


class Observer:
    """Is told what a job does. Override the methods you need; by default they do nothing."""

    def listed(self, *, rows: int, addresses: int, answered: int) -> None:
        """All lists were read: rows, distinct addresses, and how many of these a previous attempt answered."""

    def answered(self, address: Address, answer: Answer) -> None:
        """One more address has its final answer, which may be a failure."""

    def publishing(self) -> None:
        """Every address has its answer; the tables are being written."""

    def published(self, path: Path) -> None:
        """The run, or the file of `enrich`, was published at `path`."""
