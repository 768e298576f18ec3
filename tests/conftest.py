"""Fixtures and settings for all tests."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

import pytest
from agency import Agency
from cli_command import OPTIONS, write_list
from hypothesis import settings
from monitoring_service import Service, service
from odd_disk import OddDisk, compiled, started
from preloaded import COMMAND, Preloaded, preloaded

from pipeline.sandbox.process import RunningSandbox, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The first example of a property that makes frames waits for pandas; that says nothing about the property.
settings.register_profile("here", deadline=None)
settings.load_profile("here")


@pytest.fixture(autouse=True, scope="session")
def _no_state_of_the_users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give the tests, and the processes they start, a state folder and an environment without own settings."""
    kept = dict(os.environ)
    for name in kept:
        if name.startswith(("KARTRA_", "LEAD_EXPORT_")):
            del os.environ[name]
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))
    yield
    os.environ.clear()
    os.environ.update(kept)


# The sandbox and a list for the tests of the command line.


@pytest.fixture(scope="session")
def server() -> Iterator[RunningSandbox]:
    """A sandbox for the whole session."""
    with running(OPTIONS) as started:
        yield started


@pytest.fixture
def sandbox(server: RunningSandbox) -> RunningSandbox:
    """The sandbox with its counters at zero and its switches at their defaults; a test may change these."""
    fields = [field for field in dataclasses.fields(OPTIONS) if not field.metadata["fixed"]]
    server.control(reset_stats=True, **{field.name: getattr(OPTIONS, field.name) for field in fields})
    return server


@pytest.fixture(scope="session")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Preloaded]:
    """Starts programs without their having to load pandas first."""
    with preloaded(tmp_path_factory.mktemp("process")) as started:
        yield started


@pytest.fixture
def agency(process: Preloaded, sandbox: RunningSandbox, tmp_path: Path) -> Agency:
    """An agency whose processes, and theirs, need not load their libraries."""
    process.install(tmp_path, "lead-export", COMMAND)
    return Agency(tmp_path, process, tmp_path / "lead-export", sandbox)


@pytest.fixture
def monitor() -> Iterator[Service]:
    """A monitoring service that takes everything."""
    with service() as started:
        yield started


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A list of 40 addresses that are all found."""
    return write_list(tmp_path / "people.csv", [f"person.{number}@example.com" for number in range(40)])


@pytest.fixture(scope="session")
def odd_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OddDisk]:
    """Commands on disks that lack something."""
    library = compiled(tmp_path_factory.mktemp("odd-disk"))
    if library is None:
        pytest.skip("system calls are made to fail with LD_PRELOAD (Linux) and a library that a C compiler makes")
    with started(library) as disk:
        yield disk
