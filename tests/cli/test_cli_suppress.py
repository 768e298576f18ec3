"""People who are not to be asked for: every job heeds the list, and unsuppress takes them off it."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from cli_command import CREDENTIALS, NO_DELAYS, Result, lead_export, manifest_of, run, target, write_list
from monitoring_service import service

from pipeline.privacy.key import PrivacyKey
from pipeline.privacy.suppression import SUPPRESSED, SuppressionList

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.sandbox.process import RunningSandbox

KEY = {"LEAD_EXPORT_PRIVACY_KEY": "ab" * 32}
OTHER_KEY = {"LEAD_EXPORT_PRIVACY_KEY": "cd" * 32}
ANN, ERIN = "Ann@example.com", "erin@example.com"
ROWS = ["bob@example.com", ANN, "no address", "ANN@EXAMPLE.COM", "carol@example.com", ERIN, "bob@example.com"]
FOUND = {
    "read": 7,
    "found": 2,
    "not_found": 0,
    "deleted": 0,
    "failed": 0,
    "invalid": 1,
    "duplicate": 1,
    "suppressed": 3,
}


def suppress(out: Path, *addresses: str) -> Path:
    """Put people on the list of an output folder; return its file."""
    path = out / ".lead-export" / SUPPRESSED
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    SuppressionList.read(path, PrivacyKey(b"\xab" * 32)).add(addresses, reason="purge", at_ms=1_795_003_200_000)
    return path


def enrich(sandbox: RunningSandbox, people: Path, out: Path, *options: object, **env: str) -> Result:
    """Run the ad-hoc job against a sandbox."""
    words = ["enrich", people, "--out", out, "--api-url", sandbox.url, "--rate", 0, "--fields", "first_name", *options]
    return lead_export(*words, **{**CREDENTIALS, **NO_DELAYS, **env})


def outcomes_of(out: Path) -> pd.DataFrame:
    """The rows of the newest run."""
    return pd.read_parquet(out / "latest" / "outcomes.parquet")


def texts_in(folder: Path) -> str:
    """Every value of every table in a folder, and the text of every other file, in lower case."""
    tables = [pd.read_parquet(path).map(str).to_string() for path in folder.glob("*.parquet")]
    files = [path.read_text() for path in folder.iterdir() if path.is_file() and path.suffix != ".parquet"]
    return "".join([*tables, *files]).lower()


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A list with people who are suppressed, in two spellings, and others."""
    return write_list(tmp_path / "rows.csv", ROWS)


def test_nobody_on_the_list_is_asked_for(sandbox: RunningSandbox, rows: Path, tmp_path: Path) -> None:
    """Every row of theirs, in any case, ends as suppressed with nothing but its place, and the rows add up."""
    out = tmp_path / "out"
    suppress(out, ANN.upper(), ERIN)
    done = run(rows, sandbox, out, "--format", "csv", "--report", "-v", **KEY)
    assert (done.code, set(sandbox.stats(addresses=True)["addresses"])) == (0, {"bob@example.com", "carol@example.com"})
    assert "3 suppressed" in done.err
    assert manifest_of(out)["rows"] == FOUND
    table = outcomes_of(out)
    expected = ["found", *["suppressed"], "invalid", "suppressed", "found", "suppressed", "duplicate"]
    assert table["outcome"].tolist() == expected
    theirs = table[table["outcome"] == "suppressed"]
    assert theirs.drop(columns=["input", "row", "outcome", "attempts"]).isna().all(axis=None)
    assert (theirs["row"].tolist(), theirs["attempts"].tolist()) == ([2, 4, 6], [0, 0, 0])
    assert pd.read_parquet(out / "latest" / "replies.parquet")["email"].tolist() == [ROWS[0], ROWS[4]]
    told = texts_in(out / "latest") + done.err.lower()
    assert (ANN.lower() in told, ERIN in told, ROWS[0] in told) == (False, False, True)
    assert lead_export("verify", out / "latest", "--quiet").is_quiet


