"""What columns and files say about people: all of them are classified, and one that is new and is not fails here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, get_args

import pytest
from cli_command import CREDENTIALS, NO_DELAYS, Running, lead_export, run, write_list

from pipeline.columns import FREE_TEXT, IDENTITY, NEUTRAL, Column, Kind
from pipeline.privacy.key import PrivacyKey
from pipeline.privacy.places import FOREIGN, kind_of
from pipeline.privacy.suppression import SUPPRESSED, SuppressionList
from pipeline.schema import TABLES

if TYPE_CHECKING:
    from pathlib import Path

    from preloaded import Preloaded

    from pipeline.sandbox.process import RunningSandbox

COLUMNS = {f"{table.name}.{column.name}": column for table in TABLES for column in table.columns}
RUN, STATE, TABLE = r"out/run=[^/]+/", r"out/\.lead-export/", rf"({'|'.join(table.name for table in TABLES)})"
SIDE = r"(-wal|-shm|-journal)?"
FILES = {
    # Tables, and what they are made of; journals; lists and what was added to them.
    rf"{RUN}({TABLE}\.(parquet|csv|tsv|xlsx)|failures\.csv)": "people",
    rf"{STATE}private/[^/]+/(replies|outcomes)\.parquet": "people",
    rf"{STATE}[^/]+\.staging/(\.private/)?(({TABLE}|failures)\.\w+|report\.html|manifest\.json)": "people",
    rf"{STATE}[^/]+\.matches\.staging/matches": "nobody",
    rf"{STATE}[^/]+\.journal{SIDE}": "people",
    rf"{STATE}[^/]+\.journal\.unreadable\d*{SIDE}": "people",
    rf"\.added\.csv\.lead-export/[^/]+\.journal{SIDE}": "people",
    r"(people|added)\.csv": "people",
    # Hashes and the key.
    rf"{STATE}suppressed\.jsonl": "hashes",
    r"privacy\.key": "the key",
    # About runs and attempts alone.
    rf"{RUN}(manifest\.json|report\.html)": "nobody",
    rf"{STATE}(lock|history\.jsonl|last-attempt\.json|known-drift\.json|[^/]+\.attempt)": "nobody",
    r"\.added\.csv\.lead-export/(lock|[^/]+\.attempt|history\.jsonl|last-attempt\.json|known-drift\.json)": "nobody",
    r"state/lead-export/[^/]+": "nobody",
    r"(leads\.prom|job\.toml)": "nobody",
}
"""Every kind of file that commands leave, and whom it is about."""
KEY = "ab" * 32
KILLED = """
import os, signal, sys
from pipeline.cli.main import main
def hook(event, arguments):
    if event == "open" and str(arguments[0]).endswith(".staging/manifest.json"):
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
main()
"""
"""lead-export, killed right before a run is published."""


@pytest.mark.parametrize("name", COLUMNS)
def test_every_column_has_a_kind(name: str) -> None:
    """Which person it is, something about her, anything, or nothing; copies are told from their originals."""
    column = COLUMNS[name]
    assert column.kind in get_args(Kind)
    if column.copy_of:
        assert (column.kind, COLUMNS[column.copy_of].kind) == (IDENTITY, IDENTITY)
        assert COLUMNS[column.copy_of].copy_of == ""
        assert column.type == COLUMNS[column.copy_of].type
    else:
        assert (column.kind == IDENTITY) == (name in ("leads.id", "leads.email"))
    if column.name in ("extra", "body", "notes", "message"):
        assert column.kind == FREE_TEXT
    if column.kind == NEUTRAL:
        assert column.derived or name.startswith(("outcomes.", "replies.", "changes.", "custom_fields.field_"))


def test_a_column_cannot_be_declared_without_one() -> None:
    """Whoever adds a column says what it is."""
    with pytest.raises(TypeError, match="kind"):
        Column("new", "string", "something")  # type: ignore[call-arg]


def test_every_file_that_is_left_has_a_kind(
    sandbox: RunningSandbox, process: Preloaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After all that can happen; and none that is about nobody has an address in it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    emails = [f"qx.{number}.xq@example.com" for number in range(6)]
    people, out = write_list(tmp_path / "people.csv", [*emails, "always-500@example.com"]), tmp_path / "out"
    (tmp_path / "job.toml").write_text(f'metrics_file = "{tmp_path}/leads.prom"\nmax_attempts = 1\n')
    assert lead_export("key", "new", tmp_path / "privacy.key", "-q").code == 0
    words = ["--config", tmp_path / "job.toml", "--rate", 1_000, "--report", "--monitor"]
    formats = [word for name in ("parquet", "csv", "tsv", "xlsx") for word in ("--format", name)]
    assert run(people, sandbox, out, *words, *formats).code == 3
    chosen = {"LEAD_EXPORT_HASH_COLUMNS": "leads.email", "LEAD_EXPORT_REPLIES": "private"}
    env = {**chosen, "LEAD_EXPORT_KEEP_COLUMNS": "*", "LEAD_EXPORT_PRIVACY_KEY": KEY}
    assert run(people, sandbox, out, *words, "--run-id", "hashed", **env).code == 3
    suppressed = SuppressionList.read(out / ".lead-export" / SUPPRESSED, PrivacyKey(bytes.fromhex(KEY)))
    suppressed.add(["gone@example.com"], reason="purge", at_ms=0)
    added = ("enrich", people, "--out", tmp_path / "added.csv", "--api-url", sandbox.url, *words[:4], "--monitor")
    assert lead_export(*added, **CREDENTIALS, **NO_DELAYS, **env).code == 3
    (out / ".lead-export" / "x.journal").write_bytes(b"damaged")
    assert run(people, sandbox, out, *words, "--new", **env).code == 3
    target = ("--out", out, "--api-url", sandbox.url, *words)
    killed = Running(process, "run", people, *target, program=KILLED, **CREDENTIALS, **NO_DELAYS, **env)
    assert killed.ended().code == -9
    files = [path for path in tmp_path.rglob("*") if path.is_file() and not path.parent.is_symlink()]
    left = {path.relative_to(tmp_path).as_posix(): path for path in files}
    kinds = {name: [kind for kind in FILES if re.fullmatch(kind, name)] for name in left}
    assert {name: found for name, found in kinds.items() if len(found) != 1} == {}
    of_runs = [name.removeprefix("out/") for name in left if name.startswith("out/")]
    assert [name for name in of_runs if kind_of(name) is FOREIGN] == []  # a purge would not know it
    told = {name: left[name].read_bytes() for name, (kind,) in kinds.items() if FILES[kind] != "people"}
    assert [name for name, content in told.items() for one in emails if one.encode() in content] == []
    assert {kind for found in kinds.values() for kind in found} == set(FILES)
