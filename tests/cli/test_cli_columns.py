"""Runs with columns left out and hashed: what is published, what is kept apart, and that both can be made again."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow.parquet as pq
import pytest
from cli_command import CREDENTIALS, NO_DELAYS, OPTIONS, lead_export, manifest_of, run, write_list
from published_texts import texts_in

from pipeline.privacy.key import COLUMNS, PrivacyKey
from pipeline.sandbox.process import running
from pipeline.tables.flatten import flatten

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.sandbox.process import RunningSandbox

KEY = {"LEAD_EXPORT_PRIVACY_KEY": "ab" * 32}
OTHER_KEY = {"LEAD_EXPORT_PRIVACY_KEY": "cd" * 32}
HASHED = PrivacyKey(b"\xab" * 32).hasher(COLUMNS)
EMAILS = [
    *(f"Person.{number}@example.com" for number in range(20)),
    *("custom@example.com", "new-keys@example.com", "not-found@example.com", "always-500@example.com"),
    *("PERSON.1@example.com", "no address"),
]
CONFIG = """
drop_columns = ["leads.ip", "leads.lead_picture", "*.gdpr_lead_status_ip", "transactions", "custom.5"]
hash_columns = ["leads.email", "leads.id", "*.phone", "tags.tag_name"]
keep_columns = ["*.extra", "leads.notes", "custom_fields.value", "outcomes.message"]
replies = "private"
max_attempts = 1
batch_leads = 7
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Settings that leave columns out and hash others."""
    path = tmp_path_factory.mktemp("config") / "job.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory, config: Path) -> Path:
    """A run with them, with rows of every outcome, in two formats and with a report."""
    folder = tmp_path_factory.mktemp("published")
    options = ("--format", "csv", "--format", "parquet", "--report", "--config", config)
    with running(OPTIONS) as sandbox:
        done = run(write_list(folder / "people.csv", EMAILS), sandbox, folder / "out", *options, **KEY)
    assert (done.code, "failures.csv\n" in f"{done.err}\n") == (3, True)
    assert "run again as a list" not in done.err
    return folder / "out"


def contents(folder: Path) -> dict[str, bytes]:
    """Every file in a folder and in those below it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def private_of(out: Path) -> Path:
    """What the run of an output folder does not publish."""
    return next((out / ".lead-export" / "private").iterdir())


def test_the_tables_have_what_is_left(out: Path) -> None:
    """Hashes of addresses join all tables, the list among them, and dropped columns and tables are nowhere."""
    latest, manifest = out / "latest", manifest_of(out)
    leads, outcomes = (pd.read_parquet(latest / f"{name}.parquet") for name in ("leads", "outcomes"))
    assert outcomes["email"].dropna().tolist() == [HASHED(email.lower()) for email in EMAILS[:-1]]
    assert outcomes["given"].tolist() == [*outcomes["email"][:-1], HASHED("no address")]
    found = outcomes[outcomes["outcome"] == "found"]
    assert leads["requested_email"].tolist() == found["email"].tolist()
    assert leads["id"].tolist() == found["lead_id"].tolist()
    assert {"ip", "gdpr_lead_status_ip"}.isdisjoint(leads.columns)
    assert "transactions" not in manifest["tables"]
    assert not list(latest.glob("transactions.*"))
    tags = pd.read_parquet(latest / "tags.parquet")
    assert set(tags["lead_id"]) <= set(leads["id"])
    failures = pd.read_csv(latest / "failures.csv")
    assert failures["email"].tolist() == [HASHED("always-500@example.com")]
    assert manifest["key_id"] == PrivacyKey(b"\xab" * 32).id
    csv = pd.read_csv(latest / "leads.csv", dtype=str, keep_default_na=False)
    assert csv["email"].tolist() == leads["email"].tolist()


