"""The examples of the pages, run against a sandbox, and what the pages say about files and counters."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from docs_blocks import block
from docs_examples import CUSTOMERS, RUN, Reader, prepare
from docs_pages import DOCS, PAGES, README, fences, name, text
from preloaded import COMMAND, Preloaded

from pipeline.sandbox.options import SandboxOptions
from pipeline.sandbox.process import running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.sandbox.process import RunningSandbox

KNOWN_LANGUAGES = {*RUN, "text", "toml", "ini"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    """A sandbox without a limit, so that examples do not wait."""
    with running(SandboxOptions(limit_per_s=0)) as started:
        yield started


@pytest.fixture(scope="module")
def reader(sandbox: RunningSandbox, process: Preloaded, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """Who tries the examples."""
    folder = tmp_path_factory.mktemp("programs")
    process.install(folder, "lead-export", COMMAND)
    return Reader(sandbox, process, folder)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(fence.language in RUN for fence in fences(page))], ids=name
)
def test_examples_run(page: Path, tmp_path: Path, reader: Reader) -> None:
    """Every example that is not excused runs to its end, in the order of the page."""
    prepare(tmp_path)
    for fence in fences(page):
        if fence.language in RUN and fence.not_run is None:
            reader.run(fence, tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_fences_name_a_known_language(page: Path) -> None:
    """A fence with a misspelt language would be run by nobody."""
    assert {fence.language for fence in fences(page)} <= KNOWN_LANGUAGES


def test_the_summary_in_the_readme_is_the_one_printed(tmp_path: Path, reader: Reader) -> None:
    """The first command of README.md ends with the rows that are shown below it."""
    shown = [line for line in str(block(README, "trial")).splitlines() if re.match(r" +\d", line)]
    trial = next(fence for fence in fences(README) if "--sandbox" in fence.code)
    printed = reader.run(trial, tmp_path, with_errors=True).splitlines()
    assert len(shown) == 4
    assert [line for line in shown if line not in printed] == []


def test_the_page_about_tables_has_every_key_of_a_manifest(tmp_path: Path, reader: Reader) -> None:
    """docs/tables.md names each key of manifest.json, and no other."""
    prepare(tmp_path)
    example = next(fence for fence in fences(DOCS / "tables.md") if "lead-export run" in fence.code)
    reader.run(example, tmp_path)
    manifest = json.loads((tmp_path / "export" / "latest" / "manifest.json").read_text(encoding="utf-8"))
    assert keys_in_table(DOCS / "tables.md", "| `manifest_version`") == set(manifest)
    assert manifest["rows"]["read"] == len(CUSTOMERS) - 1


def test_the_page_about_the_sandbox_has_every_counter(sandbox: RunningSandbox) -> None:
    """docs/sandbox.md names each counter of /stats, and no other."""
    assert keys_in_table(DOCS / "sandbox.md", "| `calls`") == set(sandbox.stats())


def keys_in_table(page: Path, first_row: str) -> set[str]:
    """The words in the first column of the table that has this row."""
    lines = text(page).splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(first_row))
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append(line.split("|")[1])
    return set(re.findall(r"`(\w+)`", " ".join(rows)))
