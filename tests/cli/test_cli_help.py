"""Help, the schema and what happens when nobody reads along."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from cli_command import command, environment, lead_export

from pipeline import __version__
from pipeline.cli.main import cli
from pipeline.cli.run import run
from pipeline.errors import ExitCode
from pipeline.schema import TABLES, Table
from pipeline.settings import Settings

COMMANDS = sorted(cli.commands)


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_has_an_example_and_reads_within_100_columns(name: str) -> None:
    """On a wide terminal no line of any help is wider than a page, and each shows the command in use."""
    result = lead_export(*name.split(), "--help", COLUMNS="200")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert [line for line in lines if len(line) > 100] == []
    assert lines[0].startswith(f"Usage: lead-export {name}".rstrip())
    assert any(line.strip().startswith(f"lead-export {name or 'run'}") for line in lines[1:])


def test_every_command_has_its_summary_whole() -> None:
    """On a narrow terminal, as in cron's mail, no command's summary is cut off."""
    out = lead_export("--help", COLUMNS="80").out
    section = out.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    assert [line.split()[0] for line in section] == COMMANDS
    assert [line for line in section if "..." in line or not line.endswith(".")] == []


def test_help_documents_the_exit_codes() -> None:
    """The table of exit codes is the one the program uses."""
    out = lead_export("--help").out
    section = out.partition("Exit codes:\n")[2].partition("\n\n")[0].splitlines()
    actual = {int(code): meaning for code, meaning in (line.split(maxsplit=1) for line in section)}
    assert actual == {code.value: code.meaning for code in ExitCode}


@pytest.mark.parametrize("option", ["-h", "--version"])
def test_short_help_and_version(option: str) -> None:
    """`-h` is help too, and the version is that of the package."""
    result = lead_export(option)
    assert result.code == 0
    assert result.out.startswith(
        f"lead-export, version {__version__}" if option == "--version" else "Usage: lead-export "
    )


def test_no_command_at_all_shows_the_help() -> None:
    """Wrong usage, but the help says what would be right."""
    result = lead_export()
    assert (result.code, result.out) == (2, "")
    assert "Commands:" in result.err


# The schema.


def as_rows(table: Table) -> list[list[str]]:
    """Name, type and meaning of each column."""
    return [[column.name, column.type, column.meaning] for column in table.columns]


def test_schema_lists_every_table_and_column() -> None:
    """Each table with what a row is, each column with type and meaning, in order."""
    result = lead_export("schema")
    assert (result.code, result.err) == (0, "")
    blocks = [block.splitlines() for block in result.out.strip().split("\n\n")]
    assert [block[0] for block in blocks] == [f"{table.name}: a row is {table.row}" for table in TABLES]
    for table, (_, *lines) in zip(TABLES, blocks, strict=True):
        assert [" ".join(line.split()) for line in lines] == [" ".join(row) for row in as_rows(table)]


def test_schema_of_some_tables_as_json() -> None:
    """Only the tables asked for, for machines."""
    result = lead_export("schema", "tags", "leads", "--json")
    actual = {name: [list(column.values()) for column in columns] for name, columns in result.json.items()}
    assert actual == {table.name: as_rows(table) for table in TABLES if table.name in ("leads", "tags")}


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_any_encoding_can_show_the_schema(encoding: str) -> None:
    """Signs that the terminal does not have do not stop the text."""
    done = subprocess.run(
        command("schema"), env=environment({"PYTHONIOENCODING": encoding}), capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"a row is") == len(TABLES)


# Nobody reads along.


@pytest.mark.parametrize(("words", "code"), [("schema", 0), ("schema --json", 0), ("--help", 141), ("run --help", 141)])
def test_reader_who_has_gone_is_no_error(words: str, code: int) -> None:
    """`lead-export … | head` ends without a word; help ends as commands do that a closed pipe stops."""
    with subprocess.Popen(
        command(*words.split()), env=environment({}), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        assert (child.stderr.read(), child.wait()) == (b"", code)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
def test_full_disk_behind_standard_output_is_said() -> None:
    """Standard output that cannot be written is a matter of storage."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            command("schema"), env=environment({}), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (6, "lead-export: Standard output: No space left on device.\n")


def test_run_goes_on_when_nobody_reads_its_progress(tmp_path: Path) -> None:
    """With the reader of the progress bar gone the job is done all the same, and standard output is whole."""
    people = tmp_path / "people.txt"
    people.write_text("ann@example.com\n")
    words = command("run", people, "--out", tmp_path / "export", "--sandbox", "--json", "--progress", "-v")
    with subprocess.Popen(words, env=environment({}), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stderr.close()
        assert json.loads(child.stdout.read())["status"] == "complete"
        assert child.wait() == 0


def test_defaults_in_the_help_are_those_of_the_settings() -> None:
    """What `run --help` says is the default is what the settings declare."""
    defaults = Settings()
    said = {
        option.name: option.help.partition("[default: ")[2].rstrip("]")
        for option in run.params
        if isinstance(option, click.Option) and option.help and "[default: " in option.help
    }
    assert said == {
        "run_id": "the time in UTC",
        "progress": "on a terminal",
        "format": ", ".join(defaults.formats),
        "keep_runs": "all" if defaults.keep_runs == 0 else str(defaults.keep_runs),
        "unfinished": defaults.unfinished,
        "rate": f"{defaults.rate_per_s:g}",
        "concurrency": str(defaults.concurrency),
        "keep_replies": "keep" if defaults.keep_replies else "no",
        "formula_guard": "guard" if defaults.formula_guard else "no",
        "workers": str(defaults.workers),
    }


HEAVY = ("pandas", "pyarrow", "numpy", "aiohttp", "pydantic", "msgspec", "zstandard", "asyncio", "sqlite3")
LOADED = """
import atexit, sys
atexit.register(lambda: print("loaded:", *[name for name in %r if name in sys.modules], file=sys.stderr))
from pipeline.cli.main import main
main()
"""


@pytest.mark.parametrize(
    "words", ["--help", "--version", "run --help", "enrich --help", "schema", "run", "run x --out", "nonsense", ""]
)
def test_nothing_heavy_is_loaded_to_say_something_short(words: str) -> None:
    """Help, version, the schema and usage errors wait for no library that only a job needs."""
    program = [sys.executable, "-c", LOADED % (HEAVY,), *words.split()]
    done = subprocess.run(program, env=environment({}), capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == "loaded:"
