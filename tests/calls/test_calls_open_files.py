"""The limit of open files: fewer connections, and a sentence that names the limit, instead of an API that is down."""

from __future__ import annotations

import asyncio
import resource
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from calls_wire import leads, settings
from test_calls_fanout import Api, emails, fan_out

from pipeline.calls.client import LeadClient
from pipeline.calls.open_files import FILES_OF_A_JOB, RESERVED, at_most, check_room, out_of_files
from pipeline.errors import LeadExportError, OutOfFiles, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator


def open_now() -> int:
    """The open files of this process."""
    return sum(1 for _ in Path("/dev/fd").iterdir())


@contextmanager
def limited_to(files: int) -> Iterator[None]:
    """Let this process open no more files than these."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(("room", "expected"), [(0, 1), (RESERVED, 1), (RESERVED + 8, 8), (RESERVED + 500, 64)])
def test_there_are_no_more_connections_than_files(room: int, expected: int, caplog: pytest.LogCaptureFixture) -> None:
    """What is open already and what else is needed counts; fewer than wanted are told with the limit."""
    before = open_now()
    with limited_to(before + room):
        assert at_most(64) == pytest.approx(expected, abs=1)
    assert ("ulimit -n" in caplog.text) == (expected < 64)
    assert (f"{before + room:,}" in caplog.text) == (expected < 64)


@pytest.mark.parametrize("tables", [0, 7, 28])
def test_a_job_begins_only_with_room_for_all_its_files(tables: int) -> None:
    """Every table counts; the sentence names the limit, and comes before any call."""
    needed = open_now() + FILES_OF_A_JOB + tables
    with limited_to(needed):
        check_room(tables)
    with limited_to(needed - 2), pytest.raises(StorageError, match="ulimit -n") as caught:
        check_room(tables)
    assert f"{needed - 2:,} files" in str(caught.value)


async def test_a_connection_that_cannot_be_opened_names_the_limit() -> None:
    """The error of the system is told apart from that of a server; nothing was sent."""
    async with leads() as url, LeadClient(settings(url)) as client:
        with limited_to(3), pytest.raises(OutOfFiles) as caught:  # standard input, output and error
            await client.call("ann@example.com")
        assert "ulimit -n" in str(caught.value)
        assert (caught.value.code, caught.value.sent) == ("open_files", False)
        assert (await client.call("ann@example.com")).code is None


def test_other_errors_are_no_matter_of_files() -> None:
    """Only EMFILE and ENFILE are."""
    assert out_of_files(ConnectionRefusedError(111, "refused")) is None
    assert out_of_files(None) is None
    assert "machine" in str(out_of_files(OSError(23, "too many open files in system")))


def test_a_run_goes_on_with_the_connections_that_it_gets() -> None:
    """Whoever gets none waits for another call to end, without a lost attempt, a pause or a probe."""
    api = Api(latency_s=1.0)
    scarce, connections = api.call, asyncio.Semaphore(10)

    async def call(email: str, *, fresh: bool = False) -> object:
        if connections.locked():
            raise OutOfFiles("no connection")
        async with connections:
            return await scarce(email, fresh=fresh)

    api.call = call  # type: ignore[assignment,method-assign]  # the same API with room for ten connections
    done = fan_out(api, emails(100), rate_per_s=0, max_attempts=1)
    assert (done.error, done.outcomes) == (None, {"found": 100})
    assert (api.most_in_flight, done.counts.probes, done.counts.time.backoff) == (10, 0, 0)
    assert done.counts.sent == len(api.calls) == 100
    assert done.seconds < 16


def test_a_run_without_any_connection_stops_as_a_matter_of_this_machine() -> None:
    """Exit code 6 at once, not after the patience with an API that is down."""
    done = fan_out(Api(reply=lambda _, __: OutOfFiles("no connection: limit")), emails(5), rate_per_s=0)
    assert isinstance(done.error, StorageError)
    assert "limit" in str(done.error)
    assert done.seconds < 1


def test_a_probe_without_a_connection_is_no_outage() -> None:
    """Where the run begins with a probe, too few open files are exit code 6 as well."""
    api = Api(reply=lambda _, __: OutOfFiles("no connection: limit"))
    done = fan_out(api, emails(5), rate_per_s=0, probe_first=True)
    assert isinstance(done.error, StorageError)
    assert done.seconds < 1


def test_one_shortage_does_not_slow_down_the_whole_run() -> None:
    """A minute without another, and as many calls as before are in flight again."""
    first: set[int] = set()

    def reply(email: str, nth: int) -> LeadExportError | None:
        if email == "person4@example.com" and nth == 1 and not first:
            first.add(nth)
            return OutOfFiles("no connection")
        return None

    api = Api(reply=reply, latency_s=1.0)
    done = fan_out(api, emails(3_000), rate_per_s=0, concurrency=40)
    assert (done.error, len(done.outcomes)) == (None, 1)
    assert api.most_in_flight == 40
    assert done.seconds < 60 + 3_000 / 40 * 1.2 + 40
