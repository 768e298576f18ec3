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
    known = manifest.key_id
    if known and settings.hash_columns and (key is None or key.id != known):
        what = "no key is set" if key is None else f"the key that is set is {key.id}"
        raise UsageError(f"{run}: its columns were hashed with the key {known}, but {what}; {NAME_A_KEY}.")
    return ColumnRules.of(settings, key)
