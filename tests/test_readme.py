"""README.md against the code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr
from readme_blocks import BLOCKS, README, block

import pipeline
from pipeline.cli import summary
from pipeline.cli.main import cli
from pipeline.sandbox.options import SandboxOptions
from pipeline.sandbox.process import running

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", BLOCKS)
def test_generated_parts_are_up_to_date(name: str) -> None:
    """Each generated part of README.md is what the code says; `make docs` writes them."""
    assert block(name) == BLOCKS[name]()


def test_the_python_example_runs(tmp_path: Path) -> None:
    """The Python example prints what became of each address, from a real server."""
    code = re.sub(r"^```.*$", "", block("python"), flags=re.MULTILINE)
    options = SandboxOptions()
    with running(options) as sandbox:
        environment = {
            **os.environ,
            "KARTRA_APP_ID": options.app_id,
            "KARTRA_API_KEY": options.api_key,
            "KARTRA_API_PASSWORD": options.api_password,
            "LEAD_EXPORT_API_URL": sandbox.url,
        }
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert "['found', 'not_found']" in done.stdout
    assert "ada@example.com" in done.stdout


def test_the_tally_of_the_demo_is_the_one_shown(tmp_path: Path) -> None:
    """`make demo` tells what README.md shows of it, but for times and pace."""
    with running(SandboxOptions(limit_per_s=0)) as sandbox:
        settings = pipeline.Settings(
            api_url=sandbox.url,
            app_id=SecretStr("sandbox-app"),
            api_key=SecretStr("sandbox-key"),
            api_password=SecretStr("sandbox-password"),
            rate_per_s=0,
            retry_first_delay_s=0,
        )
        manifest = pipeline.export(settings, [README.parent / "data" / "emails.csv"], tmp_path)
    tally = [line for line in summary.lines(manifest, tmp_path) if re.match(r" +[\d,]+ [a-z ]+$", line)]
    leads = pipeline.flatten([]).leads
    assert tally[0] == "        310 rows read"
    assert [line for line in tally if line not in block("demo").splitlines()] == []
    assert f"leads: {manifest.rows.found} rows, {len(leads.columns)} columns" in block("demo")


def test_every_command_is_mentioned() -> None:
    """README.md speaks of every command."""
    text = README.read_text(encoding="utf-8")
    assert [name for name in cli.commands if f"lead-export {name}" not in text] == []


def test_public_names_are_importable() -> None:
    """Everything in `__all__` can be had from the package."""
    assert [name for name in pipeline.__all__ if getattr(pipeline, name, None) is None] == []


def test_every_make_target_in_the_page_exists() -> None:
    """Each `make …` that README.md names is a target of the Makefile."""
    makefile = (README.parent / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"\bmake ([a-z]+) ", README.read_text(encoding="utf-8")))
    assert {"demo", "test", "lint"} <= named
    assert {target for target in named if f"\n{target}:" not in makefile} == set()
