"""The exact wording of what operators of several accounts read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cli_command import OPTIONS, lead_export

if TYPE_CHECKING:
    from pathlib import Path

    from agency import Agency

TWO = '[accounts.acme]\nlists = "a.csv"\n[accounts.globex]\n'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('out = "x"\n', "has no accounts; add a table [accounts.NAME] for each of them."),
        ("[accounts.acme]\n", "names no folder for all accounts; set out at its top, or give --out DIR."),
        (
            f'out = "x"\n{TWO}rate = 3\nlists = "b.csv"\n',
            "globex: unknown key 'rate' (did you mean 'rate_per_s'?).",
        ),
        (
            f'out = "x"\n{TWO}',
            (
                "acme: credentials are missing, set KARTRA_ACME_APP_ID, KARTRA_ACME_API_KEY, KARTRA_ACME_API_PASSWORD"
                " in the environment; globex: has no lists; globex: credentials are missing, set KARTRA_GLOBEX_APP_ID,"
                " KARTRA_GLOBEX_API_KEY, KARTRA_GLOBEX_API_PASSWORD in the environment."
            ),
        ),
        (
            'out = "x"\n[accounts.a-b]\n[accounts.a_b]\n',
            "the accounts a-b and a_b would both have the variable KARTRA_A_B_APP_ID; rename one.",
        ),
    ],
)
def test_files_of_accounts(tmp_path: Path, text: str, sentence: str) -> None:
    """What is wrong, with which account, and what to do."""
    config = tmp_path / "agency.toml"
    config.write_text(text)
    assert lead_export("run-all", "--config", config).sentence == f"{config}: {sentence}"


def test_commands_that_do_not_fit(tmp_path: Path) -> None:
    """Which command takes the file, and which file a command needs."""
    config = tmp_path / "agency.toml"
    config.write_text(f'out = "x"\n{TWO}')
    assert lead_export("run", "a.csv", "--out", "y", "--config", config).sentence == (
        f"{config}: has accounts, which only run-all, check, plan and status take; to run one of them, use"
        " run-all --only NAME."
    )
    assert lead_export("run-all").sentence == (
        "run-all needs --config FILE, with a table [accounts.NAME] for each account."
    )
    assert lead_export("run-all", "--config", config, "--only", "acne").sentence == (
        f"--only acne: {config} has no such account (did you mean 'acme'?)."
    )
    assert lead_export("lane", "acme").sentence == (
        "lane is what run-all starts for each account; use run-all, with --only NAME for one."
    )


def test_how_accounts_ended(agency: Agency) -> None:
    """A line for each, the command that resumes those that published nothing, and the combined tables."""
    agency.has("acme", "globex", people=3, KARTRA_GLOBEX_APP_ID="nobody's")
    done = agency.run()
    run_id, combined = agency.runs("acme")[0], agency.runs("combined")[0]
    *_, acme, globex, resume, together = done.err.splitlines()
    assert acme.startswith(f"acme    exit 0  run {run_id}: 3 rows, 3 found, ")
    assert globex.startswith("globex  exit 4  ")
    assert "KARTRA_GLOBEX_APP_ID" in globex
    program = agency.folder / "lead-export"
    assert resume == f"to resume: {program} run-all --config {agency.config} --only=globex"
    assert together == f"combined: {agency.out}/combined/run={combined}, with globex missing"
    assert OPTIONS.app_id not in done.err
