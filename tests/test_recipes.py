"""The recipes in configs/ for systemd, cron, containers, Kubernetes and logrotate, each by the tool that reads it."""

from __future__ import annotations

import grp
import os
import pwd
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cli_command import CREDENTIALS, NO_DELAYS, manifest_of

from pipeline.cli.as_cron import environment
from pipeline.errors import ExitCode

if TYPE_CHECKING:
    from pipeline.sandbox.process import RunningSandbox

ROOT = Path(__file__).parent.parent
CONFIGS = ROOT / "configs"
SERVICE = CONFIGS / "systemd" / "lead-export.service"
CRON = CONFIGS / "cron.d" / "lead-export"
LOGROTATE = CONFIGS / "logrotate.d" / "lead-export"
CONTAINERFILE = CONFIGS / "container" / "Containerfile"
CRONJOB = CONFIGS / "kubernetes" / "cronjob.yaml"
PROGRAM = Path(sys.executable).parent / "lead-export"
ANOTHER_TRY_HELPS = {ExitCode.UNAVAILABLE, ExitCode.STORAGE}
SIGNALS = {ExitCode.INTERRUPTED, ExitCode.TERMINATED}


def tool(name: str) -> str:
    """The path of a program, wherever it is installed; without it the test is skipped."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin"])
    return shutil.which(name, path=places) or pytest.skip(f"{name} is not installed")


def ran(*words: object) -> subprocess.CompletedProcess[str]:
    """A command that has run to its end."""
    return subprocess.run([*map(str, words)], capture_output=True, text=True, check=False)


def filled(recipe: Path, folder: Path) -> Path:
    """A recipe as somebody installs it: with this program, and below a folder of the test."""
    copy = folder / recipe.name
    copy.write_text(recipe.read_text(encoding="utf-8").replace("/opt/lead-export/bin/lead-export", str(PROGRAM)))
    copy.chmod(0o644)
    return copy


# systemd


def test_systemd_finds_nothing_to_say_about_the_units(tmp_path: Path) -> None:
    """No unknown key and no impossible value, of which `verify` only warns."""
    analyze = tool("systemd-analyze")
    done = ran(analyze, "verify", *(filled(unit, tmp_path) for unit in sorted(SERVICE.parent.iterdir())))
    assert (done.returncode, done.stderr) == (0, "")


def test_the_service_is_hardly_exposed() -> None:
    """systemd's own measure, from 0 for locked up to 10 for unsafe, is 1.5 at most."""  # noqa: D403 - a name
    done = ran(tool("systemd-analyze"), "security", "--offline=yes", "--threshold=15", SERVICE)
    assert done.returncode == 0, done.stdout.splitlines()[-1]


def test_the_service_knows_every_exit_code() -> None:
    """Each is a success, worth another try, or in need of somebody."""
    keys = dict(re.findall(r"^(SuccessExitStatus|RestartPreventExitStatus)=(.*)$", SERVICE.read_text(), re.MULTILINE))
    success, needs_somebody = ({int(code) for code in codes.split()} for _, codes in sorted(keys.items(), reverse=True))
    assert success == {ExitCode.ROWS_FAILED, ExitCode.INCOMPLETE}
    assert needs_somebody == set(ExitCode) - success - ANOTHER_TRY_HELPS - {ExitCode.OK}


# cron


def cron_lines(path: Path) -> list[str]:
    """The lines of a crontab that are jobs, without the comment signs of one in a comment."""
    lines = (line.removeprefix("#").strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if re.match(r"[\d*]+(\s+[\d*]+){4}\s", line)]


def test_cron_reads_the_crontab(tmp_path: Path) -> None:
    """By its own check, which knows tables of users only: hence without the column for the user."""
    table = tmp_path / "table"
    without_user, count = re.subn(r"^((?:\S+\s+){5})lead-export\s", r"\1", CRON.read_text(), flags=re.MULTILINE)
    table.write_text(without_user)
    done = ran(tool("crontab"), "-n", table)
    assert (done.returncode, count) == (0, 1), done.stderr


def test_cron_takes_the_file_and_the_command() -> None:
    """What nothing warns of: a dot in the name, no line feed at the end, a relative path, a % that splits the line."""
    assert "." not in CRON.name
    assert CRON.read_text().endswith("\n")
    for line in (*cron_lines(CRON), *cron_lines(CONFIGS / "nightly.toml")):
        assert "%" not in line
        words = line.split()
        paths = [word for word in words[5:] if "/" in word]
        assert [path for path in paths if not path.startswith("/")] == []
        assert any(path.endswith("/bin/lead-export") for path in paths)


