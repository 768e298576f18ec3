"""Turns an address and an epoch into what has become of the person by then.

In epoch 0 everybody is as `people` invents them. From one epoch to the next something happens to a share of them, as
`events` says. Who that is and what happens follows from the address, the seed and the number of the epoch, so that
epochs can be visited in any order. As many others are only written differently, as `rewriting` says.
"""

from dataclasses import dataclass, replace
from hashlib import blake2b
from random import Random

from pipeline.sandbox.events import PLANNED, Life, happen
from pipeline.sandbox.people import Draw, lead_details


@dataclass(frozen=True, slots=True)
class Course:
    """How an address ages: by chance, by a plan, or not at all."""

    share: float = 0.0  # of people to whom something happens from one epoch to the next
    plan: str = ""  # one of `events.PLANNED`, which happens once, and nothing else does
    epoch: int = 0  # when the plan happens


NEVER = Course()


def life_at(address: str, seed: int, epoch: int, course: Course, least: int = 0) -> Life:
    """The person with this address in an epoch.

    Args:
        address: the address looked up; case is ignored.
        seed: a different seed gives another person, to whom other things happen.
        epoch: the number of the epoch, from 0.
        course: how the address ages.
        least: the minimum number of items in each collection in epoch 0; a plan needs its own.
    """
    if course.plan:
        plan = PLANNED[course.plan]
        life = Life(plan.before, lead_details(address, seed, plan.least))
        return plan.happen(life, _draw(address, seed, course.epoch), course.epoch) if epoch >= course.epoch else life
    life = Life("found", lead_details(address, seed, least))
    epochs, manner = eventful(address, seed, epoch, course)
    for number in epochs:
        life = happen(life, _draw(address, seed, number), number)
    return replace(life, manner=manner) if manner else life


def eventful(address: str, seed: int, epoch: int, course: Course) -> tuple[list[int], int]:
    """The epochs up to `epoch` in which something happens, and the last one in which the writing changes, or 0."""
    if course.plan:
        return [course.epoch] if epoch >= course.epoch else [], 0
    if not (course.share and epoch):
        return [], 0
    draw = _random(address, seed, "", b"epochs")
    epochs, manner = [], 0
    for number in range(1, epoch + 1):
        if draw() < course.share:
            epochs.append(number)
        if draw() < course.share:
            manner = number
    return epochs, manner


def manner_draw(address: str, seed: int, manner: int) -> Draw:
    """Random numbers for how a person is written since the epoch `manner`."""
    return _random(address, seed, str(manner), b"manner")


def _draw(address: str, seed: int, epoch: int) -> Draw:
    return _random(address, seed, str(epoch), b"event")


def _random(address: str, seed: int, about: str, purpose: bytes) -> Draw:
    key = f"{seed}|{address.lower()}|{about}".encode(errors="replace")
    return Random(int.from_bytes(blake2b(key, digest_size=8, person=purpose).digest())).random
