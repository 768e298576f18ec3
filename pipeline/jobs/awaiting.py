"""Jobs that can be awaited: each runs in a thread of its own, and cancelling the await stops its calls.

A job blocks for long: it reads lists, writes files and waits for locks. In a thread it holds up neither the event loop
of the program that awaits it nor, as in `asyncio.to_thread`, one of the few threads that the loop resolves names with.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from pipeline.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from pipeline.errors import StopRun

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Stopper:
    """Passes a request to stop, made in any thread, on to the calls of a job, even if they have not begun yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reason: StopRun | None = None
        self._stop: Callable[[StopRun], object] | None = None

    def stop(self, reason: StopRun) -> None:
        """Ask the calls to stop for this reason."""
        with self._lock:
            self._reason = reason
            if self._stop is not None:
                self._stop(reason)

    @contextlib.contextmanager
    def stops(self, stop: Callable[[StopRun], object]) -> Iterator[None]:
        """During the block, run `stop` in the event loop of this thread for each request, and for an earlier one."""
        loop = asyncio.get_running_loop()
        with self._lock:
            self._stop = lambda reason: loop.call_soon_threadsafe(stop, reason)
            if self._reason is not None:
                self._stop(self._reason)
        try:
            yield
        finally:
            with self._lock:
                self._stop = None

    @classmethod
    def current(cls) -> Stopper:
        """That of the job which runs in this context, or a new one."""
        return _STOPPER.get(None) or cls()


_STOPPER: contextvars.ContextVar[Stopper] = contextvars.ContextVar("lead_export_stopper")


def awaitable(job: Callable[Arguments, Result]) -> Callable[Arguments, Coroutine[Any, Any, Result]]:
    """The same job as a coroutine function, called NAME_async."""

    @functools.wraps(job)
    async def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        stopper, context = Stopper(), contextvars.copy_context()
        context.run(_STOPPER.set, stopper)
        thread = ThreadPoolExecutor(1, job.__name__)
        work = functools.partial(context.run, functools.partial(job, *args, **kwargs))
        future = asyncio.get_running_loop().run_in_executor(thread, work)
        thread.shutdown(wait=False)  # it ends with the job
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as cancelled:
            await _end(future, stopper)
            raise cancelled from future.exception()
        return future.result()

    run.__name__ = run.__qualname__ = f"{job.__name__}_async"
    run.__doc__ = _DOC.format(name=job.__name__)
    return run


_DOC = """Like `{name}`, to be awaited: the job runs in a thread of its own, and the event loop stays free.

Cancelling it stops the calls as Ctrl-C does: those in flight may finish, and the answers are kept. When this returns or
raises, the job has ended; what cannot be interrupted, such as publishing, is finished first.

Args, Returns, Raises:
    See `{name}`; and `asyncio.CancelledError`, whose cause, if there is one, is the `StopRun` with the manifest.
"""


async def _end(future: asyncio.Future[Any], stopper: Stopper) -> None:
    """Stop a job and wait for its end; if cancelled once more, do not wait for its calls in flight."""
    while not future.done():
        stopper.stop(Interrupted("Cancelled by the program that started it."))
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([future])