def test_what_is_not_published_is_kept_apart(out: Path) -> None:
    """The raw replies and the rows as they are, for the owner only; the manifest has their checksums."""
    folder, manifest = private_of(out), manifest_of(out)
    assert folder.name == manifest["run_id"]
    assert sorted(path.name for path in folder.iterdir()) == ["outcomes.parquet", "replies.parquet"]
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert sorted(manifest["private"]) == ["outcomes", "replies"]
    assert pd.read_parquet(folder / "outcomes.parquet")["given"].tolist() == EMAILS
    assert "replies" not in manifest["tables"]
    assert not (out / "latest" / "replies.parquet").exists()


def test_no_address_or_id_is_published(out: Path) -> None:
    """Nor a telephone number: in no page, footer, cell or line of any file, the hidden ones among them."""
    replies = pd.read_parquet(private_of(out) / "replies.parquet")
    frames = flatten(replies[replies["outcome"] == "found"])
    plain = {str(value) for column in ("id", "email", "phone") for value in frames.leads[column].dropna()}
    plain |= {*EMAILS[:-1], *map(str, replies["email"])}
    texts = {name: text.lower() for name, text in texts_in(out)}
    assert {"leads.parquet", "outcomes.csv", "failures.csv", "report.html", "manifest.json"} <= texts.keys()
    assert len(plain) > 60
    assert [(name, value) for name, text in texts.items() for value in plain if value.lower() in text] == []


def test_it_is_rebuilt_and_verified_byte_for_byte(out: Path, config: Path, tmp_path: Path) -> None:
    """With the key: what is published and what is kept apart, the report and the manifest included."""
    done = lead_export("verify", out / "latest", "--json", "-q", **KEY)
    assert (done.code, done.json["rebuilt"], len(done.json["identical"])) == (0, True, 17)
    assert lead_export("rebuild", out / "latest", "--out", tmp_path, "--report", **KEY).code == 3
    assert contents(tmp_path / "latest") == contents(out / "latest")
    assert contents(private_of(tmp_path)) == contents(private_of(out))
    again = tmp_path / "again"
    assert lead_export("rebuild", tmp_path / "latest", "--out", again, "--report", "--config", config, **KEY).code == 3
    assert contents(again / "latest") == contents(out / "latest")


def test_the_columns_can_be_chosen_anew(out: Path, tmp_path: Path) -> None:
    """Another choice, or another place for the replies, needs no call; a plain rebuild has everything again."""
    environ = {
        **KEY,
        "LEAD_EXPORT_HASH_COLUMNS": "leads.email",
        "LEAD_EXPORT_DROP_COLUMNS": "leads.ip,leads.lead_picture",
    }
    assert lead_export("rebuild", out / "latest", "--out", tmp_path / "a", "--replies", "publish", **environ).code == 3
    latest = tmp_path / "a" / "latest"
    assert (
        pd.read_parquet(latest / "transactions.parquet")["email"]
        .isin(pd.read_parquet(latest / "leads.parquet")["email"])
        .all()
    )
    assert pq.read_table(latest / "replies.parquet").column("email")[0].as_py() == EMAILS[0]
    assert [path.name for path in private_of(tmp_path / "a").iterdir()] == ["outcomes.parquet"]
    assert lead_export("verify", latest, "-q", **KEY).code == 0
    bare = {
        "LEAD_EXPORT_HASH_COLUMNS": "",
        "LEAD_EXPORT_DROP_COLUMNS": "leads.zip,leads.lead_picture",
        "LEAD_EXPORT_REPLIES": "none",
    }
    assert lead_export("rebuild", latest, "--out", tmp_path / "b", **bare).code == 3
    assert pd.read_parquet(tmp_path / "b" / "latest" / "outcomes.parquet")["given"].tolist() == EMAILS
    assert not (tmp_path / "b" / ".lead-export" / "private").exists()


@pytest.mark.parametrize(("key", "problem"), [({}, "no key is set"), (OTHER_KEY, "but the key that is set is")])
def test_another_key_is_refused(out: Path, tmp_path: Path, key: dict[str, str], problem: str) -> None:
    """Its hashes would not be those of the run."""
    for words in (["rebuild", out / "latest", "--out", tmp_path / "again"], ["verify", out / "latest"]):
        sentence = lead_export(*words, **key).sentence
        assert "its columns were hashed with the key" in sentence
        assert problem in sentence
    assert not list(tmp_path.glob("again/run=*"))


