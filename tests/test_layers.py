import ast
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

import pipeline

PACKAGE = Path(pipeline.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
ROWS = (
    ("cli",),
    ("jobs",),
    ("history", "privacy", "accounts"),
    ("reporters",),
    ("calls", "journal", "files", "emails", "tables"),
    ("replies",),
    ("settings", "schema", "outcomes"),
    ("errors", "columns", "version", "filesystem", "words", "host"),
)
"""From the top down; a part may import from the rows below its own, but nothing from its own row."""
RANKS = {part: rank for rank, parts in enumerate(ROWS) for part in parts}
PRINTING = {"print", "click.echo", "click.secho", "sys.stdout.write", "sys.stderr.write", "sys.exit"}
MAX_LINES = 300
MAX_FUNCTION_LINES = 40
MAX_PUBLIC_METHODS = 15


def name_of(path: Path) -> str:
    """A module as an import names it."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports(source: str) -> Iterator[str]:
    """Every module, or name in a module, that the source imports anywhere in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ("." * node.level + f"{node.module}.{alias.name}" for alias in node.names)


def part_of(name: str) -> str | None:
    """The part of the package that a dotted name lies in; None for the package itself and for other packages."""
    top, _, rest = name.partition(".")
    part = rest.partition(".")[0]
    return part if top == "pipeline" and part in {*RANKS, "sandbox"} else None


def climbing_imports(name: str, source: str) -> list[str]:
    """The imports of a module that do not point down."""
    here = part_of(name)
    return [target for target in imports(source) if not may_import(here, part_of(target)) or target.startswith(".")]


def may_import(here: str | None, there: str | None) -> bool:
    """Whether a module in one part may import from another; anyone may import the package itself."""
    if here is None or there is None or here == there:
        return True
    if "sandbox" in (here, there):
        return here == "cli"
    return RANKS[here] < RANKS[there]


def package_imports(source: str) -> list[str]:
    """Imports from the package itself, which is above every module in it."""
    names = [target.partition(".")[2] for target in imports(source) if target.startswith("pipeline.")]
    return [name for name in names if name in pipeline.__all__ or name.startswith("_")]


def prints_or_exits(source: str) -> bool:
    """Whether a module writes to standard output or error, or ends the process."""
    calls = {ast.unparse(node.func) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)}
    return not calls.isdisjoint(PRINTING)


def import_cycle(edges: dict[str, set[str]]) -> list[str]:
    """Modules that import one another in a cycle, if there is one: those left when leaves are removed."""
    left = {name: targets & edges.keys() for name, targets in edges.items()}
    while leaves := {name for name, targets in left.items() if not targets}:
        left = {name: targets - leaves for name, targets in left.items() if name not in leaves}
    return sorted(left)


def test_every_part_has_a_row() -> None:
    """A new part of the package must be given a row here."""
    parts = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in MODULES}
    assert parts == {*RANKS, "sandbox", "__init__", "__main__"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_down_only(path: Path) -> None:
    """No module imports from its own row or from above; the sandbox imports nothing, and only `cli` imports it."""
    assert climbing_imports(name_of(path), path.read_text()) == []


@pytest.mark.parametrize(
    ("name", "source", "climbing"),
    [
        ("pipeline.journal", "from pipeline.errors import StorageError", []),
        ("pipeline.journal", "from pipeline import __version__", []),
        ("pipeline.files.csv", "from pipeline.files import durable", []),
        ("pipeline.cli.sandbox", "import pipeline.sandbox.server", []),
        ("pipeline.journal", "from pipeline.emails.address import key", ["pipeline.emails.address.key"]),
        ("pipeline.journal", "from pipeline import emails", ["pipeline.emails"]),
        ("pipeline.errors", "import pipeline.settings", ["pipeline.settings"]),
        ("pipeline.replies.read", "def f():\n  from pipeline.jobs import export", ["pipeline.jobs.export"]),
        ("pipeline.jobs.export", "import pipeline.sandbox.process", ["pipeline.sandbox.process"]),
        ("pipeline.sandbox.server", "import pipeline.errors", ["pipeline.errors"]),
        ("pipeline.files.csv", "from .durable import create", [".durable.create"]),
    ],
)
def test_imports_that_climb_are_noticed(name: str, source: str, climbing: list[str]) -> None:
    """The rule itself: a climbing import is found wherever it is and however it is written."""
    assert climbing_imports(name, source) == climbing


def test_no_two_modules_import_each_other() -> None:
    """Each module can be read after those it imports; imports for type checkers count."""
    names = {name_of(path) for path in MODULES} - {"pipeline"}
    edges = {}
    for path in MODULES:
        if name_of(path) in names:
            targets = set(imports(path.read_text()))
            edges[name_of(path)] = (targets | {target.rpartition(".")[0] for target in targets}) & names
    assert import_cycle(edges) == []
    ring = {one: {other} for one, other in pairwise(["a", "b", "c", "a"])}
    assert import_cycle(ring | {"d": {"a"}, "e": set()}) == ["a", "b", "c", "d"]


def test_two_modules_import_the_http_library() -> None:
    """Outside the sandbox, aiohttp is imported by the one that calls the API, and the one that tells of the end."""
    users = [
        name_of(path)
        for path in MODULES
        if any(name.partition(".")[0] == "aiohttp" for name in imports(path.read_text()))
    ]
    assert [name for name in users if part_of(name) != "sandbox"] == [
        "pipeline.calls.transport",
        "pipeline.reporters.http",
    ]


def test_only_the_command_line_prints_and_exits() -> None:
    """Jobs report to the observer and the log; the sandbox, a program of its own, prints its address."""
    assert {part_of(name_of(path)) for path in MODULES if prints_or_exits(path.read_text())} == {"cli", "sandbox"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_functions_and_classes_stay_small(path: Path) -> None:
    """Whatever needs more lines, or more public methods, does more than one thing."""
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= MAX_LINES
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < MAX_FUNCTION_LINES, node.name
        if isinstance(node, ast.ClassDef):
            methods = [part.name for part in node.body if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)]
            assert len([name for name in methods if not name.startswith("_")]) <= MAX_PUBLIC_METHODS, node.name


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_imports_from_the_package_itself(path: Path) -> None:
    """A module imports from where a name is defined: the package itself stands above them all."""
    assert [name for name in package_imports(path.read_text(encoding="utf-8")) if name != "errors"] == []
