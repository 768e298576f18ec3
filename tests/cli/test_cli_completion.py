"""`lead-export completion`: shells complete commands and options."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from cli_command import environment, lead_export

from pipeline.cli.completion import SHELLS

if TYPE_CHECKING:
    from pathlib import Path

BASH = shutil.which("bash")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_for_each_shell(shell: str) -> None:
    """On standard output, exit 0."""
    result = lead_export("completion", shell)
    assert (result.code, result.err) == (0, "")
    assert "_LEAD_EXPORT_COMPLETE" in result.out


def test_other_shells_are_wrong_usage() -> None:
    """The sentence names those that there are."""
    assert all(shell in lead_export("completion", "tcsh").sentence for shell in SHELLS)


@pytest.mark.skipif(BASH is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("words", "expected"),
    [("lead-export verif", "verify"), ("lead-export run --accept-s", "--accept-shrink")],
)
def test_bash_completes_with_the_script(tmp_path: Path, words: str, expected: str) -> None:
    """As after TAB: the script is read, and the function in it is called."""
    program = tmp_path / "lead-export"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m pipeline "$@"\n')
    program.chmod(0o755)
    (tmp_path / "script").write_text(lead_export("completion", "bash").out)
    last = len(words.split()) - 1
    code = f'. "$1/script"; COMP_WORDS=({words}); COMP_CWORD={last}; _lead_export_completion "$1/lead-export"; '
    done = subprocess.run(
        [str(BASH), "-c", code + 'echo "${COMPREPLY[@]}"', "bash", str(tmp_path)],
        env=environment({}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout.split(), done.stderr) == ([expected], "")
