"""Frames with columns left out or hashed: which values, in which types, and that joins still work."""

from __future__ import annotations

import hmac
import json
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pytest

from pipeline.outcomes import Answer, Outcome, RowOutcome
from pipeline.privacy.columns import AS_THEY_ARE, ColumnRules
from pipeline.privacy.key import PrivacyKey
from pipeline.privacy.masking import masked, published_rows
from pipeline.schema import LEAD_TABLES, OUTCOMES
from pipeline.settings import Settings
from pipeline.tables.flatten import flatten
from pipeline.tables.frames import arrow_schema, outcome_frame

if TYPE_CHECKING:
    from collections.abc import Mapping

SAMPLES = sorted((Path(__file__).parents[2] / "data" / "replies").glob("*.json"))
KEY = PrivacyKey(b"k" * 32)
IDENTIFIERS = ("field_identifier", "field_id")
TEXTS = ("*.extra", "leads.lead_picture", "leads.notes", "custom_fields.value", "outcomes.message")


def rules(**settings: object) -> ColumnRules:
    """What becomes of each column, with free text kept."""
    return ColumnRules.of(Settings.model_validate({"keep_columns": TEXTS, **settings}), KEY)


def hashed(value: str) -> str:
    """The hash of a value as anybody makes it who has the key."""
    return hmac.digest(hmac.digest(b"k" * 32, b"lead-export columns", "sha256"), value.encode(), "sha256").hex()[:32]


@pytest.fixture(scope="module")
def frames() -> Mapping[str, pd.DataFrame]:
    """The tables of every sample reply."""
    answers = [Answer(f"{path.stem}@Example.com", Outcome.FOUND, body=path.read_bytes()) for path in SAMPLES]
    return flatten(answers).by_name()


def test_without_settings_nothing_is_touched(frames: Mapping[str, pd.DataFrame]) -> None:
    """The very same frames."""
    same = AS_THEY_ARE.transform_all(frames)
    assert [same[name] is frame for name, frame in frames.items()] == [True] * len(frames)


def test_hashes_replace_values_and_nothing_else(frames: Mapping[str, pd.DataFrame]) -> None:
    """In columns of any type, as they are written in CSV; null stays null, and other columns are as they were."""
    done = rules(hash_columns=["leads.phone", "leads.score", "leads.date_joined", "leads.fetched_at"])
    before, after = frames["leads"], done.transform("leads", frames["leads"])
    assert list(after.columns) == list(before.columns)
    assert after["phone"].dropna().tolist() == [hashed(value) for value in before["phone"].dropna()]
    assert after["score"].dropna().tolist() == [hashed(str(value)) for value in before["score"].dropna()]
    assert after["date_joined"].dropna().tolist() == [hashed(str(value)) for value in before["date_joined"].dropna()]
    moment = before["fetched_at"].iloc[0].isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert after["fetched_at"].iloc[0] == hashed(moment)
    for name in before.columns:
        if name in ("phone", "score", "date_joined", "fetched_at"):
            assert (after[name].isna() == before[name].isna()).all()
            assert after[name].dtype == pd.ArrowDtype(pa.string())
        else:
            pd.testing.assert_series_equal(after[name], before[name])


def test_joins_work_as_before(frames: Mapping[str, pd.DataFrame]) -> None:
    """On the address and the id, in any case in which an address is written, with the rows of lists as well."""
    done = rules(hash_columns=["leads.email", "leads.id"])
    after = done.transform_all(frames)
    first = str(frames["leads"]["requested_email"].iloc[0])
    rows = [
        RowOutcome("x.csv", 1, f" <{first.upper()}> ", first.upper(), "found", None, None, "7", 1, 0),
        RowOutcome("x.csv", 2, "none", None, "invalid", "no_at", "has no at sign", None, 0, None),
        RowOutcome("x.csv", 3, None, None, "suppressed", None, None, None, 0, None),
    ]
    outcomes = done.transform(OUTCOMES.name, outcome_frame(rows))
    assert outcomes["given"].tolist() == [hashed(first.lower()), hashed("none"), pd.NA]
    assert outcomes["email"].tolist() == [hashed(first.lower()), pd.NA, pd.NA]
    assert outcomes["email"].iloc[0] == after["leads"]["requested_email"].iloc[0]
    for name, frame in after.items():
        if name != "leads" and len(frame):
            plain, hidden = (one[name].merge(one["leads"], left_on="lead_id", right_on="id") for one in (frames, after))
            assert len(plain) == len(hidden) > 0
            assert (hidden["email_x"] == hidden["email_y"]).all()


def test_dropped_columns_and_tables_are_gone(frames: Mapping[str, pd.DataFrame]) -> None:
    """A table without columns is no table."""
    done = rules(drop_columns=["transactions", "*.email", "leads.ip*"])
    after = done.transform_all(frames)
    assert set(frames) - set(after) == {"transactions"}
    assert [name for name, frame in after.items() if "email" in frame] == []
    assert {"ip", "ip_country", "requested_email"}.isdisjoint(after["leads"].columns)
    assert not done.publishes(next(table for table in LEAD_TABLES if table.name == "transactions"))


