"""People who age: who changes from one epoch to another, and that the sandbox can say what."""

import hashlib
import json
from collections import Counter
from typing import Any

import pytest
from sandbox_client import sandbox

from pipeline.sandbox.behaviours import BEHAVIOURS, BY_CHANCE, Lookup, choose_behaviour
from pipeline.sandbox.changes import IDENTITIES, Change, changes_between, life_of
from pipeline.sandbox.events import PLANNED
from pipeline.sandbox.options import LAST_EPOCH, SandboxOptions
from pipeline.sandbox.people import lead_details
from pipeline.sandbox.renderings import RENDERINGS
from pipeline.sandbox.replies import Reply
from pipeline.sandbox.shapes import COLLECTIONS

HALF = SandboxOptions(change_share=0.5)
STATUSES = ("found", "not_found", "deleted")
CROWD = [f"person{number}@example.com" for number in range(400)]


def reply(address: str, epoch: int, shape: str = "text", share: float = 0.5) -> Reply:
    """What the sandbox sends for an address in an epoch."""
    behaviour, number = choose_behaviour(address)
    return behaviour.reply(Lookup(address, 1, 1, number, shape, epoch, behaviour.course(number, share)))


def backwards(change: Change) -> Change:
    """The change that undoes another."""
    kind = {"added": "removed", "removed": "added", "changed": "changed"}[change.kind]
    return Change(change.part, kind, change.identity, change.key, change.new, change.old, change.row)  # type: ignore[arg-type]


def test_replies_in_epoch_0_are_what_they_were_before_people_aged() -> None:
    """Byte for byte, in every shape: samples and other tests rely on who is behind an address."""
    bodies = {shape: b"".join(reply(address, 0, shape).body for address in CROWD) for shape in RENDERINGS}
    assert {shape: hashlib.sha256(body).hexdigest()[:16] for shape, body in bodies.items()} == {
        "text": "f23df493b2171910",
        "native": "92125a1523e78248",
        "mixed": "9a9be0bd8ff7b0b6",
        "changed": "68a97afd450222f6",
    }


def test_a_known_share_of_people_changes_from_each_epoch_to_the_next() -> None:
    """About two in a hundred unless another share is chosen; none at 0, everybody at 1."""
    people = [f"person{number}@example.com" for number in range(5_000)]
    for epoch in (0, 3):
        assert 80 < sum(bool(changes_between(address, epoch, epoch + 1)) for address in people) < 120
    for share, changed in ((0.0, 0), (1.0, len(CROWD))):
        options = SandboxOptions(change_share=share)
        assert sum(bool(changes_between(address, 6, 7, options)) for address in CROWD) == changed
    assert all(reply(address, 9, "mixed", 0.0) == reply(address, 0, "mixed", 0.0) for address in CROWD)


def test_a_person_keeps_most_of_what_she_is() -> None:
    """Of those who change, nine in ten fields and items stay, unless the lead comes or goes."""
    changed = values = 0
    for address in CROWD:
        changes = changes_between(address, 1, 2, HALF)
        if changes and changes[0].part != "status":
            lead = life_of(address, 1, HALF).lead
            values += len(lead) + sum(len(lead[name]) for name in COLLECTIONS)
            changed += len(changes)
    assert 0 < changed < 0.1 * values


def test_changes_are_of_every_kind() -> None:
    """Each field but the address, each collection in all ways, and each change of status."""
    kinds: set[tuple[str, ...]] = set()
    for address in CROWD[:250]:
        for epoch in range(10):
            for change in changes_between(address, epoch, epoch + 1, HALF):
                words = (change.old, change.new) if change.part == "status" else (change.kind, change.key)
                kinds.add((change.part, *words))
    statuses = {(old, new) for old in STATUSES for new in STATUSES if old != new}
    fields = set(lead_details("x@example.com", 1)) - {"email", *COLLECTIONS}
    assert {kind[1:] for kind in kinds if kind[0] == "status"} == statuses
    assert {kind[2] for kind in kinds if kind[:2] == ("lead", "changed")} == fields
    values = {
        "lists": {"active"},
        "sequences": {"step", "status"},
        "memberships": {"active"},
        "transactions": {"product_name", "transaction_type", "transaction_date"},
        "custom_fields": {"option_value"},
        "tags": set(),
    }
    for part in IDENTITIES:
        assert {(part, "added", ""), (part, "removed", "")} < kinds
        assert {kind[2] for kind in kinds if kind[:2] == (part, "changed")} == values[part]


def test_some_leads_have_a_tag_twice() -> None:
    """A tag that is there is given again: items are not sets."""
    lives = [life_of(address, 20, HALF) for address in CROWD]
    tags = [[tag["tag_name"] for tag in life.lead["tags"]] for life in lives]
    assert sum(len(set(names)) < len(names) for names in tags) > 10


def test_an_epoch_is_always_the_same() -> None:
    """Epochs can be visited in any order, whatever the case of the address; changes backwards undo those forwards."""
    for address in CROWD[:60]:
        bodies = [reply(address, epoch, "mixed").body for epoch in range(6)]
        again = [reply(address.upper(), epoch, "mixed").body for epoch in reversed(range(6))]
        assert [body.lower() for body in reversed(again)] == [body.lower() for body in bodies]
        forwards = changes_between(address, 1, 5, HALF)
        assert Counter(map(backwards, changes_between(address, 5, 1, HALF))) == Counter(forwards)


