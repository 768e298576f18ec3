"""Replies that would stop the run: are they about one address, or about everybody?

A redirect, HTTP 401 or 404, "malformed request" and even "wrong credentials" may be what a firewall or a fault in the
server makes of a single address. So they wait for a probe (see `outage`). If it is answered, their addresses are called
once more, because a server that is just being replaced may refuse everybody for a moment; refused again, they fail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import CredentialsRefused, PermissionRefused

if TYPE_CHECKING:
    from pipeline.calls.retry import Lookup, RetryPolicy
    from pipeline.errors import StopRun
    from pipeline.outcomes import Answer

REFUSED_IN_A_ROW = 20
"""Addresses in a row that are refused although probes are answered, after which the run stops all the same."""


class Refusals:
    """The addresses that the API refuses in words that would stop the run.

    Args:
        policy: how often an address may be called.
        has_answered: whether the API has answered an earlier attempt at this run.

    Attributes:
        waiting: addresses for which a probe must tell what the refusal means, each with its failure.
    """

    def __init__(self, policy: RetryPolicy, *, has_answered: bool = False) -> None:
        self._policy = policy
        self._has_answered = has_answered
        self.waiting: list[tuple[Lookup, Answer]] = []
        self._in_a_row = 0

    def answered(self) -> None:
        """A call for an address got an answer."""
        self._has_answered = True
        self._in_a_row = 0

    def add(self, lookup: Lookup, error: StopRun) -> Answer | None:
        """A call got a reply that would stop the run.

        Returns:
            The failure of its address, which had been refused before; None if it waits for a probe.

        Raises:
            StopRun: credentials or App were refused before anything was answered, or too many addresses in a row.
        """
        if isinstance(error, CredentialsRefused | PermissionRefused) and not self._has_answered:
            raise error
        if lookup.is_refused or lookup.calls >= self._policy.max_attempts:
            self._in_a_row += 1
            if self._in_a_row >= REFUSED_IN_A_ROW:
                raise type(error)(f"{error}, for {REFUSED_IN_A_ROW} addresses in a row", code=error.code) from error
        failure = lookup.refusal(error)
        if lookup.is_refused:
            return failure
        self.waiting.append((lookup, failure))
        return None

    def resolve(self, *, outage: bool) -> tuple[list[tuple[Lookup, Answer]], list[Lookup]]:
        """A probe was answered, perhaps after an `outage`.

        Returns:
            Failures that are final, and addresses to be called again.
        """
        self._has_answered = True
        waiting, self.waiting = self.waiting, []
        final = [one for one in waiting if not outage and one[0].calls >= self._policy.max_attempts]
        again = [one[0] for one in waiting if one not in final]
        for lookup in again:
            lookup.is_retry, lookup.is_refused = True, not outage
        return final, again
