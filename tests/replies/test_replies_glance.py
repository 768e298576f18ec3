"""What counts as found at a glance, and what comes of it on reading."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from pipeline.replies.read import FoundLead, glance_at_lead, read_normal, read_reply
from pipeline.schema import LEADS, TRANSACTIONS

CELLS = st.none() | st.text(max_size=8) | st.sampled_from(["35", "2024-01-01 10:00:00", "0000-00-00", "1", "9" * 30])
LEAD = st.fixed_dictionaries(
    {"id": CELLS, "email": CELLS},
    optional={column.key: CELLS for column in LEADS.read if column.name not in ("id", "email")},
)
SALE = st.fixed_dictionaries({}, optional={column.key: CELLS for column in TRANSACTIONS.read})


@given(LEAD, st.lists(SALE, max_size=3))
def test_what_is_a_lead_at_a_glance_is_one_on_reading(
    details: dict[str, object], transactions: list[dict[str, object]]
) -> None:
    """Whatever its numbers and dates are like: the same lead by id and address, and never none."""
    body = json.dumps({"status": "Success", "lead_details": {**details, "transactions": transactions}}).encode()
    glanced = glance_at_lead(body)
    if glanced is None:
        assert read_normal(body) is None
        return
    read = read_reply(body)
    assert isinstance(read, FoundLead)
    assert (read.lead.id or "", read.lead.email or "") == (glanced.id or "", glanced.email or "")


def test_a_glance_sees_leads() -> None:
    """Also one whose date is none, which only the lenient reader can read."""
    body = b'{"status":"Success","lead_details":{"id":"7","email":"a@example.com","date_joined":"soon"}}'
    glanced = glance_at_lead(body)
    assert glanced is not None
    assert (glanced.id, read_normal(body)) == ("7", None)
