"""What a manifest counts: rows by outcome, and how replies differ from the documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import msgspec

from pipeline.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.replies.drift import Drift


class RowCounts(msgspec.Struct, frozen=True, omit_defaults=True):
    """Input rows by outcome; the outcomes add up to `read`.

    Attributes:
        suppressed: rows of people who are not to be asked for; absent from the JSON if there are none.
        erased: rows of people who were erased; absent from the JSON if there are none.
        pending: rows without an answer yet; None (and absent from the JSON) if the job finished and there are none.
    """

    read: int
    found: int
    not_found: int
    deleted: int
    failed: int
    invalid: int
    duplicate: int
    suppressed: int = 0
    erased: int = 0
    pending: int | None = None

    @classmethod
    def of(cls, rows: Mapping[str, int], *, stopped: bool = False) -> Self:
        """Count rows by the name of their outcome; a name that is missing counts as zero."""
        counts: dict[str, int] = {outcome.value: rows.get(outcome, 0) for outcome in Outcome}
        pending = counts.pop(Outcome.PENDING)
        return cls(sum(rows.values()), **counts, pending=pending if pending or stopped else None)

    def by_outcome(self) -> dict[str, int]:
        """The rows of each outcome; `pending` only if there may be any, `suppressed` and `erased` if there are."""
        counts: dict[str, int] = msgspec.to_builtins(self)
        del counts["read"]
        return counts


class DriftCounts(msgspec.Struct, frozen=True):
    """How often replies differed from the API's documentation: by unknown key, and by column with unreadable values."""

    unknown_keys: dict[str, int]
    unreadable_values: dict[str, int]

    @classmethod
    def of(cls, drift: Drift) -> Self:
        """Take over the counts, sorted by name."""
        return cls(dict(sorted(drift.unknown_keys.items())), dict(sorted(drift.unreadable_values.items())))
