"""One call in, one reply out: the order in which the API checks things. Neither HTTP nor a clock is involved."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qsl

from pipeline.sandbox import replies
from pipeline.sandbox.behaviours import Lookup, choose_behaviour, random_fault
from pipeline.sandbox.options import SandboxOptions
from pipeline.sandbox.replies import Delivery, Reply, error
from pipeline.sandbox.stats import Stats

UNKNOWN_APP = "(unknown)"  # all invalid App ids share one limit, so that they cannot fill up the memory


@dataclass(frozen=True, slots=True)
class Call:
    """The contents of one request."""

    form: Mapping[str, str] | None  # None if the request had no form
    user_agent: str

    @classmethod
    def parse(cls, body: bytes | None, user_agent: str) -> Self:
        """Parse an `application/x-www-form-urlencoded` body, if there is one; of equal keys the last one counts.

        Bytes that are not valid UTF-8 become U+FFFD, because a reply that repeats them must still be JSON.
        """
        if body is None:
            return cls(None, user_agent)
        return cls(dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True)), user_agent)

    def field(self, name: str) -> str:
        """The value of a form field; "" if absent."""
        return (self.form or {}).get(name, "")

    @property
    def has_command(self) -> bool:
        """Whether PHP would see a `get_lead` array."""
        return any(name.startswith("get_lead[") for name in self.form or ())

    @property
    def address(self) -> str:
        """The address to look up, without surrounding whitespace; "" if absent."""
        return self.field("get_lead[email]").strip()

    @property
    def key(self) -> str:
        """What addresses are counted by: they differ by more than case."""
        return self.address.lower()


class Api:
    """The simulated API: its switches, its counters, and its outage, if there is one."""

    def __init__(self, options: SandboxOptions) -> None:
        self.options = options
        self.stats = Stats()
        self._outage_began_s: float | None = None

    def change(self, switches: Mapping[str, object]) -> None:
        """Change switches; changing those of the outage schedules a new one.

        Raises:
            ValueError: a switch is unknown or fixed at startup, or a value is invalid.
        """
        self.options = self.options.changed(switches)
        if any(name.startswith("outage") for name in switches):
            self._outage_began_s = None

    def reset_stats(self) -> None:
        """Reset all counters, including the numbers of calls and attempts."""
        self.stats.reset()
        self._outage_began_s = None

    def reply(self, call: Call, now_s: float) -> Reply:
        """Count one call and decide on its reply; `now_s` is the time on a monotonic clock."""
        app = self._app(call)
        number = self.stats.arrive(now_s, app, call.key, call.user_agent)
        if self._is_out(number, now_s):
            self.stats.outage_calls_seen += 1
            return self._outage_reply()
        if call.form is None:
            return error("236")
        if not self.stats.admit(now_s, app, self.options.limit_per_s):
            return self._throttled()
        reply = self._refusal(call, number) or self._lead_reply(call)
        self.stats.faults += reply.fault
        return reply

    def delivering(self, call: Call, reply: Reply) -> None:
        """Count a reply as an answer if it is conclusive; to be called just before it is sent."""
        if reply.conclusive:
            self.stats.answer(call.key)

    def _is_out(self, number: int, now_s: float) -> bool:
        options = self.options
        if not options.outage_from or number < options.outage_from:
            return False
        if self._outage_began_s is None:
            self._outage_began_s = now_s
        if options.outage_s:
            return now_s - self._outage_began_s < options.outage_s
        return not options.outage_calls or number < options.outage_from + options.outage_calls

    def _outage_reply(self) -> Reply:
        if self.options.outage_style == "dropped":
            return Reply(b"", delivery=Delivery.DROPPED)
        return replies.page(503, "503 Service Unavailable", headers=self._retry_after())

    def _throttled(self) -> Reply:
        match self.options.throttle_style:
            case "body":
                return error("429")
            case "message":
                return replies.untyped_error("Too many requests")
            case _:
                return replies.page(429, "429 Too Many Requests", headers=self._retry_after())

    def _retry_after(self) -> dict[str, str]:
        wait_s = self.options.retry_after_s
        return {"Retry-After": str(wait_s)} if wait_s else {}

    def _app(self, call: Call) -> str:
        app = call.field("app_id")
        return app if app.startswith(self.options.app_id) else UNKNOWN_APP

    def _refusal(self, call: Call, number: int) -> Reply | None:
        """The error for wrong credentials or a wrong command, checked in the order in which the API does."""
        options = self.options
        app_id, key, password = call.field("app_id"), call.field("api_key"), call.field("api_password")
        revoked = 0 < options.revoke_after < number
        checks = (
            (not app_id, "238"),
            (self._app(call) == UNKNOWN_APP, "239"),
            (not key, "202"),
            (key != options.api_key, "203"),
            (password != options.api_password or revoked, "233"),
            (not call.has_command, "236"),
            (not call.address, "206"),
        )
        return next((error(code) for failed, code in checks if failed), None)

    def _lead_reply(self, call: Call) -> Reply:
        behaviour, number = choose_behaviour(call.address)
        attempt = self.stats.attempt(call.key)
        options = self.options
        course = behaviour.course(number, options.change_share)
        lookup = Lookup(call.address, options.seed, attempt, number, self._shape(), options.epoch, course)
        fault = random_fault(lookup, options.fault_rate) if options.fault_rate else None
        return fault or behaviour.reply(lookup)

    def _shape(self) -> str:
        """One of `renderings`, for the call that was counted last."""
        if self.options.shape != "drifting":
            return self.options.shape
        return "changed" if self.stats.calls > self.options.drift_after else "text"
