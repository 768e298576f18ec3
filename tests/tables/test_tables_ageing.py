"""The tables of people who aged differ in what the sandbox says has changed, and in nothing else, in any shape."""

from collections import Counter

import pyarrow as pa
import pytest

from pipeline.sandbox.behaviours import Lookup, choose_behaviour
from pipeline.sandbox.changes import IDENTITIES, Change, changes_between
from pipeline.sandbox.events import PLANNED
from pipeline.sandbox.options import SandboxOptions
from pipeline.tables.flatten import flatten

OPTIONS = SandboxOptions(change_share=0.4)
PEOPLE = [
    *(f"person{number}@example.com" for number in range(250)),
    *(f"{plan}-1.{number}@example.com" for plan in PLANNED for number in range(10)),
]
COLUMNS = {"transactions": {"id": "transaction_id"}, "custom_fields": {"option_value": "value"}}
NOT_COMPARED = {"lead_id", "requested_email", "position", "extra", "fetched_at", "last_name2", "company"}

Cells = dict[str, str]
Rows = Counter[tuple[str, frozenset[tuple[str, str]]]]  # the name of the table, and the cells


def reply(address: str, epoch: int, shape: str) -> bytes:
    """What the sandbox sends for an address in an epoch."""
    behaviour, number = choose_behaviour(address)
    course = behaviour.course(number, OPTIONS.change_share)
    return behaviour.reply(Lookup(address, OPTIONS.seed, 1, number, shape, epoch, course)).body


def rows(epoch: int, shape: str) -> dict[str, Rows]:
    """The rows of each person's tables; null is the empty string."""
    found: dict[str, Rows] = {address: Counter() for address in PEOPLE}
    for name, frame in flatten(reply(address, epoch, shape) for address in PEOPLE).by_name().items():
        for row in pa.Table.from_pandas(frame, preserve_index=False).to_pylist():
            cells = {key: "" if value is None else str(value) for key, value in row.items() if key not in NOT_COMPARED}
            found[cells["email"]][name, frozenset(cells.items())] += 1
    return found


def applied(before: Rows, changes: list[Change], address: str) -> Rows:
    """The rows before with the changes made to them; it fails if one does not fit."""
    tables = [(name, dict(cells)) for (name, cells), count in before.items() for _ in range(count)]
    for change in changes:
        if change.part != "status":
            apply(change, tables, {"email": address})
    return Counter((name, frozenset(cells.items())) for name, cells in tables)


def apply(change: Change, tables: list[tuple[str, Cells]], constant: Cells) -> None:
    """Make one change to rows."""
    name = "leads" if change.part == "lead" else change.part
    words = COLUMNS.get(name, {})
    row = constant | {words.get(key, key): value for key, value in change.row}
    if change.kind == "added":
        tables.append((name, row))
    elif change.kind == "removed":
        tables.remove((name, row))
    else:
        keys = [words.get(key, key) for key in IDENTITIES.get(name, ())]
        (cells,) = (
            cells for table, cells in tables if table == name and tuple(cells[key] for key in keys) == change.identity
        )
        column = words.get(change.key, change.key)
        assert cells[column] == change.old
        cells[column] = change.new


@pytest.mark.parametrize(
    ("old_shape", "new_shape"),
    [("text", "text"), ("mixed", "mixed"), ("text", "native"), ("native", "mixed"), ("mixed", "changed")],
)
def test_tables_differ_in_what_was_changed(old_shape: str, new_shape: str) -> None:
    """The rows before, with the changes made, are the rows after; whoever did not change has the same rows."""
    before, after = rows(0, old_shape), rows(1, new_shape)
    for address in PEOPLE:
        changes = changes_between(address, 0, 1, OPTIONS)
        assert applied(before[address], changes, address) == after[address]
        assert bool(changes) == (before[address] != after[address])
    assert sum(before[address] != after[address] for address in PEOPLE) > len(PLANNED) * 10 + 50
