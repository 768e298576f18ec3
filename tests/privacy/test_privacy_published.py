"""Whatever is left out or hashed, no plain value of it is in anything that a run publishes, says or reports."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs

import pandas as pd
from cli_command import CREDENTIALS, NO_DELAYS, lead_export, manifest_of
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from monitoring_service import service
from published_texts import texts_in

from pipeline.columns import FREE_TEXT
from pipeline.privacy.patterns import COLUMNS
from pipeline.schema import LEADS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

Place = tuple[str, str]

KEY = {"LEAD_EXPORT_PRIVACY_KEY": "ab" * 32}
NEEDED = {("outcomes", name) for name in ("input", "row", "outcome", "code")}
DECIDED = [("leads", "email"), ("leads", "id"), *(place for place in COLUMNS if COLUMNS[place].kind == FREE_TEXT)]
"""Columns for which a config always says something: those that are copied, and free text."""
ORIGINALS = [place for place in COLUMNS if not COLUMNS[place].copy_of and place not in {*NEEDED, *DECIDED}]
FIELDS = {"age": "11", "size": "12"}
ADDRESS = ("leads", "email")
PEOPLE, FAILING = 3, 2
"""How many addresses there are, and which of them the API refuses."""


class Config(NamedTuple):
    """What is left out and hashed, and where the raw replies go."""

    drop: set[Place]
    hash: set[Place]
    decided: dict[Place, str]
    custom: dict[str, str]
    replies: str
    formats: tuple[str, ...]

    def action(self, place: Place) -> str:
        """What becomes of a column: as the documentation says it, not as the code does it."""
        table, _, name = COLUMNS[place].copy_of.partition(".")
        original = (table, name) if name else place
        if {place, original} & {*self.drop, *self._decided("drop")}:
            return "drop"
        return "hash" if original in {*self.hash, *self._decided("hash")} else "keep"

    def hides(self, place: Place) -> bool:
        """Whether the values of a column may be nowhere: neither in it nor in a copy, or the original, of it."""
        table, _, name = COLUMNS[place].copy_of.partition(".")
        return self.action((table, name) if name else place) != "keep"

    def environ(self) -> dict[str, str]:
        """The variables that say so."""
        named = {action: [".".join(place) for place in self._decided(action)] for action in ("drop", "hash", "keep")}
        for action, places in (("drop", self.drop), ("hash", self.hash)):
            named[action] += sorted(".".join(place) for place in places)
            named[action] += [f"custom.{name}" for name, what in self.custom.items() if what == action]
        variables = {f"LEAD_EXPORT_{action.upper()}_COLUMNS": ",".join(names) for action, names in named.items()}
        return {**variables, "LEAD_EXPORT_REPLIES": self.replies, "LEAD_EXPORT_FORMATS": ",".join(self.formats)}

    def _decided(self, action: str) -> list[Place]:
        return [place for place, what in self.decided.items() if what == action]


ACTIONS = st.sampled_from(["keep", "drop", "hash"])
CONFIGS = st.builds(
    Config,
    drop=st.sets(st.sampled_from(sorted({*COLUMNS} - NEEDED - {*DECIDED})), max_size=20),
    hash=st.sets(st.sampled_from(ORIGINALS), min_size=1, max_size=40),
    decided=st.fixed_dictionaries(dict.fromkeys(DECIDED, ACTIONS)),
    custom=st.fixed_dictionaries(dict.fromkeys(FIELDS, ACTIONS)),
    replies=st.sampled_from(["private", "none"]),
    formats=st.sampled_from([("parquet",), ("csv",), ("csv", "parquet")]),
)


def mark(place: Place, person: int) -> str:
    """A value that is in one column of one person only."""
    table, name = place
    kind = COLUMNS[place].type
    number = list(COLUMNS).index(place)
    if kind == "timestamp[s]":
        return f"20{person + 10}-01-{number // 24 + 1:02} {number % 24:02}:11:22"
    if kind == "int64":
        return str(918_273_640 + person)
    if place == ("leads", "id"):
        return f"77000{person}4711"
    if place in (("leads", "email"), ("leads", "requested_email")):
        return f"qx.{person}.xq@example.com"
    return f"qx-{table}-{name}-{person}-xq"


def lead(person: int) -> dict[str, Any]:
    """A lead whose every value is a mark."""

    def of(table: str, *without: str) -> dict[str, Any]:
        columns = [place for place in COLUMNS if place[0] == table]
        own = [place for place in columns if COLUMNS[place].type != "int8" and not COLUMNS[place].derived]
        values = {COLUMNS[place].source_key: mark(place, person) for place in own if place[1] not in without}
        return {**values, f"unknown {table}": mark((table, "extra"), person)}

    fields = []
    for name, number in FIELDS.items():
        option = {"option_id": f"qx-option-{name}-{person}-xq", "option_value": f"qx-custom-{name}-{person}-xq"}
        fields.append({"field_id": number, "field_identifier": name, "field_value": [option]})
    nested = {table: [of(table)] for table in ("transactions", "lists", "sequences", "memberships")}
    return {**of("leads"), "tags": [of("tags")], **nested, "custom_fields": fields}


def answer(request: str) -> str:
    """What the API says; it names the address that it refuses, and more."""
    email = next((value[0] for field, value in parse_qs(request).items() if "email" in field), "").lower()
    if not email.startswith("qx."):  # asked by a probe
        return json.dumps({"status": "Error", "message": "No lead found", "type": "234"})
    person = int(email.split(".")[1])
    if person == FAILING:
        return json.dumps({"status": "Error", "message": mark(("outcomes", "message"), person), "type": "999"})
    return json.dumps({"status": "Success", "lead_details": lead(person)})


def marks(place: Place) -> list[str]:
    """What a column holds of all people."""
    if COLUMNS[place].copy_of:
        table, _, name = COLUMNS[place].copy_of.partition(".")
        return marks((table, name))
    return [mark(place, person) for person in range(PEOPLE)]


def leaks(config: Config, texts: Mapping[str, str]) -> list[str]:
    """Plain values, in any case, in texts that should not have them."""
    hidden = {place: marks(place) for place in COLUMNS if config.hides(place) and _is_marked(place)}
    if config.action(("custom_fields", "value")) == "keep":
        hidden |= {("custom", name): _of_field(name) for name, what in config.custom.items() if what != "keep"}
    lowered = {name: text.lower() for name, text in texts.items()}
    return [
        f"{'.'.join(place)} in {name}"
        for place, values in hidden.items()
        for name, text in lowered.items()
        if any(value.lower() in text for value in values)
    ]


def _of_field(name: str) -> list[str]:
    return [f"qx-{what}-{name}-{person}-xq" for what in ("custom", "option") for person in range(PEOPLE)]


def _is_marked(place: Place) -> bool:
    """Whether the values of a column are marks: flags and positions are not."""
    return COLUMNS[place].type in ("string", "int64", "timestamp[s]")


@settings(max_examples=10, phases=[Phase.explicit, Phase.generate])  # a run each: nothing is shrunk
@given(config=CONFIGS)
def test_no_plain_value_is_told(tmp_path_factory: pytest.TempPathFactory, config: Config) -> None:
    """In tables with their footers, manifest, report, logs, summaries, pings, metrics, and what enrich adds."""
    folder = tmp_path_factory.mktemp("published")
    people, out = folder / "people.csv", folder / "out"
    people.write_text("".join(["who\n", *(f"<{mark(ADDRESS, person).upper()}>\n" for person in range(PEOPLE))]))
    with service() as api, service() as monitor:
        api.answers = answer
        env = {
            **CREDENTIALS,
            **NO_DELAYS,
            **KEY,
            **config.environ(),
            "LEAD_EXPORT_API_URL": api.url,
            "LEAD_EXPORT_PING_URL": f"{monitor.url}/x",
            "LEAD_EXPORT_PING_FAILURE_URL": f"{monitor.url}/x?m={{message}}",
            "LEAD_EXPORT_NOTIFY_WEBHOOK": f"{monitor.url}/y",
            "LEAD_EXPORT_METRICS_FILE": str(folder / "leads.prom"),
        }
        done = lead_export("run", people, "--out", out, "-vv", "--json", "--report", "--rate", 0, **env)
        verified = lead_export("verify", out / "latest", "--json", "-vv", **env)
        own = folder / "own.csv"
        own.write_text(people.read_text())
        added = lead_export("enrich", own, "--out", folder / "added.csv", "--rate", 0, "-vv", **env)
    assert (done.code, added.code, verified.code) == (3, 3, 0), (done.err, added.err, verified.err)
    assert verified.json["rebuilt"] == (config.replies == "private")
    told = {"told": str(monitor.told), "printed": f"{done}{verified}{added}"}
    told["metrics"] = (folder / "leads.prom").read_text()
    published = dict(texts_in(out))
    assert leaks(config, {**published, **told}) == []
    without_own = pd.read_csv(folder / "added.csv", dtype=str).drop(columns="who").to_csv()
    assert leaks(config, {"enriched": without_own}) == []
    # What is kept is there: the marks are found where they may be.
    kept = [place for place in COLUMNS if place[0] == LEADS.name and config.action(place) == "keep"]
    leads = next(text for name, text in published.items() if name.startswith("leads.")).lower()
    shown = [place for place in kept if any(value.lower() in leads for value in marks(place))]
    assert shown == [place for place in kept if _is_marked(place)]
    assert manifest_of(out)["rows"]["read"] == PEOPLE
