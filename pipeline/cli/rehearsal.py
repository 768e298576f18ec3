"""`--sandbox`: the simulated API as a child process for the time of one job, with credentials of its own."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from pipeline.errors import InternalError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def rehearsal() -> Iterator[dict[str, object]]:
    """Start a sandbox; yields the settings that point a job to it, so that no real credential ever goes there.

    Raises:
        InternalError: it did not start.
    """
    from pipeline.sandbox.options import SandboxOptions
    from pipeline.sandbox.process import running

    options = SandboxOptions()
    with ExitStack() as stack:
        try:
            sandbox = stack.enter_context(running(options))
        except RuntimeError as error:
            raise InternalError(str(error)) from error
        yield {
            "api_url": sandbox.url,
            "app_id": options.app_id,
            "api_key": options.api_key,
            "api_password": options.api_password,
        }