def test_a_run_hashed_with_another_key_is_not_the_one_that_is_asked_for(
    out: Path, config: Path, tmp_path: Path
) -> None:
    """A plain run that was rebuilt with hashes is there for the same key only: another one is exit code 2."""
    plain, hashed = tmp_path / "plain", tmp_path / "hashed"
    bare = {"LEAD_EXPORT_HASH_COLUMNS": "", "LEAD_EXPORT_DROP_COLUMNS": "", "LEAD_EXPORT_REPLIES": "publish"}
    assert lead_export("rebuild", out / "latest", "--out", plain, **bare).code == 3
    words = ("rebuild", plain / "latest", "--out", hashed, "--config", config)
    assert lead_export(*words, **KEY).code == 3
    before = contents(hashed / "latest")
    assert lead_export(*words, **KEY).code == 3
    refused = lead_export(*words, **OTHER_KEY)
    assert (refused.code, "already exists" in refused.sentence, "another key" in refused.sentence) == (2, True, True)
    assert contents(hashed / "latest") == before


def test_without_what_is_kept_apart(out: Path, tmp_path: Path) -> None:
    """A copy of the published run alone can be verified as far as that goes; damage of the rest is found."""
    shutil.copytree(out / "latest", tmp_path / "copy" / "run=x")
    done = lead_export("verify", tmp_path / "copy" / "run=x", **KEY)
    assert (done.code, "its replies are not published but kept in" in done.err) == (6, True)  # another name, no replies
    refused = lead_export("rebuild", tmp_path / "copy" / "run=x", "--out", tmp_path / "again", **KEY)
    assert "that folder is not there; restore it." in refused.sentence
    shutil.copytree(out, tmp_path / "whole", symlinks=True)
    path = private_of(tmp_path / "whole") / "replies.parquet"
    path.write_bytes(path.read_bytes()[:-9] + b"123456789")
    done = lead_export("verify", tmp_path / "whole" / "latest", **KEY)
    assert (done.code, f"{path}: has changed or is damaged" in done.err) == (6, True)
    path.unlink()
    assert f"{path}: is missing." in lead_export("verify", tmp_path / "whole" / "latest", **KEY).err


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"HASH_COLUMNS": "leads.email"}, "hash_columns: needs a key; name the file of the key in privacy_key_file"),
        (
            {"DROP_COLUMNS": "leads.emial"},
            "drop_columns: there is no column 'leads.emial'. Did you mean 'leads.email'?",
        ),
        ({"KEEP_COLUMNS": "*.extra"}, "leads.lead_picture, leads.notes, custom_fields.value and 1 more are free text"),
        ({"REPLIES": ""}, "The raw replies hold what drop_columns and hash_columns name; set replies to private"),
    ],
)
def test_nothing_is_called_before_all_is_decided(
    sandbox: RunningSandbox, people: Path, tmp_path: Path, environ: dict[str, str], sentence: str
) -> None:
    """Exit 2 from whatever would publish these columns, and from what plans or checks it."""
    decided = {
        "DROP_COLUMNS": "leads.ip",
        "KEEP_COLUMNS": "*.extra,*.lead_picture,*.notes,*.value,*.message",
        "REPLIES": "none",
    }
    env = {f"LEAD_EXPORT_{name}": value for name, value in {**decided, **environ}.items()}
    assert run(people, sandbox, tmp_path / "out", **env).sentence.startswith(sentence)
    assert lead_export("plan", people, **env).sentence.startswith(sentence)
    assert sandbox.stats()["calls"] == 0
    checked = lead_export("check", "--api-url", sandbox.url, **CREDENTIALS, **env)
    assert (checked.code, f"FAILED columns: {sentence}" in checked.out) == (2, True)


