"""Values within JSON objects, named by paths: `properties.email`, or `emails.0.value` for the first item of a list."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pipeline.emails.columns import looks_like_address

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_MAX_DEPTH = 8
_MAX_ITEMS = 3
"""Items of a list, and levels, among which addresses are looked for."""
_MAX_INDEX_DIGITS = 6


def value_at(value: object, path: str) -> object:
    """The value at a path; None if there is none. A key may itself contain dots, and text may hold an object."""
    container = _opened(value)
    if isinstance(container, list):
        index, _, rest = path.partition(".")
        if not (index.isascii() and index.isdecimal() and len(index) <= _MAX_INDEX_DIGITS):
            return None
        found = container[int(index)] if int(index) < len(container) else None
        return value_at(found, rest) if rest else found
    if not isinstance(container, dict):
        return None
    if path in container:
        return container[path]
    ends = (n for n, character in enumerate(path) if character == "." and path[:n] in container)
    found = (value_at(container[path[:n]], path[n + 1 :]) for n in ends)
    return next((each for each in found if each is not None), None)


def address_paths(objects: Iterable[Mapping[str, object]]) -> list[str]:
    """The paths at which objects hold addresses below their own keys, the most frequent ones first.

    Paths with an @ are left out: a key may be somebody's address.
    """
    counts = Counter(path for each in objects for path in _paths(each, "", 0))
    return [path for path, _ in counts.most_common() if "@" not in path and "." in path]


def _paths(value: object, path: str, depth: int) -> Iterator[str]:
    if isinstance(value, str) and looks_like_address(value):
        yield path
        return
    container = _opened(value)
    if depth > _MAX_DEPTH or not isinstance(container, (dict, list)):
        return
    items = container.items() if isinstance(container, dict) else enumerate(container[:_MAX_ITEMS])
    for key, item in items:
        yield from _paths(item, f"{path}.{key}" if path else str(key), depth + 1)


def _opened(value: object) -> object:
    """A value; if it is text that holds a JSON object or list, as in a column of a database, what that holds."""
    import msgspec

    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        try:
            return msgspec.json.decode(value)
        except (ValueError, RecursionError):  # msgspec.DecodeError is a ValueError
            return value
    return value
