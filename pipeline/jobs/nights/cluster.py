"""A Dask cluster as workers: who may be asked, whether it fits, and its executor. Needs the extra `dask`.

Whoever reaches a scheduler can have its workers run anything, so without TLS none is asked beyond this machine.
"""

from __future__ import annotations

import ipaddress
import logging
import threading
import time
import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from pipeline.errors import StorageError, UsageError
from pipeline.jobs.nights.site import Site, difference, versions
from pipeline.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from pipeline.files.state import StateFolder

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

RESOURCE = "night"
"""The resource that workers are started with: how many nights one may have at once."""
CONNECT_S = 10.0
"""Seconds for a scheduler to answer, and for its first worker to come."""
ANSWER_S = 60.0
"""Seconds for the scheduler or its workers to answer a question."""
RETRIES = 2
"""How often Dask repeats a night that ended with an exception; what is wrong with a night is none."""
_CLOSE_S = 5.0
_TLS = "DASK_DISTRIBUTED__COMM__TLS__"
_CERTIFICATES = f"{_TLS}CA_FILE, {_TLS}CLIENT__CERT and {_TLS}CLIENT__KEY"
_AGAIN = "what was rebuilt is published; run the same command again for the rest."


def check_address(address: str) -> None:
    """Check that a scheduler may be asked.

    Raises:
        UsageError: the address is none, or the connection would not be secure.
    """
    try:
        parts = urlsplit(address)
        is_whole = bool(parts.scheme in {"tls", "tcp"} and parts.hostname and parts.port)
    except ValueError:
        is_whole = False
    if not is_whole or address != f"{parts.scheme}://{parts.netloc}" or "@" in parts.netloc:
        raise UsageError("--scheduler: must be tls://HOST:PORT, or tcp://HOST:PORT on this machine.")
    if parts.scheme == "tcp" and not _is_loopback(parts.hostname or ""):
        raise UsageError(
            f"--scheduler: {address} is not secure, and whoever can reach a scheduler can run programs on its workers;"
            " start the cluster with TLS and name it tls://HOST:PORT."
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def asked(ask: Callable[[], Result], seconds: float) -> Result | Exception:
    """The answer to a question, or the error; a time-out if it takes longer, for which Dask has no parameter."""
    found: list[Result | Exception] = []

    def wait() -> None:
        try:
            found.append(ask())
        except Exception as error:  # noqa: BLE001 - whoever asked decides
            found.append(error)

    thread = threading.Thread(target=wait, name="cluster", daemon=True)
    thread.start()
    thread.join(seconds)
    return found[0] if found else TimeoutError()


@contextmanager
def connected(address: str, *, connect_s: float = CONNECT_S, patience_s: float = ANSWER_S) -> Iterator[Cluster]:
    """The cluster at `address` for the block, after which nothing is left to be done there.

    Args:
        address: of its scheduler.
        connect_s: seconds for the scheduler to answer, and for its first worker to come.
        patience_s: seconds for a cluster without scheduler or workers to get them back.

    Raises:
        UsageError: the extra is missing, the scheduler may not be asked, does not answer or has no workers for nights,
            or it or a worker has other versions.
    """
    check_address(address)
    client = _client(address, connect_s)
    cluster = Cluster(client, address, patience_s)
    try:
        cluster.check_workers(connect_s)
        cluster.check_versions()
        yield cluster
    finally:
        cluster.close()


def _client(address: str, connect_s: float) -> Any:  # noqa: ANN401 - of a library that need not be installed
    try:
        from distributed import Client
        from distributed.security import Security
        from distributed.versions import VersionMismatchWarning
    except ImportError:
        raise UsageError("--scheduler: needs Dask; run: pip install 'lead-export[dask]'.") from None
    security = Security(require_encryption=True) if address.startswith("tls:") else Security()
    if security.require_encryption:
        _check_certificates(security, address)

    def connect() -> object:
        return Client(address, security=security, timeout=connect_s, set_as_default=False, name="lead-export")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VersionMismatchWarning)  # what matters is compared later on
        client = asked(connect, 2 * connect_s)  # a server that says nothing would keep Dask waiting
    if isinstance(client, Exception):  # a time-out, a connection that TLS refuses, an answer that is not a scheduler's
        logger.debug("no connection to the scheduler: %s", type(client).__name__)
        raise UsageError(
            f"{address}: no Dask scheduler that accepts this connection answers there within {connect_s:g} seconds."
        )
    return client


def _check_certificates(security: Any, address: str) -> None:  # noqa: ANN401 - as above
    if not (security.tls_ca_file and security.tls_client_cert):
        raise UsageError(f"{address}: needs certificates; name their files in {_CERTIFICATES}.")
    try:
        security.get_connection_args("client")
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or "not in PEM format"
        raise UsageError(f"{address}: the certificates in {_CERTIFICATES} cannot be used ({what}).") from None


