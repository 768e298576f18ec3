"""How a lead is written in a normal reply: the switch `shape`. The facts about a person are the same in all of them.

text      every value a string, every documented key there, no others
native    what is documented as an integer is a number
mixed     native; and each person in a manner of their own, which may have further keys, aliases, no value written
          as null, false or not at all, tags as strings, collections as objects, or the lead as a string of JSON
changed   native, with a further key on the lead: what the shape `drifting` becomes
"""

from collections.abc import Callable, Mapping
from hashlib import blake2b
from random import Random

from pipeline.sandbox import shapes
from pipeline.sandbox.replies import Lead

Draw = Callable[[], float]  # returns the next random number in [0, 1)
_MANNERS: tuple[tuple[float, Callable[[Lead], Lead]], ...] = (  # how many people are written so
    (0.4, shapes.amounts),
    (0.25, shapes.new_key),
    (0.2, shapes.transaction_ids),
    (0.2, shapes.bare_tags),
    (0.2, shapes.keyed_objects),
)
_AS_TEXT = 0.1


def rendered(lead: Lead, shape: str, seed: int) -> object:
    """What to send as `lead_details`: the lead in a shape; always the same for a person and a seed.

    Raises:
        KeyError: there is no such shape.
    """
    return RENDERINGS[shape](lead, seed)


def _mixed(lead: Lead, seed: int) -> object:
    key = f"{seed}|{lead['email'].casefold()}".encode(errors="replace")
    draw = Random(int.from_bytes(blake2b(key, digest_size=8, person=b"shape").digest())).random
    written = shapes.documented_integers(lead)
    for share, manner in _MANNERS:
        if draw() < share:
            written = manner(written)
    written = shapes.with_empty(written, lambda name: _no_value(name, draw))
    return shapes.details_as_text(written) if draw() < _AS_TEXT else written


def _no_value(name: str, draw: Draw) -> Lead:
    """A key without a value: null, false, an empty string, or no key at all."""
    ways: tuple[Lead, ...] = ({name: None}, {name: False}, {}, {name: ""}, {name: ""})
    return ways[int(draw() * len(ways))]


RENDERINGS: Mapping[str, Callable[[Lead, int], object]] = {
    "text": lambda lead, _: lead,
    "native": lambda lead, _: shapes.documented_integers(lead),
    "mixed": _mixed,
    "changed": lambda lead, _: shapes.new_key(shapes.documented_integers(lead)),
}
