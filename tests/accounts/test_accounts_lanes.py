"""Files of accounts: what each account gets from where, and what is refused before anything is started."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from agency import credentials
from cli_command import lead_export
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.accounts.lanes import Accounts, Wanted, load_accounts, shared_apps, with_own_variables
from pipeline.errors import UsageError
from pipeline.settings import CREDENTIAL_VARIABLES, SECRETS, Settings
from pipeline.settings.accounts import own_variable, read_accounts

if TYPE_CHECKING:
    from collections.abc import Mapping


def loaded(folder: Path, text: str, environ: Mapping[str, str] | None = None, **wanted: Any) -> Accounts:
    """The accounts of a file with this text, in which `out` stands already."""
    path = folder / "agency.toml"
    path.write_text(f'out = "export"\n{text}')
    path.chmod(0o600)
    env = credentials("acme", "globex") if environ is None else environ
    return load_accounts(path, Wanted(wanted.pop("options", {}), **wanted), env)


def refused(folder: Path, text: str, **wanted: Any) -> str:
    """The sentence with which such a file is refused, without the name of the file."""
    with pytest.raises(UsageError) as error:
        loaded(folder, text, **wanted)
    sentence = str(error.value)
    assert (sentence.count("\n"), sentence[-1]) == (0, ".")
    return sentence.removeprefix(f"{folder / 'agency.toml'}: ").removesuffix(".")


TWO = '[accounts.acme]\nlists = ["a.csv"]\n[accounts.globex]\nlists = "b.csv"\n'


def test_layers_of_the_settings(tmp_path: Path) -> None:
    """Options over variables of the account, common variables, its table, the top of the file, and defaults."""
    env = credentials(
        "acme", "globex", LEAD_EXPORT_MAX_ATTEMPTS="7", LEAD_EXPORT_NOTIFY_WEBHOOK="https://all.example/h"
    )
    env |= {"LEAD_EXPORT_ACME_NOTIFY_WEBHOOK": "https://acme.example/h", "KARTRA_APP_ID": "of nobody"}
    text = f"rate_per_s = 5\nmax_attempts = 2\nread_timeout_s = 9\n{TWO}rate_per_s = 4\nread_timeout_s = 8\n"
    acme, globex = loaded(tmp_path, text, env, options={"workers": 1}).lanes
    assert (acme.settings.rate_per_s, globex.settings.rate_per_s) == (5, 4)
    assert (acme.settings.read_timeout_s, globex.settings.read_timeout_s) == (9, 8)
    assert (acme.settings.max_attempts, acme.settings.workers, acme.settings.name) == (7, 1, "acme")
    assert acme.settings.notify_webhook.get_secret_value() == "https://acme.example/h"
    assert globex.settings.notify_webhook.get_secret_value() == "https://all.example/h"
    assert acme.settings.app_id.get_secret_value().endswith("-acme")
    file = str(tmp_path / "agency.toml")
    origins = [globex.origins[key] for key in ("rate_per_s", "max_attempts", "workers", "app_id", "name")]
    assert origins == [f"{file} [accounts.globex]", "environment", "option", "KARTRA_GLOBEX_APP_ID", "account"]
    assert acme.origins["rate_per_s"] == file


def test_secrets_in_files(tmp_path: Path) -> None:
    """`…_FILE` is stronger than `CREDENTIALS_DIRECTORY`, where a file without the account's name is nobody's."""
    secrets = {"KARTRA_ACME_APP_ID": "one", "KARTRA_ACME_API_KEY": "two", "KARTRA_ACME_API_PASSWORD": "three"}
    for name, content in {**secrets, "app_id": "of nobody", "other": "four"}.items():
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o600)
    env = {"CREDENTIALS_DIRECTORY": str(tmp_path), "KARTRA_ACME_API_KEY_FILE": str(tmp_path / "other")}
    (lane,) = loaded(tmp_path, TWO, env, only=["acme"]).lanes
    found = [getattr(lane.settings, key).get_secret_value() for key in CREDENTIAL_VARIABLES]
    assert found == ["one", "four", "three"]
    assert "KARTRA_GLOBEX_APP_ID" in refused(tmp_path, TWO, environ=env)


def test_folders_and_metrics(tmp_path: Path) -> None:
    """A folder below the common one unless the account names one; one file of metrics each."""
    text = f'metrics_file = "m/leads.prom"\nlists = "all.csv"\n{TWO}out = "elsewhere"\n[accounts.more]\n'
    accounts = loaded(tmp_path, text, credentials("acme", "globex", "more"))
    assert [str(lane.out) for lane in accounts.lanes] == ["export/account=acme", "elsewhere", "export/account=more"]
    assert [str(lane.settings.metrics_file) for lane in accounts.lanes][:2] == [
        "m/leads-acme.prom",
        "m/leads-globex.prom",
    ]
    assert [lane.lists for lane in accounts.lanes] == [(Path("a.csv"),), (Path("b.csv"),), (Path("all.csv"),)]
    assert str(loaded(tmp_path, TWO, out=Path("other")).lanes[0].out) == "other/account=acme"


def test_one_app_of_two_accounts_is_noticed(tmp_path: Path) -> None:
    """Whoever has the same App id is in one group; accounts without any are not."""
    env = credentials("acme", "globex", KARTRA_GLOBEX_APP_ID=credentials("acme")["KARTRA_ACME_APP_ID"])
    (group,) = shared_apps(loaded(tmp_path, TWO, env).lanes)
    assert [lane.name for lane in group] == ["acme", "globex"]
    assert shared_apps(loaded(tmp_path, TWO, {}, credentials=False).lanes) == []


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("", ["no accounts"]),
        ("accounts = 3\n", ["no accounts"]),
        ("[accounts.acme]\n[accounts.acme]\n", ["not valid TOML", "acme", "twice"]),
        ("rates = 3\n[accounts.acme]\n", ["'rates'", "rate_per_s"]),
        ("[accounts.acme]\nlist = 'x'\nrat_per_s = 3\n", ["acme: unknown key 'list'", "'lists'", "'rate_per_s'"]),
        ('[accounts."-x"]\n[accounts."a b"]\n', ["'-x'", "'a b'"]),
        ("[accounts.a-b]\n[accounts.a_b]\n[accounts.A-B]\n", ["a-b and a_b", "a-b and A-B", "KARTRA_A_B_APP_ID"]),
        ("[accounts]\nacme = 3\n", ["[accounts.acme]"]),
        ("[accounts.acme]\n[accounts.globex]\nlists=[]\n", ["acme: has no lists", "globex: has no lists"]),
        ("[accounts.acme]\nlists = [3]\n", ["acme: lists: "]),
        ("[accounts.acme]\nlists = ['-']\n", ["acme: lists: ", "standard input"]),
        (f"{TWO}rate_per_s = -1\n", ["globex: rate_per_s: "]),
        ("rate_per_s = 'x'\n[accounts.acme]\n", ["rate_per_s: "]),
        (f"{TWO}out = 'export/../export/account=acme'\n", ["globex", "of acme"]),
        (f"{TWO}out = 'export/combined'\n", ["globex", "combined"]),
        (f"{TWO}out = 'export'\n", ["globex", "common folder"]),
        (f"{TWO}formats = ['csv']\n", ["globex", "Parquet", "combined = false"]),
        (f"{TWO}timezone = 'EST'\n", ["acme", "timezone"]),
        (f"jobs = -1\nrequire = 'some'\ncombined = 1\n{TWO}", ["jobs: ", "require: ", "combined: "]),
        ("[accounts.acme]\nlists='a'\n[accounts.x]\nlists='a'\n[accounts.y]\nlists='a'\n", ["KARTRA_X_", "KARTRA_Y_"]),
        (
            "[accounts.acme]\nlists='a'\nmetrics_file='m.prom'\n[accounts.globex]\nlists='a'\nmetrics_file='m.prom'\n",
            ["metrics_file of acme"],
        ),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, facts: list[str]) -> None:
    """One sentence, which names all accounts that something is wrong with."""
    sentence = refused(tmp_path, text)
    assert [fact for fact in facts if fact not in sentence] == [], sentence


def test_a_file_with_credentials_must_be_private(tmp_path: Path) -> None:
    """Also if they are in the table of an account."""
    path = tmp_path / "agency.toml"
    path.write_text(f'out = "export"\n{TWO}app_id = "x"\n')
    path.chmod(0o644)
    with pytest.raises(UsageError, match="not private"):
        read_accounts(path)
    path.chmod(0o600)
    assert set(read_accounts(path).tables) == {"acme", "globex"}


@settings(max_examples=40)
@given(st.sampled_from(sorted(SECRETS)), st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,20}", fullmatch=True))
def test_variables_of_accounts_are_those_of_nothing_else(key: str, name: str) -> None:
    """Whatever an account is called, its variable is that of no setting and of no other secret."""
    variable = own_variable(name, key)
    assert variable not in {f"LEAD_EXPORT_{setting.upper()}" for setting in Settings.model_fields}
    assert variable not in CREDENTIAL_VARIABLES.values()
    assert [other for other in SECRETS if own_variable(name, other) == variable] == [key]
    assert with_own_variables(name, "set KARTRA_API_KEY") == f"set {own_variable(name, 'api_key')}"


@pytest.mark.parametrize(
    ("words", "fact"),
    [
        (["run", "a.csv", "--out", "x", "--config", "{config}"], "run-all --only NAME"),
        (["config", "show", "--config", "{config}"], "run-all"),
        (["check", "--config", "{config}", "--out", "x"], "--out"),
        (["plan", "a.csv", "--config", "{config}"], "LIST"),
        (["status", "x", "--config", "{config}"], "DIR"),
        (["status", "--only", "acme"], "--config FILE"),
        (["run-all"], "--config FILE"),
        (["run-all", "--config", "{config}", "--only", "acne"], "'acme'"),
        (["check", "--config", "{config}", "--only", "umbrella"], "acme, globex"),
    ],
)
def test_what_commands_refuse(tmp_path: Path, words: list[str], fact: str) -> None:
    """What does not go with accounts, or not without them, ends with exit 2 and one sentence."""
    config = tmp_path / "agency.toml"
    config.write_text(f'out = "{tmp_path}/export"\n{TWO}')
    sentence = lead_export(*(word.format(config=config) for word in words)).sentence
    assert fact in sentence
    assert not (tmp_path / "export").exists()


def test_the_schema_of_the_file_has_accounts() -> None:
    """Editors know the tables of accounts, with all settings in them."""
    properties = json.loads(lead_export("config", "schema").out)["properties"]
    account = properties["accounts"]["additionalProperties"]["properties"]
    assert {"lists", "out", *Settings.model_fields} == account.keys()
    assert {"lists", "out", "combined", "require", "jobs"} <= properties.keys()
