"""What becomes of each column of a run, checked before anything else is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.privacy.columns import ColumnRules
from pipeline.privacy.key import NAME_A_KEY, PrivacyKey, load_key

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.jobs.manifest import Manifest
    from pipeline.settings import Settings


def rules_of(settings: Settings) -> ColumnRules:
    """What the settings of a run say about its columns.

    Raises:
        UsageError: as from `ColumnRules.of`, or it is not said where the raw replies go, which hold every column.
    """
    rules = ColumnRules.of(settings, load_key(settings))
    if not rules.is_empty and settings.replies is None and settings.keep_replies:
        raise UsageError(
            "The raw replies hold what drop_columns and hash_columns name; set replies to private, to keep them out of"
            " what is published, to none, or to publish."
        )
    return rules


def rules_of_run(run: Path, manifest: Manifest, settings: Settings, key: PrivacyKey | None) -> ColumnRules:
    """The same to make the tables of a published run again, under the key with which its columns were hashed.

    Raises:
        UsageError: as from `ColumnRules.of`, or the key is missing or another one.
    """
    if settings.hash_columns:
        check_key(run, manifest.key_id, key.id if key else None)
    return ColumnRules.of(settings, key)


def check_key(run: Path, known: str | None, given: str | None) -> None:
    """Check that the key `given` is the one `known` with which columns of a published run were hashed, if any were.

    Both are ids of keys, and None if there is none.

    Raises:
        UsageError: it is missing or another one.
    """
    if known and given != known:
        what = f"the key that is set is {given}" if given else "no key is set"
        raise UsageError(f"{run}: its columns were hashed with the key {known}, but {what}; {NAME_A_KEY}.")