@pytest.mark.parametrize("recipe", [CRON, CONFIGS / "nightly.toml"], ids=lambda path: path.name)
def test_the_line_for_cron_works_as_it_is(recipe: Path, sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """In a shell like cron's, with nothing on the path and nothing exported; the second night prints nothing."""
    secrets = tmp_path / "credentials"
    secrets.mkdir(mode=0o700)
    for name, value in CREDENTIALS.items():
        (secrets / name).write_text(value)
        (secrets / name).chmod(0o600)
    config = tmp_path / "nightly.toml"
    config.write_text(f'{(CONFIGS / "nightly.toml").read_text(encoding="utf-8")}\napi_url = "{sandbox.url}"\n')
    out = tmp_path / "export"
    (line,) = cron_lines(recipe)
    command = line.split(maxsplit=6 if recipe == CRON else 5)[-1]
    for installed, here in (
        ("/opt/lead-export/bin/lead-export", PROGRAM),
        ("/srv/lists/customers.csv", people),
        ("/var/lib/lead-export/export", out),
        ("/etc/lead-export/nightly.toml", config),
    ):
        assert installed in command
        command = command.replace(installed, str(here))
    table = tmp_path / "table"
    table.write_text(CRON.read_text().replace("/etc/lead-export/credentials", str(secrets)))
    env = {**environment(table), **NO_DELAYS, "LEAD_EXPORT_STATE_FOLDER": str(tmp_path)}
    first, second = (
        subprocess.run(["/bin/sh", "-c", command], env=env, cwd=env["HOME"], capture_output=True, check=False)
        for _ in range(2)
    )
    assert (first.returncode, first.stdout, second.returncode) == (0, b"", 0), first.stderr
    assert (second.stdout, second.stderr) == (b"", b"")
    assert manifest_of(out)["rows"]["found"] == 40


# Logs in files


def test_logrotate_rotates(tmp_path: Path) -> None:
    """For real, but below a folder of the test and as its user."""
    rotate = tool("logrotate")
    user, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    recipe = LOGROTATE.read_text(encoding="utf-8")
    recipe = recipe.replace("lead-export lead-export", f"{user} {group}").replace("/var/log/lead-export", str(tmp_path))
    config = tmp_path / "lead-export"
    config.write_text(recipe)
    config.chmod(0o644)
    tmp_path.chmod(0o755)
    (tmp_path / "nightly.log").write_text("of yesterday\n")
    done = ran(rotate, "--force", "--verbose", "--state", tmp_path / "state", config)
    assert (done.returncode, [line for line in done.stderr.splitlines() if "error" in line]) == (0, [])
    assert (tmp_path / "nightly.log.1").read_text() == "of yesterday\n"
    assert (tmp_path / "nightly.log").stat().st_mode & 0o777 == 0o600


# Containers


def test_hadolint_finds_nothing_to_say_about_the_image() -> None:
    """No rule is broken, but for one that says why."""
    done = ran(tool("hadolint"), CONTAINERFILE)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_gets_the_versions_that_were_tested() -> None:
    """What the recipe makes of the lock file pins each dependency, in lines that pip takes as constraints."""
    (command,) = re.findall(r"sed -E '.+?' requirements\.lock", CONTAINERFILE.read_text())
    constraints = subprocess.run(
        ["/bin/sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert [line for line in constraints.splitlines() if not re.match(r"[\w.-]+==\S+( ; .+)?$", line)] == []
    pinned = set(re.findall(r"^([\w.-]+)==", constraints, re.MULTILINE))
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert {re.split(r"[^\w.-]", requirement)[0] for requirement in declared} - pinned == set()


def test_kubernetes_knows_every_key_of_the_job() -> None:
    """By the schemas of Kubernetes, in which an unknown key is an error."""
    done = ran(tool("kubernetes-validate"), "--strict", CRONJOB)
    assert done.returncode == 0, done.stdout


def test_kubernetes_repeats_only_what_another_try_helps() -> None:
    """Pods that end with any other exit code fail the job at once; a pod that is stopped is replaced."""
    (values,) = re.findall(r"values: \[(.+)\]", CRONJOB.read_text())
    assert {int(code) for code in values.split(",")} == set(ExitCode) - ANOTHER_TRY_HELPS - SIGNALS - {ExitCode.OK}
