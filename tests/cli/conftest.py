"""One sandbox for all tests of the command line, as new for each of them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from cli_command import OPTIONS, write_list

from pipeline.sandbox.process import RunningSandbox, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A list of 40 addresses that are all found."""
    return write_list(tmp_path / "people.csv", [f"person.{number}@example.com" for number in range(40)])
