"""Patterns of columns: what they name, and which one is meant where they name nothing."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.columns import FREE_TEXT
from pipeline.errors import UsageError
from pipeline.privacy.columns import ColumnRules
from pipeline.privacy.key import PrivacyKey
from pipeline.privacy.patterns import COLUMNS, TABLES, named
from pipeline.schema import LEAD_TABLES
from pipeline.settings import Settings

KEY = PrivacyKey(b"k" * 32)
TEXTS = ("*.extra", "leads.lead_picture", "leads.notes", "custom_fields.value", "outcomes.message")
CHILDREN = [table.name for table in LEAD_TABLES if table.name != "leads"]


def rules(**settings: object) -> ColumnRules:
    """What becomes of each column; free text is kept unless stated otherwise."""
    return ColumnRules.of(Settings.model_validate({"keep_columns": TEXTS, **settings}), KEY)


def changed(**settings: object) -> dict[str, str]:
    """What is done to which column."""
    return {".".join(place): action for place, action in rules(**settings).actions.items()}


def refusal(**settings: object) -> str:
    """Why the settings are refused."""
    with pytest.raises(UsageError) as error:
        rules(**settings)
    return str(error.value)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("leads.phone", {"leads.phone"}),
        ("leads.gdpr_*_ip", {"leads.gdpr_lead_status_ip"}),
        ("*.active", {"lists.active", "memberships.active"}),
        ("tags", {f"tags.{name}" for name in ("lead_id", "email", "position", "tag_name", "extra")}),
        ("tags.*", {f"tags.{name}" for name in ("lead_id", "email", "position", "tag_name", "extra")}),
        ("*.extra", {f"{table.name}.extra" for table in LEAD_TABLES}),
        ("l?sts.list_[a-n]ame", {"lists.list_name"}),
    ],
)
def test_what_a_pattern_names(pattern: str, expected: set[str]) -> None:
    """A column, some, or a whole table."""
    assert set(changed(drop_columns=[pattern])) == expected


@given(st.sampled_from(sorted(COLUMNS)))
def test_every_column_is_named_by_its_own_name(place: tuple[str, str]) -> None:
    """And by nothing else."""
    found = named("drop_columns", [".".join(place)])
    assert (set(found.columns), set(found.exactly)) == ({place}, {place})


@given(st.text(max_size=20))
def test_any_text_is_a_pattern_or_a_sentence(text: str) -> None:
    """Whatever somebody writes there."""
    problem = ""
    try:
        named("drop_columns", [text])
    except UsageError as error:
        problem = str(error)
    assert re.fullmatch(r"(drop_columns: there (is|are) no .*[.?])?", problem, re.DOTALL)


@pytest.mark.parametrize("action", ["drop", "hash"])
@pytest.mark.parametrize(("original", "copy"), [("email", "email"), ("id", "lead_id")])
def test_copies_follow_their_original(action: str, original: str, copy: str) -> None:
    """What is done to the address or the id of a lead is done to it in every table."""
    done = changed(**{f"{action}_columns": [f"leads.{original}"]})
    expected = {f"leads.{original}", f"outcomes.{copy}", *(f"{table}.{copy}" for table in CHILDREN)}
    expected |= {"leads.requested_email", "outcomes.given"} if original == "email" else set()
    assert done == dict.fromkeys(expected, action)
    assert done == changed(**{f"{action}_columns": [f"*.{original}"]})


def test_a_copy_alone_may_be_dropped_but_not_hashed() -> None:
    """Joins would no longer work, and the original would say whose hash it is."""
    assert changed(drop_columns=["tags.email"]) == {"tags.email": "drop"}
    for pattern in ("outcomes.email", "leads.requested_email", "*.lead_id", "tags.*mail"):
        assert "is a copy of leads." in refusal(hash_columns=[pattern])


def test_dropping_goes_before_hashing_before_keeping() -> None:
    """However the patterns overlap; a hashed table without the ids of its leads is that, too."""
    done = changed(drop_columns=["tags", "leads.phone"], hash_columns=["*.email", "leads.*phone*"], keep_columns=["*"])
    assert {name for name, action in done.items() if action == "drop" and name.startswith("tags.")} == {
        f"tags.{name}" for name in ("lead_id", "email", "position", "tag_name", "extra")
    }
    assert (done["leads.phone"], done["leads.phone_country_code"], done["lists.email"]) == ("drop", "hash", "hash")


def test_a_pattern_hashes_nothing_that_says_nothing_about_people() -> None:
    """Positions, file names and the like are hashed if they are named in full."""
    assert set(changed(hash_columns=["transactions"])) == {
        *("transactions.transaction_id", "transactions.product_name", "transactions.transaction_type"),
        *("transactions.transaction_date", "transactions.extra"),
    }
    assert changed(hash_columns=["leads.fetched_at"]) == {"leads.fetched_at": "hash"}
    assert "matches only columns that say nothing about people" in refusal(hash_columns=["*.position"])
    everything = changed(hash_columns=["*"])
    assert {"outcomes.row", "outcomes.outcome", "leads.fetched_at"}.isdisjoint(everything)


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"drop_columns": ["leads.fone"]}, "leads.phone"),
        ({"hash_columns": ["email"]}, "leads.email"),
        ({"keep_columns": ["led.notes"]}, "leads.notes"),
        ({"drop_columns": ["replies.body"]}, "setting replies"),
        ({"drop_columns": ["outcomes"]}, "outcomes.code is needed"),
        ({"hash_columns": ["outcomes.input"]}, "outcomes.input is needed"),
        ({"drop_columns": ["leads"]}, "keep at least one"),
        ({"drop_columns": ["leads.ip"], "keep_columns": ["*.extra"]}, "leads.notes"),
        ({"drop_columns": ["custom.age"], "keep_columns": TEXTS[:4]}, "outcomes.message is free text"),
    ],
)
def test_what_is_refused(settings: dict[str, object], hint: str) -> None:
    """One sentence that says what to do."""
    assert hint in refusal(**settings)


def test_hashes_need_a_key_and_nothing_else_does() -> None:
    """Leaving columns out does not."""
    wanted = Settings(hash_columns=("leads.ip",), keep_columns=TEXTS)
    with pytest.raises(UsageError, match="hash_columns: needs a key; name the file"):
        ColumnRules.of(wanted, None)
    dropping = ColumnRules.of(Settings(drop_columns=("leads.ip",), keep_columns=TEXTS), None)
    assert (dropping.key_id, dropping.is_empty) == (None, False)
    assert ColumnRules.of(Settings(), KEY).is_empty


def test_all_free_text_is_asked_about() -> None:
    """A column of free text that is added to the schema has to be decided on as well."""
    texts = [f"{table.name}.{column.name}" for table in TABLES for column in table.columns if column.kind == FREE_TEXT]
    for text in texts:
        others = [one for one in texts if one != text]
        assert refusal(drop_columns=["leads.ip"], keep_columns=others).startswith(f"{text} is free text")
        for decided in ({"keep_columns": texts}, {"keep_columns": others, "drop_columns": ["leads.ip", text]}):
            assert changed(**{"drop_columns": ["leads.ip"], **decided})
