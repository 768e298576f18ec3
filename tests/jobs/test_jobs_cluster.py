"""Many runs rebuilt by a Dask cluster: a scheduler and workers as processes of their own, on loopback."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme
from cli_command import OPTIONS, Result, Running, lead_export, manifest_of, run, write_list
from copied_nights import Trap, contents, copies, hidden, kill
from dask_cluster import cluster
from preloaded import COMMAND

import pipeline
from pipeline.errors import StorageError, UsageError
from pipeline.jobs.nights.cluster import check_address, connected
from pipeline.jobs.nights.many import rebuild_many
from pipeline.jobs.nights.site import Site, versions
from pipeline.privacy.key import create_key
from pipeline.privacy.suppression import SUPPRESSED, SuppressionList
from pipeline.sandbox.process import running
from pipeline.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from dask_cluster import Cluster
    from preloaded import Preloaded

EMAILS = [f"person.{number}@example.com" for number in range(20)]
HASHES = {
    "HASH_COLUMNS": "leads.email",
    "DROP_COLUMNS": "*.extra,leads.notes,leads.lead_picture",
    "KEEP_COLUMNS": "custom_fields.value,outcomes.message",
    "REPLIES": "private",
}
"""Settings that hash addresses, as their variables are called."""
needs_dask = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None or sys.platform != "linux",
    reason="needs the extra dask, and /proc to see who has a file open",
)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published run."""
    folder = tmp_path_factory.mktemp("published")
    with running(OPTIONS) as sandbox:
        assert run(write_list(folder / "people.csv", EMAILS), sandbox, folder / "out").code == 0
    return (folder / "out" / "latest").resolve()


@pytest.fixture
def nights(published: Path, tmp_path: Path) -> list[Path]:
    """Three nights."""
    return copies(published, tmp_path / "export", 3)


@pytest.fixture(scope="module")
def serial(published: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What they are, rebuilt one after the other in this process."""
    folder = tmp_path_factory.mktemp("serial")
    runs = copies(published, folder / "export", 3)
    assert lead_export("rebuild", *runs, "--out", folder / "out", "--workers", 1).code == 0
    return contents(folder / "out")


@pytest.fixture(scope="module")
def dask(process: Preloaded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of two workers; a test that kills one starts another."""
    with cluster(process, tmp_path_factory.mktemp("dask")) as started:
        yield started


def rebuild(nights: list[Path], out: Path, dask: Cluster, *options: object) -> Result:
    """Rebuild them there."""
    return lead_export("rebuild", *nights, "--out", out, "--scheduler", dask.address, *options)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("tcp://10.0.0.1:8786", "not secure"),
        ("tcp://scheduler.example:8786", "not secure"),
        ("tcp://0.0.0.0:8786", "not secure"),
        ("tcp://localhost", "tls://HOST:PORT"),
        ("http://localhost:8786", "tls://HOST:PORT"),
        ("tls://[::1:8786", "tls://HOST:PORT"),
        ("tls://user:secret@scheduler.example:8786", "tls://HOST:PORT"),
        ("localhost:8786", "tls://HOST:PORT"),
        ("", "tls://HOST:PORT"),
    ],
)
def test_schedulers_that_are_not_asked(address: str, words: str) -> None:
    """Without TLS beyond this machine, or no address: nobody is connected to, and no part of it is shown."""
    with pytest.raises(UsageError) as caught:
        check_address(address)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "tcp://[::1]:1", "tcp://localhost:1", "tls://s.example:1"])
def test_schedulers_that_may_be_asked(address: str) -> None:
    """With TLS any, without it this machine's."""
    check_address(address)