@pytest.mark.parametrize(
    ("options", "published", "private"),
    [
        ((), True, False),
        (("--replies", "publish"), True, False),
        (("--replies", "private"), False, True),
        (("--replies", "none"), False, False),
        (("--no-keep-replies",), False, False),
        (("--no-keep-replies", "--replies", "private"), False, False),
        (("--keep-replies", "--replies", "private"), False, True),
    ],
)
def test_where_the_replies_go(
    sandbox: RunningSandbox, tmp_path: Path, options: tuple[str, ...], *, published: bool, private: bool
) -> None:
    """Of two settings the stricter one holds; a run that has them anywhere can be rebuilt."""
    out, people = tmp_path / "out", write_list(tmp_path / "one.csv", EMAILS[:1])
    assert run(people, sandbox, out, *options).code == 0
    hidden = out / ".lead-export" / "private"
    assert ((out / "latest" / "replies.parquet").exists(), hidden.exists()) == (published, private)
    assert lead_export("verify", out / "latest", "--json").json["rebuilt"] == (published or private)
    assert lead_export("rebuild", out / "latest", "--out", tmp_path / "b").code == (0 if published or private else 2)


def test_what_is_kept_apart_goes_with_its_run(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """When retention removes a run or its replies, and when a killed attempt has left some behind."""
    out, people = tmp_path / "out", write_list(tmp_path / "one.csv", EMAILS[:1])
    private = out / ".lead-export" / "private"
    for number in range(3):
        options = ("--replies", "private", "--run-id", f"r{number}", "--keep-runs", 2)
        assert run(people, sandbox, out, *options).code == 0
    assert sorted(path.name for path in private.iterdir()) == ["r1", "r2"]
    (private / "killed").mkdir()
    shutil.rmtree(out / "run=r1")
    manifest = json.loads((out / "run=r2" / "manifest.json").read_text())
    manifest["finished_at"] = "2020-01-01T00:00:00.000+00:00"
    (out / "run=r2" / "manifest.json").write_text(json.dumps(manifest))
    assert lead_export("expire", "--out", out, "--keep-replies-days", 1).code == 0
    assert list(private.iterdir()) == []
    assert "no replies" in lead_export("rebuild", out / "run=r2", "--out", tmp_path / "b").sentence
    assert "private" not in json.loads((out / "run=r2" / "manifest.json").read_text())


def names_in(cell: str) -> list[str]:
    """The names that share a cell."""
    return [re.sub(r"\\(.)", r"\1", name) for name in re.split(r"(?<!\\)\|", cell)] if cell else []


def test_enrich_adds_what_is_left(sandbox: RunningSandbox, config: Path, tmp_path: Path) -> None:
    """The same hashes as in the tables of a run, for names in shared cells, too; own columns are as they were."""
    people = write_list(tmp_path / "people.csv", [EMAILS[0], "custom@example.com", "always-500@example.com"])
    tables: list[pd.DataFrame] = []
    for options, key in (((), {}), (("--config", config), KEY)):
        out = tmp_path / f"out-{len(tables)}.csv"
        words = ("enrich", people, "--out", out, "--api-url", sandbox.url, "--rate", 0, *options)
        assert lead_export(*words, **CREDENTIALS, **NO_DELAYS, LEAD_EXPORT_MAX_ATTEMPTS="1", **key).code == 3
        tables.append(pd.read_csv(out, dtype=str, keep_default_na=False).rename(columns=str))
    plain, hashed = tables
    names = [str(name) for name in plain if not str(name).startswith("custom.")]
    gone = {name for name in names if name not in hashed}
    transactions = {"lead_transaction_count", "lead_last_transaction_date"}
    assert gone == {"lead_ip", "lead_picture", "lead_gdpr_lead_status_ip", *transactions}
    for name in ("lead_id", "lead_email", "lead_phone"):
        assert hashed[name].tolist() == [HASHED(value.lower()) if value else "" for value in plain[name]]
    tags = [[HASHED(tag) for tag in names_in(cell)] for cell in plain["lead_tags"]]
    assert [names_in(cell) for cell in hashed["lead_tags"]] == tags
    other = {"lead_id", "lead_email", "lead_phone", "lead_tags", "lead_fetched_at"}
    same = [name for name in names if name in hashed and name not in other]
    assert hashed[same].equals(plain[same])
