"""Several accounts side by side: what each publishes, how each ends, and what is said of that."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from agency import NAMES, Agency
from cli_command import OPTIONS, SECRETS, Running, lead_export, manifest_of

from pipeline.cli.sandbox import of_account

if TYPE_CHECKING:
    from monitoring_service import Service


def test_each_account_is_a_run_of_its_own(agency: Agency) -> None:
    """Exit 0: each has its people, its App, its `latest` and its lock; the tables of all are in `combined`."""
    agency.has(*NAMES)
    done = agency.run()
    assert (done.code, done.out) == (0, ""), done.err
    for name in NAMES:
        manifest = manifest_of(agency.folder_of(name))
        assert (manifest["rows"]["found"], manifest["settings"]["name"]) == (12, name)
        assert manifest["settings"]["workers"] == 1
        assert (agency.folder_of(name) / ".lead-export" / "history.jsonl").exists()
        assert re.search(rf"^{name} +exit 0  run \S+: 12 rows, 12 found", done.err, re.MULTILINE)
    stats = agency.sandbox.stats()
    assert {app: one["calls"] for app, one in stats["apps"].items()} == {
        f"{OPTIONS.app_id}-{name}": 12 for name in NAMES
    }
    assert stats["asked_twice_or_more"] == 0
    assert agency.codes() == dict.fromkeys(NAMES, 0)
    assert manifest_of(agency.out / "combined")["rows"]["found"] == 36
    assert {path.name for path in (agency.out / ".lead-export").iterdir()} == {"lanes.json", "lock"}
    assert (agency.out / ".lead-export" / "lanes.json").stat().st_mode & 0o077 == 0


def test_a_refused_app_ends_alone(agency: Agency) -> None:
    """Exit 4 in the end, and for that account; the other publishes, and the message names the account's variable."""
    agency.has("acme", "globex", KARTRA_GLOBEX_API_PASSWORD="Guess-Nr-7")
    done = agency.run("--json")
    assert (done.code, agency.codes()) == (4, {"acme": 0, "globex": 4})
    assert done.json["lanes"]["globex"]["code"] == 4
    assert "KARTRA_GLOBEX_API_PASSWORD" in done.json["lanes"]["globex"]["sentence"]
    said = [line for line in done.err.splitlines() if line.startswith("globex: ")]
    assert ["exit code 4" in line for line in said] == [True]
    assert (done.err.count("KARTRA_API_PASSWORD"), "to resume: " in done.err) == (0, True)
    assert [secret for secret in ("Guess-Nr-7", "@", "Traceback", *SECRETS) if secret in done.err + done.out] == []
    assert states(agency) == {"acme": "fresh", "globex": "missing"}
    again = agency.run("--only", "globex", KARTRA_GLOBEX_API_PASSWORD=OPTIONS.api_password)
    assert (again.code, states(agency)) == (0, {"acme": "stale", "globex": "fresh"})
    assert agency.codes() == {"acme": 0, "globex": 0}


def states(agency: Agency) -> dict[str, str]:
    """Which run of each account is in the newest combined tables."""
    return {name: one["state"] for name, one in manifest_of(agency.out / "combined")["accounts"].items()}


def test_the_next_night_asks_again(agency: Agency) -> None:
    """A round that came to its end is over, even if a list is missing: the same command is that of another night.

    If quiet, only of the account that did not end well a line is printed, with its code.
    """
    agency.has("acme", "globex", people=2)
    (agency.folder / "globex.csv").unlink()
    for nights in (1, 2):
        done = agency.run("-q", "--no-combined")
        assert (done.code, done.out, len(agency.runs("acme"))) == (2, "", nights)
        assert {line.split()[1] for line in done.err.splitlines() if line.startswith("lead-export: ")} == {"globex:"}
        assert "exit 2" in done.err
    assert not (agency.out / "combined").exists()


def test_two_accounts_with_one_app_share_its_pace(agency: Agency) -> None:
    """A warning names them, and together they stay within the limit."""
    agency.has("acme", "globex", people=8, common="rate_per_s = 15", KARTRA_GLOBEX_APP_ID=f"{OPTIONS.app_id}-acme")
    agency.config.write_text(agency.config.read_text().replace("rate_per_s = 0\n", ""))
    agency.sandbox.control(limit_per_s=15)
    done = agency.run("--no-combined")
    assert done.code == 0
    assert "WARNING: acme and globex have the same App, and share its pace." in done.err
    stats = agency.sandbox.stats()
    assert (stats["throttled"], len(stats["apps"])) == (0, 1)


