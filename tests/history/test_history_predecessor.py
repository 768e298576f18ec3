"""Which published run counts as the one before."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.files.folder import MANIFEST, OutputFolder, read_manifest
from pipeline.history.predecessor import Candidates, account_in
from pipeline.settings.account import Account

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ACCOUNT = Account("loopback", "0123456789abcdef")


def publish(folder: OutputFolder, run_id: str, finished_at: str, account: object = asdict(ACCOUNT)) -> Path:
    """Publish a run without rows, whose replies and outcomes are not more than files with a checksum."""
    content = run_id.encode()
    digest = hashlib.sha256(content).hexdigest()
    tables = {
        name: {"files": [{"name": f"{name}.parquet", "rows": 0, "bytes": len(content), "sha256": digest}]}
        for name in ("replies", "outcomes")
    }
    manifest = {"manifest_version": 1, "run_id": run_id, "finished_at": finished_at, "rows": {"read": 0}}
    with folder.staging(run_id) as staging:
        for name in tables:
            (staging / f"{name}.parquet").write_bytes(content)
        return folder.publish(staging, run_id, {**manifest, "tables": tables, "settings": {}, "account": account})


@pytest.fixture
def folder(tmp_path: Path) -> OutputFolder:
    """Three runs whose names are in another order than their times."""
    made = OutputFolder(tmp_path / "out")
    made.state.check_writable()
    for number, name in enumerate(("c", "a", "b")):
        publish(made, name, f"2026-11-{number + 1:02}T02:00:00.000+00:00")
    return made


def newest(folder: OutputFolder) -> str | None:
    """The name of the run that counts."""
    found = Candidates(folder, ACCOUNT).newest_intact()
    return found.run_id if found else None


def test_the_run_that_finished_last_counts(folder: OutputFolder) -> None:
    """Names do not matter; without any run there is none before."""
    assert newest(folder) == "b"
    for path in folder.runs():
        shutil.rmtree(path)
    assert newest(folder) is None


@pytest.mark.parametrize("name", ["replies", "outcomes"])
@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"x"), lambda path: path.unlink()])
def test_a_damaged_run_is_named_and_passed_over(
    folder: OutputFolder, name: str, damage: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    """Flipped or missing bytes cost a warning with the path, and the run before is used."""
    damage(folder.run("b") / f"{name}.parquet")
    with caplog.at_level(logging.WARNING):
        assert newest(folder) == "a"
    assert [record.getMessage().startswith(str(folder.run("b"))) for record in caplog.records] == [True]


@pytest.mark.parametrize(
    "account",
    [
        None,
        "loopback",
        {},
        {"api_url": "loopback"},
        {"api_url": 7, "app_hash": []},
        {**asdict(ACCOUNT), "app_hash": "another"},
        {**asdict(ACCOUNT), "api_url": "https://app.kartra.com/api"},
    ],
)
def test_a_run_of_another_account_never_counts(folder: OutputFolder, account: object) -> None:
    """Another App, another API, or a manifest that does not say whose leads these are."""
    publish(folder, "d", "2026-11-30T02:00:00.000+00:00", account)
    assert newest(folder) == "b"


@pytest.mark.parametrize(
    "tables",
    [{}, [], None, "replies", {"replies": []}, {"replies": {"files": 3}}, {"replies": {"files": [{"name": 1}]}}],
)
def test_a_run_without_readable_replies_is_passed_over(folder: OutputFolder, tables: Any) -> None:
    """It was published without them, or its manifest says nothing that could be read."""
    path = folder.run("b") / MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text()), "tables": tables}))
    assert newest(folder) == "a"


def test_the_account_comes_from_the_manifest(folder: OutputFolder) -> None:
    """What a manifest holds is the account that asked."""
    manifest = read_manifest(folder.run("a"))
    assert manifest is not None
    assert account_in(manifest) == ACCOUNT
