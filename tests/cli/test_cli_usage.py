"""Invalid usage, settings or input: exit 2, one sentence on standard error, and no call."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cli_command import CREDENTIALS, REPORTS, command, environment, lead_export, target, write_list

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.sandbox.process import RunningSandbox


@pytest.fixture
def refused(sandbox: RunningSandbox, tmp_path: Path) -> Iterator[Refused]:
    """How the command is called; the sandbox must not be."""
    yield Refused(sandbox, tmp_path)
    assert sandbox.stats()["calls"] == 0


class Refused:
    """Runs the command, which must refuse."""

    def __init__(self, sandbox: RunningSandbox, folder: Path) -> None:
        self.out = folder / "export"
        self._people = write_list(folder / "people.csv", ["ann@example.com", "bob@example.com"])
        self._target = target(sandbox, self.out)

    def __call__(self, *options: object, lists: object = None, **env: str) -> str:
        """Run with these options over a good list, or over `lists`; return the sentence on standard error."""
        return lead_export("run", lists or self._people, *self._target, *options, **{**CREDENTIALS, **env}).sentence


def test_missing_credentials_are_named(refused: Refused) -> None:
    """Those that are not set, and only those; the output folder is not created."""
    message = refused(KARTRA_API_KEY="", KARTRA_API_PASSWORD=" ")
    assert [name for name in CREDENTIALS if name in message] == ["KARTRA_API_KEY", "KARTRA_API_PASSWORD"]
    assert not refused.out.exists()


def test_what_is_wrong_with_a_list_is_named(refused: Refused, tmp_path: Path) -> None:
    """A missing file; the columns of a list without addresses; the nearest name of a misspelt column."""
    assert "gone.csv: " in refused(lists=tmp_path / "gone.csv")
    phones = tmp_path / "phones.csv"
    phones.write_text("name,phone\nAnn,5550100\n")
    message = refused(lists=phones)
    assert [word for word in ("phones.csv", "--email-column", "'name', 'phone'") if word not in message] == []
    assert "'email'" in refused("--email-column", "emial")


def test_a_damaged_list_is_named_by_its_line(refused: Refused, tmp_path: Path) -> None:
    """The content of the list is not printed, and nothing is left in the output folder."""
    path = tmp_path / "damaged.csv"
    path.write_bytes(b"email\nann@example.com\n\xff\xfe\xfa@example.com\n")
    message = refused(lists=path)
    assert message.startswith("damaged.csv: ")
    assert "@" not in message
    assert {item.name for item in (refused.out / ".lead-export").iterdir()} - REPORTS == {"lock"}


def test_misspelt_settings_name_the_nearest(refused: Refused, tmp_path: Path) -> None:
    """In the TOML file; a missing file is an error, too."""
    config = tmp_path / "job.toml"
    config.write_text("rate_per_sec = 5\n")
    message = refused("--config", config)
    assert [word for word in (str(config), "'rate_per_sec'", "'rate_per_s'") if word not in message] == []
    assert str(tmp_path / "gone.toml") in refused("--config", tmp_path / "gone.toml")


def test_a_tilde_is_the_home_folder(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """No shell replaces it in `--out=~/x` or between quotes; the folder `~` is not made."""
    write_list(tmp_path / "people.csv", ["ann@example.com"])
    (tmp_path / "job.toml").write_text("rate_per_s = 0\n")
    env = {**CREDENTIALS, "HOME": str(tmp_path), "LEAD_EXPORT_API_URL": sandbox.url}
    words = ["run", "~/people.csv", "--out=~/export", "--run-id", "first", "--config", "~/job.toml"]
    assert lead_export(*words, **env).code == 0
    assert (tmp_path / "export" / "run=first").is_dir()
    assert lead_export("enrich", "~/people.csv", "--out", "~/enriched.csv", "--config=~/job.toml", **env).code == 0
    assert (tmp_path / "enriched.csv").is_file()
    assert lead_export("plan", "~/people.csv", "--out=~/export", **env).code == 0
    assert lead_export("rebuild", "~/export/latest", "--out=~/again", **env).code == 0
    assert lead_export("status", "~/again", "--json", **env).json["folder"] == str(tmp_path / "again")
    sandbox.control(reset_stats=True)


def test_a_current_folder_that_was_deleted_matters_to_relative_paths_only(
    sandbox: RunningSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs with absolute paths go on; a relative one is refused with a sentence."""
    people, gone = write_list(tmp_path / "people.csv", ["ann@example.com"]), tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    rest = [*target(sandbox, tmp_path / "export"), "-q"]
    assert lead_export("plan", people, *rest, **CREDENTIALS).code == 0
    assert lead_export("run", people, *rest, **CREDENTIALS).code == 0
    assert lead_export("status", tmp_path / "export").code == 0
    enriched = [*target(sandbox, tmp_path / "enriched.csv"), "-q"]
    assert lead_export("enrich", people, *enriched, **CREDENTIALS).code == 0
    sandbox.control(reset_stats=True)
    for words in (
        ["run", "people.csv", *rest],
        ["run", people, *target(sandbox, Path("export"))],
        ["plan", people, "--out", "export"],
        ["enrich", people, *target(sandbox, Path("enriched.csv"))],
    ):
        done = lead_export(*words, **CREDENTIALS)
        assert (done.code in (2, 6), done.err.count("\n"), "bug" in done.err) == (True, 1, False), words
    assert sandbox.stats()["calls"] == 0


