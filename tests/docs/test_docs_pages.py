"""The pages as they stand: generated blocks, links, and what they must mention."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click
import pytest
from docs_blocks import BLOCKS, block
from docs_pages import DOCS, LINKING_PAGES, PAGES, README, ROOT, anchors, links, name, text

import pipeline
from pipeline.cli.main import cli
from pipeline.settings import Settings, variable_of

if TYPE_CHECKING:
    from pathlib import Path

MAKE = re.compile(r"`make ([a-z][a-z-]*)`|^make ([a-z][a-z-]*)", re.MULTILINE)
OPTIONS = {
    f"{command} {option}": option
    for command, parsed in cli.commands.items()
    for param in parsed.params
    if isinstance(param, click.Option)
    for option in (*param.opts, *param.secondary_opts)
    if option.startswith("--")
}


def everything() -> str:
    """The Markdown of all pages."""
    return "\n".join(map(text, PAGES))


@pytest.mark.parametrize("block_name", BLOCKS)
def test_generated_blocks_are_up_to_date(block_name: str) -> None:
    """Each generated block says what the code says, and some page has it; `make docs` writes them."""
    shown = [content for page in PAGES if (content := block(page, block_name)) is not None]
    assert shown
    assert {content.strip() for content in shown} == {BLOCKS[block_name]().strip()}


@pytest.mark.parametrize("page", LINKING_PAGES, ids=name)
def test_links_resolve(page: Path) -> None:
    """Every relative link leads to a file of the repository, and its anchor to a heading there."""
    broken = []
    for target in links(page):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=name)
def test_every_page_is_in_both_indexes(page: Path) -> None:
    """README.md and docs/README.md lead to each page."""
    for index in (README, DOCS / "README.md"):
        targets = {(index.parent / target.partition("#")[0]).resolve() for target in links(index)}
        assert page == DOCS / "README.md" or page in targets


def test_the_readme_is_short() -> None:
    """A first reader gets 200 lines at most; the rest is in docs/."""
    assert len(text(README).splitlines()) <= 200


@pytest.mark.parametrize("command", cli.commands)
def test_every_command_is_mentioned(command: str) -> None:
    """Some page shows how each command is used."""
    assert f"lead-export {command}" in everything()


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_is_mentioned(option: str) -> None:
    """Some page names each option of each command."""
    assert re.search(rf"{re.escape(OPTIONS[option])}\b", everything())


@pytest.mark.parametrize("key", Settings.model_fields)
def test_every_setting_is_mentioned(key: str) -> None:
    """docs/settings.md has each setting with its environment variable."""
    page = text(DOCS / "settings.md")
    assert f"`{key}`" in page
    assert f"`{variable_of(key)}`" in page


@pytest.mark.parametrize("public", pipeline.__all__)
def test_every_public_name_is_importable_and_mentioned(public: str) -> None:
    """Everything in `__all__` can be had from the package and is on the page about Python."""
    assert getattr(pipeline, public, None) is not None
    assert public == "__version__" or f"`{public}`" in text(DOCS / "python.md")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_make_target_in_a_page_exists(page: Path) -> None:
    """Each `make …` that a page names is a target of the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = {first or second for first, second in MAKE.findall(text(page))}
    assert {target for target in named if f"\n{target}:" not in makefile} == set()
