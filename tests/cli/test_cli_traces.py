"""Tracebacks without data: the frames of an error and of all that led to it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cli_command import CREDENTIALS, lead_export

from pipeline.cli.traces import frames

if TYPE_CHECKING:
    from collections.abc import Callable


def raised(function: Callable[[], object]) -> Exception:
    """The error that a call ends with."""
    try:
        function()
    except Exception as error:  # noqa: BLE001 - any
        return error
    raise AssertionError("nothing was raised")


def caused_by_the_system() -> None:
    """A chain of three errors, with data in every message."""
    try:
        try:
            Path("ann@example.com").read_bytes()
        except OSError as error:
            raise ValueError("bob@example.com") from error
    except ValueError:
        raise TypeError("cat@example.com")  # noqa: B904 - as a bug would


def endless(depth: int = 0) -> int:
    """A recursion without an end."""
    return endless(depth + 1)


def test_every_error_of_a_chain_has_its_frames() -> None:
    """Causes and what was being handled, oldest first, with the name of an error of the system; no message."""
    _, *lines = frames(raised(caused_by_the_system))
    assert [line for line in lines if ":" not in line or line.endswith(":")] == [
        "FileNotFoundError ENOENT",
        "which led to:",
        "ValueError",
        "while that was handled:",
        "TypeError",
    ]
    assert any(re.fullmatch(r"pathlib\S*:\d+ Path\.open", line) for line in lines)
    assert sum(line.endswith(" caused_by_the_system") for line in lines) == 3
    assert [line for line in lines if "@" in line] == []


def test_every_error_of_a_group_has_its_frames() -> None:
    """Indented below the group."""

    def fails() -> None:
        raise ExceptionGroup(
            "of several", [raised(caused_by_the_system), raised(endless), ValueError("ann@example.com")]
        )

    lines = list(frames(raised(fails)))
    below = lines[lines.index("ExceptionGroup") :]
    kinds = ["ExceptionGroup", "  TypeError", "  RecursionError", "  ValueError"]
    assert [line for line in below if line in kinds] == ["ExceptionGroup", "  ValueError", *kinds[1:]]
    assert [line for line in below[1:] if not line.startswith("  ")] == []


def test_a_long_traceback_is_shortened() -> None:
    """A recursion does not fill the log: its first and last frames say enough."""
    lines = list(frames(raised(endless)))
    assert len(lines) < 40
    assert any(re.fullmatch(r"\(\d+ more frames\)", line) for line in lines)
    assert lines[-1] == "RecursionError"


def test_a_chain_that_leads_back_to_itself_ends() -> None:
    """Each error of it is shown once."""
    first, second = ValueError("ann@example.com"), TypeError("bob@example.com")
    first.__context__, second.__context__ = second, first
    assert list(frames(first))[1:] == ["TypeError", "while that was handled:", "ValueError"]


@pytest.mark.parametrize(("verbosity", "shown"), [("-q", False), ("-v", False), ("-vv", True)])
def test_where_any_stop_came_from_is_shown_on_request(tmp_path: Path, verbosity: str, shown: bool) -> None:
    """With -vv the sentence of an error that is no bug is followed by frames, too."""
    result = lead_export("run", tmp_path / "none.csv", "--out", tmp_path / "out", verbosity, **CREDENTIALS)
    assert result.code == 2
    assert "none.csv" in result.err.splitlines()[-1]
    assert any(re.fullmatch(r"  pipeline/cli/main\.py:\d+ _execute", line) for line in result.err.splitlines()) == shown
    assert ("pipeline.errors.UsageError" in result.err) == shown
