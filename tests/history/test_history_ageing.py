"""The feed of people who age: all that the sandbox has changed about them, and nothing else, in any shape."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from feed_apply import applied, multisets, tables_of
from night_runs import CREDENTIALS, feed_of

from pipeline.files.published import PublishedRun
from pipeline.jobs.export import export
from pipeline.outcomes import Outcome
from pipeline.sandbox.changes import Change, changes_between
from pipeline.sandbox.events import PLANNED
from pipeline.sandbox.options import SandboxOptions
from pipeline.sandbox.process import RunningSandbox, running
from pipeline.schema import IDENTITIES
from pipeline.settings import Settings
from pipeline.tables.flatten import flatten

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from feed_apply import Row, Tables

OPTIONS = SandboxOptions(change_share=0.4, limit_per_s=0)
PEOPLE = [
    *(f"person{number}@example.com" for number in range(220)),
    *(f"{plan}-1.{number}@example.com" for plan in PLANNED for number in range(8)),
]
COLUMNS = {"transactions": {"id": "transaction_id"}, "custom_fields": {"option_value": "value"}}
Fact = tuple[Any, ...]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    """A sandbox in which nearly half of the people change from one epoch to the next."""
    with running(OPTIONS) as started:
        yield started


def told(row: Row) -> Fact:
    """A row of the feed: the address, table and item, what happened, and the values."""
    item = tuple("" if part is None else part for part in json.loads(row["item"] or "[]"))
    where = (row["requested_email"], row["table_name"], item, row["change"])
    if row["change"] == "changed":
        return (*where, row["column_name"], row["old_value"] or "", row["new_value"] or "")
    whole = json.loads(row["old_value"] or row["new_value"])
    return (*where, frozenset((name, str(value)) for name, value in whole.items() if name != "extra"))


def planted(address: str, change: Change) -> Fact:
    """What the sandbox has changed, in the same words."""
    table = {"status": "outcomes", "lead": "leads"}.get(change.part, change.part)
    words = COLUMNS.get(table, {})
    where = (address, table, change.identity, change.kind)
    if change.kind == "changed":
        column = "outcome" if table == "outcomes" else words.get(change.key, change.key)
        return (*where, column, change.old, change.new)
    return (*where, frozenset((words.get(key, key), value) for key, value in change.row if value))


def tables(run: Path) -> Tables:
    """The tables of a run by requested address, made of its replies."""
    answers = [each for each in PublishedRun(run).answers().slice(0, len(PEOPLE)) if each.outcome is Outcome.FOUND]
    frames = flatten(answers)
    parents = {"leads": range(len(answers)), **frames.parents}
    emails = {name: [answers[lead].email for lead in leads] for name, leads in parents.items()}
    return tables_of(frames.by_name(), emails)


@pytest.mark.parametrize("shapes", [("text", "text"), ("mixed", "mixed"), ("native", "mixed"), ("mixed", "drifting")])
def test_the_feed_says_what_the_sandbox_has_changed(
    shapes: tuple[str, str], sandbox: RunningSandbox, tmp_path: Path
) -> None:
    """Recall and precision are 1 over every kind of change, and the old tables with the feed are the new ones."""
    people = tmp_path / "people.txt"
    people.write_text("\n".join(PEOPLE), encoding="utf-8")
    fixed = {"rate_per_s": 0, "workers": 1, "max_gone_share": 1, "api_url": sandbox.url, **CREDENTIALS}
    given = Settings.load(fixed, environ={})
    for epoch, shape in enumerate(shapes):
        sandbox.control(epoch=epoch, shape=shape)
        export(given, [people], tmp_path / "out", run_id=str(epoch))
    feed = feed_of(tmp_path / "out", "1")
    old, new = (tables(tmp_path / "out" / f"run={epoch}") for epoch in (0, 1))
    assert multisets(applied(old, feed)) == multisets(new)
    expected = Counter(planted(one, change) for one in PEOPLE for change in changes_between(one, 0, 1, OPTIONS))
    # Of items that share an identity the sandbox says which has become which; the feed does not claim to know.
    shared = {fact[:3] for fact in expected if several(old, fact) or several(new, fact)}
    seen = Counter(map(told, feed))
    assert +Counter({f: n for f, n in seen.items() if f[:3] not in shared}) == Counter(
        {f: n for f, n in expected.items() if f[:3] not in shared}
    )
    assert {fact[:3] for fact in seen} == {fact[:3] for fact in expected}
    assert {(fact[1], fact[3]) for fact in seen} >= {(table, kind) for _, table, _, kind, *_ in expected}
    order = {email: number for number, email in enumerate(PEOPLE)}
    assert [order[row["requested_email"]] for row in feed] == sorted(order[row["requested_email"]] for row in feed)


def several(found: Tables, fact: Fact) -> bool:
    """Whether several items of the lead have the identity that a fact is about."""
    address, table, item, *_ = fact
    if not item:
        return False
    rows = found.get(table, {}).get(address, [])
    return [tuple(row.get(name, "") for name in IDENTITIES[table]) for row in rows].count(item) > 1
