"""What the sandbox changed about a person from one epoch to another: what a feed of changes must say, and no more."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pipeline.sandbox.ageing import eventful, life_at
from pipeline.sandbox.behaviours import choose_behaviour
from pipeline.sandbox.events import Life
from pipeline.sandbox.options import SandboxOptions
from pipeline.sandbox.people import NO_DATE
from pipeline.sandbox.replies import Lead
from pipeline.sandbox.shapes import COLLECTIONS

Row: TypeAlias = tuple[tuple[str, str], ...]  # a lead's own fields, or an item, as pairs of key and value

STATUS, LEAD = "status", "lead"
# By which keys an item is the same one in two epochs; there may be several items with the same identity.
IDENTITIES: Mapping[str, tuple[str, ...]] = {
    "tags": ("tag_name",),
    "lists": ("list_name",),
    "sequences": ("sequence_name",),
    "memberships": ("name", "level_name"),
    "transactions": ("id",),
    "custom_fields": ("field_id", "option_id"),
}


@dataclass(frozen=True, slots=True)
class Change:
    """One value that is another, or one row that came or went; the words are the API's, and all values are strings.

    Attributes:
        part: `status` (found, not_found or deleted), `lead` (its own fields), or the key of a collection.
        kind: what happened; a status only changes.
        identity: the values by which the item is known, in the order of `IDENTITIES`; () for a status and a lead.
        key: the key of the value that changed; "" for a row that came or went, and for a status.
        old: the value before; "" is no value, also for dates.
        new: the value after.
        row: all values of what came or went; () for a change. A custom field is a row for each chosen option, or one
            with `option_id` "" for a text field and an empty one; the text is its `option_value`.
    """

    part: str
    kind: Literal["added", "removed", "changed"]
    identity: tuple[str, ...] = ()
    key: str = ""
    old: str = ""
    new: str = ""
    row: Row = ()


def changes_between(
    address: str, old_epoch: int, new_epoch: int, options: SandboxOptions | None = None
) -> list[Change]:
    """What is different about an address in `new_epoch` from what it was in `old_epoch`; [] if nothing is.

    Someone who is no longer found loses the lead and all its items, row by row, and gets them back likewise.

    Args:
        address: the address as it is asked.
        old_epoch: the epoch of the reply before.
        new_epoch: the epoch of the reply after; it may be earlier.
        options: the sandbox's seed and share of changes; its defaults if None. The shape makes no difference.
    """
    options = options or SandboxOptions()
    behaviour, number = choose_behaviour(address)
    course = behaviour.course(number, options.change_share)
    old_events, new_events = (eventful(address, options.seed, epoch, course)[0] for epoch in (old_epoch, new_epoch))
    if old_events == new_events:
        return []
    return list(_differences(life_of(address, old_epoch, options), life_of(address, new_epoch, options)))


def life_of(address: str, epoch: int, options: SandboxOptions | None = None) -> Life:
    """The person with this address in an epoch; without meaning for addresses whose replies are never a lead."""
    options = options or SandboxOptions()
    behaviour, number = choose_behaviour(address)
    return life_at(address, options.seed, epoch, behaviour.course(number, options.change_share))


def _differences(old: Life, new: Life) -> Iterator[Change]:
    if old.status != new.status:
        yield Change(STATUS, "changed", old=old.status, new=new.status)
    for part in (LEAD, *COLLECTIONS):
        before, after = _by_identity(part, old), _by_identity(part, new)
        for identity in dict.fromkeys((*before, *after)):
            yield from _differences_of_rows(part, identity, before[identity], after[identity])


def _differences_of_rows(part: str, identity: tuple[str, ...], before: list[Row], after: list[Row]) -> Iterator[Change]:
    """Equal rows pair off first, then what is left in order; what remains came or went."""
    for row in tuple(before):
        if row in after:
            before.remove(row)
            after.remove(row)
    for old, new in zip(before, after, strict=False):
        for (key, value), (_, other) in zip(old, new, strict=True):
            if value != other:
                yield Change(part, "changed", identity, key, value, other)
    for row in before[len(after) :]:
        yield Change(part, "removed", identity, row=row)
    for row in after[len(before) :]:
        yield Change(part, "added", identity, row=row)


def _by_identity(part: str, life: Life) -> "defaultdict[tuple[str, ...], list[Row]]":
    rows: defaultdict[tuple[str, ...], list[Row]] = defaultdict(list)
    if life.status == "found":
        for item in _items(part, life.lead):
            values = {key: "" if value == NO_DATE else value for key, value in item.items()}
            rows[tuple(values[key] for key in IDENTITIES.get(part, ()))].append(tuple(values.items()))
    return rows


def _items(part: str, lead: Lead) -> Iterator[Lead]:
    if part == LEAD:
        yield {key: value for key, value in lead.items() if key not in COLLECTIONS}
    elif part != "custom_fields":
        yield from lead[part]
    else:
        for item in lead[part]:
            value = item["field_value"]
            field = {key: item[key] for key in ("field_id", "field_identifier", "field_type")}
            options = value if isinstance(value, list) else [{"option_id": "", "option_value": value}]
            for option in options or [{"option_id": "", "option_value": ""}]:
                yield field | option
