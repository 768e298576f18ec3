"""The exact wording of the command line's output that users see most."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from cli_command import CREDENTIALS, NO_DELAYS, lead_export, run, write_list

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.sandbox.process import RunningSandbox

USAGE = [
    ("run", "Missing argument 'LIST...'. Try 'lead-export run --help'."),
    ("run people.csv", "Missing option '--out'. Try 'lead-export run --help'."),
    ("run people.csv --out=", "--out must not be empty."),
    ("rnu", "No such command 'rnu'. Did you mean 'run'? Try 'lead-export --help'."),
    (
        "report no-such-run --out report.html",
        "no-such-run: not a published run, or its manifest is damaged; name a folder such as DIR/latest.",
    ),
    ("status no-such-folder", "no-such-folder: no such folder; name the --out of a run."),
]


@pytest.mark.parametrize(("words", "sentence"), USAGE)
def test_usage_errors(words: str, sentence: str) -> None:
    """What is wrong, and where to read more."""
    assert lead_export(*words.split()).sentence == sentence


def plain(text: str) -> list[str]:
    """The lines of an output without what differs each time."""
    for pattern, name in (
        (r"\d{4}-\d\d-\d\d \d\d:\d\d", "TIME"),
        (r"\d+\.\d MB", "SIZE"),
        (r"\d{8}T\d{6}Z", "RUN"),
        (r"at [\d.]+ per second", "at RATE per second"),
        (r"after .+ s\b", "after DURATION"),
        (r"(/\S*/)?(lead-export|python\S* -m pipeline)( .*)?$", "COMMAND"),
    ):
        text = re.sub(pattern, name, text, flags=re.MULTILINE)
    return text.splitlines()


def test_the_life_of_a_run(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """Stopped, unfinished, refused for another App, resumed, published and rebuilt."""
    out = tmp_path / "export"
    sandbox.control(revoke_after=25)
    stopped = run(people, sandbox, out, "--run-id", "nightly", "--concurrency", 1)
    assert plain(stopped.err)[:5] == [
        "Run nightly: stopped after DURATION",
        "         40 rows read",
        "         25 found",
        "         15 pending",
        "  27 calls at RATE per second, 1 probe",
    ]
    assert plain(stopped.err)[-3:-1] == ["  answers so far are kept; resume with:", "    COMMAND"]
    shown = plain(lead_export("status", out).out)
    assert shown[:2] == ["nightly: unfinished", "  25 of 40 addresses answered, SIZE"]
    assert shown[2].startswith("  started TIME UTC; stopped TIME UTC: ")
    assert shown[3] == "  resume with: COMMAND"
    other = run(people, sandbox, out, KARTRA_APP_ID="sandbox-app-2").sentence
    assert other.startswith(
        "The unfinished run nightly (25 of 40 addresses answered) was started for a different account:"
        " another App id. Either resume it with "
    )
    assert other.endswith(
        " and its original lists, or start over with --new, which deletes it once the new run is published."
    )
    sandbox.control(revoke_after=0)
    resumed = run(people, sandbox, out)
    drift = (
        "  the API's replies differ from its documentation: 3 unknown keys"
        " (leads.account_tier, transactions.amount, transactions.currency); kept in `extra`"
    )
    assert plain(resumed.err) == [
        "Run nightly: complete after DURATION (started TIME UTC)",
        "         40 rows read",
        "         40 found",
        "  15 calls at RATE per second, 25 answers from the previous attempt",
        drift,
        f"  tables in {out}/run=nightly",
    ]
    shown = plain(lead_export("status", out).out)
    assert shown[:4] == [
        "nightly: complete, latest",
        "  published TIME UTC, SIZE",
        "  40 rows: 40 found",
        "last attempts:",
    ]
    assert shown[4].startswith("  TIME UTC, exit 4: ")
    assert shown[4].endswith(" Run nightly ended with exit code 4, 25 of 40 rows done; the same command resumes it.")
    assert shown[6:] == ["  TIME UTC, exit 0: Run nightly: 40 rows read, 40 found."]
    rebuilt = lead_export("rebuild", out / "latest", "--out", tmp_path / "rebuilt")
    assert plain(rebuilt.err) == [
        "Run nightly: rebuilt",
        "         40 rows read",
        "         40 found",
        drift,
        f"  tables in {tmp_path}/rebuilt/run=nightly",
    ]


def test_the_life_of_an_enriched_file(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """A row that fails, what status says, and the same command again."""
    path = write_list(tmp_path / "in.csv", ["ann@example.com", "fails-1@example.com", "ANN@example.com", "nobody"])
    words = ["enrich", path, "--out", tmp_path / "out.csv", "--api-url", sandbox.url, "--rate", 0, "--fields", "score"]
    env = {**CREDENTIALS, **NO_DELAYS, "LEAD_EXPORT_MAX_ATTEMPTS": "1"}
    failed = plain(lead_export(*words, **env).err)
    code = failed[6].rpartition(" ")[2]
    rate = next(line for line in failed if "calls at" in line)
    assert failed == [
        "Run RUN: complete with failures after DURATION",
        "          4 rows read",
        "          1 found",
        "          1 failed",
        "          1 invalid",
        "          1 duplicate",
        f"  failed with: 1 {code}",
        "  invalid:",
        "    in.csv, line 5: has no at sign",
        rate,
        f"  failed rows: line 3 ({code})",
        f"  4 rows, 2 of them with a lead (1 found, and 1 duplicate of these), in {tmp_path}/out.csv",
        "  to ask again for what failed, and for nothing else, until TIME UTC:",
        "    COMMAND",
    ]
    assert plain(lead_export("status", tmp_path).out) == [
        "RUN: out.csv is written, 1 row failed",
        "  1 of 2 addresses answered, 1 failed, SIZE",
        "  written TIME UTC; the answers are used again until TIME UTC",
        "  ask again for what failed with: COMMAND",
    ]
    assert plain(lead_export(*words, "--force", **env).err)[-1:] == [
        f"  4 rows, 3 of them with a lead (2 found, and 1 duplicate of these), in {tmp_path}/out.csv"
    ]
    assert plain(lead_export("status", tmp_path).out) == [
        f"{tmp_path}: no runs, finished or unfinished. Files that enrich has written are not listed."
    ]
    assert lead_export("enrich", tmp_path / "out.csv", "--out", tmp_path / "again.csv", **env).sentence == (
        "out.csv: looks enriched already: it has a column 'lead_outcome'; take the original list, or choose another"
        " --prefix."
    )


def test_a_plan(tmp_path: Path) -> None:
    """How a list is read, what is in it, how long the calls take, and the disk space."""
    path = write_list(tmp_path / "list.csv", ["a@example.com", "A@example.com", "nobody", "b@example.com"])
    assert plain(lead_export("plan", path).out) == [
        "list.csv: csv, utf-8, comma, column 'email' (1 of 1)",
        "  detected: encoding, delimiter, header, email column",
        "  4 rows, 2 new addresses, 1 duplicate, 1 invalid",
        "    line 4: has no at sign",
        "4 rows: 2 distinct addresses, 1 duplicate, 1 invalid",
        "2 calls at RATE per second: at least 0.1 s, done TIME UTC if started now",
        "about SIZE of disk space",
    ]


def test_odd_rows_in_the_summary(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Where the rows are that people should look at, those with the same fault on one line."""
    emails = ["ann@example.com", "bob@localhost", "nobody", *(f"p{n}@gmial.com" for n in range(11))]
    path = write_list(tmp_path / "list.csv", emails)
    lines = plain(run(path, sandbox, tmp_path / "export").err)
    assert lines[4:9] == [
        "  invalid:",
        "    list.csv, line 4: has no at sign",
        "  12 suspicious, looked up all the same, the first 10 of them:",
        "    list.csv, line 3: no dot in the domain",
        "    list.csv, " + ", ".join(f"line {n}" for n in range(5, 14)) + ": a domain like that of a large provider,"
        " but for a letter",
    ]
