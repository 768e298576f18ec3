"""One call: an address in, an answer or one of our errors out."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Self

from pipeline.calls import kartra
from pipeline.calls.network import choose_proxy
from pipeline.calls.open_files import out_of_files
from pipeline.calls.pace import Pace
from pipeline.calls.retry import Lookup, RetryPolicy, jitter
from pipeline.calls.transport import Endpoint
from pipeline.errors import CredentialsRefused, TryAgain, Unreachable, UsageError, WrongArgument
from pipeline.outcomes import Address
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.outcomes import Answer


class LeadClient:
    """Fetches leads from the API, one address per call, over pooled connections.

    Works on its own: `async with LeadClient(settings) as client: answer = await client.get_lead("a@example.com")`.
    It may be used in one such block after the other, in different event loops as well, and keeps the pace across them.

    Attributes:
        pace: when calls may start; `get_lead` keeps to it, `call` does not.
        retry_policy: whether and when a failed call is repeated; again, only by `get_lead`.
    """

    def __init__(self, settings: Settings) -> None:
        if not isinstance(settings, Settings):
            raise WrongArgument.of("settings", "a pipeline.Settings", settings)
        self._settings = settings
        self.pace = Pace.of(settings)
        self.retry_policy = RetryPolicy.of(settings)
        self._accept_mismatch = settings.accept_mismatch
        self._prefix = kartra.request_prefix(settings)
        self._endpoint: Endpoint | None = None

    async def __aenter__(self) -> Self:
        """Prepare for calls; nothing is connected yet.

        Raises:
            UsageError: credentials are missing, or the proxy or `ca_file` cannot be used.
        """
        self._settings.require_credentials()
        self.pace.enter_loop()
        self._endpoint = Endpoint(self._settings, choose_proxy(self._settings))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection."""
        await self.pace.close()
        if self._endpoint is not None:
            await self._endpoint.close()
            self._endpoint = None

    async def get_lead(self, email: str) -> Answer:
        """Look up one address at the configured pace, with retries after transient failures.

        Raises:
            LeadExportError: there is no usable answer; `TryAgain` after the last attempt, or when the patience with
                429s has run out.
        """
        lookup = Lookup(Address(1, email))
        clock = asyncio.get_running_loop().time
        while True:
            try:
                with await self.pace.acquire():
                    answer = await self.call(email, fresh=lookup.stale > 0)
            except TryAgain as error:
                self.retry_policy.check_patience(self.pace.throttled_since, clock())
                delay_s = self.retry_policy.delay_s(lookup, error, now=clock(), random=jitter)
                if delay_s is None:
                    raise
                await asyncio.sleep(self.pace.closed_for_s() + delay_s)
            else:
                return answer.with_attempts(lookup.calls + 1)

    async def call(self, email: str, *, fresh: bool = False) -> Answer:
        """Make one call now, and return its answer; with `fresh`, on a new connection.

        Raises:
            LeadExportError: see `kartra.judge` and `transport.ERROR_RULES`.
        """
        if not isinstance(email, str):
            raise WrongArgument.of("email", "a string", email)
        if not email.isascii() and any("\ud800" <= character <= "\udfff" for character in email):
            raise WrongArgument("email: must be text that UTF-8 can encode, without surrogates.")
        if self._endpoint is None:
            raise UsageError("LeadClient must be used in an `async with` block.")
        try:
            reply = await self._endpoint.post(kartra.request_body(self._prefix, email), fresh=fresh)
        except Unreachable as error:
            raise out_of_files(error.__cause__) or error from error.__cause__
        try:
            return kartra.judge(reply.status, reply.body, email=email, accept_mismatch=self._accept_mismatch)
        except CredentialsRefused as error:
            if quoted := kartra.quoted_credentials(self._settings):
                hint = f"; the value of {' and '.join(quoted)} is in quotation marks, which count: remove them"
                raise CredentialsRefused(f"{error}{hint}", code=error.code, body=error.body) from None
            raise
        except TryAgain as error:
            error.retry_after_s = kartra.retry_after_s(reply.retry_after, now=time.time())
            raise
