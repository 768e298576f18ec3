"""`lead-export plan`: what a run would do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cli_command import CREDENTIALS, OPTIONS, lead_export, own_process, run, write_list

from pipeline.cli.plan import plan_command
from pipeline.cli.run import run_command
from pipeline.sandbox.process import running

if TYPE_CHECKING:
    from pathlib import Path

LIST = [
    *(f"person.{n}@example.com" for n in range(20)),
    "PERSON.3@example.com",
    *(f"nobody {n}" for n in range(12)),
    '"two\nlines <x@example.com>"',
    "half@",
]

PLAN_KEYS = [
    *("lists", "rows", "answered", "carried", "to_ask", "share", "rate_per_s", "least_s", "done_at", "budget"),
    *("disk_bytes", "free_bytes", "refused", "expires"),
]
LIST_KEYS = [
    *(
        "name",
        "read_as",
        "form",
        "compression",
        "encoding",
        "delimiter",
        "quoting",
        "header",
        "email_column",
        "guessed",
        "rows",
    ),
    *("new_addresses", "duplicate", "suppressed", "invalid", "first_invalid", "suspicious", "first_suspicious", "unit"),
]


def test_a_plan_counts_and_shows_what_was_detected(tmp_path: Path) -> None:
    """How each list is read, its rows, duplicates across lists, the first ten invalid rows by line; then the time."""
    first = write_list(tmp_path / "first.csv", LIST)
    second = tmp_path / "second.csv"
    second.write_bytes("Größe;E-Mail\n1;PERSON.1@example.com\n2;new@example.com\n".encode("cp1252"))
    done = lead_export("plan", first, second, "--rate", 10)
    assert (done.code, len(done.err.splitlines())) == (0, 1)
    lines = done.out.splitlines()
    assert lines[0] == "first.csv: csv, utf-8, comma, column 'email' (1 of 1)"
    assert "  35 rows, 21 new addresses, 1 duplicate, 13 invalid" in lines
    assert "    line 23: has no at sign" in lines
    assert "    and 3 more" in lines
    assert "second.csv: csv, cp1252, semicolon, column 'E-Mail' (2 of 2)" in lines
    assert "  detected: encoding, delimiter, header, email column" in lines
    assert "37 rows: 22 distinct addresses, 2 duplicate, 13 invalid" in lines
    assert "22 calls at 10 per second: at least 2.2 s" in done.out
    assert "@" not in done.out + done.err


def test_a_plan_is_json_too(tmp_path: Path) -> None:
    """The same for programs; a line number where the format has lines, and when it would be done."""
    people = write_list(tmp_path / "people.csv", LIST)
    before = datetime.now(UTC)
    found = lead_export("plan", people, "--json", "--rate", 1).json
    assert list(found) == PLAN_KEYS
    assert list(found["lists"][0]) == LIST_KEYS
    assert found["rows"] == {"read": 35, "distinct": 21, "duplicate": 1, "suppressed": 0, "invalid": 13}
    assert (found["to_ask"], found["answered"], found["free_bytes"]) == (21, 0, None)
    assert 21 <= found["least_s"] < 22
    done = datetime.fromisoformat(found["done_at"])
    assert timedelta(seconds=20) <= done - before <= timedelta(seconds=40)
    invalid = found["lists"][0]["first_invalid"]
    assert len(invalid) == 10
    assert invalid[0] == {"input": "people.csv", "row": 22, "unit": "line", "line": 23, "code": "no_at"}
    assert 100_000 < found["disk_bytes"] < 1_000_000
    assert lead_export("plan", people, "--json", "--rate", 0).json["least_s"] is None


def test_a_plan_knows_what_is_answered_already(tmp_path: Path) -> None:
    """With --out it counts the answers of an unfinished run over the same lists, and shows the free disk space."""
    people, out = write_list(tmp_path / "people.csv", LIST), tmp_path / "export"
    with running(OPTIONS) as sandbox:
        sandbox.control(revoke_after=8)
        assert run(people, sandbox, out).code == 4
        before, words = sandbox.stats()["calls"], ["plan", people, "--out", out, "--json"]
        found = lead_export(*words, **CREDENTIALS, LEAD_EXPORT_API_URL=sandbox.url).json
        assert sandbox.stats()["calls"] == before
    assert (found["answered"], found["to_ask"]) == (8, 13)
    assert found["free_bytes"] > 0
    other = lead_export(
        "plan", write_list(tmp_path / "other.csv", LIST[:5]), "--out", out, "--json", **CREDENTIALS
    ).json
    assert other["answered"] == 0
    assert lead_export("plan", people, "--out", tmp_path / "none" / "x").code == 0
    assert not (tmp_path / "none").exists()


def test_a_plan_reads_standard_input(tmp_path: Path) -> None:
    """A pipe is read once, and no copy of it is left."""
    done = own_process("plan", "-", stdin="a@example.com\nb@example.com\n", TMPDIR=str(tmp_path))
    assert done.code == 0
    assert "2 rows: 2 distinct addresses" in done.out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [b"", b"email\n", b"a,b\n1,2\n", b"email,e-mail\na@example.com,b@example.com\n", b"\x89PNG\r\n\x1a\n\0\0\0"],
    ids=["empty", "header-only", "no-email-column", "two-email-columns", "binary"],
)
def test_a_list_that_cannot_be_read_is_exit_2(tmp_path: Path, content: bytes) -> None:
    """One sentence, no traceback."""
    (tmp_path / "list.csv").write_bytes(content)
    assert lead_export("plan", tmp_path / "list.csv").sentence


def test_a_plan_takes_the_options_of_a_run() -> None:
    """Every option of `run` is one of `plan`, so that the command of a crontab can be planned as it is."""
    missing = {option for param in run_command.params for option in param.opts} - {
        option for param in plan_command.params for option in param.opts
    }
    assert missing == set()


def test_a_plan_considers_what_the_options_of_a_run_mean(tmp_path: Path) -> None:
    """Another API or name finds no answers, --new asks for everything again, and a published name is refused."""
    people, out = write_list(tmp_path / "people.csv", LIST), tmp_path / "export"
    with running(OPTIONS) as sandbox:
        assert run(write_list(tmp_path / "few.csv", LIST[:2]), sandbox, out, "--run-id", "done").code == 0
        sandbox.control(revoke_after=12)
        assert run(people, sandbox, out, "--run-id", "half").code == 4
        answered = lead_export("status", out, "--json").json["unfinished"][0]["answered"]

        def planned(*options: object) -> tuple[int, bool]:
            words = ["plan", people, "--out", out, "--api-url", sandbox.url, "--json", *options]
            found = lead_export(*words, **CREDENTIALS).json
            return found["answered"], found["refused"] is not None

        assert planned("--format", "csv", "--timezone", "EST", "--no-progress", "--no-monitor") == (answered, False)
        assert planned("--run-id", "half") == (answered, False)
        assert planned("--run-id", "other") == (0, False)
        assert planned("--run-id", "done") == (0, True)
        assert planned("--new") == (0, False)
        assert planned("--api-url", "https://example.com/api") == (0, True)
        assert planned("--api-url", "https://example.com/api", "--unfinished", "replace") == (0, False)
        assert answered > 0
    assert lead_export("plan", people, "--sandbox", "--json").json["to_ask"] == 21
