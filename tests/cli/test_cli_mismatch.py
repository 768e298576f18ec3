"""Replies that hold the lead of another address: they never become the data of a row, unless that is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest
from cli_command import CREDENTIALS, NO_DELAYS, lead_export, manifest_of, run, target, write_list

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.sandbox.process import RunningSandbox

ANN, OTHER, BOB = "ann@example.com", "other-lead.7@example.com", "bob@example.com"
STRANGER = "someone.else@example.com"


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A list with one address for which the API gives somebody else's lead."""
    return write_list(tmp_path / "people.csv", [ANN, OTHER, BOB])


def table(out: Path, name: str) -> pd.DataFrame:
    """A table of the newest run."""
    return pd.read_parquet(out / "latest" / f"{name}.parquet")


def test_the_lead_of_another_address_fails_its_row(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """Asked for as often as attempts allow, then failed and counted; its reply is kept, and no table has its data."""
    out = tmp_path / "out"
    done = run(people, sandbox, out, LEAD_EXPORT_MAX_ATTEMPTS="3")
    assert done.code == 3
    rows = table(out, "outcomes").set_index("email")
    assert rows["outcome"].tolist() == ["found", "failed", "found"]
    assert (rows.code[OTHER], rows.attempts[OTHER]) == ("email_mismatch", 3)
    assert pd.isna(rows.lead_id[OTHER])
    assert sandbox.stats(addresses=True)["addresses"][OTHER] == 3
    assert manifest_of(out)["codes"] == {"failed": {"email_mismatch": 1}}
    assert "1 email_mismatch" in done.err
    assert (out / "latest" / "failures.csv").read_text().count(OTHER) == 1
    assert STRANGER in table(out, "replies").set_index("email").body[OTHER].decode()
    assert table(out, "leads").requested_email.tolist() == [ANN, BOB]
    assert STRANGER not in table(out, "custom_fields").email.tolist()


def test_rebuilding_applies_what_the_run_decided(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """Whatever the setting is by then, a lead that was refused stays out, and one that was accepted stays in."""
    for accepted, leads in (("false", 2), ("true", 3)):
        out, again = tmp_path / accepted, tmp_path / f"{accepted}-again"
        run(people, sandbox, out, LEAD_EXPORT_MAX_ATTEMPTS="1", LEAD_EXPORT_ACCEPT_MISMATCH=accepted)
        other = "false" if accepted == "true" else "true"
        lead_export("rebuild", out / "latest", "--out", again, LEAD_EXPORT_ACCEPT_MISMATCH=other)
        assert len(table(out, "leads")) == len(table(again, "leads")) == leads
        assert manifest_of(again) == manifest_of(out)


def test_another_address_can_be_accepted(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """With accept_mismatch the row is found at the first call, and its code and the summary say what it is."""
    out = tmp_path / "out"
    done = run(people, sandbox, out, LEAD_EXPORT_ACCEPT_MISMATCH="true")
    assert done.code == 0
    rows = table(out, "outcomes").set_index("email")
    assert (rows.outcome[OTHER], rows.code[OTHER], rows.attempts[OTHER]) == ("found", "email_mismatch", 1)
    assert table(out, "leads").set_index("requested_email").email[OTHER] == STRANGER
    assert manifest_of(out)["codes"] == {"found": {"email_mismatch": 1}}
    assert "1 row found under another address" in done.err


def test_enrich_fills_no_row_with_a_stranger(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """The row comes back without a name or an id, as failed."""
    out = tmp_path / "out.csv"
    words = ["enrich", people, *target(sandbox, out), "--fields", "first_name", "--json"]
    done = lead_export(*words, **CREDENTIALS, **NO_DELAYS)
    assert (done.code, done.json["codes"]) == (3, {"failed": {"email_mismatch": 1}})
    rows = pd.read_csv(out, dtype=str).set_index("email")
    assert rows.loc[OTHER, "lead_outcome"] == "failed"
    assert rows.loc[OTHER, ["lead_id", "lead_first_name"]].isna().all()
