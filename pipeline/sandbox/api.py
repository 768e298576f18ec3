"""One call in, one reply out: the order in which the API checks things. No HTTP and no clock in here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from pipeline.sandbox import replies
from pipeline.sandbox.behaviours import Ask, choose, random_fault
from pipeline.sandbox.form import Form
from pipeline.sandbox.options import SandboxOptions
from pipeline.sandbox.replies import Delivery, Reply, error
from pipeline.sandbox.stats import Stats

UNKNOWN_APP = "(unknown)"  # invalid App ids share one limit: nobody can fill the memory with them


@dataclass(frozen=True, slots=True)
class Call:
    """What one request asks for."""

    form: Form | None  # None if the request held no form
    address: str  # without blanks around it; empty if none was given
    key: str  # what counts as the same address: case does not matter
    user_agent: str

    @classmethod
    def read(cls, form: Form | None, user_agent: str) -> Self:
        """Find the address in a parsed body."""
        command = form.get("get_lead") if form else None
        given = command.get("email") if isinstance(command, dict) else None
        address = given.strip() if isinstance(given, str) else ""
        return cls(form, address, address.casefold(), user_agent)

    def text(self, field: str) -> str:
        """Return a field of the form, empty if it is absent or no text."""
        value = self.form.get(field) if self.form else None
        return value if isinstance(value, str) else ""


class Api:
    """The simulated API: its switches, its counters, and the outage it may be in."""

    def __init__(self, options: SandboxOptions) -> None:
        self.options = options
        self.stats = Stats()
        self._outage_began_s: float | None = None

    def change(self, switches: Mapping[str, object]) -> None:
        """Change switches; those of the outage prepare a new one.

        Raises:
            ValueError: an unknown switch, one fixed at the start, or a value that does not fit.
        """
        self.options = self.options.changed(switches)
        if any(name.startswith("outage") for name in switches):
            self._outage_began_s = None

    def reset_stats(self) -> None:
        """Forget all that was counted: calls are numbered from 1 again, attempts too."""
        self.stats.reset()
        self._outage_began_s = None

    def reply(self, call: Call, now_s: float) -> Reply:
        """Count one call and decide its reply; `now_s` is on a clock that never goes backwards."""
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
        """Count a reply as answered, if it settles what was asked; called when it leaves."""
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
        return replies.page(503, "503 Service Unavailable")

    def _throttled(self) -> Reply:
        match self.options.throttle_style:
            case "body":
                return error("429")
            case "message":
                return replies.untyped_error("Too many requests")
            case _:
                wait_s = self.options.retry_after_s
                headers = {"Retry-After": str(wait_s)} if wait_s else {}
                return replies.page(429, "429 Too Many Requests", headers=headers)

    def _app(self, call: Call) -> str:
        app = call.text("app_id")
        return app if app.startswith(self.options.app_id) else UNKNOWN_APP

    def _refusal(self, call: Call, number: int) -> Reply | None:
        """Return the error for wrong credentials or a wrong command, in the order the API looks at them."""
        options = self.options
        app_id, key, password = call.text("app_id"), call.text("api_key"), call.text("api_password")
        revoked = 0 < options.revoke_after < number
        checks = (
            (not app_id, "238"),
            (self._app(call) == UNKNOWN_APP, "239"),
            (not key, "202"),
            (key != options.api_key, "203"),
            (password != options.api_password or revoked, "233"),
            (not call.form or not isinstance(call.form.get("get_lead"), dict), "236"),
            (not call.address, "206"),
        )
        return next((error(code) for wrong, code in checks if wrong), None)

    def _lead_reply(self, call: Call) -> Reply:
        behaviour, number = choose(call.address)
        ask = Ask(call.address, self.options.seed, self.stats.attempt(call.key), number)
        faulty = random_fault(ask, self.options.fault_rate) if self.options.fault_rate else None
        return faulty or behaviour.reply(ask)
