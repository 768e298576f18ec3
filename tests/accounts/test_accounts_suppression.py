"""People who are not to be asked for: which lists the accounts heed, and what is in the tables of all together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from agency import people_of
from cli_command import lead_export, manifest_of

from pipeline.privacy.key import PrivacyKey
from pipeline.privacy.suppression import SUPPRESSED, SuppressionList

if TYPE_CHECKING:
    from pathlib import Path

    from agency import Agency

KEY = {"LEAD_EXPORT_PRIVACY_KEY": "ab" * 32}
NOW = 1_795_003_200_000


def suppress(out: Path, *people: str) -> None:
    """Put people on the list of an output folder."""
    state = out / ".lead-export"
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = PrivacyKey(bytes.fromhex(KEY["LEAD_EXPORT_PRIVACY_KEY"]))
    SuppressionList.read(state / SUPPRESSED, key).add(people, reason="purge", at_ms=NOW)


def published_people(out: Path) -> list[str]:
    """The addresses in the newest leads of a folder."""
    return sorted(pd.read_parquet(out / "latest" / "leads.parquet")["email"])


def test_all_accounts_heed_the_common_list(agency: Agency) -> None:
    """Nobody on it is asked for, wherever the folder of an account is; other people are."""
    elsewhere = agency.folder / "elsewhere"
    agency.has("acme", "globex", people=3, own={"globex": f'out = "{elsewhere}"'})
    suppress(agency.out, people_of("acme", 1)[0], people_of("globex", 1)[0])
    done = agency.run(**KEY)
    assert done.code == 0, done.err
    assert published_people(agency.folder_of("acme")) == people_of("acme", 3)[1:]
    assert published_people(elsewhere) == people_of("globex", 3)[1:]
    assert agency.sandbox.stats()["calls"] == 4


def test_the_common_list_needs_its_key(agency: Agency) -> None:
    """Without it no account asks for anybody: exit 2, as of an account's own list."""
    agency.has("acme", people=2)
    suppress(agency.out, people_of("acme", 1)[0])
    done = agency.run()
    assert (done.code, agency.codes()) == (2, {"acme": 2})
    assert "without its key" in done.err
    assert agency.sandbox.stats()["calls"] == 0


def test_combined_tables_have_nobody_who_is_suppressed_since(agency: Agency) -> None:
    """An older run still has her; the tables of all have her row in `outcomes` as suppressed, and fit their counts."""
    agency.has("acme", "globex", people=3)
    assert agency.run("--no-combined").code == 0
    who, other = people_of("acme", 2)
    suppress(agency.folder_of("acme"), who)
    suppress(agency.out / "combined", other)
    done = agency.run("--only", "globex", **KEY)
    assert done.code == 0, done.err
    assert published_people(agency.out / "combined") == [*people_of("acme", 3)[2:], *people_of("globex", 3)]
    combined = agency.out / "combined" / "latest"
    for table in combined.glob("*.parquet"):
        content = pd.read_parquet(table).to_csv()
        assert (who in content, other in content) == (False, False), table.name
    outcomes = pd.read_parquet(combined / "outcomes.parquet")
    erased = outcomes[outcomes["outcome"] == "suppressed"]
    assert [*zip(erased["account"], erased["row"], strict=True)] == [("acme", 1), ("acme", 2)]
    manifest = manifest_of(agency.out / "combined")
    assert (manifest["rows"]["found"], manifest["rows"]["suppressed"]) == (4, 2)
    assert lead_export("verify", combined).code == 0


def test_a_list_without_its_key_keeps_an_account_out(agency: Agency) -> None:
    """The account is missing, with the reason and its exit code; the other is combined."""
    agency.has("acme", "globex", people=2)
    assert agency.run("--no-combined").code == 0
    suppress(agency.folder_of("acme"), people_of("acme", 1)[0])
    done = agency.run("--only", "globex")
    assert done.code == 2
    assert published_people(agency.out / "combined") == people_of("globex", 2)
    assert "without its key" in manifest_of(agency.out / "combined")["accounts"]["acme"]["reason"]


def test_columns_that_all_accounts_leave_out_or_hash(agency: Agency) -> None:
    """A table or a column that no account publishes is missing; hashes are strings, and the suppressed are left out."""
    common = (
        'drop_columns = ["transactions", "leads.phone"]\nhash_columns = ["leads.email", "leads.date_joined"]\n'
        'keep_columns = ["*.extra", "leads.notes", "custom_fields.value", "outcomes.message", "leads.lead_picture"]\n'
        'replies = "private"\n'
    )
    agency.has("acme", "globex", people=3, common=common)
    assert agency.run(**KEY).code == 0
    combined = agency.out / "combined" / "latest"
    leads = pd.read_parquet(combined / "leads.parquet")
    assert (len(leads), "phone" in leads, [*leads["date_joined"].str.len().dropna().unique()]) == (6, False, [32])
    assert not (combined / "transactions.parquet").exists()
    assert lead_export("verify", combined, **KEY).code == 0
    suppress(agency.folder_of("acme"), people_of("acme", 1)[0])
    assert agency.run("--only", "globex", **KEY).code == 0
    accounts = pd.read_parquet(combined / "leads.parquet")["account"].value_counts()
    assert accounts.to_dict() == {"acme": 2, "globex": 3}
