"""People erased from many runs: how long it takes, what kills do to it, and what readers see meanwhile.

    python benchmarks/purge.py [--leads 20000] [--nights 5] [--kills 200] [--exchanges 365]

A run is published and copied, so that there are as many nights of the same people. Then it is measured how long it
takes to find one person in a night, to rewrite a night, to prove that she is gone, and to erase one person and a
thousand from all of them. A purge of a smaller folder is killed at as many of its steps, spread over all of them, and
the same command ends it each time. Last, a night is exchanged again and again while another process reads `latest`
in a loop.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pandas as pd
from common import CORES, arguments, checked, measure, print_table, run_command, scratch, serving, write_list

from pipeline.emails.address import key
from pipeline.files.exchange import exchange, system_swap
from pipeline.files.folder import OutputFolder, read_manifest
from pipeline.jobs.purge import Purge, purge
from pipeline.jobs.purge_run import Erasure, purge_run
from pipeline.jobs.verify import verify
from pipeline.outcomes import now_ms
from pipeline.privacy.identity import People
from pipeline.privacy.proof import prove
from pipeline.privacy.reading import RunFiles
from pipeline.privacy.run_search import hits_in, their_leads
from pipeline.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SMALL = 100
"""People of the folder in which purges are killed."""
KILLED_AT = """
import atexit, os, signal, sys
from pipeline.cli.main import main
at, seen = int(sys.argv.pop(1)), 0
atexit.register(lambda: print(seen))
def hook(event, arguments):
    global seen
    if event in ("open", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.chmod", "sqlite3.connect"):
        if any(isinstance(word, (str, bytes, os.PathLike)) and "/killed" in os.fsdecode(word) for word in arguments):
            seen += 1
            if seen == at:
                os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
main()
"""


def main() -> None:
    """Print the tables."""
    options = arguments(__doc__, leads=20_000, nights=5, kills=200, exchanges=365)
    with scratch() as folder:
        with serving() as server:
            environment = {"LEAD_EXPORT_API_URL": server.url, "XDG_STATE_HOME": str(folder)}
            for name, count in (("nights", options.leads), ("small", SMALL)):
                run = run_command(write_list(folder / f"{name}.csv", count), folder / name, "--quiet", "--run-id", "n0")
                checked(measure(run, environment), "run")
        emails = pd.read_csv(folder / "nights.csv")["email"].tolist()
        copy_nights(folder / "nights", options.nights)
        print_table(("step", "seconds"), [*steps(folder, emails), *passes(folder, emails, options.nights)])
        print()
        print_table(("kills", "lost or half", "not ended", "found after"), [kills(folder, options.kills)])
        print()
        print_table(("exchanges", "reads", "errors"), [readers(folder, options.exchanges)])


def copy_nights(out: Path, nights: int) -> None:
    """Copy the run, so that there are as many."""
    for number in range(1, nights):
        copy = shutil.copytree(out / "run=n0", out / f"run=n{number}")
        manifest = json.loads((copy / "manifest.json").read_bytes())
        (copy / "manifest.json").write_text(json.dumps({**manifest, "run_id": f"n{number}"}))


def steps(folder: Path, emails: list[str]) -> Iterator[tuple[str, str]]:
    """Find, rewrite and prove, in one night each."""
    out = shutil.copytree(folder / "nights", folder / "one", symlinks=True)
    for number in range(1, len(list(out.glob("run=*")))):
        shutil.rmtree(out / f"run=n{number}")
    people = People([key(emails[77])])
    run = RunFiles.of(out / "run=n0", read_manifest(out / "run=n0") or {})
    hits_in(run, people)  # loads libraries
    yield "search a night for the leads of one person", best(lambda: their_leads(run, people))
    people.lead_ids[run.account] |= their_leads(run, people)
    yield "search a night for one person", best(lambda: hits_in(run, people))
    hits = hits_in(run, people)
    output = OutputFolder(out)
    erasure = Erasure("benchmark", people, None, redact=False, now_ms=now_ms)
    with output.locked():
        yield "rewrite a night", best(lambda: purge_run(output, run, hits, erasure, lambda _: None), times=1)
    yield "prove a night", best(lambda: prove(out, people.needles), times=2)


def passes(folder: Path, emails: list[str], nights: int) -> Iterator[tuple[str, str]]:
    """One person and a thousand, erased from all nights, in turn."""
    seconds: dict[int, list[float]] = {1: [], 1_000: []}
    for _ in range(2):
        for people, taken in seconds.items():
            out = shutil.copytree(folder / "nights", folder / f"pass{people}", symlinks=True)
            start = time.monotonic()
            done = erased(emails[:people], out)
            taken.append(time.monotonic() - start)
            if done.remains:
                raise SystemExit(f"left: {done.remains}")
            shutil.rmtree(out)
    for people, taken in seconds.items():
        yield f"erase {people:,} from {nights} nights", f"{min(taken):.2f}"
    yield "a thousand as a multiple of one", f"{min(seconds[1_000]) / min(seconds[1]):.2f}"


def erased(addresses: list[str], out: Path) -> Purge:
    """Erase people from a folder, in this process."""
    return purge(Settings(), addresses, out, now_ms=now_ms, suppress=False)


def kills(folder: Path, count: int) -> tuple[str, ...]:
    """Kill a purge at steps that are spread over all of them; the same command ends it each time."""
    email = pd.read_csv(folder / "small.csv")["email"][5]
    copy_nights(folder / "small", 2)

    def copied() -> Path:
        shutil.rmtree(folder / "killed", ignore_errors=True)
        return shutil.copytree(folder / "small", folder / "killed", symlinks=True)

    total = int(killed(copied(), email, 0).stdout)
    lost = left = found = 0
    for number in range(count):
        out = copied()
        code = killed(out, email, 1 + number * (total - 2) // count).returncode
        if code != -signal.SIGKILL:
            raise SystemExit(f"was not killed at step {1 + number * (total - 2) // count}: {code}")
        names = sorted(path.name for path in out.glob("run=*"))
        lost += names != ["run=n0", "run=n1"] or not all(verify(out / name).ok for name in names)
        try:
            done = erased([email], out)
            found += bool(done.remains)
        except Exception:  # noqa: BLE001 - whatever it is, it is counted
            left += 1
        lost += not all(verify(out / name).ok for name in names)
    return f"{count:,}", str(lost), str(left), str(found)


def killed(out: Path, email: str, step: int) -> subprocess.CompletedProcess[str]:
    """Purge in a process that is killed at a step; with 0 it is not, and prints how many steps there are."""
    words = [sys.executable, "-c", KILLED_AT, str(step), "purge", email, "--out", str(out), "--no-suppress", "-q"]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def readers(folder: Path, count: int) -> tuple[str, ...]:
    """Exchange a night while another process reads `latest` in a loop."""
    out = folder / "small"
    other = shutil.copytree(out / "run=n0", folder / "other")
    with reading(out) as told:
        for _ in range(count):
            exchange(other, out / "run=n0", system_swap())
            time.sleep(0.01)
    reads, errors = told.get()
    return f"{count:,}", f"{reads:,}", str(errors)


@contextmanager
def reading(out: Path) -> Iterator[Any]:
    """A process that reads tables of `latest` in a loop, until the end of the block; its queue then has the counts."""
    context = multiprocessing.get_context("spawn")
    told, stop = context.Queue(), context.Event()
    process = context.Process(target=read_in_a_loop, args=(out, told, stop))
    process.start()
    told.get()  # it has begun
    try:
        yield told
    finally:
        stop.set()
        process.join()


def read_in_a_loop(out: Path, told: Any, stop: Any) -> None:  # noqa: ANN401 - of multiprocessing
    """Read until told to stop, and count errors."""
    reads = errors = 0
    told.put("begun")
    while not stop.is_set():
        for name in ("manifest.json", "leads.parquet", "outcomes.parquet"):
            try:
                if name.endswith("json"):
                    json.loads((out / "latest" / name).read_bytes())
                else:
                    pd.read_parquet(out / "latest" / name, columns=["email"])
            except Exception:  # noqa: BLE001 - whatever a reader may see
                errors += 1
            reads += 1
    told.put((reads, errors))


def best(work: Any, times: int = 5) -> str:  # noqa: ANN401 - any function
    """The shortest of some times, in seconds."""
    taken = []
    for _ in range(times):
        start = time.monotonic()
        work()
        taken.append(time.monotonic() - start)
    return f"{min(taken):.3f}"


if __name__ == "__main__":
    os.environ.setdefault("PYTHONSAFEPATH", "1")
    print(f"{len(CORES)} cores\n")
    main()