@pytest.mark.parametrize("below", ["latest", "latest/deeper", "run=first", "run=first/deeper/still"])
def test_a_published_run_is_no_place_for_runs(sandbox: RunningSandbox, tmp_path: Path, below: str) -> None:
    """Neither by its name nor by `latest`, for run, plan, rebuild and check; it stays as it was published."""
    out, people = tmp_path / "export", write_list(tmp_path / "people.csv", ["ann@example.com"])
    words = ["run", people, *target(sandbox, out), "--run-id", "first"]
    assert lead_export(*words, **CREDENTIALS).code == 0
    before = sorted(out.rglob("*"))
    sandbox.control(reset_stats=True)
    assert str(out / "run=first") in lead_export("run", people, *target(sandbox, out / below), **CREDENTIALS).sentence
    assert str(out / "run=first") in lead_export("plan", people, "--out", out / below).sentence
    assert str(out / "run=first") in lead_export("rebuild", out / "latest", "--out", out / below).sentence
    assert lead_export("check", *target(sandbox, out / below), **CREDENTIALS).code == 2
    assert sorted(out.rglob("*")) == before
    sandbox.control(reset_stats=True)


@pytest.mark.parametrize("below", ["", "deeper/still"])
def test_file_in_the_way_of_the_output_folder(refused: Refused, below: str) -> None:
    """Neither a file nor a path below one can be the folder to publish in; the file stays."""
    refused.out.write_text("I was here first.")
    message = refused("--out", refused.out / below)
    assert message.startswith(f"{refused.out / below}: ")
    assert "--out" in message
    assert refused.out.read_text() == "I was here first."


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--rate", "-1"),
        ("--rate", "nan"),
        ("--rate", "fast"),
        ("--concurrency", "1.5"),
        ("--format", "doc"),
        ("--format", "../csv"),
        ("--unfinished", "ask"),
        ("--api-url", "http://app.example.com/api"),
        ("--out", ""),
        ("--out", " "),
    ],
)
def test_invalid_values_name_the_option(refused: Refused, option: str, value: str) -> None:
    """Whatever is wrong with the value, the option comes first."""
    assert refused(option, value).startswith(option)


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        ("run", ("LIST...", "'lead-export run --help'")),
        ("run people.csv", ("--out", "'lead-export run --help'")),
        ("rnu", ("'rnu'", "'run'", "'lead-export --help'")),
        ("run --fromat csv", ("--fromat", "--format")),
        ("run --api-password=hunter2", ("--api-password",)),
        ("schema leeds", ("'leeds'", "'leads'")),
        ("sandbox --fault-rate 2", ("fault_rate", "1")),
        ("sandbox --api-key=", ("api_key",)),
        ("run x.csv --out=", ("--out",)),
        ("enrich x.csv --out=", ("--out",)),
    ],
)
def test_usage_errors_are_one_line_with_a_hint(arguments: str, facts: tuple[str, ...]) -> None:
    """Click's errors look like all others; the value of an unknown option is not repeated."""
    message = lead_export(*arguments.split()).sentence
    assert [fact for fact in facts if fact not in message] == []
    assert "hunter2" not in message


def test_closed_standard_input_is_invalid_usage(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """`run -` without a standard input is refused before any call."""
    words = command("run", "-", *target(sandbox, tmp_path / "out"))
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" <&-', "sh", *words],
        env=environment(CREDENTIALS),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "standard input" in done.stderr
