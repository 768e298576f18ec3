"""Write N replies of other invented people than the sandbox's, the same people in each shape; about 2 kB each.

    python benchmarks/peers/shaped.py N FOLDER SHAPE...

Makes FOLDER/SHAPE.ndjson, with a reply on each line, for the shapes named. Nobody tunes a reader to these people: their
words, the order of their keys and the number of their items are not those of the sandbox.
"""

from __future__ import annotations

import sys
from functools import reduce
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from pipeline.sandbox import shapes
from pipeline.sandbox.replies import success

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Lead = dict[str, Any]

WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath", "inlet", "jetty", "knoll", "larch")
SCALARS = (
    *("first_name", "middle_name", "last_name", "phone", "ip", "address", "zip", "city", "state", "country"),
    *("lead_picture", "source", "ip_country", "website", "facebook", "twitter", "linkedin"),
    *("lead_preferred_time_zone", "notes", "gdpr_lead_status_ip"),
)
FIELDS = (("size", "drop_down"), ("remark", "text_area"), ("nickname", "input_field"), ("topics", "checkbox"))
DISTINCT_KEYS = 100_000


def person(number: int) -> Lead:
    """An invented person, every value a string."""
    random = Random(number)  # noqa: S311 - to be repeated, not secret
    lead = {"id": str(40_000_000 + number), "email": f"member{number}@example.org", "date_joined": _date(random)}
    lead |= {name: " ".join(_words(random, 2)) if random.random() < 0.7 else "" for name in SCALARS}
    lead |= {name: str(random.randrange(1, 99)) for name in ("source_id", "phone_country_code")}
    lead |= {name: str(random.randrange(2)) for name in ("blacklisted", "lead_deleted", "gdpr_lead_communications")}
    lead |= {name: _date(random) for name in ("lead_deleted_date", "gdpr_lead_status_date")}
    lead |= {"score": str(random.randrange(-50, 900)), "gdpr_lead_status": str(random.randrange(6))}
    return lead | {
        "tags": [{"tag_name": name} for name in _words(random, random.randrange(10))],
        "lists": [{"list_name": name, "active": "1"} for name in _words(random, random.randrange(3))],
        "sequences": [
            {"sequence_name": name, "step": str(random.randrange(9)), "status": "active"}
            for name in _words(random, random.randrange(3))
        ],
        "memberships": [
            {"name": name, "level_name": "basic", "active": "0"} for name in _words(random, random.randrange(2))
        ],
        "transactions": [
            {
                "id": str(random.randrange(10**7)),
                "product_name": name,
                "transaction_type": "Sale",
                "transaction_date": _date(random),
            }
            for name in _words(random, random.randrange(6))
        ],
        "custom_fields": [_custom_field(number, *names, random) for number, names in enumerate(FIELDS, start=1)],
    }


def _custom_field(number: int, name: str, kind: str, random: Random) -> Lead:
    chosen = [{"option_id": str(random.randrange(90)), "option_value": word} for word in _words(random, 2)]
    text = " ".join(_words(random, 3)) if random.random() < 0.7 else ""
    value = text if kind in {"text_area", "input_field"} else chosen
    return {"field_id": str(number), "field_identifier": name, "field_type": kind, "field_value": value}


def _words(random: Random, count: int) -> list[str]:
    return [f"{random.choice(WORDS)} {random.randrange(1000)}" for _ in range(count)]


def _date(random: Random) -> str:
    if random.random() < 0.2:
        return "0000-00-00 00:00:00"
    year, month, day = random.randrange(2010, 2026), random.randrange(1, 13), random.randrange(1, 29)
    return f"{year}-{month:02}-{day:02} 07:15:{random.randrange(60):02}"


def _plain(lead: Lead) -> Lead:
    return lead


def _other_order(lead: Lead) -> Lead:
    """The same keys, sorted backwards."""
    return {key: lead[key] for key in sorted(lead, reverse=True)}


def _in_turn(*ways: Sequence[Callable[[Lead], Any]]) -> Callable[[Lead], Any]:
    """Each person in one of these ways, by their id."""
    return lambda lead: _applied(ways[int(lead["id"]) % len(ways)], lead)


def _applied(steps: Sequence[Callable[[Lead], Any]], lead: Lead) -> Any:  # noqa: ANN401 - an object, or a string of JSON
    return reduce(lambda done, step: step(done), steps, lead)


_CHANGED = (shapes.documented_integers, shapes.new_key)
STEPS: dict[str, Sequence[Callable[[Lead], Any]]] = {
    "plain": (_plain,),
    "integers": (shapes.documented_integers,),
    "all-numbers": (shapes.native_numbers,),
    "new-key": (shapes.new_key,),
    "amounts": (shapes.amounts,),
    "transaction-id": (shapes.transaction_ids,),
    "aliases": (shapes.aliases,),
    "false": (shapes.none_as(False),),
    "null": (shapes.none_as(None),),
    "absent": (shapes.absent_values,),
    "keyed-tags": (shapes.keyed_tags,),
    "keyed-all": (shapes.keyed_objects,),
    "bare-tags": (shapes.bare_tags,),
    "as-text": (shapes.details_as_text,),
    "other-order": (_other_order,),
    "integers-amounts": (shapes.documented_integers, shapes.amounts),
    "integers-null": (shapes.documented_integers, shapes.none_as(None)),
    "integers-as-text": (shapes.documented_integers, shapes.details_as_text),
    "everything": (
        *(shapes.documented_integers, shapes.aliases, shapes.amounts, shapes.new_key),
        *(shapes.bare_tags, shapes.none_as(False), shapes.details_as_text),
    ),
    "mixture": (
        _in_turn(
            (shapes.documented_integers,),
            (shapes.documented_integers, shapes.new_key),
            (shapes.documented_integers, shapes.amounts),
            (shapes.documented_integers, shapes.transaction_ids),
            (shapes.documented_integers, shapes.none_as(False)),
            (shapes.documented_integers, shapes.keyed_tags, shapes.none_as(None)),
            (shapes.documented_integers, shapes.bare_tags, shapes.absent_values),
            (shapes.documented_integers, shapes.details_as_text),
        ),
    ),
}
"""What is done to a person, one step after the other."""

CHANGED = "changed"
"""A new key and native integers: what the shape changes to in the middle."""
CHANGES = "changes"
"""The first half plain, then as in CHANGED."""
HOSTILE = {"hostile": 10, "hostile-one": sys.maxsize}
"""Plain replies, among which every tenth, or only the first, has keys of its own: DISTINCT_KEYS in all."""


def bodies(shape: str, count: int) -> Iterator[bytes]:
    """The replies in one shape."""
    steps: Sequence[Callable[[Lead], Any]]
    for number in range(count):
        if shape == CHANGED or (shape == CHANGES and number >= count // 2):
            steps = _CHANGED
        else:
            steps = STEPS.get(shape, STEPS["plain"])
        lead = _applied(steps, person(number))
        if shape in HOSTILE and number % HOSTILE[shape] == 0:
            lead |= _own_keys(number // HOSTILE[shape], -(-count // HOSTILE[shape]))
        yield success(lead).body


def _own_keys(part: int, parts: int) -> dict[str, str]:
    return {f"k{key}": "odd" for key in range(part, DISTINCT_KEYS, parts)}


def main(count: int, folder: Path, names: list[str]) -> None:
    """Write a file for each shape."""
    for name in names:
        with (folder / f"{name}.ndjson").open("wb") as file:
            file.writelines(body + b"\n" for body in bodies(name, count))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
