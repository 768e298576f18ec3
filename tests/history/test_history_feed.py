"""The feed of changes over whole lists: who is matched with whom, what is compared, and what is only counted."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from feed_apply import records
from hypothesis import given, settings
from hypothesis import strategies as st
from night_runs import HOUR_MS, feed_of, found, night, other, told
from night_runs import settings as account

from pipeline.errors import LeadsGone, StorageError, UsageError
from pipeline.files.published import PublishedRun
from pipeline.files.replies import PublishedReplies
from pipeline.history.addresses import indexed_addresses, published_addresses
from pipeline.history.feed import Feed, FeedCounts, Since
from pipeline.history.matched import Matched, matching_database
from pipeline.history.matching import Tally, match
from pipeline.jobs.comparing import check_ignored
from pipeline.jobs.feed_rules import FeedRules
from pipeline.journal.addresses import AddressBook, Addresses
from pipeline.outcomes import Outcome, Reply
from pipeline.schema import CHANGES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from feed_apply import Row

    from pipeline.outcomes import Answer

ADDRESSES = [f"p{number}@example.com" for number in range(40)]
ANN, BOB, CAT, DAN, EVE = (f"{name}@example.com" for name in ("ann", "bob", "cat", "dan", "eve"))


def lead(email: str, *tags: str, **values: object) -> dict[str, object]:
    """A lead with tags."""
    return {"id": email[:3], "email": email, "tags": [*tags], **values}


def test_the_first_run_has_an_empty_feed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A million new leads would be news to nobody; the table is there, with its columns."""
    manifest = night(tmp_path, "one", [found(ANN, at=1)], at=1)
    frame = pd.read_parquet(tmp_path / "run=one" / "changes.parquet")
    assert (len(frame), tuple(frame.columns)) == (0, CHANGES.names)
    assert manifest.to_dict()["changes"] == {"baseline": True, "since_run": None, "rows": 0}
    assert not caplog.records


def test_what_became_of_an_address_is_an_outcome(tmp_path: Path) -> None:
    """Found, gone, deleted, joined and left, each with the lead and its items; those that left come last."""
    before = [found(ANN, lead(ANN, "a"), at=1), other(BOB, Outcome.NOT_FOUND, at=1), found(CAT, lead(CAT), at=1)]
    night(tmp_path, "one", [*before, found(EVE, lead(EVE, "e"), at=1)], at=1)
    now = [found(DAN, lead(DAN), at=2), found(BOB, lead(BOB, "b"), at=2), other(ANN, Outcome.NOT_FOUND, at=2)]
    manifest = night(tmp_path, "two", [*now, other(CAT, Outcome.DELETED, at=2)], at=2)
    assert told(feed_of(tmp_path, "two")) == [
        (DAN, "leads", "added", None, None),
        (DAN, "outcomes", "added", None, None),
        (BOB, "leads", "added", None, None),
        (BOB, "tags", "added", '["b"]', None),
        (BOB, "outcomes", "changed", None, "outcome"),
        (ANN, "leads", "removed", None, None),
        (ANN, "tags", "removed", '["a"]', None),
        (ANN, "outcomes", "changed", None, "outcome"),
        (CAT, "leads", "removed", None, None),
        (CAT, "outcomes", "changed", None, "outcome"),
        (EVE, "leads", "removed", None, None),
        (EVE, "tags", "removed", '["e"]', None),
        (EVE, "outcomes", "removed", None, None),
    ]
    facts = manifest.changes
    assert facts is not None
    assert (facts.since_run, facts.compared, facts.joined, facts.left, facts.asked_again, facts.gone) == (
        ("one", 3, 1, 1, 2, 2)
    )
    assert facts.tables["outcomes"] == {"added": 1, "changed": 3, "removed": 1}
    assert facts.rows == sum(sum(rows.values()) for rows in facts.tables.values()) == 13