@pytest.mark.parametrize(
    ("key", "problem"), [({}, "cannot be read without its key"), (OTHER_KEY, "was made with the key")]
)
def test_without_the_key_nothing_is_called(
    sandbox: RunningSandbox, rows: Path, tmp_path: Path, key: dict[str, str], problem: str
) -> None:
    """Exit 2 with a sentence from every command that would ask, or plan to: erased people do not come back silently."""
    out, enriched = tmp_path / "out", tmp_path / "out" / "enriched.csv"
    run(write_list(tmp_path / "first.csv", ROWS[:1]), sandbox, out)
    path = suppress(out, ANN)
    sandbox.control(reset_stats=True)
    for refused in (
        run(rows, sandbox, out, **key),
        enrich(sandbox, rows, enriched, **key),
        lead_export("plan", rows, "--out", out, **key),
        lead_export("rebuild", out / "latest", "--out", tmp_path / "again", **key),
        lead_export("unsuppress", ANN, "--out", out, **key),
    ):
        assert refused.sentence.startswith(f"{path}: names people who are not to be asked for")
        assert problem in refused.sentence
    assert sandbox.stats()["calls"] == 0
    checked = lead_export("check", "--out", out, "--api-url", sandbox.url, **{**CREDENTIALS, **key})
    assert (checked.code, "FAILED privacy key" in checked.out) == (2, True)


def test_a_run_that_is_resumed_forgets_her_answer(sandbox: RunningSandbox, rows: Path, tmp_path: Path) -> None:
    """Her reply is in the journal of the first attempt; after the second one she is in no table."""
    out = tmp_path / "out"
    sandbox.control(revoke_after=3)
    assert run(rows, sandbox, out, "--concurrency", 1).code == 4
    sandbox.control(revoke_after=0, reset_stats=True)
    suppress(out, ANN, ERIN)
    done = run(rows, sandbox, out, **KEY)
    assert (done.code, manifest_of(out)["rows"]) == (0, FOUND)
    assert ANN.lower() not in sandbox.stats(addresses=True)["addresses"]
    assert pd.read_parquet(out / "latest" / "leads.parquet")["requested_email"].tolist() == [ROWS[0], ROWS[4]]
    assert manifest_of(out)["calls"]["resumed"] == 2
    assert ANN.lower() not in texts_in(out / "latest")


def planned_by(sandbox: RunningSandbox, people: Path, out: Path) -> dict[str, Any]:
    """What a run that carries answers over would do."""
    words = ("plan", people, *target(sandbox, out), "--max-age", 5, "--json")
    return lead_export(*words, **CREDENTIALS, **KEY).json


def test_her_answer_is_not_carried_over(sandbox: RunningSandbox, rows: Path, tmp_path: Path) -> None:
    """The next night has the others' answers of the run before, and neither hers nor a call for her."""
    out = tmp_path / "out"
    assert run(rows, sandbox, out, "--max-age", 5).code == 0
    suppress(out, ANN, ERIN)
    sandbox.control(reset_stats=True)
    planned = planned_by(sandbox, rows, out)
    assert run(rows, sandbox, out, "--max-age", 5, "--replies", "private", **KEY).code == 0
    manifest = manifest_of(out)
    assert (manifest["rows"], sandbox.stats()["calls"]) == (FOUND, planned["to_ask"])
    freshness = manifest["freshness"]
    assert (freshness["asked"] + freshness["carried"], freshness["pending"]) == (2, 0)
    assert (freshness["carried"], sum(freshness["ages"].values())) == (planned["carried"], 2)
    assert ANN.lower() not in texts_in(out / "latest")
    assert run(rows, sandbox, out, "--max-age", 5, **KEY).code == 0  # carries over what was kept apart
    assert manifest_of(out)["rows"] == FOUND


