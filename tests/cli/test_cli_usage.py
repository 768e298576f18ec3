"""What is wrong with usage, settings or input: exit 2, one sentence on standard error, and no call."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from cli_command import CREDENTIALS, OPTIONS, SECRETS, Result, command, environment, lead_export, target, write_list

from pipeline.sandbox.process import RunningSandbox, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    """A sandbox that must never be called."""
    with running(OPTIONS) as started:
        yield started


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A list that is all right."""
    return write_list(tmp_path / "people.csv", ["ann@example.com", "bob@example.com"])


@pytest.fixture
def refused(sandbox: RunningSandbox, tmp_path: Path, people: Path) -> Iterator[Refused]:
    """How the command is called; at the end the sandbox must not have been."""
    yield Refused(sandbox, tmp_path, people)
    assert sandbox.stats()["calls"] == 0


class Refused:
    """Runs the command and sees that it refuses as it should."""

    def __init__(self, sandbox: RunningSandbox, folder: Path, people: Path) -> None:
        self.out = folder / "export"
        self._people = people
        self._target = target(sandbox, self.out)

    def __call__(self, *options: object, lists: object = None, **env: str) -> str:
        """Run with these options over the good list, or over `lists`; return the sentence on standard error."""
        result = lead_export("run", lists or self._people, *self._target, *options, **{**CREDENTIALS, **env})
        return sentence(result)


def sentence(result: Result) -> str:
    """The one line that a refusal prints."""
    assert (result.code, result.out) == (2, "")
    assert result.err.count("\n") == 1
    assert result.err.startswith("lead-export: ")
    assert [secret for secret in ("Traceback", *SECRETS) if secret in result.err] == []
    return result.err.removeprefix("lead-export: ").strip()


def test_missing_credentials_are_named(refused: Refused) -> None:
    """Those that are not set, and only those."""
    said = refused(KARTRA_API_KEY="", KARTRA_API_PASSWORD=" ")
    assert said == "Credentials are missing: set KARTRA_API_KEY, KARTRA_API_PASSWORD in the environment."
    assert not refused.out.exists()


def test_missing_list_is_named(refused: Refused, tmp_path: Path) -> None:
    """A path that does not exist."""
    said = refused(lists=tmp_path / "gone.csv")
    assert said.startswith(f"{tmp_path / 'gone.csv'}: ")
    assert "no such file" in said.casefold()


def test_list_without_an_email_column_names_the_columns(refused: Refused, tmp_path: Path) -> None:
    """What was found instead, and the option that helps."""
    path = tmp_path / "phones.csv"
    path.write_text("name,phone\nAnn,5550100\n")
    expected = "phones.csv: no column holds addresses; pass --email-column. Columns: 'name', 'phone'."
    assert refused(lists=path) == expected


def test_unknown_email_column_names_the_nearest(refused: Refused) -> None:
    """A slip of the pen in --email-column."""
    assert "Did you mean 'email'?" in refused("--email-column", "emial")


def test_unknown_key_of_the_configuration_names_the_nearest(refused: Refused, tmp_path: Path) -> None:
    """A slip of the pen in the TOML file."""
    config = tmp_path / "job.toml"
    config.write_text("rate_per_sec = 5\n")
    assert refused("--config", config) == f"{config}: unknown key 'rate_per_sec'. Did you mean 'rate_per_s'?"


def test_missing_configuration_is_named(refused: Refused, tmp_path: Path) -> None:
    """A --config that is not there is no reason to go on with the defaults."""
    path = tmp_path / "gone.toml"
    assert refused("--config", path) == f"{path}: the configuration cannot be read (No such file or directory)."


def test_unknown_variable_of_the_environment_names_the_nearest(refused: Refused) -> None:
    """A slip of the pen in a variable that begins as ours do."""
    said = refused(LEAD_EXPORT_RATE_PER_SEC="5")
    assert said == "Environment: unknown variable LEAD_EXPORT_RATE_PER_SEC. Did you mean 'LEAD_EXPORT_RATE_PER_S'?"


@pytest.mark.parametrize("below", ["", "deeper/still"])
def test_file_in_the_way_of_the_output_folder(refused: Refused, below: str) -> None:
    """Neither a file nor a place below one can be the folder to publish in."""
    refused.out.write_text("I was here first.")
    said = refused("--out", refused.out / below)
    assert said.startswith(f"{refused.out / below}: cannot be written to (")
    assert said.endswith("name another --out.")
    assert refused.out.read_text() == "I was here first."


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        ("-1", "--rate: input should be greater than or equal to 0."),
        ("nan", "--rate: input should be "),
        ("fast", "Invalid value for '--rate': 'fast' is not a valid float. Try 'lead-export run --help'."),
    ],
)
def test_rate_that_is_none(refused: Refused, rate: str, expected: str) -> None:
    """Negative, endless or no number at all."""
    assert refused("--rate", rate).startswith(expected)


def test_plain_http_is_for_loopback_only(refused: Refused) -> None:
    """Credentials do not go over a network in the clear."""
    said = refused("--api-url", "http://app.example.com/api")
    assert said == "--api-url: must begin with https:// (plain http is for loopback only)."


def test_list_is_not_said_aloud_when_it_cannot_be_read(refused: Refused, tmp_path: Path) -> None:
    """A damaged list is named by its line, not by what stands there."""
    path = tmp_path / "damaged.csv"
    path.write_bytes(b"email\nann@example.com\n\xff\xfe\xfa@example.com\n")
    said = refused(lists=path)
    assert said.startswith("damaged.csv: ")
    assert "@" not in said
    assert [item.name for item in (refused.out / ".lead-export").iterdir()] == ["lock"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run"], "Missing argument 'LIST...'. Try 'lead-export run --help'."),
        (["run", "people.csv"], "Missing option '--out'. Try 'lead-export run --help'."),
        (["rnu"], "No such command 'rnu'. Did you mean 'run'? Try 'lead-export --help'."),
        (["run", "--fromat", "csv"], "No such option '--fromat'."),
        (["run", "--api-password=hunter2"], "No such option '--api-password'."),
        (["schema", "leeds"], "Invalid value for '[TABLE]...': 'leeds' is not one of 'leads'"),
        (["sandbox", "--fault-rate", "2"], "fault_rate must be at most 1, not 2.0."),
        (["sandbox", "--api-key", ""], "api_key must not be empty."),
    ],
)
def test_wrong_words_are_one_line_with_a_hint(arguments: list[str], expected: str) -> None:
    """What click finds wrong is said like everything else; what was given to an unknown option is not repeated."""
    said = sentence(lead_export(*arguments))
    assert said.startswith(expected)
    assert "hunter2" not in said


def test_closed_standard_input_is_wrong_usage(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """`run -` without a standard input says so and calls nobody."""
    words = command("run", "-", *target(sandbox, tmp_path / "out"))
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" <&-', "sh", *words],
        env=environment(CREDENTIALS),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (2, "lead-export: standard input: it is closed.\n")
    assert sandbox.stats()["calls"] == 0