def test_rows_say_between_which_times_it_happened(tmp_path: Path) -> None:
    """Between both answers; an address joined or left between the starts of the two runs."""
    night(tmp_path, "one", [found(ANN, lead(ANN, score=1), at=2), found(BOB, at=2)], at=1)
    night(tmp_path, "two", [found(ANN, lead(ANN, score=2), at=26), found(CAT, at=26)], at=25)
    seen = {
        (row["requested_email"], row["seen_before"].timestamp(), row["seen_at"].timestamp())
        for row in feed_of(tmp_path, "two")
    }
    hours = HOUR_MS / 1000
    assert seen == {(ANN, 2 * hours, 26 * hours), (BOB, hours, 25 * hours), (CAT, hours, 25 * hours)}
    assert {(row["since_run"], row["lead_id"]) for row in feed_of(tmp_path, "two")} == {
        ("one", n) for n in ("ann", "bob", "cat")
    }


def test_what_is_unknown_makes_no_row(tmp_path: Path) -> None:
    """Failed, or without an answer, on either side, also of an address that joined or left: counted by its outcome."""
    before: list[Answer | str] = [
        found(ANN, at=1),
        other(BOB, Outcome.FAILED, at=1),
        CAT,
        other(EVE, Outcome.FAILED, at=1),
    ]
    night(tmp_path, "one", before, at=1)
    now = [other(ANN, Outcome.FAILED, at=2), found(CAT, at=2), found(BOB, at=2), other(DAN, Outcome.FAILED, at=2)]
    manifest = night(tmp_path, "two", now, at=2)
    assert feed_of(tmp_path, "two") == []
    assert manifest.changes is not None
    assert manifest.changes.unknown == {"failed": 4, "pending": 1}


def test_carried_answers_and_equal_replies_are_no_change(tmp_path: Path) -> None:
    """The same answer is not even read, nor are equal bytes flattened; a list may spell an address otherwise."""
    night(tmp_path, "one", [found(ANN, lead(ANN), at=1), found(BOB, lead(BOB), at=1)], at=1)
    now = [found(ANN.upper(), lead(ANN), at=2), found(BOB, lead(BOB, "not read"), at=1)]
    manifest = night(tmp_path, "two", now, at=2)
    assert feed_of(tmp_path, "two") == []
    assert manifest.changes is not None
    assert (manifest.changes.compared, manifest.changes.carried, manifest.changes.asked_again) == (2, 1, 1)


def test_a_collection_that_is_left_out_is_removed_and_counted(tmp_path: Path) -> None:
    """One that is there and empty is removed as well, and not counted."""
    night(tmp_path, "one", [found(email, lead(email, "a", "b"), at=1) for email in (ANN, BOB)], at=1)
    without = {"id": "ann", "email": ANN}
    manifest = night(tmp_path, "two", [found(ANN, without, at=2), found(BOB, lead(BOB), at=2)], at=2)
    assert [row["change"] for row in feed_of(tmp_path, "two")] == ["removed"] * 4
    assert manifest.changes is not None
    assert manifest.changes.left_out == {"tags": 1}


def test_two_addresses_of_one_lead_report_twice(tmp_path: Path) -> None:
    """The key is the requested address, and a merge is a change of `leads.id`."""
    night(tmp_path, "one", [found(ANN, lead(ANN), at=1), found(BOB, lead(BOB), at=1)], at=1)
    night(tmp_path, "two", [found(email, lead(ANN), at=2) for email in (ANN, BOB)], at=2, accept_mismatch=True)
    assert told(feed_of(tmp_path, "two")) == [
        (BOB, "leads", "changed", None, "id"),
        (BOB, "leads", "changed", None, "email"),
    ]
    assert {row["lead_id"] for row in feed_of(tmp_path, "two")} == {"ann"}


