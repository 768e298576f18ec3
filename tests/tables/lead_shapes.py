"""Leads of every kind for the table tests: invented people, and the same people after accidents."""

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
    """A Success as the API sends it."""
    return json.dumps({"status": status, "lead_details": details, **around}).encode()


def content(frames: Frames) -> dict[str, Any]:
    """Everything in the frames, in a form that compares quickly: rows, order, columns, types, parents, drift."""
    tables = {name: pa.Table.from_pandas(frame, preserve_index=False) for name, frame in frames.by_name().items()}
    parents = {name: numbers.tolist() for name, numbers in frames.parents.items()}
    return {**tables, "parents": parents, "drift": frames.drift, "skipped": frames.skipped}


def rows(frame: pd.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    """The rows of a frame as tuples of the columns named, or of all; null is None."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    return [tuple(row[name] for name in columns or frame.columns) for row in table.to_pylist()]


NOTHINGS: list[Any] = [None, False, "", [], {}]
ODDITIES: list[Any] = [True, " ", [[]], [{}], {"0": "a"}, {"5": {}}, {"a": [1, None]}, "N/A", "0", "-1", "maybe"]
odd_dates = st.sampled_from(
    ["0000-00-00", "2019-03-26", "2019-03-26T06:35:31", "2019-03-26 06:35:31.5", "2019-03-26 06:35:31+01:00"]
)
odd_values = st.one_of(
    st.sampled_from(NOTHINGS).map(deepcopy),
    st.sampled_from(ODDITIES).map(deepcopy),
    odd_dates,
    st.datetimes().map(lambda moment: moment.isoformat(" ", "seconds")),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
)


@st.composite
def people(draw: st.DrawFn) -> dict[str, Any]:
    """A lead exactly as documented."""
    return lead_details(f"person{draw(st.integers(0, 50))}@example.com", draw(st.integers(0, 50)))


@st.composite
def odd_people(draw: st.DrawFn) -> dict[str, Any]:
    """A lead after up to five accidents: values replaced, made native or lost, keys and items added."""
    lead = draw(people())
    for _ in range(draw(st.integers(0, 5))):
        _damage(draw, draw(st.sampled_from(list(_containers(lead)))))
    return lead


def _containers(value: object) -> Iterator[dict[str, Any] | list[Any]]:
    if isinstance(value, dict | list):
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _containers(inner)


def _damage(draw: st.DrawFn, place: dict[str, Any] | list[Any]) -> None:
    if isinstance(place, list):
        added = draw(st.sampled_from([{}, *place]).map(deepcopy) | odd_values)
        place.insert(draw(st.integers(0, len(place))), added)
        return
    names = st.sampled_from(["level", "type", "date", "transaction_id", "help", "value", "item", "extra"])
    key = draw(st.sampled_from([*place, "help"]) | names | st.text(max_size=4))
    accident = draw(st.sampled_from(["replace", "make native", "lose"]))
    if accident == "lose":
        place.pop(key, None)
    elif accident == "make native" and re.fullmatch("[0-9]+", str(place.get(key))):
        place[key] = int(place[key])
    else:
        place[key] = draw(odd_values)


def cells(frames: Frames) -> Counter[str]:
    """Every value that stands in a column or inside of `extra`, in a spelling that does not depend on its type."""
    found: Counter[str] = Counter()
    for name in TABLES:
        frame: pd.DataFrame = getattr(frames, name)
        for row in pa.Table.from_pandas(frame, preserve_index=False).to_pylist():
            extra = row.pop("extra")
            found.update(scalars(list(row.values())))
            found.update(scalars(json.loads(extra) if extra else {}))
    return found


def scalars(value: object) -> Counter[str]:
    """Every value inside of `value` that means something, in a spelling that does not depend on its type."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return sum((scalars(each) for each in inner), Counter())
    spelling = _spelling(value)
    return Counter() if spelling in ("", "N/A") or spelling.startswith("0000-00-00") else Counter([spelling])


def _spelling(value: object) -> str:
    if value is None or value is False:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    text = "1" if value is True else str(value).strip()
    with suppress(ArithmeticError):
        return str((Decimal(text) + 0).normalize())
    with suppress(ValueError):
        return datetime.fromisoformat(text).replace(microsecond=0).isoformat()
    return text
