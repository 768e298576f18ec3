"""Is it this address, or is it everything? What a row of failing calls says about the API.

When calls fail one after the other, the API is asked for somebody who cannot exist. Any answer to that, also "no such
lead", says that it is there and that the addresses fail by themselves. That costs one call, buys no answer twice, and
does not depend on which addresses happen to be left.
"""

from __future__ import annotations

from dataclasses import dataclass

SUSPICION = 8
"""Calls in a row without a usable answer after which the API itself is suspected."""
UNKNOWN_IN_A_ROW = 25
"""Errors that no documentation names, one after the other, after which something is wrong with more than a row."""
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0


def probe_address(number: int) -> str:
    """An address that cannot exist, another one for each `number`: RFC 2606 reserves the domain `.invalid` for this."""
    return f"nobody-{number}@lead-export.invalid"


@dataclass(slots=True)
class Health:
    """What the last calls say about the API; counting only, times are given in seconds.

    Attributes:
        last_answer_at: when it last gave a usable answer.
        failing_since: when the calls in a row that failed began to; None if the last one did not.
    """

    last_answer_at: float = float("-inf")
    failing_since: float | None = None
    _failed: int = 0
    _unknown: int = 0
    _suspicion: int = SUSPICION

    def answered(self, now: float) -> None:
        """A call got a usable answer."""
        self.last_answer_at = now
        self.failing_since = None
        self._failed = self._unknown = 0
        self._suspicion = SUSPICION

    def failed(self, now: float) -> None:
        """A call got none."""
        self._failed += 1
        if self.failing_since is None:
            self.failing_since = now

    def unknown(self) -> bool:
        """A call got an error that no documentation names, which is an answer; True if there are too many in a row."""
        self.failing_since = None
        self._failed = 0
        self._unknown += 1
        return self._unknown >= UNKNOWN_IN_A_ROW

    def is_suspect(self) -> bool:
        """Whether so many calls failed in a row that a probe is worth its cost."""
        return self._failed >= self._suspicion

    def cleared(self, *, outage: bool) -> None:
        """A probe was answered; if at once, the addresses are to blame, and the next time it takes twice as many."""
        self.failing_since = None
        self._failed = 0
        self._suspicion = SUSPICION if outage else self._suspicion * 2