def test_settings_make_no_changes(tmp_path: Path) -> None:
    """Another time zone, or ignored columns: both sides are flattened by those of today."""
    night(tmp_path, "one", [found(ANN, lead(ANN, score=1, date_joined="2024-02-29 23:59:59"), at=1)], at=1)
    again = [found(ANN, lead(ANN, score=2, date_joined="2024-02-29 23:59:59"), at=2)]
    night(tmp_path, "two", again, at=2, timezone="EST", changes_ignore=["leads.score"])
    assert feed_of(tmp_path, "two") == []
    third = [found(ANN, lead(ANN, score=2, date_joined="2024-03-01 00:00:00"), at=3)]
    night(tmp_path, "three", third, at=3, timezone="EST", formats=["csv"])
    (row,) = feed_of(tmp_path, "three")
    assert (row["old_value"], row["new_value"]) == ("2024-03-01T04:59:59Z", "2024-03-01T05:00:00Z")
    assert (tmp_path / "run=three" / "changes.csv").read_text().count("\n") == 2


@pytest.mark.parametrize(
    ("pattern", "near"), [("leads.scor", "leads.score"), ("score", "leads.score"), ("tag.*", "tags")]
)
def test_a_pattern_that_no_column_has_is_refused(pattern: str, near: str) -> None:
    """With the nearest name; columns of the API, keys of `extra` and whole tables are fine."""
    check_ignored(account(changes_ignore=["leads.score", "leads.extra.some_key", "tags.*", "*.extra"]))
    with pytest.raises(UsageError, match=near):
        check_ignored(account(changes_ignore=[pattern]))


def test_the_number_of_workers_changes_nothing(tmp_path: Path) -> None:
    """The same bytes from this process alone as from two others, in every format."""
    old = [found(email, lead(email, "a"), at=1) for email in ADDRESSES]
    new = [found(email, lead(email, "b", score=n), at=2) for n, email in enumerate(reversed(ADDRESSES))]
    written = []
    for workers in (1, 2):
        out = tmp_path / str(workers)
        night(out, "one", old, at=1)
        night(out, "two", new, at=2, workers=workers, formats=["csv"])
        written.append([(out / "run=two" / f"changes.{suffix}").read_bytes() for suffix in ("parquet", "csv")])
    assert written[0] == written[1]


# Which run counts as the one before.


def test_without_replies_to_compare_the_feed_starts_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With a warning; an older run with replies is better than none."""
    night(tmp_path, "one", [found(ANN, lead(ANN), at=1)], at=1, keep_replies=False)
    assert night(tmp_path, "two", [found(ANN, lead(ANN, "a"), at=2)], at=2).to_dict()["changes"]["baseline"]
    assert len(caplog.records) == 1
    night(tmp_path, "three", [found(ANN, lead(ANN, "b"), at=3)], at=3, keep_replies=False)
    caplog.clear()
    night(tmp_path, "four", [found(ANN, lead(ANN, "c"), at=4)], at=4)
    assert [row["since_run"] for row in feed_of(tmp_path, "four")] == ["two", "two"]
    assert "since the run two" in caplog.records[0].getMessage()


def test_a_damaged_or_foreign_run_does_not_count(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The next older one does, or none; each is a warning."""
    night(tmp_path, "one", [found(ANN, lead(ANN), at=1)], at=1)
    night(tmp_path, "two", [found(ANN, lead(ANN, "a"), at=2)], at=2)
    (tmp_path / "run=two" / "replies.parquet").write_bytes(b"damaged")
    night(tmp_path, "three", [found(ANN, lead(ANN, "b"), at=3)], at=3)
    assert [row["since_run"] for row in feed_of(tmp_path, "three")] == ["one"]
    assert any("replies.parquet" in record.getMessage() for record in caplog.records)
    caplog.clear()
    assert night(tmp_path, "other", [found(ANN, at=4)], at=4, app_id="another").to_dict()["changes"]["baseline"]
    assert "App" in caplog.records[0].getMessage()


