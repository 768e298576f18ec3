"""One version, wherever it is asked for."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pipeline
from pipeline.version import __version__


def test_the_package_has_the_version_of_the_project() -> None:
    """pyproject.toml and the package agree."""
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == __version__ == pipeline.__version__
