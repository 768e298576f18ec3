"""How the facts about a person change: functions that make other values and other items.

None of them gives back what was there, so that each alteration is a change in the tables as well.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, TypeAlias

from pipeline.sandbox import vocabulary as words
from pipeline.sandbox.people import NO_DATE, Draw, T
from pipeline.sandbox.replies import Lead

# Of a lead or an item, in an epoch: the keys that change, with other values.
Alteration: TypeAlias = Callable[[Lead, Draw, int], Lead]
Action: TypeAlias = Literal["added", "removed", "changed"]

FIRST_DAY = date(2026, 1, 1)  # epoch 1; in epoch 0 all dates are before it


@dataclass(frozen=True)
class Collection:
    """How a collection changes: it gets new items, loses some, and others change."""

    new: Callable[[Sequence[Lead], Sequence[Lead], Draw, int], Lead | None]  # from all items and those that stay
    other: Alteration | None  # None if an item is nothing but its identity
    by_chance: tuple[Action, ...]  # one of them happens
    everywhere: tuple[Action, ...] = ("removed", "changed", "added")  # all of them happen


def altered_collections(lead: Lead, draw: Draw, epoch: int, count: int) -> Lead:
    """Change `count` of the collections in one way each; fewer if the others cannot change."""
    altered = dict(lead)
    for name in sorted(COLLECTIONS, key=lambda _: draw()):
        if count > 0:
            action = _pick(COLLECTIONS[name].by_chance, draw)
            altered[name] = _altered_items(name, lead[name], (action,), draw, epoch)
            count -= altered[name] != lead[name]
    return altered


def altered_everywhere(lead: Lead, draw: Draw, epoch: int) -> Lead:
    """Change everything that can change: each field, and each collection in all ways."""
    altered = dict(lead)
    for alter in FIELDS:
        altered |= alter(lead, draw, epoch)
    for name, collection in COLLECTIONS.items():
        altered[name] = _altered_items(name, lead[name], collection.everywhere, draw, epoch)
    return altered


def _altered_items(name: str, items: list[Lead], actions: Sequence[Action], draw: Draw, epoch: int) -> list[Lead]:
    """Do each action to an item that no other action was done to; what cannot be done is left out."""
    collection = COLLECTIONS[name]
    untouched = sorted(range(len(items)), key=lambda _: draw())
    altered: dict[int, Lead] = dict(enumerate(items))
    added: list[Lead] = []
    for action in actions:
        if action == "added":
            new = collection.new(items, [items[number] for number in untouched], draw, epoch)
            added += [new] if new else []
        elif untouched and action == "removed":
            del altered[untouched.pop()]
        elif untouched and collection.other:
            number = untouched.pop()
            altered[number] = items[number] | collection.other(items[number], draw, epoch)
    result = list(altered.values())
    for item in added:
        result.insert(int(draw() * (len(result) + 1)), item)
    return result


def _pick(options: Sequence[T], draw: Draw) -> T:
    return options[int(draw() * len(options))]


def _other(options: Sequence[T], old: T, draw: Draw) -> T:
    return _pick([option for option in options if option != old], draw)


def _date(draw: Draw, epoch: int) -> str:
    """Some time on the day of the epoch, at which no clock is put forward or back."""
    minutes, second = divmod(28_800 + int(draw() * 43_200), 60)
    return f"{FIRST_DAY + timedelta(days=epoch - 1)} {minutes // 60:02}:{minutes % 60:02}:{second:02}"


def _one_of(key: str, options: Sequence[str]) -> Alteration:
    return lambda lead, draw, _: {key: _other(options, lead[key], draw)}


def _name(lead: Lead, draw: Draw, _: int) -> Lead:
    keys = ("first_name", "middle_name", "last_name")
    return dict(zip(keys, _other(words.NAMES, tuple(lead[key] for key in keys), draw), strict=True))


def _place(lead: Lead, draw: Draw, _: int) -> Lead:
    places = [place[:4] for place in words.PLACES]
    keys = ("city", "state", "zip", "country")
    return dict(zip(keys, _other(places, tuple(lead[key] for key in keys), draw), strict=True))


def _phone(lead: Lead, draw: Draw, _: int) -> Lead:
    number = 100 + int(draw() * 100)
    return {"phone": _other([form.format(number) for form in words.PHONES], lead["phone"], draw)}


def _picture(lead: Lead, draw: Draw, _: int) -> Lead:
    pictures = [f"https://images.example.com/leads/{lead['id']}{end}.png" for end in ("", "-2")]
    return {"lead_picture": _other([*pictures, ""], lead["lead_picture"], draw)}


def _score(lead: Lead, draw: Draw, _: int) -> Lead:
    difference = 1 + int(draw() * 25)
    return {"score": str(int(lead["score"]) + (difference if draw() < 0.7 else -difference))}


def _date_joined(_lead: Lead, draw: Draw, epoch: int) -> Lead:
    return {"date_joined": _date(draw, epoch)}


def _soft_deleted(lead: Lead, draw: Draw, epoch: int) -> Lead:
    """Marked as deleted although the lead is still returned, or not any more."""
    if lead["lead_deleted"] == "1":
        return {"lead_deleted": "0", "lead_deleted_date": NO_DATE}
    return {"lead_deleted": "1", "lead_deleted_date": _date(draw, epoch)}


def _gdpr(lead: Lead, draw: Draw, epoch: int) -> Lead:
    return {
        "gdpr_lead_status": _other("012345", lead["gdpr_lead_status"], draw),
        "gdpr_lead_status_date": _date(draw, epoch),
        "gdpr_lead_status_ip": _other(_IPS, lead["gdpr_lead_status_ip"], draw),
        "gdpr_lead_communications": _other("01", lead["gdpr_lead_communications"], draw),
    }


_IPS = [f"203.0.113.{number}" for number in range(1, 255)]
FIELDS: tuple[Alteration, ...] = (
    _score,
    _score,  # more often than others
    _score,
    _name,
    _place,
    _phone,
    _one_of("address", words.STREETS),
    _one_of("phone_country_code", sorted({place[4] for place in words.PLACES})),
    _one_of("ip", _IPS),
    _one_of("ip_country", [place[3] for place in words.PLACES[1:]]),
    _picture,
    _one_of("source", words.SOURCES),
    _one_of("source_id", [str(number) for number in range(50)]),
    _one_of("website", words.WEBSITES[2:]),
    _one_of("facebook", ("", "https://facebook.example.com/someone", "someone")),
    _one_of("twitter", ("", "@example", "@sample")),
    _one_of("linkedin", ("", "https://linkedin.example.com/in/someone", "https://linkedin.example.com/in/else")),
    _one_of("google_plus", ("", "https://plus.example.com/0042")),
    _one_of("lead_preferred_time_zone", words.TIME_ZONES[1:]),
    _one_of("notes", ("", *words.AWKWARD)),
    _one_of("blacklisted", "01"),
    _date_joined,
    _soft_deleted,
    _gdpr,
)


def _missing(options: Sequence[str], items: Sequence[Lead], key: str, draw: Draw) -> str | None:
    """One of the options that no item has under this key; None if they have all."""
    there = {item[key] for item in items}
    left = [option for option in options if option not in there]
    return _pick(left, draw) if left else None


def _new_tag(items: Sequence[Lead], staying: Sequence[Lead], draw: Draw, _: int) -> Lead | None:
    """A tag that is not there, or occasionally one that is, so that the lead has it twice."""
    if staying and draw() < 0.1:
        return dict(_pick(staying, draw))
    name = _missing(words.TAGS, items, "tag_name", draw)
    return {"tag_name": name} if name else None


def _new_list(items: Sequence[Lead], _staying: Sequence[Lead], draw: Draw, _: int) -> Lead | None:
    name = _missing(words.LISTS, items, "list_name", draw)
    return {"list_name": name, "active": _pick("01", draw)} if name else None


def _new_sequence(items: Sequence[Lead], _staying: Sequence[Lead], draw: Draw, _: int) -> Lead | None:
    name = _missing(words.SEQUENCES, items, "sequence_name", draw)
    return {"sequence_name": name, "step": _pick(words.STEPS, draw), "status": "active"} if name else None


def _other_step(item: Lead, draw: Draw, _: int) -> Lead:
    if draw() < 0.3:
        return {"status": _other(words.SEQUENCE_STATUSES, item["status"], draw)}
    return {"step": _other(words.STEPS, item["step"], draw)}


def _new_membership(items: Sequence[Lead], _staying: Sequence[Lead], draw: Draw, _: int) -> Lead | None:
    """Another membership, or another level of one that is there."""
    there = {(item["name"], item["level_name"]) for item in items}
    left = [(name, level) for name in words.MEMBERSHIPS for level in words.LEVELS if (name, level) not in there]
    if not left:
        return None
    name, level = _pick(left, draw)
    return {"name": name, "level_name": level, "active": "1"}


def _new_transaction(_items: Sequence[Lead], _staying: Sequence[Lead], draw: Draw, epoch: int) -> Lead:
    return {
        "id": str(20_000_000 + 1_000 * epoch + int(draw() * 1_000)),  # higher than all ids in epoch 0
        "product_name": _pick(words.PRODUCTS, draw),
        "transaction_type": _pick(words.TRANSACTION_TYPES, draw),
        "transaction_date": _date(draw, epoch),
    }


def _other_transaction(item: Lead, draw: Draw, epoch: int) -> Lead:
    chance = draw()
    if chance < 0.2:
        return {"transaction_date": _date(draw, epoch)}
    if chance < 0.4:
        return {"product_name": _other(words.PRODUCTS, item["product_name"], draw)}
    return {"transaction_type": _other(words.TRANSACTION_TYPES, item["transaction_type"], draw)}


_CUSTOM_FIELDS = {
    str(number): custom_field
    for number, custom_field in enumerate((*words.CUSTOM_FIELDS, *words.LATER_CUSTOM_FIELDS), start=1)
}


def _new_field(items: Sequence[Lead], _staying: Sequence[Lead], draw: Draw, _: int) -> Lead | None:
    """A field that the lead does not have: one that came later, or one that it lost."""
    field_id = _missing(list(_CUSTOM_FIELDS), items, "field_id", draw)
    if field_id is None:
        return None
    identifier, kind, choices = _CUSTOM_FIELDS[field_id]
    value = _pick(choices, draw) if _is_text(kind) else [_option(choices, _pick(choices, draw))]
    return {"field_id": field_id, "field_identifier": identifier, "field_type": kind, "field_value": value}


def _other_value(item: Lead, draw: Draw, _: int) -> Lead:
    """Another text or none; one option more or fewer; another option or none; or an option with another label."""
    kind, choices = _CUSTOM_FIELDS[item["field_id"]][1:]
    value = item["field_value"]
    if _is_text(kind):
        return {"field_value": _other(("", *choices), value, draw)}
    if value and draw() < 0.15:
        label = choices[int(value[0]["option_id"]) - 11]
        renamed = value[0] | {"option_value": _other((label, f"{label} (renamed)"), value[0]["option_value"], draw)}
        return {"field_value": [renamed, *value[1:]]}
    option = _option(choices, _pick(choices, draw))
    others = [chosen for chosen in value if chosen["option_id"] != option["option_id"]]
    if kind == "checkbox":
        return {"field_value": others if len(others) < len(value) else [*others, option]}
    return {"field_value": [option] if others or not value else []}


def _is_text(kind: str) -> bool:
    return kind in {"input_field", "text_area"}


def _option(choices: Sequence[str], label: str) -> Lead:
    return {"option_id": str(11 + choices.index(label)), "option_value": label}


COLLECTIONS: Mapping[str, Collection] = {
    "tags": Collection(_new_tag, None, ("added", "added", "removed")),
    "lists": Collection(_new_list, _one_of("active", "01"), ("added", "removed", "changed")),
    "sequences": Collection(_new_sequence, _other_step, ("added", "removed", "changed", "changed")),
    "memberships": Collection(_new_membership, _one_of("active", "01"), ("added", "removed", "changed")),
    "transactions": Collection(_new_transaction, _other_transaction, ("added", "added", "changed", "removed")),
    "custom_fields": Collection(
        _new_field,
        _other_value,
        (*("changed",) * 6, "added", "removed"),
        ("removed", *("changed",) * 5, "added"),
    ),
}
