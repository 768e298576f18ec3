"""Help, the schema, and what happens when nobody reads the output."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cli_command import command, environment, lead_export, own_process
from click.shell_completion import ShellComplete

from pipeline import __version__
from pipeline.cli.main import cli
from pipeline.cli.options import SETTING_OPTIONS, SettingOption
from pipeline.cli.run import run_command
from pipeline.errors import ExitCode
from pipeline.schema import TABLES
from pipeline.settings import OPTIONS, Settings

if TYPE_CHECKING:
    from pipeline.columns import Table

COMMANDS = sorted(name for name, command in cli.commands.items() if not command.hidden)


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_has_an_example_and_reads_within_100_columns(name: str) -> None:
    """On a wide terminal no line of any help is wider than a page, and each shows the command in use."""
    result = lead_export(*name.split(), "--help", COLUMNS="200")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert [line for line in lines if len(line) > 100] == []
    assert lines[0].startswith(f"Usage: lead-export {name}".rstrip())
    assert any(line.strip().startswith(f"lead-export {name or 'run'}") for line in lines[1:])


def test_help_of_the_group_is_whole() -> None:
    """On a narrow terminal no command's summary is cut off, and the exit codes are those of the program."""
    out = lead_export("--help", COLUMNS="80").out
    commands = out.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    assert [line.split()[0] for line in commands] == COMMANDS
    assert [line for line in commands if "..." in line or not line.endswith(".")] == []
    codes = out.partition("Exit codes:\n")[2].partition("\n\n")[0].splitlines()
    actual = {int(code): meaning for code, meaning in (line.split(maxsplit=1) for line in codes)}
    assert actual == {code.value: code.meaning for code in ExitCode}


def test_short_help_version_and_no_command() -> None:
    """`-h` is help too, the version is that of the package, and without a command the help goes to standard error."""
    assert lead_export("-h").out.startswith("Usage: lead-export ")
    assert lead_export("--version").out == f"lead-export, version {__version__}\n"
    nothing = lead_export()
    assert (nothing.code, nothing.out) == (2, "")
    assert "Commands:" in nothing.err


def test_help_of_an_option_is_that_of_its_setting() -> None:
    """Description and default come from the settings, and messages about the setting name its option."""
    words = " ".join(lead_export("run", "--help", COLUMNS="200").out.split())
    options = [option for option in run_command.params if isinstance(option, SettingOption)]
    assert {option.name for option in options} == set(SETTING_OPTIONS)
    for option in options:
        key = str(option.name)
        assert option.opts[0] == OPTIONS.get(key, f"--{key.replace('_', '-')}")
        assert f"{Settings.model_fields[key].description}." in words
    for default in ("[default: 18]", "[default: parquet]", "[default: refuse]", "[default: on]"):
        assert default in words


def as_rows(table: Table) -> list[list[str]]:
    """Name, type in files, kind and meaning of each column."""
    return [[column.name, column.type_in_files(), column.kind, column.meaning] for column in table.columns]


def test_schema_lists_every_table_and_column() -> None:
    """Each table with what a row is, each column with type and meaning, in order."""
    result = lead_export("schema")
    assert (result.code, result.err) == (0, "")
    *blocks, dates = [block.splitlines() for block in result.out.strip().split("\n\n")]
    assert "timezone" in " ".join(dates)
    assert [block[0] for block in blocks] == [f"{table.name}: a row is {table.grain}" for table in TABLES]
    for table, (_, *lines) in zip(TABLES, blocks, strict=True):
        assert [" ".join(line.split()) for line in lines] == [" ".join(row) for row in as_rows(table)]


def test_schema_of_some_tables_as_json() -> None:
    """Only the named tables, for programs; the options of every command are accepted."""
    result = lead_export("schema", "tags", "leads", "--json", "-q", "-v", "--log-format", "json")
    actual = {
        name: [[c["name"], c["type"], c["kind"], c["meaning"]] for c in columns]
        for name, columns in result.json.items()
    }
    assert actual == {table.name: as_rows(table) for table in TABLES if table.name in ("leads", "tags")}


