"""The files in data/replies, which `python -m pipeline.sandbox.samples data/replies` regenerates.

Each is the body of one behaviour's reply with the default seed, unless it is empty, too large or never sent in full.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from pipeline.sandbox.behaviours import BEHAVIOURS, ORDINARY, Behaviour, Lookup, choose_behaviour
from pipeline.sandbox.options import SandboxOptions
from pipeline.sandbox.replies import Delivery

MAX_BYTES = 65_536
SUCCESS_ADDRESS = "customer511@example.com"  # a person with some of everything
NUMBERED = {"error-TYPE": "error-242"}  # the only behaviour with a number that has a file
HEADING = """# Replies

Bodies of `get_lead` replies: a normal one, and one for each shape the API is known or suspected to use. All people in
them are invented. The simulated API returns each of them for the address in its row, if it is started with
`--shape text`; in other shapes it writes normal replies differently.
`python -m pipeline.sandbox.samples data/replies` regenerates this folder.

| file | address | contents |
|---|---|---|
"""


@dataclass(frozen=True)
class Sample:
    """One file: its name, the address whose reply it contains, a description, and the bytes."""

    file: str
    address: str
    description: str
    body: bytes


def samples() -> list[Sample]:
    """All samples, the normal reply first."""
    found = [_sample("success", SUCCESS_ADDRESS, ORDINARY.description)]
    for behaviour in BEHAVIOURS:
        name = NUMBERED.get(behaviour.name, behaviour.name)
        if not behaviour.numbers or behaviour.name in NUMBERED:
            found.append(_sample(name, f"{name}@example.com", _description(behaviour, name)))
    return [sample for sample in found if sample.body]


def readme() -> str:
    """The README of the folder."""
    return HEADING + "".join(f"| `{s.file}` | `{s.address}` | {s.description} |\n" for s in samples())


def write(folder: Path) -> None:
    """Write all files to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for sample in samples():
        (folder / sample.file).write_bytes(sample.body)
    (folder / "README.md").write_text(readme())


def _sample(name: str, address: str, description: str) -> Sample:
    behaviour, number = choose_behaviour(address)
    reply = behaviour.reply(Lookup(address, SandboxOptions().seed, number=number))
    in_a_file = reply.delivery is Delivery.WHOLE and not reply.padding and len(reply.body) <= MAX_BYTES
    body = reply.body if in_a_file else b""
    return Sample(f"{name}.{_extension(body)}", address, description, body)


def _description(behaviour: Behaviour, name: str) -> str:
    return (
        behaviour.description
        if name == behaviour.name
        else "the documented error for an IP address that is not allowed"
    )


def _extension(body: bytes) -> str:
    if body.startswith(b"<html"):
        return "html"
    try:
        json.loads(body.decode())
    except ValueError:
        return "txt"
    return "json"


if __name__ == "__main__":
    write(Path(sys.argv[1]))
