"""One call: an address in, an answer or one of our errors out.

`ask` makes one call; `get_lead` adds pace and retries, for use alone.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Self

from pipeline.calls import kartra
from pipeline.calls.pace import Pace
from pipeline.calls.retry import RetryPolicy
from pipeline.calls.transport import Endpoint
from pipeline.errors import InternalError, Throttled, TryAgain

if TYPE_CHECKING:
    from pipeline.outcomes import Answer
    from pipeline.settings import Settings


class LeadClient:
    """Asks the API for leads, one address a call, over kept-alive connections.

    Usable alone: `async with LeadClient(settings) as client: answer = await client.get_lead("a@example.com")`.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.pace = Pace.of(settings)
        self._retry = RetryPolicy.of(settings)
        self._prefix = kartra.request_prefix(settings)
        self._endpoint: Endpoint | None = None

    async def __aenter__(self) -> Self:
        """Open for calls.

        Raises:
            UsageError: credentials are missing.
        """
        self._settings.require_credentials()
        self._endpoint = Endpoint(self._settings)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection."""
        await self.pace.close()
        if self._endpoint is not None:
            await self._endpoint.close()
            self._endpoint = None

    async def get_lead(self, email: str) -> Answer:
        """Ask for one address at the configured pace, again after transient failures.

        Raises:
            LeadExportError: no usable answer; `TryAgain` when all attempts, or the patience with 429s, were used up.
        """
        attempt = 1
        clock = asyncio.get_running_loop().time
        throttled_since: float | None = None
        while True:
            try:
                with await self.pace.acquire():
                    return (await self.ask(email)).with_attempts(attempt)
            except Throttled:
                self.pace.check_patience(self._settings.throttle_patience_s)
                throttled_since = clock() if throttled_since is None else throttled_since
                if clock() - throttled_since > self._settings.throttle_patience_s:
                    raise
            except TryAgain as error:
                delay_s = self._retry.delay_s(attempt, error, random.random)
                if delay_s is None:
                    raise
                attempt += 1
                throttled_since = None
                await asyncio.sleep(delay_s)

    async def ask(self, email: str) -> Answer:
        """Make one call, now, and read its answer.

        Raises:
            LeadExportError: see `kartra.judge` and `transport.TRANSPORT`.
        """
        if self._endpoint is None:
            raise InternalError("LeadClient is to be used in an `async with` block.")
        reply = await self._endpoint.post(kartra.request_body(self._prefix, email))
        try:
            return kartra.judge(reply.status, reply.body, asked=email)
        except Throttled as error:
            error.retry_after_s = kartra.retry_after_s(reply.retry_after, now=time.time())
            raise
