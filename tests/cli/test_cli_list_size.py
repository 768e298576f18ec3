"""Lists that hold far fewer addresses than the run before, or than they must: refused before any call."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from cli_command import CREDENTIALS, lead_export, manifest_of, run, target, write_list

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.sandbox.process import RunningSandbox

BEFORE = 60


@pytest.fixture
def out(sandbox: RunningSandbox, tmp_path: Path) -> Path:
    """An output folder with a run over 60 addresses."""
    assert run(people(tmp_path, BEFORE), sandbox, tmp_path / "out", "--run-id", "before").code == 0
    sandbox.control(reset_stats=True)
    return tmp_path / "out"


def people(folder: Path, addresses: int, *rows: str) -> Path:
    """A list of so many addresses, and further rows."""
    return write_list(folder / "people.csv", [*(f"p{n}@example.com" for n in range(addresses)), *rows])


def left(out: Path) -> list[str]:
    """What is in an output folder but the lock."""
    return sorted(path.name for path in [*out.iterdir(), *(out / ".lead-export").iterdir()] if path.name != "lock")


@pytest.mark.parametrize(("addresses", "rows"), [(19, []), (19, ["p1@example.com"] * 50), (19, ["nobody"] * 50)])
def test_a_list_that_was_cut_is_refused_before_any_call(
    sandbox: RunningSandbox, out: Path, tmp_path: Path, addresses: int, rows: list[str]
) -> None:
    """Exit 2, `latest` stays, and nothing is left of the attempt; duplicate and invalid rows make up for nothing."""
    before = left(out)
    sentence = run(people(tmp_path, addresses, *rows), sandbox, out).sentence
    assert [word for word in ("19", "60", "before", "max_shrink", "--accept-shrink") if word not in sentence] == []
    assert sandbox.stats()["calls"] == 0
    assert (left(out), manifest_of(out)["run_id"]) == (before, "before")


def test_a_shorter_list_can_be_accepted_once(sandbox: RunningSandbox, out: Path, tmp_path: Path) -> None:
    """With --accept-shrink it is published, and is what the next list is compared with; the manifest says so."""
    short = people(tmp_path, 19)
    assert run(short, sandbox, out, "--accept-shrink").code == 0
    assert manifest_of(out)["settings"]["max_shrink"] == 1
    assert run(short, sandbox, out).code == 0


@pytest.mark.parametrize(
    ("addresses", "env", "code"),
    [
        (31, {}, 0),
        (29, {}, 2),
        (29, {"LEAD_EXPORT_MAX_SHRINK": "0.6"}, 0),
        (1, {"LEAD_EXPORT_MAX_SHRINK": "1"}, 0),
        (40, {"LEAD_EXPORT_MAX_SHRINK": "0"}, 0),
        (39, {"LEAD_EXPORT_MAX_SHRINK": "0"}, 2),
        (50, {"LEAD_EXPORT_MIN_ROWS": "51"}, 2),
        (51, {"LEAD_EXPORT_MIN_ROWS": "51"}, 0),
    ],
)
def test_what_is_too_few(
    sandbox: RunningSandbox, out: Path, tmp_path: Path, addresses: int, env: dict[str, str], code: int
) -> None:
    """The share and the least number are settings; twenty addresses may always be missing."""
    assert run(people(tmp_path, addresses), sandbox, out, **env).code == code


def test_an_empty_list_that_may_be_empty(sandbox: RunningSandbox, out: Path, tmp_path: Path) -> None:
    """Where the settings say that lists may be empty, one is no mishap, unless it must hold `min_rows`."""
    empty = people(tmp_path, 0)
    assert "min_rows" in run(empty, sandbox, out, "--allow-empty", LEAD_EXPORT_MIN_ROWS="1").sentence
    assert run(empty, sandbox, out, "--allow-empty").code == 0


def test_a_first_run_must_hold_min_rows_only(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """There is nothing to compare it with."""
    short = people(tmp_path, 3)
    assert "min_rows" in run(short, sandbox, tmp_path / "out", LEAD_EXPORT_MIN_ROWS="4").sentence
    assert run(short, sandbox, tmp_path / "out", "--accept-shrink", LEAD_EXPORT_MIN_ROWS="4").code == 0


@pytest.mark.parametrize("change", [{"settings": {"api_url": "https://app.kartra.com/api"}}, {"rows": {}}])
def test_a_run_that_says_nothing_about_this_list(
    sandbox: RunningSandbox, out: Path, tmp_path: Path, change: dict[str, object]
) -> None:
    """One of another API, or with a damaged manifest, is not compared with."""
    manifest = manifest_of(out) | change
    (out / "latest" / "manifest.json").write_text(json.dumps(manifest))
    assert run(people(tmp_path, 3), sandbox, out).code == 0


def test_answers_of_an_accepted_run_are_kept(sandbox: RunningSandbox, out: Path, tmp_path: Path) -> None:
    """A run that stopped is resumed by its own command; without the option it is refused, and its answers stay."""
    short = people(tmp_path, 19)
    sandbox.control(revoke_after=10)
    assert run(short, sandbox, out, "--accept-shrink", "--concurrency", 1).code == 4
    sandbox.control(revoke_after=0, reset_stats=True)
    assert "--accept-shrink" in run(short, sandbox, out).sentence
    assert run(short, sandbox, out, "--accept-shrink").code == 0
    assert sandbox.stats()["answered"] == 9


def test_the_plan_says_that_a_run_would_be_refused(sandbox: RunningSandbox, out: Path, tmp_path: Path) -> None:
    """With the sentence of the run."""
    short = people(tmp_path, 19)
    url = target(sandbox, out)[3]
    shown = lead_export("plan", short, "--out", out, "--json", LEAD_EXPORT_API_URL=str(url), **CREDENTIALS)
    assert shown.json["refused"] == run(short, sandbox, out).sentence
