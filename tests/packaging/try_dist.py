"""Installs each file in dist/ into clean environments, without extras and with each, and uses it there.

    python tests/packaging/try_dist.py dist

Dependencies come from the index that pip is configured with. Ends with an error at the first thing that fails.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import openpyxl

ROWS = (("name", "email"), ("Ada", "ada@example.com"), ("Nobody", "not-found@example.com"))
EXTRAS = ("", "xlsx")
MISSING_EXTRA = 2
"""Exit code for a workbook without the extra that reads it: wrong usage."""


def main(folder: Path) -> None:
    """Try every wheel and source distribution in `folder`."""
    packages = sorted((*folder.glob("*.whl"), *folder.glob("*.tar.gz")))
    if len(packages) != 2:
        raise SystemExit(f"{folder}: one wheel and one source distribution are expected, not {len(packages)} files.")
    for package in packages:
        for extra in EXTRAS:
            with tempfile.TemporaryDirectory(prefix="lead-export-dist-") as place:
                try_package(package.resolve(), extra, Path(place))
            print(f"ok  {package.name}{f'[{extra}]' if extra else ''}", flush=True)


def try_package(package: Path, extra: str, place: Path) -> None:
    """Install one package into an environment in `place`, and use it from a folder without the source."""
    venv.create(place / "venv", with_pip=True)
    commands = place / "venv" / "bin"
    wanted = f"{package}[{extra}]" if extra else str(package)
    run(place, commands / "pip", "install", "--quiet", "--disable-pip-version-check", wanted)

    version = package.name.removesuffix(".tar.gz").split("-")[1]
    shown = run(place, commands / "lead-export", "--version")
    assert shown.split()[-1] == version, shown
    run(place, commands / "python", "-W", "error", "-c", "import pipeline; pipeline.flatten([])")

    write_lists(place)
    run(place, commands / "lead-export", "run", "list.csv", "--out", "export", "--sandbox")
    assert (place / "export" / "latest" / "leads.parquet").is_file()
    run(place, commands / "lead-export", "report", "export/latest", "--out", "report.html")  # needs more than modules
    assert (place / "report.html").is_file()
    code = 0 if extra == "xlsx" else MISSING_EXTRA
    run(place, commands / "lead-export", "run", "list.xlsx", "--out", "from-xlsx", "--sandbox", code=code)


def write_lists(place: Path) -> None:
    """Write the same list as CSV and as a workbook."""
    (place / "list.csv").write_text("".join(f"{','.join(row)}\n" for row in ROWS), encoding="utf-8")
    workbook = openpyxl.Workbook()
    for row in ROWS:
        workbook.worksheets[0].append(row)
    workbook.save(place / "list.xlsx")


def run(place: Path, *words: str | Path, code: int = 0) -> str:
    """Run a command to its end, which must be `code`; return its standard output."""
    done = subprocess.run([str(word) for word in words], cwd=place, capture_output=True, encoding="utf-8", check=False)
    if done.returncode != code:
        raise SystemExit(f"{words} ended with {done.returncode}, not {code}:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]))
