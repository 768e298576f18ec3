"""The pages of the documentation as the tests see them: fenced blocks, headings and links, read as Markdown."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = (README, *sorted(DOCS.glob("*.md")))
LINKING_PAGES = (*PAGES, ROOT / "CHANGELOG.md", ROOT / "benchmarks" / "README.md", ROOT / "data/replies/README.md")
_NOT_RUN = re.compile(r"<!-- not run: (.+?) -->")


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block: its language, its code, the line it begins on, and why it is not run, if it is not."""

    language: str
    code: str
    line: int
    not_run: str | None


def name(page: Path) -> str:
    """A page as test ids and messages name it."""
    return page.relative_to(ROOT).as_posix()


def text(page: Path) -> str:
    """The Markdown of a page."""
    return page.read_text(encoding="utf-8")


def fences(page: Path) -> Iterator[Fence]:
    """Every fenced block, in order; a comment `<!-- not run: why -->` right before it excuses it from being run."""
    reason = None
    for token in _tokens(page):
        if token.type == "fence":
            line = token.map[0] + 1 if token.map else 0
            yield Fence(token.info.partition(" ")[0], token.content, line, reason)
        comment = _NOT_RUN.fullmatch(token.content.strip()) if token.type == "html_block" else None
        reason = comment[1] if comment else None


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    tokens = list(_tokens(page))
    titles = [after.content for token, after in itertools.pairwise(tokens) if token.type == "heading_open"]
    seen: dict[str, int] = {}
    found = set()
    for title in titles:
        anchor = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        count = seen.get(anchor, 0)
        seen[anchor] = count + 1
        found.add(f"{anchor}-{count}" if count else anchor)
    return found


def links(page: Path) -> list[str]:
    """The target of every link and image of a page."""
    inline = [child for token in _tokens(page) for child in token.children or ()]
    targets = [child.attrs.get("href", child.attrs.get("src")) for child in inline]
    return [str(target) for target in targets if target is not None]


def _tokens(page: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(text(page))
