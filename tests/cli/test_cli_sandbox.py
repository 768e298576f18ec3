"""`lead-export sandbox`: the simulated API in the foreground, and the shapes in which it writes people."""

from __future__ import annotations

import signal
import socket
import subprocess
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from cli_command import command, environment, lead_export, manifest_of, run

from pipeline.sandbox.behaviours import BEHAVIOURS
from pipeline.sandbox.process import READY, RunningSandbox
from pipeline.schema import LEAD_TABLES

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_sandbox_prints_its_url_and_ends_on_a_signal(number: signal.Signals) -> None:
    """One line on standard output, switches as given, and a silent end."""
    with subprocess.Popen(
        command("sandbox", "--seed", 7, "--limit-per-s", 3),
        env=environment({}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        line = child.stdout.readline()
        assert line.startswith(READY)
        switches = RunningSandbox(line.removeprefix(READY).strip(), child.pid).control()
        child.send_signal(number)
        assert (child.communicate(), child.returncode) == (("", ""), 0)
    assert (switches["seed"], switches["limit_per_s"]) == (7, 3)


def test_sandbox_in_the_background_ends_on_a_signal_and_outlives_its_terminal() -> None:
    """A shell starts it with SIGINT ignored, which ends it all the same; `nohup` has SIGHUP ignored, which does not."""
    ignoring = ["/bin/sh", "-c", "trap '' INT HUP && exec \"$@\"", "sh"]
    words = [*ignoring, *command("sandbox", "--seed", 7)]
    with subprocess.Popen(words, env=environment({}), stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        sandbox = RunningSandbox(child.stdout.readline().removeprefix(READY).strip(), child.pid)
        child.send_signal(signal.SIGHUP)
        assert sandbox.control()["seed"] == 7
        child.send_signal(signal.SIGINT)
        assert child.wait() == 0


def test_port_that_is_taken_is_invalid_usage() -> None:
    """The port is named."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        assert str(port) in lead_export("sandbox", "--port", port).sentence


def test_help_lists_every_behaviour() -> None:
    """The help says what every address can do."""
    out = lead_export("sandbox", "--help").out
    listed = [line.split()[0] for line in out.partition("Addresses with")[2].splitlines()[1:] if line[2:3].strip()]
    assert listed == [behaviour.name for behaviour in BEHAVIOURS if behaviour.name != "anything else"]


@pytest.mark.parametrize("shape", ["native", "mixed", "drifting"])
def test_a_run_gives_the_same_tables_in_every_shape(
    people: Path, sandbox: RunningSandbox, tmp_path: Path, shape: str
) -> None:
    """Only `extra` and the drift in the manifest tell how the people were written; of text there is no drift."""
    outs = tmp_path / "text", tmp_path / shape
    for out in outs:
        sandbox.control(shape=out.name, drift_after=20, reset_stats=True)
        assert run(people, sandbox, out).code == 0
    for table in LEAD_TABLES:
        text, other = (
            pd.read_parquet(out / "latest" / f"{table.name}.parquet").drop(
                columns=["extra", "fetched_at"], errors="ignore"
            )
            for out in outs
        )
        pd.testing.assert_frame_equal(text, other)
    drifts = [set(manifest_of(out)["drift"]["unknown_keys"]) for out in outs]
    expected = {
        "native": set(),
        "mixed": {"leads.account_tier", "transactions.amount", "transactions.currency"},
        "drifting": {"leads.account_tier"},
    }
    assert drifts == [set(), expected[shape]]
