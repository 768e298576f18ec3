"""What `flatten` takes: answers, replies, the table `replies`; and what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lead_shapes import reply, rows

from pipeline.errors import UsageError, WrongArgument
from pipeline.outcomes import Answer, Outcome
from pipeline.tables.flatten import flatten
from pipeline.tables.frames import reply_frame

if TYPE_CHECKING:
    from pathlib import Path

BODY = reply({"id": "1", "email": "ann@example.com", "tags": [{"tag_name": "vip"}]})
ANSWERS = [
    Answer("Ann@example.com", Outcome.FOUND, lead_id="1", answered_at_ms=1_553_600_131_250, body=BODY),
    Answer("bob@example.com", Outcome.NOT_FOUND, answered_at_ms=2, body=b'{"status":"Error"}'),
    Answer("cat@example.com", Outcome.FAILED, code="email_mismatch", answered_at_ms=3, body=BODY),
    Answer("dan@example.com", Outcome.FAILED, code="timeout", answered_at_ms=4),
]
LEADS = ("id", "email", "requested_email", "fetched_at")


def published(folder: Path) -> Path:
    """The replies of these answers as a run publishes them."""
    path = folder / "replies.parquet"
    pq.write_table(pa.Table.from_pandas(reply_frame(ANSWERS), preserve_index=False), path)
    return path


def read_by_default(path: Path) -> pd.DataFrame:
    """As plain pandas reads it."""
    return pd.read_parquet(path)


def read_with_arrow_types(path: Path) -> pd.DataFrame:
    """As the documentation reads it."""
    return pd.read_parquet(path, dtype_backend="pyarrow")


def read_in_another_way(path: Path) -> pd.DataFrame:
    """Without description, in another order, filtered so that its index has holes, and times without a zone."""
    frame = pq.read_table(path).replace_schema_metadata(None).to_pandas()
    frame["answered_at"] = frame["answered_at"].dt.tz_localize(None).astype("datetime64[ns]")
    return frame[frame["email"] != "bob@example.com"][["body", "outcome", "answered_at", "email"]]


@pytest.mark.parametrize("read", [read_by_default, read_with_arrow_types, read_in_another_way, pq.read_table])
def test_the_table_replies_is_flattened_like_its_answers(tmp_path: Path, read: Any) -> None:
    """The addresses and times come along, and only replies that count as found give rows."""
    frames, expected = flatten(read(published(tmp_path))), flatten(ANSWERS)
    assert rows(frames.leads, *LEADS) == rows(expected.leads, *LEADS)
    assert rows(frames.tags) == rows(expected.tags)
    assert len(frames.leads) == 1


def test_only_bodies_are_needed() -> None:
    """A frame with nothing but bodies is as good as a list of them; missing ones are counted as skipped."""
    frames = flatten(pd.DataFrame({"body": [BODY, None]}))
    assert (rows(frames.leads, *LEADS), frames.skipped) == ([("1", "ann@example.com", None, None)], 1)


@pytest.mark.parametrize("missing", [None, pd.NA, float("nan")])
def test_missing_replies_are_skipped(missing: Any) -> None:
    """Holes in a column of replies, in the ways that pandas writes them, are replies without a lead."""
    assert flatten([BODY, missing]).skipped == 1


def test_a_strangers_reply_makes_no_lead() -> None:
    """A reply that was kept though its answer failed gives no row."""
    assert (len(flatten(ANSWERS[2:3]).leads), flatten(ANSWERS[2:3]).skipped) == (0, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        1,
        BODY,
        BODY.decode(),
        "export/latest/replies.parquet",
        {"status": "Success"},
        ANSWERS[0],
        [BODY.decode()],
        [{"status": "Success"}],
        [BODY, 1],
        [[BODY]],
        pd.DataFrame({"email": ["ann@example.com"]}),
        pd.DataFrame({"body": [1, 2]}),
        pd.DataFrame({"body": [{"status": "Success"}]}),
        pa.table({"email": ["ann@example.com"]}),
        pd.Series(["ann@example.com"]),
    ],
    ids=lambda wrong: type(wrong).__name__,
)
def test_what_holds_no_reply_is_refused(wrong: Any) -> None:
    """A TypeError in one sentence, without a value, instead of empty frames."""
    with pytest.raises(TypeError, match=r"^replies\S*: [^\n]+\.$") as caught:
        flatten(wrong)
    assert isinstance(caught.value, WrongArgument)
    assert isinstance(caught.value, UsageError)
    assert "ann@" not in str(caught.value)


@pytest.mark.parametrize("wrong", ["Mars", "", "../etc/passwd", 1, True])
def test_a_zone_that_does_not_exist_is_refused(wrong: Any) -> None:
    """Before anything is read."""
    with pytest.raises(WrongArgument, match=r"^timezone: "):
        flatten([], timezone=wrong)
