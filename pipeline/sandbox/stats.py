"""The counters behind /stats: calls, answers and refusals.

A million addresses cost about 200 MB: three dictionaries that share their keys, and small integers.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pipeline.sandbox.window import RateWindow, SlidingCount

MAX_USER_AGENTS = 100


@dataclass
class Stats:
    """The counters of one sandbox; times are in seconds since it started."""

    calls: int = 0
    answered: int = 0
    faults: int = 0
    outage_calls_seen: int = 0
    redirected_calls: int = 0
    connections: int = 0
    in_flight: int = 0
    max_in_flight: int = 0
    first_call_s: float | None = None
    last_call_s: float | None = None
    arrivals: SlidingCount = field(default_factory=SlidingCount)
    admitted: SlidingCount = field(default_factory=SlidingCount)
    apps: defaultdict[str, RateWindow] = field(default_factory=lambda: defaultdict(RateWindow))
    user_agents: set[str] = field(default_factory=set)
    calls_by_address: dict[str, int] = field(default_factory=dict)
    attempts_by_address: dict[str, int] = field(default_factory=dict)
    answers_by_address: dict[str, int] = field(default_factory=dict)

    def arrive(self, now_s: float, app: str, address: str, user_agent: str) -> int:
        """Count a call, whatever its outcome, and return its number, from 1."""
        self.calls += 1
        self.arrivals.add(now_s)
        self.apps[app].arrive(now_s)
        self.last_call_s = now_s
        if self.first_call_s is None:
            self.first_call_s = now_s
        if len(self.user_agents) < MAX_USER_AGENTS:
            self.user_agents.add(user_agent)
        if address:
            _count(self.calls_by_address, address)
        return self.calls

    def admit(self, now_s: float, app: str, limit_per_s: int) -> bool:
        """Whether the limit of the App admits the call."""
        admitted = self.apps[app].admit(now_s, limit_per_s)
        if admitted:
            self.admitted.add(now_s)
        return admitted

    def attempt(self, address: str) -> int:
        """Count a call that was admitted for an address, and return how many there were for it."""
        return _count(self.attempts_by_address, address)

    def answer(self, address: str) -> None:
        """Count a conclusive answer."""
        self.answered += 1
        _count(self.answers_by_address, address)

    @contextmanager
    def one_in_flight(self) -> Iterator[None]:
        """Count a call as in flight during the block."""
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            yield
        finally:
            self.in_flight -= 1

    def reset(self) -> None:
        """Reset all counters except that of calls in flight."""
        vars(self).update(vars(Stats(in_flight=self.in_flight)))

    def as_json(self, *, with_addresses: bool) -> dict[str, Any]:
        """The content of /stats."""
        calls = self.calls_by_address
        shown: dict[str, Any] = {
            "calls": self.calls,
            "answered": self.answered,
            "throttled": sum(window.throttled for window in self.apps.values()),
            "faults": self.faults,
            "outage_calls_seen": self.outage_calls_seen,
            "redirected_calls": self.redirected_calls,
            "worst_second": self.arrivals.worst,
            "worst_second_admitted": self.admitted.worst,
            "first_call_s": self.first_call_s,
            "last_call_s": self.last_call_s,
            "in_flight": self.in_flight,
            "max_in_flight": self.max_in_flight,
            "connections": self.connections,
            "user_agents": sorted(self.user_agents),
            "asked": len(calls),
            "asked_twice_or_more": sum(count > 1 for count in calls.values()),
            "answered_twice_or_more": sum(count > 1 for count in self.answers_by_address.values()),
            "max_calls_per_address": max(calls.values(), default=0),
            "apps": {app: _app_json(window) for app, window in self.apps.items()},
        }
        if with_addresses:
            shown["addresses"] = calls
        return shown


def _app_json(window: RateWindow) -> dict[str, int | float | None]:
    return {
        "calls": window.calls,
        "throttled": window.throttled,
        "worst_second": window.arrivals.worst,
        "first_call_s": window.first_call_s,
        "last_call_s": window.last_call_s,
    }


def _count(counts: dict[str, int], key: str) -> int:
    counts[key] = count = counts.get(key, 0) + 1
    return count