def test_others_are_written_differently_and_say_the_same() -> None:
    """Keys and items come in another order, integers as text or the other way round; of the values none changes."""
    ways: Counter[str] = Counter()
    for address in CROWD:
        if changes_between(address, 0, 3, HALF):
            continue
        for shape in ("text", "native", "mixed"):
            old, new = (details(reply(address, epoch, shape)) for epoch in (0, 3))
            ways["same"] += json.dumps(old) == json.dumps(new)
            ways["keys"] += list(old) != list(new)
            ways["positions"] += old.get("tags") != new.get("tags")
            ways["integers"] += any(old[key] != new[key] for key in ("id", "score"))
            assert unordered(old) == unordered(new)
    assert all(ways[way] > 20 for way in ("same", "keys", "positions", "integers"))


def details(answer: Reply) -> Any:
    """The lead in a reply."""
    lead = json.loads(answer.body)["lead_details"]
    return json.loads(lead) if isinstance(lead, str) else lead


def unordered(value: Any) -> Any:
    """A value without order and without the difference between a number and its digits."""
    if isinstance(value, dict) and value and all(map(str.isdigit, value)):
        return [sorted(value), unordered(list(value.values()))]
    if isinstance(value, dict):
        return sorted((key, unordered(inner)) for key, inner in value.items())
    if isinstance(value, list):
        return sorted(map(unordered, value), key=repr)
    return str(value) if type(value) is int else value


@pytest.mark.parametrize(
    ("name", "before", "after", "parts"),
    [
        ("joins", "234", "Success", {"status", "lead"}),
        ("leaves", "Success", "234", {"status", "lead"}),
        ("gets-deleted", "Success", "245", {"status", "lead"}),
        ("merges", "Success", "Success", {"lead"}),
        ("changes", "Success", "Success", {"lead", *COLLECTIONS}),
    ],
)
async def test_an_address_can_say_what_happens_to_it_and_when(
    name: str, before: str, after: str, parts: set[str]
) -> None:
    """Before and after that epoch nothing happens, whatever the share of changes is."""
    address = f"{name}-3.17@example.com"
    async with sandbox(change_share=1.0) as client:
        outcomes = []
        for epoch in (0, 2, 3, 4):
            await client.control(epoch=epoch)
            outcomes.append(await client.outcome(address))
    assert outcomes == [before, before, after, after]
    assert changes_between(address, 0, 2, HALF) == changes_between(address, 3, LAST_EPOCH, HALF) == []
    assert parts <= {change.part for change in changes_between(address, 2, 3)} <= parts | {*COLLECTIONS}


def test_an_address_that_merges_has_another_id_and_nothing_else() -> None:
    """As when the lead of an address was merged into another one."""
    (change,) = changes_between("merges-1@example.com", 0, 1)
    assert (change.part, change.kind, change.key) == ("lead", "changed", "id")
    assert change.old.isdecimal()
    assert change.new.isdecimal()


def test_an_address_that_changes_changes_in_every_way() -> None:
    """Every field, and in every collection something is added, removed and changed; tags cannot change."""
    for number in range(30):
        changes = changes_between(f"changes-1.{number}@example.com", 0, 1)
        assert {(part, kind) for part in IDENTITIES for kind in ("added", "removed", "changed")} - {
            ("tags", "changed")
        } <= {(change.part, change.kind) for change in changes}
        assert len({change.key for change in changes if change.part == "lead"}) >= 24


def test_only_ordinary_people_and_late_ones_age() -> None:
    """Addresses with any other behaviour get the same reply in every epoch."""
    ageing = {behaviour.name for behaviour in BEHAVIOURS if behaviour.ages}
    assert ageing == {"slow-MS", "fails-N", *(f"{plan}-EPOCH" for plan in PLANNED)}
    assert choose_behaviour("x@example.com")[0].ages == BY_CHANCE
    for behaviour in BEHAVIOURS:
        if not behaviour.ages and not behaviour.numbers:
            address = f"{behaviour.name}@example.com"
            assert reply(address, 9, "mixed", 1.0) == reply(address, 0, "mixed", 1.0)
            assert changes_between(address, 0, 9, SandboxOptions(change_share=1.0)) == []


async def test_people_age_while_the_sandbox_runs() -> None:
    """/control sets the epoch; who was said to change does, and who was said to stay says the same as before."""
    statuses = {"Success": "found", "234": "not_found", "245": "deleted"}
    people = [*CROWD[:80], *(f"slow-1.{number}@example.com" for number in range(20))]
    async with sandbox(shape="text", change_share=0.4) as client:
        for epoch in (0, 1, 4):
            options = SandboxOptions(**(await client.control(epoch=epoch)).json)
            for address in people:
                answer = (await client.get_lead(address)).json
                life = life_of(address, options.epoch, options)
                assert statuses[answer.get("type") or answer["status"]] == life.status
                if life.status == "found":
                    assert unordered(answer["lead_details"]) == unordered(life.lead)
        assert (await client.control(epoch=-1)).status == 400


async def test_faults_come_before_what_has_become_of_a_person() -> None:
    """An address that fails twice does so in every epoch, and then says that its lead is gone."""
    address = next(
        address
        for address in (f"fails-2.{number}@example.com" for number in range(1_000))
        if life_of(address, 1, HALF).status == "not_found"
    )
    async with sandbox(epoch=1, change_share=0.5) as client:
        outcomes = [await client.outcome(address) for _ in range(3)]
    assert outcomes[2] == "234"
    assert "234" not in outcomes[:2]