class Cluster:
    """Workers that a scheduler knows; a crew for `Shift`.

    Attributes:
        executor: Dask's, which knows the death of a worker from the failure of a task.
    """

    executor: Executor

    def __init__(self, client: Any, address: str, patience_s: float) -> None:  # noqa: ANN401 - as from `_client`
        from distributed import KilledWorker

        self._client = client
        self._address = address
        self._patience_s = patience_s
        self._killed = KilledWorker
        self._seen_s = time.monotonic()
        # `pure` would take two tasks that look alike for one.
        self.executor = client.get_executor(pure=False, retries=RETRIES, resources={RESOURCE: 1})

    def capacity(self) -> int:
        """How many nights its workers may have at once.

        Raises:
            StorageError: there has been no worker for too long, or the scheduler does not answer.
        """
        count = self._nights(self._workers())
        if count:
            self._seen_s = time.monotonic()
        elif time.monotonic() - self._seen_s > self._patience_s:
            raise StorageError(f"{self._address}: the scheduler or its last worker is gone; {_AGAIN}")
        return count

    def deaths(self, error: BaseException) -> int:
        """How many workers have died at a task that ended with this error.

        Dask hands out the task of a dead worker by itself, and gives up after its `allowed-failures`.
        """
        if isinstance(error, self._killed):
            return int(error.allowed_failures) + 1
        return int(isinstance(error, MemoryError))

    def check_workers(self, patience_s: float) -> None:
        """Wait for workers that take nights.

        Raises:
            UsageError: there is none, or one is elsewhere and the connection to it would not be secure.
        """
        try:
            self._client.wait_for_workers(1, timeout=patience_s)
        except TimeoutError:
            raise UsageError(f"{self._address}: the scheduler has no workers; start some.") from None
        workers = self._workers()
        if not self._nights(workers):
            raise UsageError(
                f"{self._address}: none of its {counted(len(workers), 'worker')} takes nights; start them with"
                f" --nthreads 1 --resources {RESOURCE}=1."
            )
        for worker in workers:
            if worker.startswith("tls:"):
                continue
            if not _is_loopback(urlsplit(worker).hostname or ""):
                raise UsageError(f"{self._address}: the worker {worker} is elsewhere and without TLS.")

    def check_versions(self) -> None:
        """Compare the versions of the scheduler, which unpickles tasks, and of all workers with those of this process.

        Raises:
            UsageError: one has another version, or does not answer.
        """
        ours = versions()
        theirs = {"The scheduler": asked(lambda: self._client.run_on_scheduler(versions), ANSWER_S)}
        theirs |= {f"The worker {name}": found for name, found in self._asked_workers(versions).items()}
        for who, found in theirs.items():
            differs = difference(found, ours) if isinstance(found, dict) else f"cannot say what it has ({_kind(found)})"
            if differs:
                raise UsageError(f"{who} {differs}; install the same versions everywhere, or files would differ.")

    @contextmanager
    def prepared(self, state: StateFolder, paths: Sequence[Path]) -> Iterator[Site]:
        """Have all workers try whether they can read runs and files and write the folder; the site of the folder.

        Raises:
            UsageError: one cannot.
        """
        with Site.open(state) as site:
            for name, found in self._asked_workers(site.refusal, paths).items():
                if found:
                    raise UsageError(found if isinstance(found, str) else f"The worker {name} failed ({_kind(found)}).")
            yield site

    def close(self) -> None:
        """Take back what is not finished, and disconnect; a night at work goes on to its end."""
        for each in (lambda: self.executor.shutdown(wait=False), lambda: self._client.close(timeout=_CLOSE_S)):
            with suppress(Exception):  # the scheduler may be gone
                each()

    def _workers(self) -> dict[str, Any]:
        """What the scheduler says of each worker that takes nights, or could; nothing while it is not connected."""
        if self._client.status != "running":
            return {}
        info = asked(lambda: self._client.scheduler_info(n_workers=-1), ANSWER_S)
        return dict(info.get("workers", {})) if isinstance(info, dict) else {}

    @staticmethod
    def _nights(workers: dict[str, Any]) -> int:
        return sum(int(worker.get("resources", {}).get(RESOURCE, 0)) for worker in workers.values())

    def _asked_workers(self, function: Callable[..., Any], *arguments: object) -> dict[str, Any]:
        """The answers of all workers that take nights, or the errors they ended with."""
        names = [name for name, worker in self._workers().items() if self._nights({name: worker})]
        ask = lambda: self._client.run(function, *arguments, workers=names, on_error="return")  # noqa: E731 - once
        answers = asked(ask, ANSWER_S)
        return answers if isinstance(answers, dict) else dict.fromkeys(names, answers)


def _kind(error: object) -> str:
    return type(error).__name__
