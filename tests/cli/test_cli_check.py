"""`lead-export check`: whether a run would work, with one call at most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cli_command import CREDENTIALS, OPTIONS, SECRETS, Result, lead_export

from pipeline.sandbox.process import RunningSandbox, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    """A sandbox that counts."""
    with running(OPTIONS) as started:
        yield started


def check(sandbox: RunningSandbox, *options: object, **env: str) -> Result:
    """Check against a sandbox."""
    return lead_export("check", "--api-url", sandbox.url, *options, **{**CREDENTIALS, **env})


def test_all_is_well(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Exit 0, a line for each thing, one call; the folder is not made, and no secret is shown."""
    said = check(sandbox, "--out", tmp_path / "a" / "export")
    assert (said.code, said.err) == (0, "")
    assert [line.split(":")[0] for line in said.out.splitlines() if line.startswith(("ok", "FAILED"))] == [
        "ok     credentials",
        "ok     output folder",
        "ok     proxy",
        "ok     certificates",
        "ok     pace",
        "ok     API",
    ]
    assert (sandbox.stats()["calls"], sandbox.stats()["asked"]) == (1, 1)
    assert list(tmp_path.iterdir()) == []
    assert [secret for secret in SECRETS if secret in said.out] == []


def test_settings_are_shown_with_their_origin(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Option, environment, file or default; of secrets only whether they are set."""
    config = tmp_path / "job.toml"
    config.write_text('formats = ["csv"]\nmax_attempts = 7\n')
    options = ["--config", config, "--rate", 5, "--json"]
    shown = check(sandbox, *options, LEAD_EXPORT_TIMEZONE="EST", LEAD_EXPORT_MAX_ATTEMPTS="9").json["settings"]
    assert shown["rate_per_s"] == {"value": 5.0, "origin": "option"}
    assert shown["timezone"] == {"value": "EST", "origin": "environment"}
    assert shown["max_attempts"] == {"value": 9, "origin": "environment"}
    assert shown["formats"] == {"value": ["csv"], "origin": str(config)}
    assert shown["concurrency"] == {"value": 0, "origin": "default"}
    assert shown["app_id"] == {"value": "set", "origin": "environment"}


@pytest.mark.parametrize(
    ("env", "code", "calls", "words"),
    [
        ({"KARTRA_API_PASSWORD": "wrong"}, 4, 1, "the API password is wrong (KARTRA_API_PASSWORD)"),
        ({"KARTRA_API_KEY": ""}, 2, 0, "set KARTRA_API_KEY in the environment"),
        ({"LEAD_EXPORT_API_URL": "http://127.0.0.1:1/api"}, 5, 0, "no connection to the server; try later"),
    ],
)
def test_what_is_wrong_has_the_code_of_a_run(
    sandbox: RunningSandbox, env: dict[str, str], code: int, calls: int, words: str
) -> None:
    """Bad credentials 4, none 2, no API 5; the line says what to do, and never the value."""
    said = lead_export("check", **{**CREDENTIALS, "LEAD_EXPORT_API_URL": sandbox.url, **env})
    assert said.code == code
    failed = [line for line in said.out.splitlines() if line.startswith("FAILED")]
    assert len(failed) == 1
    assert words in failed[0]
    assert f"(exit {code})" in failed[0]
    assert sandbox.stats()["calls"] == calls
    assert "wrong" not in said.out.replace("is wrong", "")


def test_a_folder_that_does_not_do(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """A file in its place, or in the place of `latest`, is exit 2; the call is made all the same."""
    (tmp_path / "file").touch()
    (tmp_path / "latest").touch()
    for out in (tmp_path / "file", tmp_path):
        said = check(sandbox, "--out", out, "--json")
        assert said.code == 2
        assert [(one["name"], one["ok"]) for one in said.json["checks"]] == [
            ("credentials", True),
            ("output folder", False),
            ("proxy", True),
            ("certificates", True),
            ("pace", True),
            ("API", True),
        ]


def test_a_rehearsal_checks_itself() -> None:
    """With --sandbox no account is needed."""
    said = lead_export("check", "--sandbox", "-q")
    assert (said.code, said.out, said.err) == (0, "", "")


def test_odd_answers_are_told(sandbox: RunningSandbox) -> None:
    """An outage is exit 5 after one call: to wait is for runs."""
    sandbox.control(outage_from=1)
    said = check(sandbox)
    assert said.code == 5
    assert sandbox.stats()["calls"] == 1