@pytest.mark.parametrize("zone", [None, "EST"])
def test_headers_have_the_types_of_the_frames(frames: Mapping[str, pd.DataFrame], zone: str | None) -> None:
    """A file is opened with the header before there is a frame."""
    done = rules(hash_columns=["*"], drop_columns=["lists.active", "sequences"])
    for table in LEAD_TABLES:
        header = done.header(table, zone)
        after = done.transform(table.name, frames[table.name]) if zone is None else header
        assert header.dtypes.to_dict() == after.dtypes.to_dict()
    plain = {table.name: arrow_schema(table, zone).names for table in LEAD_TABLES}
    assert {table.name: list(AS_THEY_ARE.header(table, zone).columns) for table in LEAD_TABLES} == plain


def custom(**settings: object) -> pd.DataFrame:
    """The custom fields of a lead by name, with these settings."""
    fields = [
        {"field_id": "5", "field_identifier": "age", "field_type": "input_field", "field_value": "41"},
        {"field_id": "6", "field_identifier": "size", "field_value": [{"option_id": "2", "option_value": "XL"}]},
        {"field_id": "7", "field_identifier": "shoe-size", "field_type": "input_field", "field_value": ""},
        {"field_id": "8", "field_value": "odd"},
    ]
    details = {"id": "1", "email": "ann@example.com", "custom_fields": fields}
    reply = json.dumps({"status": "Success", "lead_details": details}).encode()
    return rules(**settings).transform("custom_fields", flatten([reply]).custom_fields)


def test_custom_fields_are_chosen_by_identifier_or_id() -> None:
    """Rows of a field are left out, or its value and options hashed; the others keep theirs and their position."""
    plain = custom(drop_columns=["leads.ip"])
    assert plain["value"].tolist() == ["41", "XL", pd.NA, "odd"]
    left = custom(drop_columns=["custom.*size", "custom.8"])
    assert (left["value"].tolist(), left["position"].tolist()) == (["41"], [0])
    hidden = custom(hash_columns=["custom.6", "custom.shoe-size", "custom.8"])
    assert hidden["value"].tolist() == ["41", hashed("XL"), pd.NA, hashed("odd")]
    assert hidden["option_id"].tolist() == [pd.NA, hashed("2"), pd.NA, pd.NA]
    both = custom(hash_columns=["custom_fields.value", "custom.size"], drop_columns=["custom.age"])
    assert both["value"].tolist() == [hashed("XL"), pd.NA, hashed("odd")]


def test_masked_frames_have_the_same_shape() -> None:
    """For what compares rows: what is left out is null, and the rest is what is published."""
    answers = [Answer(f"{path.stem}@Example.com", Outcome.FOUND, body=path.read_bytes()) for path in SAMPLES]
    before = flatten(answers)
    done = rules(
        hash_columns=["leads.email", "*.score", "custom.*e*"], drop_columns=["lists", "leads.zip", "custom.1*"]
    )
    after = masked(done, before)
    published = done.transform_all(before.by_name())
    for name, frame in after.by_name().items():
        assert (list(frame.columns), len(frame)) == (list(before.by_name()[name].columns), len(before.by_name()[name]))
        if name != "custom_fields":  # rows of which are left out
            left = [column for column in frame.columns if done.action(name, column) != "drop"]
            assert frame[[column for column in frame.columns if column not in left]].isna().all(axis=None)
            assert name not in published or frame[left].equals(published[name])
    actions = done.custom_actions({column: pa.array(after.custom_fields[column].array) for column in IDENTIFIERS})
    values: dict[str, list[tuple[Any, Any]]] = {action: [] for action in ("keep", "hash", "drop")}
    for action, old, new in zip(actions, before.custom_fields["value"], after.custom_fields["value"], strict=True):
        values[action].append((old, new))
    assert {*map(len, values.values())}.isdisjoint({0})
    assert all(new is pd.NA for _, new in values["drop"])
    assert [new for _, new in values["keep"]] == [old for old, _ in values["keep"]]
    assert [new for _, new in values["hash"]] == [old if old is pd.NA else hashed(old) for old, _ in values["hash"]]
    assert masked(AS_THEY_ARE, before) is before


def test_rows_that_are_not_published_go_with_their_numbers() -> None:
    """Tables and custom fields that are left out have no row, and the rows that are left know their leads."""
    answers = [Answer(f"{path.stem}@Example.com", Outcome.FOUND, body=path.read_bytes()) for path in SAMPLES]
    before = flatten(answers)
    done = rules(drop_columns=["lists", "tags.tag_name", "custom.1*"])
    after, published = published_rows(done, before), done.transform_all(before.by_name())
    assert (len(before.lists) > 0, len(after.lists), list(after.lists.columns)) == (True, 0, list(before.lists.columns))
    assert after.tags is before.tags  # of which a column is left
    assert 0 < len(after.custom_fields) < len(before.custom_fields)
    assert after.custom_fields.equals(published["custom_fields"])
    for name, frame in after.by_name().items():
        if name != "leads":
            assert frame["lead_id"].tolist() == before.leads["id"].iloc[after.parents[name]].tolist()
    assert published_rows(AS_THEY_ARE, before) is before


def test_rules_can_be_sent_to_another_process(frames: Mapping[str, pd.DataFrame]) -> None:
    """Where tables are built, too; what is printed of them has no key."""
    done = rules(hash_columns=["leads.email"])
    again: ColumnRules = pickle.loads(pickle.dumps(done))  # noqa: S301 - our own
    pd.testing.assert_frame_equal(again.transform("tags", frames["tags"]), done.transform("tags", frames["tags"]))
    assert "secret" not in repr(done)
    assert "kkkk" not in repr(done)