def test_each_account_has_its_ping_and_its_metrics(agency: Agency, monitor: Service) -> None:
    """`ping_url` from a variable of the account, metrics in a file of its own, both with the account's name.

    With `--jobs 1` no account starts before the one before has ended; lines of a JSON log have the account as a key.
    """
    agency.has("acme", "globex", people=2, common=f'metrics_file = "{agency.folder}/leads.prom"')
    agency.config.write_text('folder_mode = "0750"\n' + agency.config.read_text())
    options = ("--no-combined", "--jobs", 1, "-v", "--log-format", "json")
    done = agency.run(*options, LEAD_EXPORT_ACME_PING_URL=f"{monitor.url}/acme")
    assert done.code == 0
    assert {told.path for told in monitor.told} == {"/acme/start", "/acme/0"}
    for name in ("acme", "globex"):
        metrics = (agency.folder / f"leads-{name}.prom").read_text()
        assert f'lead_export_last_attempt_exit_code{{export="{name}"}} 0.0' in metrics
    assert [path.stat().st_mode & 0o777 for path in (agency.out, agency.folder_of("acme"))] == [0o750, 0o750]
    acme, globex = agency.rounds()["lanes"].values()
    assert acme["ended_at"] <= globex["started_at"]
    parsed = [json.loads(line) for line in done.err.splitlines()]
    assert {one.get("account") for one in parsed if one["message"].startswith("published ")} == {"acme", "globex"}


def test_credentials_show_in_no_listing_of_processes(agency: Agency) -> None:
    """Neither in the arguments of a lane nor in its environment, which has nothing of other accounts either.

    While it is at work, the same command ends with exit 7 and starts nothing.
    """
    agency.has("acme", people=60)
    agency.sandbox.control(latency_ms=50)
    running = agency.start("--concurrency", 2, KARTRA_OTHER_API_KEY="of somebody else")
    agency.lane("acme")
    busy = agency.run()
    assert (busy.code, "holds this folder" in busy.err) == (7, True)
    processes = Path("/proc", str(running.child.pid), "task", str(running.child.pid), "children")
    if processes.exists():  # as on Linux
        (lane,) = (Path("/proc", pid) for pid in processes.read_text().split())
        assert (lane / "cmdline").read_bytes().split(b"\0")[-3:] == [b"lane", b"acme", b""]
        shown = ((lane / "cmdline").read_bytes() + (lane / "environ").read_bytes()).decode()
        assert [secret for secret in (*SECRETS, "KARTRA_", "LEAD_EXPORT_") if secret in shown] == []
    agency.sandbox.control(latency_ms=0)
    assert running.ended().code == 0


def test_accounts_of_a_sandbox() -> None:
    """With `--sandbox` each account has an App, and so a limit, of its own; without, nothing is changed."""
    found = {"api_url": "http://127.0.0.1:1/api", "app_id": "sandbox-app"}
    assert of_account(found, "acme") == {"api_url": "http://127.0.0.1:1/api", "app_id": "sandbox-app-acme"}
    assert of_account({}, "acme") == {}


@pytest.mark.parametrize("words", [["lane", "acme"], ["lane", "acme", "-q"]])
def test_a_lane_is_not_started_by_hand(agency: Agency, words: list[str]) -> None:
    """Whoever types it is told what to use."""
    done = Running(agency._process, *words).ended()
    assert (done.code, "run-all" in done.err) == (2, True)


def test_commands_that_look_at_all_accounts(agency: Agency) -> None:
    """`plan`, `check` and `status` take the same file: what they say stands below the name of each account."""
    agency.has("acme", "globex", people=3, KARTRA_GLOBEX_API_PASSWORD="wrong")
    (agency.folder / "globex.csv").unlink()
    plan = lead_export("plan", "--config", agency.config)
    assert (plan.code, plan.out.splitlines()[0]) == (0, "acme:")
    assert "  3 calls without a limit" in plan.out
    assert "globex:\n  a run would be refused: " in plan.out
    assert lead_export("plan", "--config", agency.config, "--json").json["accounts"]["acme"]["to_ask"] == 3
    check = lead_export("check", "--config", agency.config, **agency.env)
    assert check.code == 4
    assert "(exit 4)\n" in check.out.partition("\nglobex:\n")[2]
    assert "KARTRA_GLOBEX_API_PASSWORD" in check.out
    assert lead_export("check", "--config", agency.config, "--only", "acme", "-q", **agency.env).code == 0
    assert agency.sandbox.stats()["calls"] == 3
    assert agency.run(KARTRA_GLOBEX_API_PASSWORD=OPTIONS.api_password).code == 2
    status = lead_export("status", "--config", agency.config)
    assert [line for line in status.out.splitlines() if line[0] != " "] == ["acme:", "globex:", "combined:"]
    probe = lead_export("status", "--config", agency.config, "--max-age", "1h")
    assert (probe.code, [line[:12] for line in probe.out.splitlines()]) == (3, ["acme: OK: th", "globex: LATE"])
    found = lead_export("status", "--config", agency.config, "--json").json
    assert (len(found["accounts"]["acme"]["published"]), len(found["combined"]["published"])) == (1, 1)


def test_status_says_how_an_account_is_resumed(agency: Agency) -> None:
    """The command names the account, and what would keep it from resuming is told with its own variables."""
    agency.has("acme", people=30)
    agency.sandbox.control(revoke_after=10)
    assert agency.run("--new").code == 4
    status = lead_export("status", agency.folder_of("acme"))
    command = next(line for line in status.out.splitlines() if "resume with: " in line)
    assert "--new" not in command
    assert command.endswith(f"lead-export run-all --config {agency.config} --only=acme")
    agency.sandbox.control(revoke_after=0)
    (agency.folder / "acme.csv").write_text("email\nnobody@example.com\n")
    assert "acme.csv has changed since" in lead_export("status", agency.folder_of("acme"), **agency.env).out
