"""Replies that would stop the run: are they about one address, or about everybody?

A redirect, HTTP 401 or 404, "malformed request" and even "wrong credentials" may be what a firewall or a fault in the
server makes of a single address. So they wait for a probe (see `outage`). If it is answered, their addresses are called
once more, because a server that is just being replaced may refuse everybody for a moment; refused again, they fail.

Errors that fail a single address, such as an undocumented one, are believed once the API has answered for any address.
Until then they wait as well: a server that fails even an address that cannot exist fails everybody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import ApiUnavailable, CredentialsRefused, PermissionRefused, UnknownApiError, WrongEndpoint

if TYPE_CHECKING:
    from pipeline.calls.retry import Lookup, RetryPolicy
    from pipeline.errors import GiveUp, StopRun
    from pipeline.outcomes import Answer

REFUSED_IN_A_ROW = 20
"""Addresses in a row that are refused although probes are answered, after which the run stops all the same."""
FAILED_IN_A_ROW = 25
"""Addresses in a row that fail in a way that nothing documents, after which more than they must be wrong."""
UNPROVEN = 8
"""Failures of single addresses, before anything was answered, after which a probe must tell what they mean."""


class Refusals:
    """The addresses that the API refuses in words that would stop the run.

    Args:
        policy: how often an address may be called.
        has_answered: whether the API has answered an earlier attempt at this run.

    Attributes:
        has_answered: whether the API has answered for any address, if only for that of a probe.
        waiting: addresses for which a probe must tell what the refusal means, each with its failure.
        unproven: addresses that failed before anything was answered, each with its failure.
    """

    def __init__(self, policy: RetryPolicy, *, has_answered: bool = False) -> None:
        self._policy = policy
        self.has_answered = has_answered
        self.waiting: list[tuple[Lookup, Answer]] = []
        self.unproven: list[tuple[Lookup, Answer]] = []
        self._in_a_row = self._failed_in_a_row = 0

    @property
    def need_probe(self) -> bool:
        """Whether only a probe can tell what the failures so far mean."""
        return bool(self.waiting) or len(self.unproven) >= UNPROVEN

    def answered(self) -> None:
        """A call for an address got an answer."""
        self.has_answered = True
        self._in_a_row = self._failed_in_a_row = 0

    def holds_back(self, lookup: Lookup, error: GiveUp) -> bool:
        """Whether the failure of an address waits until the API has answered for any other."""
        if not self.has_answered:
            self.unproven.append((lookup, lookup.failure(error)))
        return not self.has_answered

    def proven(self) -> list[tuple[Lookup, Answer]]:
        """The failures that were held back, if they are final by now; each is returned once."""
        proven = self.unproven if self.has_answered else []
        self.unproven = [] if self.has_answered else self.unproven
        return proven

    def failed(self, error: GiveUp) -> StopRun | None:
        """An address failed in a way that nothing documents; return the reason to stop the run, if there is one."""
        self._failed_in_a_row += 1
        if self._failed_in_a_row < FAILED_IN_A_ROW:
            return None
        return _for_everybody(f"The API has failed {FAILED_IN_A_ROW} addresses in a row", error)

    def probe_failed(self, error: GiveUp) -> None:
        """A probe failed in the way of single addresses.

        Raises:
            StopRun: nothing was ever answered, and addresses have failed like that.
        """
        if self.unproven and not self.has_answered:
            raise _for_everybody("The API has answered for no address, not even for one that cannot exist", error)

    def add(self, lookup: Lookup, error: StopRun) -> Answer | None:
        """A call got a reply that would stop the run.

        Returns:
            The failure of its address, which had been refused before; None if it waits for a probe.

        Raises:
            StopRun: credentials or App were refused before anything was answered, or too many addresses in a row.
        """
        if isinstance(error, CredentialsRefused | PermissionRefused) and not self.has_answered:
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
        waiting, self.waiting = self.waiting, []
        final = [one for one in waiting if not outage and one[0].calls >= self._policy.max_attempts]
        again = [one[0] for one in waiting if one not in final]
        for lookup in again:
            lookup.is_retry, lookup.is_refused = True, not outage
        return final + self.proven(), again


def _for_everybody(what: str, error: GiveUp) -> StopRun:
    """The reason to stop the run if `error` is not about single addresses: only what the API says may pass in time."""
    if isinstance(error, UnknownApiError) and not error.code.startswith("http_"):
        return ApiUnavailable(f"{what}: {error} (type {error.code}).")
    return WrongEndpoint(f"{what}: {error}; check api_url.", code=error.code)
