"""The benchmark of shapes, with a handful of replies: that it runs, and that what it compares is the same."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cli_command import Result, Running
from preloaded import Preloaded

SCRIPTS = Path(__file__).parents[2] / "benchmarks"
SCRIPT = """
import os, runpy, sys
del sys.argv[0]
sys.path[0] = os.path.dirname(sys.argv[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""
Python = Callable[..., Result]


@pytest.fixture
def python(process: Preloaded, tmp_path: Path) -> Python:
    """Runs a script to its end; where it starts Python, that has loaded pandas already, too."""
    process.install(tmp_path, "python", SCRIPT)
    program = f"import sys; sys.executable = {str(tmp_path / 'python')!r}\n{SCRIPT}"

    def run(script: str, *arguments: object) -> Result:
        return Running(process, SCRIPTS / script, *arguments, program=program).ended()

    return run


def test_the_benchmark_prints_a_line_for_each_shape(python: Python) -> None:
    """With leads per second of both ways, compared with the plain shape, which is always there."""
    done = python("shapes.py", "--replies", 8, "--runs", 1, "--only", "everything")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    plain, everything = (
        next(line.split(":")[1].split() for line in lines if line.startswith(f"{name}:"))
        for name in ("plain", "everything")
    )
    assert plain[-4] == "1.00"
    for line in (plain, everything):
        assert all(float(number.replace(",", "")) > 0 for number in line[-5:])


def test_a_shape_that_does_not_exist_is_refused(python: Python) -> None:
    """Before anything is measured."""
    done = python("shapes.py", "--only", "everything,odd")
    assert done.code == 1
    assert "odd" in done.err


def test_every_shape_gives_the_tables_of_the_plain_one(python: Python, tmp_path: Path) -> None:
    """And a file of other people does not."""
    names = ["plain", "integers", "everything", "mixture", "changes", "hostile-one"]
    assert python("peers/shaped.py", 12, tmp_path, *names).code == 0
    files = [tmp_path / f"{name}.ndjson" for name in names]
    assert python("peers/same_tables.py", *files).code == 0
    lines = files[0].read_bytes().splitlines()
    files[1].write_bytes(b"\n".join([lines[0].replace(b"member0@", b"member9@"), *lines[1:]]))
    differing = python("peers/same_tables.py", *files)
    assert (differing.code, "integers" in differing.err) == (1, True)
