"""How an account stands in a round that was interrupted: done, not tidied up, or still held by a process that ends."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import msgspec

from pipeline.errors import StopRun, StorageError
from pipeline.files.folder import OutputFolder, read_manifest
from pipeline.jobs.import_lists import email_lists
from pipeline.jobs.manifest import Manifest
from pipeline.jobs.request import Request
from pipeline.settings.account import account_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.accounts.lanes import Lane
    from pipeline.accounts.round import LaneRecord
    from pipeline.files.state import StateFolder

logger = logging.getLogger(__name__)
_LONGEST_END_S = 120.0
"""Seconds after which a process whose parent was killed has surely ended: its calls in flight took no longer."""
_LOOK_S = 0.2


def done(lane: Lane, before: LaneRecord) -> LaneRecord | None:
    """The record of an account that the round has published: the same lists, of the same App, and all tidied up."""
    if not before.run_id or unfinished_name(lane, before) or str(lane.out) != before.out:
        return None
    manifest = read_manifest(OutputFolder(lane.out).run(before.run_id))
    if manifest is None or not _is_same(lane, manifest):
        return None
    if before.published and not before.was_stopped and before.code is not None:
        return before
    try:
        code = Manifest.from_dict(manifest, lane.out).exit_code
    except StorageError:
        return None
    return msgspec.structs.replace(before, published=True, code=int(code), rows=manifest["rows"], sentence=None)


def _is_same(lane: Lane, manifest: dict[str, Any]) -> bool:
    """Whether the account, as it is now, would ask for the leads of that run."""
    account = account_of(lane.settings)
    if manifest.get("account") != {"api_url": account.api_url, "app_hash": account.app_hash}:
        return False
    try:
        sources = email_lists(lane.lists, lane.settings)
        if any(source.is_pipe for source in sources):  # reading one would take it from whoever it is for
            return True
        request = Request.of(None, sources, lane.settings)
    except StopRun:
        return False  # the run will say why
    return [one["sha256"] for one in manifest["input"]] == list(request.sha256)


def unfinished_name(lane: Lane, before: LaneRecord) -> str | None:
    """The name of a run that was published right before its process was killed; asked for by name, it is tidied up."""
    folder = OutputFolder(lane.out)
    if not before.run_id or not folder.is_published(before.run_id):
        return None
    return before.run_id if folder.state.journal(before.run_id).exists() else None


async def unless_held(state: StateFolder, is_over: Callable[[], bool]) -> None:
    """Wait for a process whose parent was killed: it has noticed that, and finishes the calls in flight."""
    waited_s, holder = 0.0, state.holder()
    if holder:
        logger.warning("%s: waiting for the end of %s whose parent was killed", state.owner, holder)
    while holder and waited_s < _LONGEST_END_S and not is_over():
        await asyncio.sleep(_LOOK_S)
        waited_s, holder = waited_s + _LOOK_S, state.holder()
