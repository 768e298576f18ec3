"""Leads for the table tests: invented people, and variations of them with arbitrary defects."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from datetime import datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
from hypothesis import strategies as st

from pipeline.sandbox.people import lead_details
from pipeline.schema import LEAD_TABLES
from pipeline.tables.flatten import Frames

TABLES = [table.name for table in LEAD_TABLES]


def reply(details: object, status: str = "Success", **around: object) -> bytes:
    """A reply as the API sends it, by default a Success."""
    return json.dumps({"status": status, "lead_details": details, **around}).encode()


def leniently(body: bytes) -> bytes:
    """The same Success, with a message that only the lenient path reads; nothing is made of it."""
    return body.replace(b'{"status":', b'{"message":[],"status":', 1)


def content(frames: Frames) -> dict[str, Any]:
    """Everything in the frames, in a form that compares quickly: rows, order, columns, types, parents, drift."""
    tables = {name: pa.Table.from_pandas(frame, preserve_index=False) for name, frame in frames.by_name().items()}
    parents = {name: numbers.tolist() for name, numbers in frames.parents.items()}
    return {**tables, "parents": parents, "drift": frames.drift, "skipped": frames.skipped}


def rows(frame: pd.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    """The rows of a frame as tuples of all columns, or of those named; nulls are None."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    return [tuple(row[name] for name in columns or frame.columns) for row in table.to_pylist()]


EMPTY_VALUES: list[Any] = [None, False, "", [], {}]
UNUSUAL_VALUES: list[Any] = [True, " ", [[]], [{}], {"0": "a"}, {"5": {}}, {"a": [1, None]}, "N/A", "0", "-1", "maybe"]
unusual_dates = st.sampled_from(
    ["0000-00-00", "2019-03-26", "2019-03-26T06:35:31", "2019-03-26 06:35:31.5", "2019-03-26 06:35:31+01:00"]
)
unusual_values = st.one_of(
    st.sampled_from(EMPTY_VALUES).map(deepcopy),
    st.sampled_from(UNUSUAL_VALUES).map(deepcopy),
    unusual_dates,
    st.datetimes().map(lambda moment: moment.isoformat(" ", "seconds")),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
)


@st.composite
def people(draw: st.DrawFn) -> dict[str, Any]:
    """A lead in the documented shape."""
    return lead_details(f"person{draw(st.integers(0, 50))}@example.com", draw(st.integers(0, 50)))


@st.composite
def odd_people(draw: st.DrawFn) -> dict[str, Any]:
    """A lead with up to five defects: values replaced, removed or turned into numbers, keys and items added."""
    lead = draw(people())
    for _ in range(draw(st.integers(0, 5))):
        _damage(draw, draw(st.sampled_from(list(_containers(lead)))))
    return lead


def _containers(value: object) -> Iterator[dict[str, Any] | list[Any]]:
    if isinstance(value, dict | list):
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _containers(inner)


def _damage(draw: st.DrawFn, container: dict[str, Any] | list[Any]) -> None:
    if isinstance(container, list):
        added = draw(st.sampled_from([{}, *container]).map(deepcopy) | unusual_values)
        container.insert(draw(st.integers(0, len(container))), added)
        return
    names = st.sampled_from(["level", "type", "date", "transaction_id", "help", "value", "item", "extra"])
    key = draw(st.sampled_from([*container, "help"]) | names | st.text(max_size=4))
    defect = draw(st.sampled_from(["replace", "make a number", "remove"]))
    if defect == "remove":
        container.pop(key, None)
    elif defect == "make a number" and re.fullmatch("[0-9]+", str(container.get(key))):
        container[key] = int(container[key])
    else:
        container[key] = draw(unusual_values)


def cells(frames: Frames) -> Counter[str]:
    """Every value in a column or in `extra`, in a notation that does not depend on its type."""
    found: Counter[str] = Counter()
    for name in TABLES:
        frame: pd.DataFrame = getattr(frames, name)
        for row in pa.Table.from_pandas(frame, preserve_index=False).to_pylist():
            extra = row.pop("extra")
            found.update(scalars(list(row.values())))
            found.update(scalars(json.loads(extra) if extra else {}))
    return found


def scalars(value: object) -> Counter[str]:
    """Every non-empty scalar within `value`, in a notation that does not depend on its type."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return sum((scalars(each) for each in inner), Counter())
    notation = _notation(value)
    return Counter() if notation in ("", "N/A") or notation.startswith("0000-00-00") else Counter([notation])


def _notation(value: object) -> str:
    if value is None or value is False:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    string = "1" if value is True else str(value).strip()
    with suppress(ArithmeticError):
        return str((Decimal(string) + 0).normalize())
    with suppress(ValueError):
        return datetime.fromisoformat(string).replace(microsecond=0).isoformat()
    return string
