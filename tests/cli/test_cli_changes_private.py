"""What changed where columns are hashed or left out, and about people who are not to be asked for."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from cli_command import OPTIONS, lead_export, manifest_of, run, write_list

from pipeline.files.state import SUFFIX
from pipeline.privacy.key import COLUMNS, PrivacyKey
from pipeline.privacy.suppression import SUPPRESSED, SuppressionList
from pipeline.sandbox.process import running

if TYPE_CHECKING:
    from pathlib import Path

    from cli_command import Result

    from pipeline.sandbox.process import RunningSandbox

KEY = {"LEAD_EXPORT_PRIVACY_KEY": "ab" * 32}
OTHER_KEY = {"LEAD_EXPORT_PRIVACY_KEY": "cd" * 32}
PRIVACY_KEY = PrivacyKey(b"\xab" * 32)
HASHED = PRIVACY_KEY.hasher(COLUMNS)
WHO = "changes-1@example.com"
EMAILS = [WHO, "joins-1@example.com", "leaves-1@example.com", "ordinary@example.com"]
KEPT = 'keep_columns = ["*.extra", "leads.notes", "leads.lead_picture", "custom_fields.value", "outcomes.message"]\n'
HASHES = 'hash_columns = ["leads.email", "leads.id", "tags.tag_name"]\nreplies = "private"\n' + KEPT
WITHOUT_TABLES = 'drop_columns = ["tags", "transactions", "custom.*"]\nreplies = "private"\n' + KEPT
WITHOUT_ADDRESSES = 'drop_columns = ["leads.email", "leads.id"]\nreplies = "private"\n' + KEPT


def published(made: Path, rules: str, emails: list[str] = EMAILS) -> Path:
    """A folder with two runs, before and after people changed."""
    (made / "job.toml").write_text(rules)
    people = write_list(made / "list.csv", emails)
    with running(OPTIONS) as sandbox:
        for epoch, name in enumerate(("a", "b")):
            sandbox.control(epoch=epoch)
            assert run(people, sandbox, made / "out", "--run-id", name, "--config", made / "job.toml", **KEY).code == 0
    return made / "out"


@pytest.fixture(scope="module")
def hashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs with hashed addresses, ids and tags; no test changes them."""
    return published(tmp_path_factory.mktemp("hashed"), HASHES)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs with every column as it is; no test changes them."""
    return published(tmp_path_factory.mktemp("plain"), "")


def net(out: Path, path: Path, *words: object, **env: str) -> Result:
    """The changes from the first run to the second."""
    return lead_export("changes", out / "run=a", out / "run=b", "--out", path, *words, **env)


def test_changes_of_hashed_runs_are_hashed(hashed: Path, tmp_path: Path) -> None:
    """With the columns of the runs, whatever the settings of today are: the file is the feed of the second run."""
    assert net(hashed, tmp_path / "net.parquet", **KEY).code == 0
    made, feed = (pd.read_parquet(path) for path in (tmp_path / "net.parquet", hashed / "run=b" / "changes.parquet"))
    assert made.equals(feed)
    assert HASHED(WHO) in set(made["requested_email"])
    assert net(hashed, tmp_path / "net.csv", **KEY).code == 0
    assert "@example.com" not in (tmp_path / "net.csv").read_text()


@pytest.mark.parametrize(("key", "problem"), [({}, "no key is set"), (OTHER_KEY, "but the key that is set is")])
def test_changes_of_hashed_runs_need_their_key(hashed: Path, tmp_path: Path, key: dict[str, str], problem: str) -> None:
    """Without it, or with another, nothing is written."""
    refused = net(hashed, tmp_path / "net.csv", **key).sentence
    assert "its columns were hashed with the key" in refused
    assert problem in refused
    assert not list(tmp_path.iterdir())


def test_what_the_earlier_run_hides_stays_hidden(hashed: Path, plain: Path, tmp_path: Path) -> None:
    """Also if the later run publishes it; settings that are given explicitly come first."""
    pair = (hashed / "run=a", plain / "run=b", "--out")
    assert "no key is set" in lead_export("changes", *pair, tmp_path / "net.csv").sentence
    assert lead_export("changes", *pair, tmp_path / "net.csv", **KEY).code == 0
    assert HASHED(WHO) in (tmp_path / "net.csv").read_text()
    assert "@example.com" not in (tmp_path / "net.csv").read_text()
    assert lead_export("changes", *pair, tmp_path / "all.csv", LEAD_EXPORT_HASH_COLUMNS="", **KEY).code == 0
    assert WHO in (tmp_path / "all.csv").read_text()


def test_changes_say_nothing_about_suppressed_people(plain: Path, tmp_path: Path) -> None:
    """On the list of the runs' folder, or on that of the settings, also if both runs know them; it needs its key."""
    out = shutil.copytree(plain, tmp_path / "out", symlinks=True)
    SuppressionList.read(out / SUFFIX / SUPPRESSED, PRIVACY_KEY).add([WHO], reason="purge", at_ms=1)
    SuppressionList.read(tmp_path / "list", PRIVACY_KEY).add(["JOINS-1@example.com"], reason="purge", at_ms=1)
    assert "cannot be read without its key" in net(out, tmp_path / "net.csv").sentence
    assert net(out, tmp_path / "net.csv", LEAD_EXPORT_SUPPRESSION_FILE=str(tmp_path / "list"), **KEY).code == 0
    text = (tmp_path / "net.csv").read_text()
    assert [email for email in EMAILS if email in text] == ["leaves-1@example.com"]
    assert net(out, tmp_path / "more.csv", **KEY).code == 0
    assert "joins-1@example.com" in (tmp_path / "more.csv").read_text()