def test_any_encoding_can_show_the_schema() -> None:
    """Characters that the terminal's encoding lacks do not stop the output."""
    done = subprocess.run(
        command("schema"), env=environment({"PYTHONIOENCODING": "ascii"}), capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"a row is") == len(TABLES)


# Nobody reads the output.


@pytest.mark.parametrize(("words", "code"), [("schema --json", 0), ("run --help", 141)])
def test_reader_who_has_gone_is_no_error(words: str, code: int) -> None:
    """`lead-export … | head` ends silently; help ends like other commands that a closed pipe stops."""
    with subprocess.Popen(
        command(*words.split()), env=environment({}), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        assert (child.stderr.read(), child.wait()) == (b"", code)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
@pytest.mark.parametrize("words", ["schema", "--version", "run --help"])
def test_full_disk_behind_standard_output_is_reported(words: str) -> None:
    """Standard output that cannot be written is a storage error, whoever prints."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            command(*words.split()), env=environment({}), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr.count("\n")) == (6, 1)
    assert "No space left on device" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
def test_a_run_that_cannot_print_its_manifest_is_published_all_the_same(tmp_path: Path) -> None:
    """The exit code is that of the run, so that whoever acts on it takes the tables; a warning tells of the rest."""
    (tmp_path / "people.txt").write_text("ann@example.com\n")
    words = command("run", tmp_path / "people.txt", "--out", tmp_path / "export", "--sandbox", "--json", "-q")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(words, env=environment({}), stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    assert "No space left on device" in done.stderr
    assert (tmp_path / "export" / "latest" / "manifest.json").is_file()


def test_run_continues_when_nobody_reads_its_progress(tmp_path: Path) -> None:
    """With the reader of the progress bar gone the job still finishes, and standard output is whole."""
    people = tmp_path / "people.txt"
    people.write_text("ann@example.com\n")
    words = command("run", people, "--out", tmp_path / "export", "--sandbox", "--json", "--progress", "-v")
    with subprocess.Popen(words, env=environment({}), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stderr.close()
        assert json.loads(child.stdout.read())["status"] == "complete"
        assert child.wait() == 0


# Startup.

LOADED = """
import contextlib, io, sys
from pipeline.cli.main import execute
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    for words in %r:
        execute(words.split())
print(*(name for name in %r if name in sys.modules))
"""
LIGHT = ("--help", "--version", "schema", "run", "run x --out", "nonsense", "")
HEAVY = ("pandas", "pyarrow", "numpy", "aiohttp", "pydantic", "msgspec", "zstandard", "asyncio", "sqlite3")


@pytest.mark.parametrize(("commands", "loaded"), [(LIGHT, ""), (("run --help", "enrich --help"), "pydantic")])
def test_nothing_heavy_is_loaded_for_short_answers(commands: tuple[str, ...], loaded: str) -> None:
    """Help, version, schema and usage errors load no library that only jobs need; help of settings loads these."""
    program = [sys.executable, "-c", LOADED % (commands, HEAVY)]
    done = subprocess.run(program, env=environment({}), capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == (loaded, "")


def test_a_process_of_its_own_ends_with_the_code(tmp_path: Path) -> None:
    """`python -m pipeline` reports on standard error and exits with the documented code."""
    done = own_process("status", tmp_path / "none")
    assert (done.code, done.out, done.err.startswith("lead-export: ")) == (2, "", True)


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("run --format ", ["csv", "parquet", "tsv", "xlsx"]),
        ("run --format c", ["csv"]),
        ("rebuild --format x", ["xlsx"]),
        ("run --unfinished ", ["refuse", "replace"]),
        ("run --rate ", []),
        ("run --timezone ", []),
    ],
)
def test_shell_completion_offers_values(words: str, offered: list[str]) -> None:
    """Of settings that have few; of others nothing."""
    *before, incomplete = words.split(" ")
    completion = ShellComplete(cli, {}, "lead-export", "_LEAD_EXPORT_COMPLETE")
    assert [one.value for one in completion.get_completions(before, incomplete)] == offered