@needs_dask
def test_the_bytes_are_those_of_one_process(
    dask: Cluster, nights: list[Path], serial: dict[str, bytes], tmp_path: Path
) -> None:
    """Two workers rebuild the same files; afterwards they find them there, and rebuild none."""
    out = tmp_path / "out"
    done = rebuild(nights, out, dask)
    assert (done.code, done.out, done.err.splitlines()[0]) == (0, "", "3 runs: 3 rebuilt")
    assert contents(out) == serial
    assert hidden(out) == []
    again = rebuild(nights, out, dask, "--json").json
    assert (again["rebuilt"], again["present"], again["failed"]) == (0, 3, 0)


@needs_dask
def test_hashes_need_a_key_that_workers_can_read(
    dask: Cluster, nights: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key from the environment is no worker's and refused before the first night; a file will do, however named."""
    env = {f"LEAD_EXPORT_{name}": value for name, value in HASHES.items()}
    words = ("rebuild", nights[0], "--out", tmp_path / "out", "--scheduler", dask.address)
    refused = lead_export(*words, **env, LEAD_EXPORT_PRIVACY_KEY="ab" * 32).sentence
    assert refused.startswith(f"{nights[0]}: needs the key of hashes, and a cluster is sent no secret;")
    assert not (tmp_path / "out").exists()
    monkeypatch.chdir(tmp_path)  # where no worker is
    key = create_key(tmp_path / "privacy.key")
    (tmp_path / "job.toml").write_text('privacy_key_file = "privacy.key"')
    assert lead_export(*words, "--config", "job.toml", **env).code == 0
    assert manifest_of(tmp_path / "out")["key_id"] == key.id


def test_a_suppression_list_needs_a_key_file_too(nights: list[Path], tmp_path: Path) -> None:
    """Nobody is asked, not even the scheduler, as long as workers could not tell whom to leave out."""
    path = nights[0].parent / ".lead-export" / SUPPRESSED
    path.parent.mkdir(mode=0o700)
    key = create_key(tmp_path / "privacy.key")
    SuppressionList.read(path, key).add([EMAILS[0]], reason="purge", at_ms=1_795_003_200_000)
    words = ("rebuild", nights[0], "--out", tmp_path / "out", "--scheduler", "http://nowhere.example")
    secret = {"LEAD_EXPORT_PRIVACY_KEY": key.secret.hex()}
    assert "name a file that all workers can read as privacy_key_file" in lead_export(*words, **secret).sentence
    (tmp_path / "job.toml").write_text(f'privacy_key_file = "{tmp_path / "privacy.key"}"')
    assert "--scheduler: must be tls://HOST:PORT" in lead_export(*words, "--config", tmp_path / "job.toml").sentence


@needs_dask
def test_a_damaged_run_fails_alone(dask: Cluster, nights: list[Path], tmp_path: Path) -> None:
    """It is a sentence from the worker; the others are published."""
    (nights[1] / "replies.parquet").write_bytes(b"")
    done = rebuild(nights, tmp_path / "out", dask, "-q")
    assert (done.code, done.err.count("\n")) == (3, 1)
    assert f"{nights[1] / 'replies.parquet'}: differs" in done.err
    assert sorted(path.name for path in (tmp_path / "out").glob("run=*")) == ["run=night-0", "run=night-2"]


@needs_dask
def test_killed_workers_cost_retries_and_a_night_that_kills_fails_alone(
    dask: Cluster, nights: list[Path], serial: dict[str, bytes], tmp_path: Path
) -> None:
    """A night is tried again elsewhere; one that has lost three workers fails, and the same command may go on."""
    out, trap = tmp_path / "out", Trap(nights[0])

    def strike() -> None:
        for _ in range(3):
            assert trap.kill() in dask.workers
            dask.add()

    thread = threading.Thread(target=strike)
    thread.start()
    done = rebuild(nights, out, dask, "--json")
    thread.join()
    assert (done.code, done.json["rebuilt"], done.json["failed"]) == (3, 2, 1)
    assert [f"{nights[0]}: {words}" in done.err for words in ("the worker that", "each worker that")] == [True, True]
    trap.restore()
    assert rebuild(nights, out, dask).code == 0
    assert contents(out) == serial


@needs_dask
def test_ctrl_c_keeps_what_is_published(
    process: Preloaded, dask: Cluster, nights: list[Path], serial: dict[str, bytes], tmp_path: Path
) -> None:
    """The command ends at once; a worker's night goes on to its end, and the same command waits for it."""
    out, trap = tmp_path / "out", Trap(nights[0])
    command = Running(process, "rebuild", *nights, "--out", out, "--scheduler", dask.address)
    pid = trap.catch()
    while len(list(out.glob("run=*"))) < 2:
        assert command.child.runs
        time.sleep(0.01)
    command.child.send(signal.SIGINT)
    ended = command.ended()
    assert (ended.code, "Traceback" in ended.err) == (130, False)
    trap.restore()
    os.kill(pid, signal.SIGCONT)
    assert rebuild(nights, out, dask).code == 0
    assert contents(out) == serial


@needs_dask
def test_a_worker_of_another_version_is_refused(dask: Cluster, nights: list[Path], tmp_path: Path) -> None:
    """It is asked first; nothing is made."""
    copy = tmp_path / "copy"
    shutil.copytree(Path(pipeline.__file__).parent, copy / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "pipeline" / "version.py").write_text('"""Another."""\n\n__version__ = "99.0"\n')
    with dask.other_worker({"PYTHONPATH": str(copy)}):
        wait_for_workers(dask, 3)
        refused = rebuild(nights, tmp_path / "out", dask).sentence
    assert f"has lead-export 99.0 instead of {versions()['lead-export']};" in refused
    assert not (tmp_path / "out").exists()
    wait_for_workers(dask, 2)


def wait_for_workers(dask: Cluster, count: int) -> None:
    """Wait until the scheduler knows that many."""
    with connected(dask.address) as known:
        deadline = time.monotonic() + 60
        while known.capacity() != count:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@needs_dask
def test_a_worker_that_sees_another_folder_is_refused(
    dask: Cluster, nights: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The output folder is tried on each worker before the first night."""
    monkeypatch.chdir(tmp_path)  # where no worker is
    assert "is not the same folder on a worker" in rebuild(nights, Path("/proc/self/cwd/out"), dask).sentence
    assert list((tmp_path / "out").glob("run=*")) == []


@needs_dask
def test_workers_without_the_resource_take_no_nights(process: Preloaded, nights: list[Path], tmp_path: Path) -> None:
    """They may be there for others; the sentence says how to start them. Nor does a cluster without workers do."""
    with cluster(process, tmp_path, workers=0) as bare:
        with pytest.raises(UsageError, match="has no workers"), connected(bare.address, connect_s=1):
            raise AssertionError
        bare.add(resources="GPU=1")
        assert "--resources night=1" in rebuild(nights, tmp_path / "out", bare).sentence


@needs_dask
def test_a_scheduler_that_is_killed_ends_the_command(process: Preloaded, nights: list[Path], tmp_path: Path) -> None:
    """With exit 6, after a while in which it might come back; what is published stays."""
    trap = Trap(nights[0])
    with cluster(process, tmp_path) as doomed:

        def strike() -> None:
            trap.catch()
            kill(doomed.scheduler.pid)

        thread = threading.Thread(target=strike)
        thread.start()
        with pytest.raises(StorageError) as caught:
            rebuild_many(nights, tmp_path / "out", Settings.model_validate, scheduler=doomed.address, patience_s=1)
        thread.join()
    assert (doomed.address in str(caught.value), caught.value.exit_code) == (True, 6)


@needs_dask
def test_a_server_that_says_nothing_is_no_scheduler() -> None:
    """It is given up after a while, and so is a port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        addresses = [f"tcp://127.0.0.1:{silent.getsockname()[1]}", "tcp://127.0.0.1:1"]
        for address in addresses:
            with pytest.raises(UsageError, match="answers there within"), connected(address, connect_s=0.2):
                raise AssertionError


@needs_dask
def test_tls(process: Preloaded, nights: list[Path], serial: dict[str, bytes], tmp_path: Path) -> None:
    """With certificates of one authority it works; without any, or with those of another, it is exit 2."""
    ours, theirs = (certificates(tmp_path / name) for name in ("ours", "theirs"))
    options = [word for name, path in ours.items() for word in (f"--tls-{name}", str(path))]
    with cluster(process, tmp_path, tls=tuple(options), workers=1) as secured:
        assert secured.address.startswith("tls://127.0.0.1:")
        words = ("rebuild", *nights, "--scheduler", secured.address, "--out")
        assert "CA_FILE" in lead_export(*words, tmp_path / "none").sentence
        done = Running(process, *words, tmp_path / "out", **variables(ours)).ended()
        assert (done.code, done.out) == (0, "")
        assert contents(tmp_path / "out") == serial
        broken = variables(ours) | {"DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY": str(nights[0] / "manifest.json")}
        assert "cannot be used" in Running(process, *words, tmp_path / "none", **broken).ended().sentence
        refused = pytest.raises(UsageError, match="accepts this connection")
        with configured(theirs), refused, connected(secured.address, connect_s=0.5):
            raise AssertionError
    assert not (tmp_path / "none").exists()


def certificates(folder: Path) -> dict[str, Path]:
    """An authority of its own, and a certificate of it with its key."""
    folder.mkdir()
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    files = {name: folder / f"{name}.pem" for name in ("ca-file", "cert", "key")}
    authority.cert_pem.write_to_path(files["ca-file"])
    issued.cert_chain_pems[0].write_to_path(files["cert"])
    issued.private_key_pem.write_to_path(files["key"])
    return files


def configured(files: dict[str, Path]) -> AbstractContextManager[object]:
    """The same in this process, for a block."""
    import dask

    prefix = "distributed.comm.tls."
    names = {"ca-file": "ca-file", "cert": "client.cert", "key": "client.key"}
    return dask.config.set({prefix + names[name]: str(path) for name, path in files.items()})  # type: ignore[no-any-return]


def variables(files: dict[str, Path]) -> dict[str, str]:
    """Those that name the certificates of a client."""
    prefix = "DASK_DISTRIBUTED__COMM__TLS__"
    names = {"ca-file": "CA_FILE", "cert": "CLIENT__CERT", "key": "CLIENT__KEY"}
    return {prefix + names[name]: str(path) for name, path in files.items()}


def test_without_the_extra_it_is_a_sentence(process: Preloaded, nights: list[Path], tmp_path: Path) -> None:
    """Exit 2 with the command that installs it; nothing is made."""
    words = ("rebuild", *nights, "--out", tmp_path / "out", "--scheduler", "tcp://127.0.0.1:1")
    done = Running(process, *words, program=f"import sys; sys.modules['distributed'] = None; {COMMAND}").ended()
    assert done.sentence == "--scheduler: needs Dask; run: pip install 'lead-export[dask]'."
    assert not (tmp_path / "out").exists()


def test_a_site_is_refused_for_what_it_lacks(tmp_path: Path) -> None:
    """Another version, another folder of that name, a run that cannot be read: one sentence each."""
    from dataclasses import replace

    from pipeline.files.state import StateFolder

    state = StateFolder.in_folder(tmp_path / "out")
    state.check_writable()
    with Site.open(state) as site:
        assert site.refusal([tmp_path]) == ""
        assert "has pandas" in replace(site, versions={**site.versions, "pandas": "0.1"}).refusal([])
        assert "is not the same folder" in replace(site, token="x").refusal([])
        assert "cannot be read on a worker" in site.refusal([tmp_path, tmp_path / "run=none"])
        (tmp_path / "privacy.key").touch(mode=0o600)
        assert site.refusal([tmp_path, tmp_path / "privacy.key"]) == ""
    assert "is not the same folder" in site.refusal([])
