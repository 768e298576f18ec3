"""The generated parts of README.md, each rendered from the code; `python tests/readme_blocks.py` writes them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pipeline
from pipeline.errors import ExitCode
from pipeline.outcomes import Outcome
from pipeline.sandbox.behaviours import BEHAVIOURS
from pipeline.schema import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable

README = Path(__file__).parent.parent / "README.md"


def flow() -> str:
    """The picture in the package's own docstring."""
    paragraphs = (pipeline.__doc__ or "").split("\n\n")
    return next(paragraph for paragraph in paragraphs if "──▶" in paragraph)


def tables() -> str:
    """Every table with its columns."""
    rows = [
        f"| `{table.name}` | {table.grain} | {', '.join(f'`{column.name}`' for column in table.columns)} |"
        for table in TABLES
    ]
    return "\n".join(["| table | a row is | columns |", "|---|---|---|", *rows])


def outcomes() -> str:
    """Every class of rows."""
    rows = [f"| `{outcome}` | {outcome.meaning} |" for outcome in Outcome]
    return "\n".join(["| outcome | meaning |", "|---|---|", *rows])


def exit_codes() -> str:
    """Every exit code."""
    rows = [f"| {code.value} | {code.meaning} |" for code in ExitCode]
    return "\n".join(["| code | meaning |", "|---|---|", *rows])


def behaviours() -> str:
    """Every behaviour of the sandbox."""
    rows = [f"| `{behaviour.name}` | {behaviour.kind} | {behaviour.description} |" for behaviour in BEHAVIOURS]
    return "\n".join(["| address | kind | what happens |", "|---|---|---|", *rows])


BLOCKS: dict[str, Callable[[], str]] = {
    "flow": flow,
    "tables": tables,
    "outcomes": outcomes,
    "exit-codes": exit_codes,
    "behaviours": behaviours,
}


def block(name: str) -> str:
    """What stands in README.md between the marks called `name`."""
    match = _between(name).search(README.read_text(encoding="utf-8"))
    if match is None:
        raise KeyError(name)
    return match[1].strip("\n")


def write() -> None:
    """Bring every block in README.md up to date."""
    text = README.read_text(encoding="utf-8")
    for name, render in BLOCKS.items():
        text = _between(name).sub(lambda _, name=name, render=render: _marked(name, render()), text)  # type: ignore[misc]
    README.write_text(text, encoding="utf-8")


def _between(name: str) -> re.Pattern[str]:
    return re.compile(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", re.DOTALL)


def _marked(name: str, text: str) -> str:
    return f"<!-- {name} -->\n{text}\n<!-- /{name} -->"


if __name__ == "__main__":
    write()
