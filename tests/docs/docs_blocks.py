"""The generated blocks of README.md and docs/, and configs/default.toml, each rendered from the code.

`make docs` runs this module, which brings every block up to date: whatever stands between `<!-- NAME -->` and
`<!-- /NAME -->` in any page.
"""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING

import click
from docs_pages import PAGES, ROOT, text

import pipeline
from pipeline import errors
from pipeline.cli.main import cli
from pipeline.errors import ExitCode
from pipeline.outcomes import Outcome
from pipeline.sandbox.behaviours import BEHAVIOURS
from pipeline.sandbox.options import SandboxOptions
from pipeline.schema import TABLES
from pipeline.settings import CREDENTIAL_VARIABLES, Settings, option_of, variable_of
from pipeline.settings.described import commented_file, type_of, unit_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

DEFAULT_CONFIG = ROOT / "configs" / "default.toml"


def flow() -> str:
    """The picture in the package's own docstring."""
    paragraphs = (pipeline.__doc__ or "").split("\n\n")
    first = next(n for n, paragraph in enumerate(paragraphs) if "──▶" in paragraph)
    return f"```text\n{_dedented(paragraphs[first])}\n```"


def tables() -> str:
    """Every table with what its rows are."""
    return _table(("table", "one row is"), ((_code(table.name), table.grain) for table in TABLES))


def columns() -> str:
    """Every table with its columns, their types and meanings."""
    sections = [
        f"### `{table.name}`\n\nOne row is {table.grain}.\n\n"
        + _table(
            ("column", "type", "kind", "meaning"),
            ((_code(c.name), _code(c.type_in_files()), c.kind, c.meaning) for c in table.columns),
        )
        for table in TABLES
    ]
    return "\n\n".join(sections)


def outcomes() -> str:
    """Every outcome that a row can have."""
    return _table(("outcome", "meaning"), ((_code(outcome), outcome.meaning) for outcome in Outcome))


def exit_codes() -> str:
    """Every exit code."""
    return _table(("code", "meaning"), ((str(code.value), code.meaning) for code in ExitCode))


def error_tree() -> str:
    """The tree of errors in the docstring of `pipeline.errors`."""
    paragraphs = (errors.__doc__ or "").split("\n\n")
    return f"```text\n{next(paragraph for paragraph in paragraphs if '├──' in paragraph).strip()}\n```"


def behaviours() -> str:
    """Every behaviour of the sandbox."""
    rows = ((_code(behaviour.name), behaviour.kind, behaviour.description) for behaviour in BEHAVIOURS)
    return _table(("address", "kind", "reply"), rows)


def switches() -> str:
    """Every switch of the sandbox."""
    rows = (
        (_code(field.name), _code(json.dumps(field.default)), field.metadata["help"])
        for field in dataclasses.fields(SandboxOptions)
    )
    return _table(("switch", "default", "meaning"), rows)


def settings() -> str:
    """Every setting with its type, default, unit and meaning, and where it can be set."""
    defaults = Settings().model_dump(mode="json")
    rows = (
        (
            "<br>".join(map(_code, (key, variable_of(key), *options_of(key)))),
            _default(key, defaults[key]),
            _choices_as_code(type_of(key)),
            unit_of(key),
            field.description or "",
        )
        for key, field in Settings.model_fields.items()
    )
    return _table(("key, variable, option", "default", "type", "unit", "meaning"), rows)


def commands() -> str:
    """The help of every command, as it is printed on a terminal of 100 columns."""
    group = click.Context(cli, info_name="lead-export", terminal_width=100, **cli.context_settings)
    contexts = [group, *_contexts(cli, group)]
    return "\n\n".join(f"## {context.command_path}\n\n```text\n{_help(context)}\n```" for context in contexts)


def _contexts(group: click.Group, parent: click.Context) -> Iterator[click.Context]:
    """A context of each command of a group, and of the groups in it."""
    for name, command in group.commands.items():
        if command.hidden:
            continue
        context = click.Context(command, parent, name)
        yield context
        if isinstance(command, click.Group):
            yield from _contexts(command, context)


BLOCKS: dict[str, Callable[[], str]] = {
    "flow": flow,
    "tables": tables,
    "columns": columns,
    "outcomes": outcomes,
    "exit-codes": exit_codes,
    "error-tree": error_tree,
    "behaviours": behaviours,
    "switches": switches,
    "settings": settings,
    "commands": commands,
}


def block(page: Path, name: str) -> str | None:
    """The block called `name` of a page, or None if the page has none."""
    match = _between(name).search(text(page))
    return match[1].strip("\n") if match else None


def write() -> None:
    """Bring every block of every page up to date, and the file of all settings."""
    for page in PAGES:
        content = text(page)
        for name, render in BLOCKS.items():
            if block(page, name) is not None:
                content = _between(name).sub(lambda _, name=name, render=render: _marked(name, render()), content)  # type: ignore[misc]
        page.write_text(content, encoding="utf-8")
    DEFAULT_CONFIG.write_text(commented_file(), encoding="utf-8")


def options_of(key: str) -> list[str]:
    """The option that sets it, with its opposite if it has one; none where no command has an option for it."""
    # Those of the sandbox are its switches.
    commands = [context.command for context in _contexts(cli, click.Context(cli)) if context.info_name != "sandbox"]
    known = {option: param for command in commands for param in command.params for option in param.opts}
    param = known.get(option_of(key))
    return [] if param is None else [param.opts[0], *param.secondary_opts]


def _help(context: click.Context) -> str:
    return "\n".join(line.rstrip() for line in context.get_help().splitlines())


def _default(key: str, value: object) -> str:
    if key in CREDENTIAL_VARIABLES or value in (None, ""):
        return "unset"
    return _code(json.dumps(value))


def _choices_as_code(words: str) -> str:
    head, is_choice, choices = words.partition("one of ")
    return f"{head}one of {', '.join(map(_code, choices.split(', ')))}" if is_choice else words


def _dedented(paragraph: str) -> str:
    lines = paragraph.splitlines()
    indent = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
    return "\n".join(line[indent:].rstrip() for line in lines)


def _code(word: str) -> str:
    return f"`{word}`"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _between(name: str) -> re.Pattern[str]:
    return re.compile(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", re.DOTALL)


def _marked(name: str, content: str) -> str:
    return f"<!-- {name} -->\n\n{content}\n\n<!-- /{name} -->"


if __name__ == "__main__":
    write()
