"""From a bare machine to every night, word for word as docs/nightly.md says, on copies of this machine's folders."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import monitoring_service
import pytest
from docs_examples import prepare
from docs_pages import DOCS, ROOT, fences

from pipeline.sandbox.options import SandboxOptions
from pipeline.sandbox.process import running

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = DOCS / "nightly.md"
PROGRAM = Path(sys.executable).parent / "lead-export"
STARTS = (
    *("useradd", "install -d -o lead-export -m 700", "install -m 644 customers.csv", "runuser -u lead-export"),
    'read -r -s -p "URL of the check: "',
)
"""How the examples begin that are tried, in the order of the page; before them, packages are installed."""
CRON = ("install -m 644 configs/cron.d/lead-export", "runuser -u lead-export")
SANDBOX = SandboxOptions(limit_per_s=0)
HOME_OF_ROOT = pwd.getpwuid(0).pw_dir
BARE_MACHINE = f"""
set -euo pipefail
cp -a /etc "$PWD/etc" && mount --bind "$PWD/etc" /etc
mkdir python && mount --bind {sys.base_prefix} python
if [[ {sys.base_prefix} == {HOME_OF_ROOT}/* ]]; then
  mount -t tmpfs -o mode=755 none {HOME_OF_ROOT} && mkdir -p {sys.base_prefix} && mount --bind python {sys.base_prefix}
fi
for folder in /opt /srv /var/lib; do mount -t tmpfs -o mode=755 none "$folder"; done
mkdir -p /opt/lead-export/bin /etc/cron.d && ln -s {PROGRAM} /opt/lead-export/bin/lead-export
"""
"""Changes below these folders are seen by the script alone, and are gone with it. A Python of root's is everybody's."""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder like that of the source, with a list; skips where no folder can be replaced for one process."""
    if os.getuid() or any(shutil.which(name) is None for name in ("unshare", "runuser", "useradd")):
        pytest.skip("needs root, and unshare, runuser and useradd of Linux")
    (tmp_path / "probe").mkdir()
    if executed("runuser -u nobody -- /opt/lead-export/bin/lead-export --version", tmp_path / "probe").returncode:
        pytest.skip("this machine does not let a process have mounts of its own, or other users run this program")
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    prepare(tmp_path)
    return tmp_path


def tried(starts: tuple[str, ...]) -> Iterator[str]:
    """The examples of the page that begin with these words, in its order."""
    examples = iter(fences(PAGE))
    for start in starts:
        yield next(fence.code for fence in examples if fence.code.startswith(start))


def executed(script: str, folder: Path, ping_url: str = "") -> subprocess.CompletedProcess[str]:
    """A script that has run on the bare machine; the secrets are typed into it."""
    typed = "\n".join((SANDBOX.app_id, SANDBOX.api_key, SANDBOX.api_password, ping_url, ""))
    words = [str(shutil.which("unshare")), "-m", "bash", "-c", f"{BARE_MACHINE}\n{script}"]
    return subprocess.run(words, cwd=folder, input=typed, capture_output=True, encoding="utf-8", check=False)


def night() -> str:
    """The command of the systemd service, as its user, in an environment like systemd's."""
    unit = (ROOT / "configs" / "systemd" / "lead-export.service").read_text(encoding="utf-8")
    (command,) = re.findall(r"^ExecStart=(.+)$", unit, re.MULTILINE)
    env = "HOME=/var/lib/lead-export CREDENTIALS_DIRECTORY=/etc/lead-export/credentials"
    return f"runuser -u lead-export -- env -i -C / {env} {command}"


def test_the_way_to_every_night(machine: Path) -> None:
    """Every check says ok, also as cron runs it; the service publishes the list for its user alone, and is watched."""
    with running(SANDBOX) as sandbox, monitoring_service.service() as watcher:
        steps = list(tried((*STARTS, *CRON)))
        steps.insert(3, f"echo 'api_url = \"{sandbox.url}\"' >> /etc/lead-export/nightly.toml")
        steps += [night(), "cd /var/lib/lead-export/export/latest", "stat -c '%U %a %n' *"]
        done = executed("\n".join(steps), machine, f"{watcher.url}/of-nobody")
    assert done.returncode == 0, done.stderr
    assert watcher.signals == ["start", "0"]
    assert "of-nobody" not in done.stdout + done.stderr
    assert SANDBOX.api_key not in done.stdout + done.stderr
    checked = re.findall(r"^(ok|FAILED) +(.+?):", done.stdout, re.MULTILINE)
    names = ("credentials", "output folder", "proxy", "certificates", "pace", "API")
    assert checked == [("ok", name) for name in names] * 2
    origin = r'^ *api_key += "set"  \(/etc/lead-export/credentials/KARTRA_API_KEY\)$'
    assert len(re.findall(origin, done.stdout, re.MULTILINE)) == 2
    files = re.findall(r"^(\S+) (\d+) (\S+\.(?:parquet|csv|json))$", done.stdout, re.MULTILINE)
    assert {name for _, _, name in files} >= {"leads.parquet", "leads.csv", "outcomes.parquet", "manifest.json"}
    assert {(user, mode) for user, mode, _ in files} == {("lead-export", "600")}