# Too many are gone.


def test_implausibly_many_gone_leads_are_not_published(tmp_path: Path) -> None:
    """More than a tenth of those asked again and more than twenty; the sentence says how many and what to do."""
    everybody = [f"p{number}@example.com" for number in range(60)]
    night(tmp_path, "one", [found(email, at=1) for email in everybody], at=1)

    def after(gone: int, at: int) -> list[Answer]:
        return [other(e, Outcome.NOT_FOUND, at=at) if n < gone else found(e, at=at) for n, e in enumerate(everybody)]

    with pytest.raises(LeadsGone, match=r"21 of 60 leads .* run one \(35%, .* 10%\).* --accept-gone") as caught:
        night(tmp_path, "two", after(21, 2), at=2)
    assert caught.value.exit_code == 9
    assert not (tmp_path / "run=two").exists()
    assert not list((tmp_path / ".lead-export").glob("*.scratch"))
    night(tmp_path, "three", after(20, 3), at=3)
    night(tmp_path, "four", [found(email, at=4) for email in everybody], at=4)
    night(tmp_path, "five", after(60, 5), at=5, max_gone_share=1)


# Matching, with small chunks.


class Kept:
    """Replies in memory, by number."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self._replies = [Reply(each.email, each.outcome.value, each.answered_at_ms, each.body) for each in answers]

    def take(self, numbers: Sequence[int]) -> dict[int, Reply]:
        """The replies with these numbers."""
        return {number: self._replies[number] for number in numbers}


def known(answers: Sequence[Answer], first: int = 0) -> Addresses:
    """What `published_addresses` gives of answers; `first` is the number of the first one."""
    numbers = range(first, first + len(answers))
    keys, outcomes = [each.email.lower() for each in answers], [each.outcome.value for each in answers]
    return Addresses(numbers, keys, outcomes, [each.answered_at_ms for each in answers], numbers)


def feed(old: Sequence[Answer], new: Sequence[Answer], chunk: int) -> tuple[list[Row], Tally]:
    """The feed between the answers of two nights, built in parts of that many addresses."""
    chunks = (known(old[start : start + chunk], start) for start in range(0, len(old), chunk))
    with TemporaryDirectory() as folder, closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE addresses (id INTEGER PRIMARY KEY, key UNIQUE, outcome, answered_at, number)")
        columns = zip(*known(new), strict=True)
        db.executemany("INSERT INTO addresses VALUES (? + 1, ?, ?, ?, ?)", columns)
        book = AddressBook(db, "SELECT id - 1, key, outcome, answered_at, number FROM addresses")
        with matching_database(Path(folder) / "m") as taken:
            tally = match(chunks, book, Kept(old).take, taken, chunk)
        found = Matched(Path(folder) / "m")
        built = Feed(found, Kept(old), Kept(new), Since("old", 0, 0), FeedRules(), None, (), found.ends(), chunk)
        counts = FeedCounts()
        parts = [built.build(number) for number in range(built.count)]
        for part in parts:
            counts.add(part)
        rows = [row for part in parts for row in records(part.frame)]
        assert counts.rows.total() == len(rows)
    return rows, tally


@pytest.mark.parametrize("forgotten", [Outcome.SUPPRESSED, Outcome.ERASED])
def test_forgotten_people_are_not_unknown(forgotten: Outcome) -> None:
    """On one list or on both they are neither compared nor counted; a failed answer stays unknown."""
    old = [found(ANN, at=1), other(BOB, forgotten, at=1), other(CAT, forgotten, at=1), other(DAN, Outcome.FAILED, at=1)]
    new = [other(ANN, forgotten, at=2), found(BOB, at=2), found(DAN, at=2), other(EVE, forgotten, at=2)]
    rows, tally = feed(old, new, chunk=16)
    assert rows == []
    assert (tally.compared, tally.joined, tally.left, tally.unknown) == (0, 0, 0, {"failed": 1})


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_lists_in_any_order_are_matched(data: st.DataObject) -> None:
    """Whoever joins, leaves or moves: the feed is that of each address for itself, in the order of the new list."""
    old = data.draw(st.lists(st.sampled_from(ADDRESSES), min_size=1, unique=True))
    new = [*data.draw(st.sampled_from([old, old[::-1], sorted(old), data.draw(st.permutations(old))]))]
    for email in data.draw(st.lists(st.sampled_from(ADDRESSES), unique=True)):
        where = data.draw(st.integers(0, len(new)))
        new = [each for each in new if each != email] if email in new else [*new[:where], email, *new[where:]]
    changed = set(data.draw(st.lists(st.sampled_from(ADDRESSES))))
    rows, tally = feed(
        [found(email, lead(email), at=1) for email in old],
        [found(email, lead(email, *(["x"] if email in changed else [])), at=2) for email in new],
        chunk=16,
    )
    expected = [(email, "tags" if email in old else "leads") for email in new if email in changed or email not in old]
    expected += [(email, "leads") for email in old if email not in new]
    seen: dict[str, str] = {}
    for row in rows:
        seen.setdefault(row["requested_email"], row["table_name"])
    assert [*seen.items()] == expected
    assert (tally.joined, tally.left) == (len({*new} - {*old}), len({*old} - {*new}))
    assert tally.compared == len({*new} & {*old})


@pytest.mark.parametrize("order", ["same", "shifted", "reversed", "dealt"])
def test_parts_of_any_size_make_the_same_feed(order: str) -> None:
    """Also where replies have moved far on the list, and are kept aside."""
    emails = [f"p{number}@example.com" for number in range(150)]
    ordered: Sequence[str] = {
        "same": emails,
        "shifted": [*(f"new{n}@example.com" for n in range(30)), *emails],
        "reversed": emails[::-1],
        "dealt": [email for start in range(37) for email in emails[start::37]],
    }[order]
    old = [found(email, lead(email), at=1) for email in emails]
    new = [found(email, lead(email, "x"), at=2) for email in ordered]
    feeds = [feed(old, new, chunk)[0] for chunk in (16, 64, 4_000)]
    assert [*dict.fromkeys(row["requested_email"] for row in feeds[0])] == list(ordered)
    assert feeds[0] == feeds[1] == feeds[2]


def test_an_old_reply_that_cannot_be_read_any_more_is_unknown(tmp_path: Path) -> None:
    """As if another version had found a lead in it; the others of its part are compared."""
    night(tmp_path, "old", [found(email, lead(email), at=1) for email in (ANN, BOB)], at=1)
    night(tmp_path, "new", [found(email, lead(email, "x"), at=2) for email in (ANN, BOB)], at=2)
    old = PublishedRun(tmp_path / "run=old")

    class OddReplies(PublishedReplies):
        def take(self, numbers: Sequence[int]) -> dict[int, Reply]:
            return {n: each._replace(body=b"{}") if n == 0 else each for n, each in super().take(numbers).items()}

    with matching_database(tmp_path / "m") as db, closing(sqlite3.connect(":memory:")) as other_db:
        book = indexed_addresses(tmp_path / "run=new" / "outcomes.parquet", other_db)
        match(published_addresses(old.outcomes_path), book, PublishedReplies(old.replies_path).take, db)
    matched = Matched(tmp_path / "m")
    new = PublishedReplies(tmp_path / "run=new" / "replies.parquet")
    made = Feed(matched, OddReplies(old.replies_path), new, Since("old", 0, 0), FeedRules(), None, (), matched.ends())
    part = made.build(0)
    assert (part.unreadable, part.frame["requested_email"].tolist()) == (1, [BOB])
    with pytest.raises(StorageError, match="matched"):
        replace(made, matched=Matched(tmp_path / "run=old" / "manifest.json")).build(0)
