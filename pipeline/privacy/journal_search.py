"""Whose rows and answers a journal holds: of an unfinished run, or of a file that `enrich` has not finished."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from pipeline.journal.database import connect_read_only, has_tables, reading
from pipeline.journal.records import unpacked
from pipeline.replies.read import peek_identity
from pipeline.settings.account import Account

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.privacy.identity import People

_FOUND = "found"


@dataclass(frozen=True, slots=True)
class JournalHits:
    """What a journal holds of some people.

    Attributes:
        addresses: the numbers of the addresses that are theirs, or whose answers are.
        rows: the numbers of their rows, over all lists.
        mentions: how many answers of others mention them.
    """

    addresses: frozenset[int] = frozenset()
    rows: frozenset[int] = frozenset()
    mentions: int = 0

    def __bool__(self) -> bool:
        """Whether there is anything of theirs."""
        return bool(self.addresses or self.rows)


def journal_account(db: sqlite3.Connection) -> str:
    """A word for the account that a journal's run asks; see `reading.account_word`."""
    row = db.execute("SELECT subject FROM run").fetchone()
    try:
        account = msgspec.convert(json.loads(row[0]) if row else None, Account)
    except (ValueError, TypeError, msgspec.ValidationError):
        return ""
    return f"{account.api_url} {account.app_hash}"


def leads_in_journal(path: Path, people: People) -> tuple[str, set[str]]:
    """The account of a journal, and the ids of leads that it holds under the addresses of these people.

    Raises:
        StorageError: it cannot be read, or is damaged.
    """
    with reading(path), closing(connect_read_only(path)) as db:
        if not has_tables(db, path):
            return "", set()
        found = {
            lead_id
            for _, email, outcome, lead_id, body in answers_in(db)
            if outcome == _FOUND and lead_id and (people.has(email) or people.has(lead_email(body)))
        }
        return journal_account(db), found


def hits_in_journal(path: Path, people: People) -> JournalHits:
    """What a journal holds of these people.

    Raises:
        StorageError: it cannot be read, or is damaged.
    """
    with reading(path), closing(connect_read_only(path)) as db:
        if not has_tables(db, path):
            return JournalHits()
        ids = people.lead_ids[journal_account(db)]
        addresses = {number for number, email in db.execute("SELECT id, email FROM addresses") if people.has(email)}
        mentions = 0
        for number, _, outcome, lead_id, body in answers_in(db):
            is_theirs = (outcome == _FOUND and lead_id in ids) or people.has(lead_email(body))
            if is_theirs:
                addresses.add(number)
            elif number not in addresses and body is not None and people.needles.in_bytes(body):
                mentions += 1
        rows = {
            number
            for number, address, given in db.execute("SELECT id, address, given FROM rows")
            if address in addresses or (address is None and people.needles.in_text(given))
        }
        return JournalHits(frozenset(addresses), frozenset(rows), mentions)


def answers_in(db: sqlite3.Connection) -> Iterator[tuple[int, str, str, str | None, bytes | None]]:
    """Each answer: the number of its address, the address, outcome, lead id and body; a pack at a time.

    Raises:
        ValueError: a pack is damaged.
    """
    query = (
        "SELECT address, email, outcome, lead_id, pack FROM answers JOIN addresses ON addresses.id = address"
        " ORDER BY pack, address"
    )
    last: Any = None
    bodies: dict[int, bytes] = {}
    for number, email, outcome, lead_id, pack in db.execute(query):
        if pack is not None and pack != last:
            row = db.execute("SELECT bodies FROM packs WHERE id = ?", (pack,)).fetchone()
            bodies, last = unpacked(row and row[0]), pack
        yield number, email, outcome, lead_id, bodies.get(number) if pack is not None else None


def lead_email(body: bytes | None) -> str | None:
    """The address of the lead in a body; None if there is none."""
    lead = peek_identity(body) if body else None
    return lead.email if lead else None
