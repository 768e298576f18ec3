"""Request bodies as PHP reads them: `a=1&b[c]=2` becomes `{"a": "1", "b": {"c": "2"}}`; any bytes give some form."""

from typing import TypeAlias, Union
from urllib.parse import unquote_to_bytes

FormValue: TypeAlias = Union[str, "Form"]
Form: TypeAlias = dict[str, FormValue]

MAX_FIELDS = 1_000  # PHP's max_input_vars
MAX_DEPTH = 64  # PHP's max_input_nesting_level


def parse_form(body: bytes) -> Form:
    """Parse an `application/x-www-form-urlencoded` body; of equal keys the last one wins.

    Bytes that are no UTF-8 become U+FFFD, because a reply that repeats them must still be JSON.
    """
    form: Form = {}
    for pair in body.split(b"&", MAX_FIELDS)[:MAX_FIELDS]:
        key, _, value = pair.partition(b"=")
        path = _path(_decode(key))
        if 0 < len(path) <= MAX_DEPTH:
            _store(form, path, _decode(value))
    return form


def _decode(raw: bytes) -> str:
    return unquote_to_bytes(raw.replace(b"+", b" ")).decode(errors="replace")


def _path(key: str) -> list[str]:
    """Split `a[b][]` into `["a", "b", ""]`; a key without a name gives an empty path."""
    key = key.lstrip(" ").partition("\0")[0]
    name, bracket, rest = key.partition("[")
    if not name:
        return []
    path = [name.replace(" ", "_").replace(".", "_")]
    while bracket:
        index, closed, rest = rest.partition("]")
        if not closed:  # a bracket that never closes is part of the name
            path[-1] += f"_{index}"
            break
        path.append(index.lstrip(" "))
        bracket, rest = (
            ("[" if rest.startswith("[") else ""),
            rest[1:],
        )  # whatever else follows a closing bracket is ignored
    return path


def _store(form: Form, path: list[str], value: str) -> None:
    *parents, last = path
    node = form
    for key in parents:
        child = node.get(key)
        if not isinstance(child, dict):
            child = node[key or _free_index(node)] = {}
        node = child
    node[last or _free_index(node)] = value


def _free_index(node: Form) -> str:
    """Return the key that `[]` stands for; PHP takes the highest number plus one, any free one serves here."""
    index = len(node)
    while str(index) in node:
        index += 1
    return str(index)
