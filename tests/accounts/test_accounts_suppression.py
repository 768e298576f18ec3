"""People who are not to be asked for: which lists the accounts heed, and what is in the tables of all together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from agency import people_of

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