def test_the_feed_is_silent_about_what_is_left_out(tmp_path: Path) -> None:
    """Whole tables and custom fields, in the feed as in the tables; other tables have their changes, and all verify."""
    out = published(tmp_path, WITHOUT_TABLES)
    feed = pd.read_parquet(out / "run=b" / "changes.parquet")
    tables = manifest_of(out)["changes"]["tables"]
    assert set(feed["table_name"]) == tables.keys()
    assert {"leads", "lists", "outcomes"} <= tables.keys()
    assert {"tags", "transactions", "custom_fields"}.isdisjoint(tables)
    assert lead_export("verify", out / "run=b", "-q", **KEY).code == 0
    assert net(out, tmp_path / "net.parquet", **KEY).code == 0
    assert pd.read_parquet(tmp_path / "net.parquet").equals(feed)


@pytest.mark.parametrize(("key", "problem"), [({}, "no key is set"), (OTHER_KEY, "but the key that is set is")])
def test_nobody_is_said_to_be_unknown_without_the_key(hashed: Path, key: dict[str, str], problem: str) -> None:
    """Nobody can be found among hashes of another key: `person` refuses to look, and with the key it finds the rows."""
    sentence = lead_export("person", WHO, "--out", hashed, **key).sentence
    assert sentence.startswith(f"{hashed}/run=a: its columns were hashed with the key {PRIVACY_KEY.id}, but")
    assert problem in sentence
    assert [sorted(one["tables"])[:3] for one in lead_export("person", WHO, "--out", hashed, **KEY).json["runs"]] == [
        ["custom_fields", "leads", "lists"],
        ["changes", "custom_fields", "leads"],
    ]


def test_timeline_finds_people_by_their_hashes(hashed: Path) -> None:
    """In any spelling of the address, with the key of the runs only: without it nobody is said to have no changes."""
    feed = pd.read_parquet(hashed / "run=b" / "changes.parquet")
    theirs = feed[feed["requested_email"] == HASHED(WHO)]
    told = lead_export("timeline", WHO.upper(), "--out", hashed, "--json", **KEY)
    assert [(one["run"], one["new_value"]) for one in json.loads(told.out)] == [
        ("b", None if value is pd.NA else value) for value in theirs["new_value"]
    ]
    assert told.err == f"{len(theirs)} changes in 1 run\n"
    assert lead_export("timeline", "ordinary@example.com", "--out", hashed, **KEY).err == "0 changes in 0 runs\n"
    assert "but no key is set" in lead_export("timeline", WHO, "--out", hashed).sentence
    assert "but the key that is set is" in lead_export("timeline", WHO, "--out", hashed, **OTHER_KEY).sentence


def test_timeline_names_runs_that_cannot_tell(tmp_path: Path) -> None:
    """Of runs whose addresses are left out, unless nothing has changed in them."""
    out = published(tmp_path, WITHOUT_ADDRESSES)
    told = lead_export("timeline", WHO, "--out", out)
    assert (told.code, told.out) == (0, "")
    assert told.err.splitlines() == [
        "1 run cannot tell, as the addresses are left out of the changes: b",
        "0 changes in 0 runs",
    ]


def test_a_run_without_suppressed_people_is_verified(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """The run before still has somebody whom the feed leaves out, so that it cannot be made again of both replies."""
    out, people = tmp_path / "out", tmp_path / "list.csv"
    assert run(write_list(people, EMAILS), sandbox, out, "--run-id", "a", **KEY).code == 0
    SuppressionList.read(out / SUFFIX / SUPPRESSED, PRIVACY_KEY).add([WHO], reason="purge", at_ms=1)
    assert run(write_list(people, EMAILS[1:]), sandbox, out, "--run-id", "b", **KEY).code == 0
    manifest = manifest_of(out)
    assert (manifest["changes"]["rows"], manifest["changes"]["forgotten"]) == (0, 1)
    assert manifest["rows"].get("suppressed", 0) == 0
    verified = lead_export("verify", out / "run=b", **KEY)
    assert (verified.code, "was not made again, as people are suppressed in it" in verified.err) == (0, True)
    told = json.loads(net(out, tmp_path / "net.csv", "--json", **KEY).out)
    assert told["changes"]["forgotten"] == 1


def test_suppressed_people_are_not_reported_night_after_night(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Who stays on the list of addresses is not an address whose answer is unknown, in the first night or later."""
    out, people = tmp_path / "out", write_list(tmp_path / "list.csv", EMAILS)
    assert run(people, sandbox, out, "--run-id", "a", **KEY).code == 0
    SuppressionList.read(out / SUFFIX / SUPPRESSED, PRIVACY_KEY).add([WHO], reason="purge", at_ms=1)
    for name in ("b", "c"):
        told = run(people, sandbox, out, "--run-id", name, **KEY)
        facts = manifest_of(out)["changes"]
        assert (told.code, "not compared" in told.err) == (0, False)
        assert ("unknown" in facts, facts["compared"], facts.get("left", 0)) == (False, len(EMAILS) - 1, 0)
