"""What a manifest says about how replies differ from the API's documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import msgspec

if TYPE_CHECKING:
    from pipeline.replies.drift import Drift


class DriftCounts(msgspec.Struct, frozen=True):
    """How often replies differed from the API's documentation: by unknown key, and by column with unreadable values."""

    unknown_keys: dict[str, int]
    unreadable_values: dict[str, int]

    @classmethod
    def of(cls, drift: Drift) -> Self:
        """Take over the counts, sorted by name."""
        return cls(dict(sorted(drift.unknown_keys.items())), dict(sorted(drift.unreadable_values.items())))
