"""The benchmark of shapes, with a handful of replies: that it runs, and that what it compares is the same."""

import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / "benchmarks"


def python(script: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run a script to its end."""
    command = [sys.executable, SCRIPTS / script, *arguments]
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)


def test_the_benchmark_prints_a_line_for_each_shape() -> None:
    """With leads per second of both ways, compared with the plain shape, which is always there."""
    done = python("shapes.py", "--replies", 8, "--runs", 1, "--only", "everything")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    plain, everything = (
        next(line.split(":")[1].split() for line in lines if line.startswith(f"{name}:"))
        for name in ("plain", "everything")
    )
    assert plain[-4] == "1.00"
    for line in (plain, everything):
        assert all(float(number.replace(",", "")) > 0 for number in line[-5:])


def test_a_shape_that_does_not_exist_is_refused() -> None:
    """Before anything is measured."""
    done = python("shapes.py", "--only", "everything,odd")
    assert done.returncode == 1
    assert "odd" in done.stderr


def test_every_shape_gives_the_tables_of_the_plain_one(tmp_path: Path) -> None:
    """And a file of other people does not."""
    names = ["plain", "integers", "everything", "mixture", "changes", "hostile-one"]
    assert python("peers/shaped.py", 12, tmp_path, *names).returncode == 0
    files = [tmp_path / f"{name}.ndjson" for name in names]
    assert python("peers/same_tables.py", *files).returncode == 0
    lines = files[0].read_bytes().splitlines()
    files[1].write_bytes(b"\n".join([lines[0].replace(b"member0@", b"member9@"), *lines[1:]]))
    differing = python("peers/same_tables.py", *files)
    assert (differing.returncode, "integers" in differing.stderr) == (1, True)
