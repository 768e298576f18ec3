"""`lead-export report`, and the report that `run` publishes with its tables."""

from __future__ import annotations

import errno
import hashlib
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from cli_command import CREDENTIALS, NO_DELAYS, SECRETS, lead_export, manifest_of, run, target, write_list
from odd_disk import OddDisk, at

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.sandbox.process import RunningSandbox

MARKER = "zebra-crossing"
PEOPLE = [
    *(f"{MARKER}.{number}@example.com" for number in range(25)),
    *(f"not-found.{MARKER}@example.com", f"always-500.{MARKER}@example.com", f"bad-utf8.{MARKER}@example.com"),
    *(f"wrong-types.{MARKER}@example.com", f"new-keys.{MARKER}@example.com", "always-500@example.com"),
    *(f"other-lead.{MARKER}@example.com", f"{MARKER} is no address", f"{MARKER}.1@EXAMPLE.com", "new-keys@example.com"),
]
PERSONAL = (
    "email",
    "requested_email",
    "first_name",
    "last_name",
    "company",
    "phone",
    "address",
    "city",
    "website",
    "id",
)


@pytest.fixture
def out(sandbox: RunningSandbox, tmp_path: Path) -> Path:
    """A run of a list that has a marker wherever a list can have one, published with its report."""
    (tmp_path / MARKER).mkdir()
    people = tmp_path / MARKER / f"{MARKER}.csv"
    write_list(people, PEOPLE)
    options = ("--report", "--rate", 200)
    monitoring = {"LEAD_EXPORT_NOTIFY_URLS": f"json://{MARKER}", "LEAD_EXPORT_STATE_FOLDER": str(tmp_path / MARKER)}
    done = run(people, sandbox, tmp_path / "out", *options, LEAD_EXPORT_MAX_ATTEMPTS="1", **monitoring)
    assert done.code == 3, done
    assert "report.html" in done.err
    return tmp_path / "out"


def test_nobody_and_no_secret_is_in_the_report(out: Path) -> None:
    """No address, name, other detail of a person, credential, URL of monitoring, list, or folder of a user."""
    html = (out / "latest" / "report.html").read_text(encoding="utf-8")
    assert "35 rows" in html
    assert [secret for secret in (MARKER, "@example", *SECRETS) if secret in html] == []
    leads = pd.read_parquet(out / "latest" / "leads.parquet")
    details = {str(value) for name in PERSONAL for value in leads[name].dropna() if len(str(value)) > 3}
    assert len(details) > 100
    assert [detail for detail in details if f">{detail}<" in html or f" {detail} " in html] == []


def test_the_manifest_vouches_for_the_report(out: Path) -> None:
    """Name, size and checksum are in the manifest; the same page can be made again at any time."""
    html = (out / "latest" / "report.html").read_bytes()
    described = {"name": "report.html", "bytes": len(html), "sha256": hashlib.sha256(html).hexdigest()}
    assert manifest_of(out)["report"] == described
    again = out.parent / "again.html"
    done = lead_export("report", out / "latest", "--out", again, "--json")
    assert (done.code, done.json, done.err) == (0, {**described, "name": "again.html"}, "")
    assert again.read_bytes() == html


def test_what_is_printed(out: Path, tmp_path: Path) -> None:
    """Where the report is, unless quiet; a file that exists is not replaced unless forced."""
    page = tmp_path / "page.html"
    done = lead_export("report", out / "latest", "--out", page)
    assert (done.code, done.out) == (0, "")
    assert str(page) in done.err
    assert str(page) in lead_export("report", out / "latest", "--out", page).sentence
    done = lead_export("report", out / "latest", "--out", page, "--force", "-q")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert "manifest" in lead_export("report", out, "--out", page, "--force").sentence


def test_without_the_setting_there_is_none(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """Neither a file nor a word in the manifest; the template engine is not even loaded."""
    assert run(people, sandbox, tmp_path / "out").code == 0
    assert not (tmp_path / "out" / "latest" / "report.html").exists()
    assert "report" not in manifest_of(tmp_path / "out")


def test_a_report_that_cannot_be_written_costs_a_warning(
    odd_disk: OddDisk, sandbox: RunningSandbox, people: Path, tmp_path: Path
) -> None:
    """The run is published without it, exit 0, and `latest` is switched."""
    out = tmp_path / "out"
    path = out / ".lead-export" / "night.staging" / "report.html"
    arguments = ("run", people, *target(sandbox, out), "--run-id", "night", "--report")
    done = odd_disk(at(path, {"FSYNC_FILE": errno.EIO}), *arguments, **CREDENTIALS, **NO_DELAYS)
    assert done.code == 0, done
    assert done.err.count("WARNING") == 1
    assert "report" not in manifest_of(out)
    assert {path.name for path in (out / "run=night").iterdir()} >= {"manifest.json", "leads.parquet"}
    assert not (out / "run=night" / "report.html").exists()


def test_a_run_of_one_address_has_a_report_too(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """A single call has no pace: there is no picture of it, and that is no trouble."""
    done = run(write_list(tmp_path / "one.csv", ["ann@example.com"]), sandbox, tmp_path / "out", "--report")
    assert done.code == 0, done
    html = (tmp_path / "out" / "latest" / "report.html").read_text(encoding="utf-8")
    assert "too few answers" in html
    assert "pace-title" not in html
