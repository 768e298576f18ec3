"""A plain bar on a terminal: how far, how long still, and what came so far."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import click

from pipeline.jobs.observer import Observer
from pipeline.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.outcomes import Address, Answer


ROOM_FOR_TALLY = 60
"""Columns a terminal needs for more than the bar."""


class Progress(Observer):
    """Listens to a job and draws a bar on standard error; a context manager.

    Args:
        enabled: whether to draw; None draws on a terminal only.
        quiet: never draw.
    """

    def __init__(self, *, enabled: bool | None, quiet: bool) -> None:
        # A process started with standard error closed has none at all.
        seen = sys.stderr is not None and (sys.stderr.isatty() if enabled is None else enabled)
        self._enabled = seen and not quiet
        self._bar: Any = None
        self._outcomes: Counter[Outcome] = Counter()

    def __enter__(self) -> Self:
        """Return the observer itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the bar as it stands."""
        self.close()

    def listed(self, *, rows: int, addresses: int, answered: int) -> None:  # noqa: ARG002 - as below
        """Start the bar."""
        if not self._enabled:
            return
        bar = click.progressbar(
            length=addresses,
            label="Asking",
            width=0,  # as wide as the terminal has room for; a line that wraps would be drawn anew below itself
            show_pos=True,
            item_show_func=self._tally if shutil.get_terminal_size().columns >= ROOM_FOR_TALLY else None,
            file=sys.stderr,
        )
        with self._drawing():
            self._bar = bar.__enter__()
            self._bar.update(answered)

    def answered(self, address: Address, answer: Answer) -> None:  # noqa: ARG002 - the hook gives more than we show
        """Move the bar by one."""
        if self._bar is not None:
            self._outcomes[answer.outcome] += 1
            with self._drawing():
                self._bar.update(1, answer)

    def publishing(self) -> None:
        """End the bar before the summary."""
        self.close()

    def _tally(self, _: object) -> str:
        found, failed = self._outcomes[Outcome.FOUND], self._outcomes[Outcome.FAILED]
        return f"{found:,} found" + (f", {failed:,} failed" if failed else "")

    def close(self) -> None:
        """End the bar, so that what is said next begins a line."""
        if self._bar is not None:
            bar, self._bar = self._bar, None
            with self._drawing():
                bar.__exit__(None, None, None)

    @contextmanager
    def _drawing(self) -> Iterator[None]:
        """A bar that nobody can see any more does not stop the job."""
        try:
            yield
        except OSError:
            self._bar = None
