"""Addresses for which the API gives a reply that would stop a run: they fail alone, wherever they are in the list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest
from cli_command import CREDENTIALS, NO_DELAYS, lead_export, manifest_of, run, target, write_list

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.sandbox.process import RunningSandbox

CODES = {
    "redirect.x": "http_302",
    "http-401.x": "http_401",
    "http-404.x": "http_404",
    **{f"error-{code}.x": f"{code}" for code in (201, 223, 224, 236, 254, 203, 233, 239, 242, 262)},
}
POISON = [f"{name}@example.com" for name in CODES]
GOOD = [f"{name}@example.com" for name in ("one", "two", "three")]


def outcomes(out: Path) -> dict[str, tuple[str, str]]:
    """Outcome and code of each address in the newest run."""
    rows = pd.read_parquet(out / "latest" / "outcomes.parquet")
    return dict(zip(rows.email, zip(rows.outcome, rows.code.fillna(""), strict=True), strict=True))


@pytest.mark.parametrize("options", [(), ("--concurrency", 1)], ids=["many", "one"])
def test_refused_addresses_fail_alone(sandbox: RunningSandbox, tmp_path: Path, options: tuple[object, ...]) -> None:
    """Exit 3: each has its code, everybody else is found, and the API was asked for nobody else twice."""
    people = write_list(tmp_path / "people.csv", [GOOD[0], *POISON[:4], GOOD[1], *POISON[4:], GOOD[2]])
    done = run(people, sandbox, tmp_path / "out", *options)
    assert done.code == 3, done.err
    expected = {email: ("failed", code) for email, code in zip(POISON, CODES.values(), strict=True)}
    found = outcomes(tmp_path / "out")
    assert {email: outcome for email, (outcome, _) in found.items() if email in GOOD} == dict.fromkeys(GOOD, "found")
    assert {email: found[email] for email in POISON} == expected
    asked = sandbox.stats(addresses=True)["addresses"]
    assert (max(asked[email] for email in POISON), max(asked[email] for email in GOOD)) == (2, 1)
    assert (sandbox.stats()["redirected_calls"], sandbox.stats()["answered_twice_or_more"]) == (0, 0)
    assert manifest_of(tmp_path / "out")["codes"]["failed"]["http_302"] == 1


@pytest.mark.parametrize("name", ["redirect.x", "http-401.x", "error-236.x"])
def test_a_list_may_begin_with_one_or_hold_nothing_else(sandbox: RunningSandbox, tmp_path: Path, name: str) -> None:
    """The first command goes through: two and three are asked for."""
    poison = f"{name}@example.com"
    people = write_list(tmp_path / "people.csv", [poison, *GOOD])
    assert run(people, sandbox, tmp_path / "out").code == 3
    assert outcomes(tmp_path / "out") == {poison: ("failed", CODES[name]), **dict.fromkeys(GOOD, ("found", ""))}
    alone = write_list(tmp_path / "alone.csv", [poison])
    assert run(alone, sandbox, tmp_path / "alone").code == 3


def test_refused_credentials_for_the_first_address_do_not_block_a_list(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """They stop the run at its first call; the same command begins with a probe, and the address fails alone."""
    people = write_list(tmp_path / "people.csv", ["error-203.x@example.com", *GOOD])
    assert run(people, sandbox, tmp_path / "out").code == 4
    assert sandbox.stats()["calls"] == 1
    assert run(people, sandbox, tmp_path / "out").code == 3
    assert outcomes(tmp_path / "out")["error-203.x@example.com"] == ("failed", "203")
    assert outcomes(tmp_path / "out")[GOOD[2]] == ("found", "")


def test_a_resumed_run_is_not_blocked_either(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Stopped by revoked credentials in its middle, a run goes on past an address that gets the same reply."""
    people = write_list(
        tmp_path / "people.csv", [*GOOD, "error-203.x@example.com", *(f"p{n}@example.com" for n in range(9))]
    )
    sandbox.control(revoke_after=3)
    stopped = run(people, sandbox, tmp_path / "out", "--concurrency", 1, "--json")
    assert (stopped.code, stopped.json["rows"]["found"], stopped.json["rows"]["failed"]) == (4, 3, 0)
    sandbox.control(revoke_after=0)
    assert run(people, sandbox, tmp_path / "out").code == 3
    assert manifest_of(tmp_path / "out")["rows"]["found"] == 12


def test_enrich_goes_on_as_well(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Its row is failed, and those after it are filled."""
    people = write_list(tmp_path / "people.csv", [GOOD[0], "redirect.x@example.com", *GOOD[1:]])
    out = tmp_path / "out.csv"
    done = lead_export("enrich", people, *target(sandbox, out), "--fields", "first_name", **CREDENTIALS, **NO_DELAYS)
    assert done.code == 3
    assert pd.read_csv(out, dtype=str)["lead_outcome"].tolist() == ["found", "failed", "found", "found"]


def test_an_api_that_refuses_everybody_stops_the_run(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """A wrong path: exit 4 after one call and one probe, and nothing is published."""
    people = write_list(tmp_path / "people.csv", GOOD)
    words = ["run", people, "--out", tmp_path / "out", "--api-url", sandbox.url + "/elsewhere", "--rate", 0, "--json"]
    done = lead_export(*words, **CREDENTIALS, **NO_DELAYS)
    assert (done.code, done.json["calls"]["sent"], done.json["rows"]["failed"]) == (4, 2, 0)
    assert "api_url" in done.err.splitlines()[-1]
