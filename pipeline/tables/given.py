"""What `flatten` is given: answers, raw replies, or the table `replies` of a published run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa

from pipeline.errors import WrongArgument
from pipeline.outcomes import Answer, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    Reply: TypeAlias = tuple[bytes | None, str | None, int | None]

Replies: TypeAlias = Iterable[bytes | Answer] | pd.DataFrame | pa.Table
_WANTED = "answers or replies as bytes, or the frame of replies.parquet"
_TYPES = {"body": pa.binary(), "email": pa.string(), "answered_at": pa.timestamp("ms", "UTC"), "outcome": pa.string()}
_BATCH_ROWS = 1_000


def each_reply(given: Replies) -> Iterator[Reply]:
    """The body, the requested address and the time (milliseconds since 1970 UTC) of each reply; None where unknown.

    The body is None, too, where the answer is not `found`: that of a stranger, for example, makes no lead.

    Raises:
        WrongArgument: `given`, or one of its items, is nothing that holds a reply.
    """
    if isinstance(given, pd.DataFrame | pa.Table):
        return _rows(given)
    if isinstance(given, str | bytes | Mapping | Answer) or not isinstance(given, Iterable):
        raise WrongArgument.of("replies", f"a list of {_WANTED}", given)
    return _items(given)


def check_timezone(timezone: str | None) -> None:
    """Check the name of a time zone.

    Raises:
        WrongArgument: there is no such time zone.
    """
    if timezone is None:
        return
    if not isinstance(timezone, str):
        raise WrongArgument.of("timezone", "the name of a time zone, or None", timezone)
    try:
        ZoneInfo(timezone)
    except (KeyError, ValueError, OSError):
        raise WrongArgument("timezone: not a known time zone; use a name such as EST or America/New_York.") from None


def _items(given: Iterable[Any]) -> Iterator[Reply]:
    for number, reply in enumerate(given):
        if isinstance(reply, Answer):
            yield reply.body if reply.outcome is Outcome.FOUND else None, reply.email, reply.answered_at_ms
        elif isinstance(reply, bytes):
            yield reply, None, None
        elif reply is None or reply is pd.NA or (isinstance(reply, float) and math.isnan(reply)):
            yield None, None, None
        else:
            raise WrongArgument.of(f"replies[{number}]", "an answer, or a reply as bytes", reply)


def _rows(given: pd.DataFrame | pa.Table) -> Iterator[Reply]:
    names = list(given.columns) if isinstance(given, pd.DataFrame) else given.column_names
    if "body" not in names:
        raise WrongArgument(f"replies: the frame has no column `body`; give {_WANTED}.")
    known = [name for name in _TYPES if name in names]
    try:
        table = (
            given.select(known)
            if isinstance(given, pa.Table)
            else pa.Table.from_pandas(given[known], preserve_index=False)
        )
        columns = {name: table[name].cast(_TYPES[name], safe=False) for name in known}
    except (pa.ArrowException, TypeError, ValueError):
        raise WrongArgument(f"replies: its columns are not those of replies.parquet; give {_WANTED}.") from None
    return _values(pa.table(columns))


def _values(table: pa.Table) -> Iterator[Reply]:
    for batch in table.to_batches(max_chunksize=_BATCH_ROWS):
        nothing: Sequence[Any] = [None] * batch.num_rows
        columns = {name: batch[name] for name in batch.schema.names}
        emails = columns["email"].to_pylist() if "email" in columns else nothing
        times = columns["answered_at"].cast(pa.int64()).to_pylist() if "answered_at" in columns else nothing
        outcomes = columns["outcome"].to_pylist() if "outcome" in columns else [Outcome.FOUND] * batch.num_rows
        for body, email, time, outcome in zip(columns["body"].to_pylist(), emails, times, outcomes, strict=True):
            yield body if outcome == Outcome.FOUND else None, email, time
