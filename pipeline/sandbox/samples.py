"""The files of data/replies: `python -m pipeline.sandbox.samples data/replies` writes them anew.

One body for each behaviour that has one worth keeping in a file, with the seed that the sandbox has by default.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from pipeline.sandbox.behaviours import BEHAVIOURS, ORDINARY, Ask, Behaviour, choose
from pipeline.sandbox.options import SandboxOptions
from pipeline.sandbox.replies import Delivery

MOST_BYTES = 65_536
SUCCESS_ADDRESS = "customer511@example.com"  # someone with a bit of everything
NUMBERED = {"error-TYPE": "error-242"}  # of the behaviours with a number only this one is worth a file
HEADING = """# Replies

Bodies of `get_lead` replies: a full normal one, and one for each shape the API is known or feared to use. Nobody in
them exists. The simulated API gives each of them to the address in its line;
`python -m pipeline.sandbox.samples data/replies` writes them anew.

| file | asked for | what it is |
|---|---|---|
"""


@dataclass(frozen=True)
class Sample:
    """One file: its name, the address whose reply it holds, what it shows, and the bytes."""

    file: str
    address: str
    description: str
    body: bytes


def samples() -> list[Sample]:
    """Return all samples, the normal reply first."""
    found = [_sample("success", SUCCESS_ADDRESS, ORDINARY.description)]
    for behaviour in BEHAVIOURS:
        name = NUMBERED.get(behaviour.name, behaviour.name)
        if not behaviour.numbers or behaviour.name in NUMBERED:
            found.append(_sample(name, f"{name}@example.com", _description(behaviour, name)))
    return [sample for sample in found if sample.body]


def readme() -> str:
    """Return the README of the folder."""
    return HEADING + "".join(f"| `{s.file}` | `{s.address}` | {s.description} |\n" for s in samples())


def write(folder: Path) -> None:
    """Write every file of the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for sample in samples():
        (folder / sample.file).write_bytes(sample.body)
    (folder / "README.md").write_text(readme())


def _sample(name: str, address: str, description: str) -> Sample:
    behaviour, number = choose(address)
    reply = behaviour.reply(Ask(address, SandboxOptions().seed, number=number))
    in_a_file = reply.delivery is Delivery.WHOLE and not reply.blanks and len(reply.body) <= MOST_BYTES
    body = reply.body if in_a_file else b""
    return Sample(f"{name}.{_extension(body)}", address, description, body)


def _description(behaviour: Behaviour, name: str) -> str:
    return (
        behaviour.description if name == behaviour.name else "the documented error that a missing IP permission gives"
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
