"""`lead-export check`: whether a run would work, with at most one call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cli_command import CREDENTIALS, SECRETS, Result, Running, lead_export

if TYPE_CHECKING:
    from pathlib import Path

    from preloaded import Preloaded

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


def cron_tables(folder: Path, sandbox: RunningSandbox) -> Path:
    """A crontab whose variables lead to the sandbox and to files with its credentials."""
    secrets = folder / "credentials"
    secrets.mkdir(mode=0o700)
    for name, value in CREDENTIALS.items():
        (secrets / name).write_text(value)
        (secrets / name).chmod(0o600)
    table = folder / "lead-export"
    table.write_text(
        f"# of the night\nCREDENTIALS_DIRECTORY={secrets}\n  LEAD_EXPORT_API_URL = '{sandbox.url}'\n"
        f"LEAD_EXPORT_STATE_FOLDER={folder}\n"
        "15 4 * * *  leads  LEAD_EXPORT_RATE_PER_S=no lead-export run list.csv --out export\n"
    )
    return table


def test_cron_passes_nothing_on(process: Preloaded, sandbox: RunningSandbox, tmp_path: Path) -> None:
    """What is exported here is not there; the same command without --as-cron finds it."""
    options = ["check", "--api-url", sandbox.url, "--out", tmp_path / "out", "--json", "-v"]
    assert Running(process, *options, **CREDENTIALS).ended().code == 0
    done = Running(process, *options, "--as-cron", **CREDENTIALS, LEAD_EXPORT_MAX_ATTEMPTS="7").ended()
    assert done.code == 2
    assert done.json["settings"]["app_id"] == {"value": "not set", "origin": "default"}
    assert done.json["settings"]["max_attempts"]["origin"] == "default"
    assert done.json["settings"]["api_url"] == {"value": sandbox.url, "origin": "option"}
    assert {one["name"]: one["ok"] for one in done.json["checks"]}["output folder"]
    assert "PATH=/usr/bin:/bin" in done.err


def test_the_variables_of_a_crontab_are_set(process: Preloaded, sandbox: RunningSandbox, tmp_path: Path) -> None:
    """With the credentials in files that the crontab names, all checks pass as cron runs them."""
    words = ("check", "--crontab", cron_tables(tmp_path, sandbox), "--json", "-q")
    done = Running(process, *words, PATH="").ended()
    assert (done.code, done.err) == (0, "")
    shown = done.json["settings"]
    assert shown["api_key"] == {"value": "set", "origin": str(tmp_path / "credentials" / "KARTRA_API_KEY")}
    assert shown["api_url"] == {"value": sandbox.url, "origin": "environment"}
    assert shown["rate_per_s"]["origin"] == "default"  # a variable of one command
    assert [secret for secret in SECRETS if secret in done.out] == []


def test_a_relative_path_fails_as_it_would_at_night(process: Preloaded, tmp_path: Path) -> None:
    """The home folder is where cron starts, so a file that is here is not found there."""
    (tmp_path / "night-of-nobody.toml").write_text("rate_per_s = 1\n")
    words = ("check", "--config", "night-of-nobody.toml", "-q")
    at_night = Running(process, *words, "--as-cron", cwd=str(tmp_path)).ended()
    assert "night-of-nobody.toml: cannot be read" in at_night.sentence
    assert "KARTRA_APP_ID" in Running(process, *words, cwd=str(tmp_path)).ended().err


@pytest.mark.parametrize("content", [None, b"\xff\xfe=x\n"], ids=["missing", "not-text"])
def test_a_crontab_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    """One sentence that names it."""
    if content is not None:
        (tmp_path / "table").write_bytes(content)
    assert str(tmp_path / "table") in lead_export("check", "--crontab", tmp_path / "table").sentence