def test_a_resumed_selection_is_smaller(sandbox: RunningSandbox, rows: Path, tmp_path: Path) -> None:
    """Whom an unfinished run had chosen to ask is not asked; the rest is, and the count is right."""
    out = tmp_path / "out"
    assert run(rows, sandbox, out, "--max-age", 5).code == 0
    more = write_list(tmp_path / "more.csv", [*ROWS, *(f"new.{number}@example.com" for number in range(6))])
    sandbox.control(revoke_after=2, reset_stats=True)
    assert run(more, sandbox, out, "--max-age", 5, "--concurrency", 1).code == 4
    suppress(out, ANN, "new.4@example.com")
    sandbox.control(revoke_after=0, reset_stats=True)
    planned = planned_by(sandbox, more, out)
    assert run(more, sandbox, out, "--max-age", 5, **KEY).code == 0
    asked = sandbox.stats(addresses=True)["addresses"]
    assert "new.4@example.com" not in asked
    assert manifest_of(out)["rows"]["suppressed"] == 3
    assert manifest_of(out)["freshness"]["pending"] == 0
    assert len(asked) <= planned["to_ask"] <= len(asked) + 1  # until it is resumed, nobody is taken out of it


def test_everybody_may_be_suppressed(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """The run is published, and no call is made."""
    out, people = tmp_path / "out", write_list(tmp_path / "people.csv", [ANN, ERIN])
    suppress(out, ANN, ERIN)
    assert run(people, sandbox, out, **KEY).code == 0
    assert (sandbox.stats()["calls"], manifest_of(out)["rows"]["suppressed"]) == (0, 2)


def test_a_plan_counts_them_apart(rows: Path, tmp_path: Path) -> None:
    """They are not among the addresses to look up; a list that the settings name is heeded without --out, too."""
    path = suppress(tmp_path / "out", ANN, ERIN)
    for options, env in ((["--out", tmp_path / "out"], KEY), ([], {**KEY, "LEAD_EXPORT_SUPPRESSION_FILE": str(path)})):
        planned = lead_export("plan", rows, *options, "--json", **env).json
        expected = {"read": 7, "distinct": 2, "duplicate": 1, "suppressed": 3, "invalid": 1}
        assert (planned["rows"], planned["to_ask"], planned["lists"][0]["suppressed"]) == (expected, 2, 3)
    assert "1 duplicate, 3 suppressed, 1 invalid" in lead_export("plan", rows, "--out", tmp_path / "out", **KEY).out


@pytest.mark.parametrize("named", [True, False])
def test_enrich_gives_her_row_back_without_a_lead(
    sandbox: RunningSandbox, rows: Path, tmp_path: Path, *, named: bool
) -> None:
    """The list heeded is the one in the settings, or that of an output folder in which the file lies."""
    folder = tmp_path / "leads"
    path = suppress(folder, ANN, ERIN)
    out = (tmp_path if named else folder) / "enriched.csv"
    env = {**KEY, "LEAD_EXPORT_SUPPRESSION_FILE": str(path)} if named else KEY
    assert enrich(sandbox, rows, out, **env).code == 0
    table = pd.read_csv(out, dtype=str)
    assert table["email"].tolist() == ROWS
    theirs = table[table["lead_outcome"] == "suppressed"]
    assert theirs["email"].tolist() == [ANN, ANN.upper(), ERIN]
    assert theirs.drop(columns=["email", "lead_outcome"]).isna().all(axis=None)
    assert sandbox.stats()["calls"] == 2


def test_a_named_list_needs_its_folder(sandbox: RunningSandbox, rows: Path, tmp_path: Path) -> None:
    """A file that is not there yet holds nobody; one in a folder that does not exist is a mistake, or not mounted."""
    env = {"LEAD_EXPORT_SUPPRESSION_FILE": str(tmp_path / "none" / SUPPRESSED)}
    assert "there is no folder" in run(rows, sandbox, tmp_path / "out", **env).sentence
    (tmp_path / "none").mkdir()
    assert run(rows, sandbox, tmp_path / "out", **env).code == 0


def test_a_restored_run_is_rebuilt_without_her(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Her replies, rows, codes and counts are gone, and what comes out can be verified and rebuilt byte for byte."""
    emails = ["always-500@example.com", "not-found@example.com", "Not-Found@Example.com", *ROWS]
    out, again, third = tmp_path / "out", tmp_path / "again", tmp_path / "third"
    people = write_list(tmp_path / "people.csv", emails)
    assert run(people, sandbox, out, "--report", LEAD_EXPORT_MAX_ATTEMPTS="1").code == 3
    suppress(out, ANN, emails[0])
    suppress(again, emails[1])
    assert lead_export("rebuild", out / "latest", "--out", again, "--report", **KEY).code == 0
    manifest = manifest_of(again)
    assert (manifest["rows"]["suppressed"], manifest["rows"]["failed"], manifest["status"]) == (5, 0, "complete")
    assert (list(manifest["codes"]), "first_failed" in manifest) == (["invalid"], False)
    told = texts_in(again / "latest")
    assert [one for one in (ANN, *emails[:2]) if one.lower() in told] == []
    assert lead_export("verify", again / "latest", "--quiet").is_quiet
    (again / ".lead-export" / SUPPRESSED).unlink()
    assert lead_export("rebuild", again / "latest", "--out", third, "--report").code == 0
    for path in (again / "latest").iterdir():
        assert path.read_bytes() == (third / "latest" / path.name).read_bytes(), path.name


def test_a_run_rebuilt_before_she_was_suppressed_is_not_left_as_it_is(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """It is exit code 2, of several runs for this one alone; removed, it is rebuilt without her, and then is there."""
    out, again = tmp_path / "out", tmp_path / "again"
    assert run(write_list(tmp_path / "people.csv", [ANN, ERIN]), sandbox, out, "--run-id", "a").code == 0
    assert run(write_list(tmp_path / "others.csv", [ROWS[0]]), sandbox, out, "--run-id", "b").code == 0
    columns = {"HASH_COLUMNS": "leads.email", "DROP_COLUMNS": "*.extra,leads.notes,leads.lead_picture"}
    columns |= {"KEEP_COLUMNS": "custom_fields.value,outcomes.message", "REPLIES": "none"}
    env = {**KEY, **{f"LEAD_EXPORT_{name}": value for name, value in columns.items()}}
    words = ("rebuild", out / "run=a", "--out", again)
    assert lead_export(*words, **env).code == 0
    suppress(again, "nobody.here@example.com")
    assert lead_export(*words, **env).code == 0
    suppress(out, ANN)
    refused = lead_export(*words, **env)
    assert (refused.code, f"{again / 'run=a'}: holds people who were put on" in refused.sentence) == (2, True)
    assert ANN.lower() not in refused.err.lower()
    many = lead_export("rebuild", out / "run=a", out / "run=b", "--out", again, "--workers", 1, "--json", **env)
    assert (many.code, many.json["rebuilt"], many.json["failed"]) == (3, 1, 1)
    shutil.rmtree(again / "run=a")
    for _ in range(2):
        assert lead_export(*words, **env).code == 0
    assert pd.read_parquet(again / "run=a" / "outcomes.parquet")["outcome"].tolist() == ["suppressed", "found"]


@pytest.mark.parametrize("accept", [True, False])
def test_she_does_not_come_back_under_another_address(tmp_path: Path, *, accept: bool) -> None:
    """A reply that holds her lead, whatever address it was asked for, is not kept: the row is hers as well."""
    out = tmp_path / "out"
    suppress(out, ANN)
    lead = json.dumps({"status": "Success", "lead_details": {"id": "77", "email": ANN.upper(), "first_name": "Ann-xq"}})
    unknown = json.dumps({"status": "Error", "message": "No lead found", "type": "234"})
    rows = write_list(tmp_path / "rows.csv", ["someone.new@example.com"])
    with service() as api:
        api.answers = lambda request: lead if "someone.new" in request else unknown
        env = {**NO_DELAYS, **KEY, "LEAD_EXPORT_MAX_ATTEMPTS": "1", "LEAD_EXPORT_ACCEPT_MISMATCH": str(accept).lower()}
        options = ("--api-url", api.url, "--rate", 0)
        assert lead_export("run", rows, "--out", out, *options, **CREDENTIALS, **env).code == 0
        added = tmp_path / "added.csv"
        named = {"LEAD_EXPORT_SUPPRESSION_FILE": str(out / ".lead-export" / SUPPRESSED)}
        assert lead_export("enrich", rows, "--out", added, *options, **CREDENTIALS, **env, **named).code == 0
        assert (
            lead_export("run", rows, "--out", tmp_path / "old", *options, **CREDENTIALS, **env).code == 3 - 3 * accept
        )
    assert outcomes_of(out)["outcome"].tolist() == pd.read_csv(added)["lead_outcome"].tolist() == ["suppressed"]
    told = texts_in(out / "latest") + added.read_text().lower()
    assert [word for word in (ANN.lower(), "ann-xq", '"77"') if word in told] == []
    assert ANN.lower() in texts_in(tmp_path / "old" / "latest")
    suppress(tmp_path / "again", ANN)
    assert lead_export("rebuild", tmp_path / "old" / "latest", "--out", tmp_path / "again", **KEY).code == 0
    assert "ann-xq" not in texts_in(tmp_path / "again" / "latest")
    assert outcomes_of(tmp_path / "again")["outcome"].tolist() == ["suppressed"]


def unsuppress(out: Path, *words: object, stdin: str = "") -> dict[str, Any]:
    """Take people off the list; what was done."""
    done = lead_export("unsuppress", *words, "--out", out, "--json", stdin=stdin, **KEY)
    assert done.code == 0, done
    assert "@" not in done.err
    return done.json


def test_unsuppress_takes_people_off_again(sandbox: RunningSandbox, rows: Path, tmp_path: Path) -> None:
    """Named as arguments, in a list or on standard input; the next run asks for them."""
    out = tmp_path / "out"
    path = suppress(out, ANN, ERIN, "x@example.com", "y@example.com")
    assert unsuppress(out, f"<{ANN.upper()}>", "bob@example.com") == {"named": 2, "removed": 1, "left": 3}
    some = write_list(tmp_path / "some.csv", ["X@example.com", "x@example.com"])
    assert unsuppress(out, "--list", some) == {"named": 1, "removed": 1, "left": 2}
    assert unsuppress(out, "-", stdin=f"email\n{ERIN}\ny@example.com\n") == {"named": 2, "removed": 2, "left": 0}
    assert not path.exists()
    assert unsuppress(out, ANN) == {"named": 1, "removed": 0, "left": 0}
    assert run(rows, sandbox, out).code == 0
    assert "suppressed" not in manifest_of(out)["rows"]


def test_what_unsuppress_refuses_it_does_not_repeat(tmp_path: Path) -> None:
    """A cell that is no address is named by its place; nothing is changed then."""
    out = tmp_path / "out"
    path = suppress(out, ANN)
    before = path.read_bytes()
    odd = write_list(tmp_path / "odd.csv", [ANN, "secret name"])
    for words, place in (
        ([ANN, "secret name", "--out", out], "ADDRESS 2"),
        (["--list", odd, "--out", out], "odd.csv, line 3"),
        ([ANN, "--out", tmp_path / "none"], str(tmp_path / "none")),
    ):
        sentence = lead_export("unsuppress", *words, **KEY).sentence
        assert (sentence.startswith(f"{place}: "), "secret" in sentence, "@" in sentence) == (True, False, False)
    assert path.read_bytes() == before
