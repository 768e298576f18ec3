"""`lead-export check`: whether a run would work, with at most one call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cli_command import CREDENTIALS, SECRETS, Result, lead_export

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.sandbox.process import RunningSandbox


def check(sandbox: RunningSandbox, *options: object, **env: str) -> Result:
    """Check against a sandbox."""
    return lead_export("check", "--api-url", sandbox.url, *options, **{**CREDENTIALS, **env})


def test_all_is_well(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Exit 0, one line for each check, one call; the folder is not created, and no credential is shown."""
    done = check(sandbox, "--out", tmp_path / "a" / "export")
    assert (done.code, done.err) == (0, "")
    assert [line.split(":")[0] for line in done.out.splitlines() if line.startswith(("ok", "FAILED"))] == [
        "ok     credentials",
        "ok     output folder",
        "ok     proxy",
        "ok     certificates",
        "ok     pace",
        "ok     API",
    ]
    assert (sandbox.stats()["calls"], sandbox.stats()["asked"]) == (1, 1)
    assert list(tmp_path.iterdir()) == []
    assert [secret for secret in SECRETS if secret in done.out] == []


def test_settings_are_shown_with_their_origin(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Option, environment, file or default; for credentials only whether they are set."""
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
    ("env", "code", "calls", "fact"),
    [
        ({"KARTRA_API_PASSWORD": "Guess-Nr-7"}, 4, 1, "KARTRA_API_PASSWORD"),
        ({"KARTRA_API_KEY": ""}, 2, 0, "KARTRA_API_KEY"),
        ({"LEAD_EXPORT_API_URL": "http://127.0.0.1:1/api"}, 5, 0, "http://127.0.0.1:1/api"),
    ],
)
def test_a_failed_check_has_the_exit_code_of_a_run(
    sandbox: RunningSandbox, env: dict[str, str], code: int, calls: int, fact: str
) -> None:
    """Wrong credentials 4, missing ones 2, no API 5; the line names the variable or URL, and never a credential."""
    done = lead_export("check", **{**CREDENTIALS, "LEAD_EXPORT_API_URL": sandbox.url, **env})
    assert done.code == code
    failed = [line for line in done.out.splitlines() if line.startswith("FAILED")]
    assert len(failed) == 1
    assert fact in failed[0]
    assert f"(exit {code})" in failed[0]
    assert sandbox.stats()["calls"] == calls
    assert [secret for secret in ("Guess-Nr-7", *SECRETS) if secret in done.out + done.err] == []


def test_an_unusable_output_folder(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """A file at its path, or at the path of `latest`, is exit 2; the call is made anyway."""
    (tmp_path / "file").touch()
    (tmp_path / "latest").touch()
    for out in (tmp_path / "file", tmp_path):
        done = check(sandbox, "--out", out, "--json")
        assert done.code == 2
        assert [(one["name"], one["ok"]) for one in done.json["checks"]] == [
            ("credentials", True),
            ("output folder", False),
            ("proxy", True),
            ("certificates", True),
            ("pace", True),
            ("API", True),
        ]


def test_the_sandbox_needs_no_account() -> None:
    """With --sandbox all checks pass without credentials, and -q prints nothing about that."""
    done = lead_export("check", "--sandbox", "-q")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_an_outage_is_not_waited_for(sandbox: RunningSandbox) -> None:
    """Exit 5 after one call; with -q only the failed check is printed, on standard error."""
    sandbox.control(outage_from=1)
    done = check(sandbox, "-q")
    assert (done.code, done.out, done.err.count("\n")) == (5, "", 1)
    assert sandbox.stats()["calls"] == 1
