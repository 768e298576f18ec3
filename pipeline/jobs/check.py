"""Whether a run would work: credentials, output folder, rate limit, and the API with one call."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from pipeline.calls.client import LeadClient
from pipeline.calls.network import choose_proxy, tls_context, trusted_authorities
from pipeline.calls.outage import probe_address
from pipeline.errors import (
    ApiUnavailable,
    ExitCode,
    LeadExportError,
    OutOfFiles,
    StopRun,
    StorageError,
    TryAgain,
    UsageError,
)
from pipeline.files import durable
from pipeline.files.folder import OutputFolder, read_manifest
from pipeline.files.latest import Latest
from pipeline.files.locks import hold_lock
from pipeline.files.output_format import check_formats
from pipeline.files.state import StateFolder
from pipeline.filesystem import sync
from pipeline.jobs.column_rules import rules_of
from pipeline.jobs.list_size import addresses_of
from pipeline.jobs.plan_budget import PlannedBudget
from pipeline.jobs.suppressing import suppression_of
from pipeline.journal import database
from pipeline.outcomes import now_ms
from pipeline.privacy.key import load_key
from pipeline.reporters.ending import REPORTING_S, Context, Deadline, ReporterFailed
from pipeline.reporters.ping import try_out
from pipeline.settings import CREDENTIAL_VARIABLES

if TYPE_CHECKING:
    from pipeline.settings import Settings


class Check(NamedTuple):
    """The result of one check.

    Attributes:
        name: what was checked.
        text: what was found, and what to do about it if it is a problem.
        code: the exit code with which `run` would end because of it; 0 if all is well.
    """

    name: str
    text: str
    code: ExitCode = ExitCode.OK


def check(settings: Settings, out: Path | None = None, *, ping: bool = False) -> list[Check]:
    """Check everything that a run needs, with at most one call, for an address that cannot exist.

    With `ping`, the service of `ping_url` is sent a text that changes nothing.
    """
    checks = [_credentials(settings), *_formats(settings), *_columns(settings)]
    if out is not None:
        checks += _folder(out)
    checks += _suppression(settings, out)
    network = _network(settings)
    checks += network
    if all(one.code == ExitCode.OK for one in (checks[0], *network)):
        checks += asyncio.run(_api(settings))
    return [*checks, *_budget(settings, out), *_metrics(settings), *(_ping(settings, out) if ping else ())]


def _credentials(settings: Settings) -> Check:
    try:
        settings.require_credentials()
    except StopRun as error:
        return Check("credentials", str(error), error.exit_code)
    return Check("credentials", f"{', '.join(CREDENTIAL_VARIABLES.values())} are set")


def _formats(settings: Settings) -> list[Check]:
    """Whether tables can be written in the formats of the settings; no check is listed if they can."""
    try:
        check_formats(settings.formats)
    except StopRun as error:
        return [Check("formats", str(error), error.exit_code)]
    return []


def _columns(settings: Settings) -> list[Check]:
    """Whether columns can be left out and hashed as the settings say; nothing is listed if none are."""
    try:
        rules = rules_of(settings)
    except StopRun as error:
        return [Check("columns", str(error), error.exit_code)]
    counts = Counter(rules.actions.values())
    text = f"{counts['drop']:,} left out, {counts['hash']:,} hashed; replies: {settings.replies_go}"
    return [] if rules.is_empty else [Check("columns", text)]


def _suppression(settings: Settings, out: Path | None) -> list[Check]:
    """Whether people who are not to be asked for can be recognised; nothing is listed if there are none, and no key."""
    try:
        people = len(suppression_of(settings, *([OutputFolder(out).state.path] if out else ())))
        key = load_key(settings)
    except StopRun as error:
        return [Check("privacy key", str(error), error.exit_code)]
    if key is None:
        return []
    return [Check("privacy key", f"its id is {key.id}; {people:,} on the suppression list")]


def _folder(out: Path) -> list[Check]:
    """Whether runs can be published in `out`, which is not created if it does not exist."""
    try:
        OutputFolder(out).check_place()
        with durable.storage_errors(out):
            existing = next(path for path in (out.absolute(), *out.absolute().parents) if path.exists())
        free = StateFolder(existing, existing).check_writable()
        if existing == out.absolute():
            OutputFolder(out).check_publishable()
        lacks = _file_system(existing, out)
    except StopRun as error:
        return [Check("output folder", str(error), error.exit_code)]
    holder = OutputFolder(out).state.holder()
    text = "; ".join([f"{out} is writable, {free / 1e6:,.0f} MB free", *lacks])
    checks = [Check("output folder", text)]
    if holder:
        checks.append(Check("lock", f"{out}: {holder} is using this folder; wait for it to finish", ExitCode.BUSY))
    return checks


def _file_system(existing: Path, out: Path) -> list[str]:
    """What the file system of the folder `existing` lacks, and what runs in `out` do instead.

    Raises:
        StopRun: it lacks what a run cannot do without.
    """
    lacks = []
    with durable.storage_errors(existing), TemporaryDirectory(prefix=".lead-export-check-", dir=existing) as name:
        folder = Path(name)
        with hold_lock(folder / "lock", out):
            if not database.probe(folder, out):
                lacks.append("SQLite can have no write-ahead log here, so that the journal is written more slowly")
        if not Latest(out, folder).can_be_link():
            lacks.append(f"there are no symbolic links here; {OutputFolder(out).instead_of_link().removesuffix('.')}")
        if not sync(folder):
            lacks.append("folders cannot be synced here, so after a power cut the newest run may have to be repeated")
    return lacks


def _network(settings: Settings) -> list[Check]:
    """The proxy in use, without its password, and the certificate authorities that are trusted."""
    checks = []
    try:
        proxy = choose_proxy(settings)
        checks.append(Check("proxy", f"{proxy.address} (from {proxy.origin})" if proxy else "none"))
        tls_context(settings)
        checks.append(Check("certificates", f"trusted: {trusted_authorities(settings)}"))
    except StopRun as error:
        checks.append(Check("certificates" if checks else "proxy", str(error), error.exit_code))
    return checks


def _budget(settings: Settings, out: Path | None) -> list[Check]:
    """What fits into the time and the calls of a run over as many addresses as the newest one had."""
    latest = OutputFolder(out).latest.run() if out is not None else None
    manifest = read_manifest(latest) if latest is not None else None
    try:
        planned = PlannedBudget.of(settings, addresses_of(manifest) if manifest is not None else 0, now_ms())
    except UsageError as error:
        return [Check("budget", str(error), error.exit_code)]
    return [Check("budget", "; ".join(planned.lines()))] if planned is not None else []


def _metrics(settings: Settings) -> list[Check]:
    """Whether metrics can be written; nothing is listed if there are to be none."""
    path = settings.metrics_file
    if path is None:
        return []
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
        return [Check("metrics", f"metrics_file: {path.parent} is not a folder that can be written to", ExitCode.USAGE)]
    return [Check("metrics", f"{path.parent} is writable")]


def _ping(settings: Settings, out: Path | None) -> list[Check]:
    """Whether the service of `ping_url` takes a text."""
    if not settings.ping_url.get_secret_value():
        return [Check("ping", "ping_url is not set; only its protocol has a ping that changes nothing", ExitCode.USAGE)]
    try:
        try_out(Context(out or Path(), None, settings, Deadline(REPORTING_S)), str(uuid.uuid4()))
    except ReporterFailed as error:
        return [Check("ping", f"ping_url: {error}", ExitCode.USAGE)]
    return [Check("ping", "the service of ping_url takes pings")]


async def _api(settings: Settings) -> list[Check]:
    """The pace, and one call at that pace with an address that cannot exist, which is answered if all is well."""
    async with LeadClient(settings) as client:
        queue = await client.pace.queue_state()
        if queue is None:
            pace = Check("pace", f"{settings.rate_per_s:g} calls per second" if settings.rate_per_s else "no limit")
        else:
            others = "other processes are calling" if queue.busy else "no other process is calling"
            closed = f"; the API refuses calls for another {queue.closed_s:.0f} s" if queue.closed_s else ""
            pace = Check("pace", f"{settings.rate_per_s:g} calls per second, shared on this machine; {others}{closed}")
        return [pace, await _call(client, settings)]


async def _call(client: LeadClient, settings: Settings) -> Check:
    try:
        with await client.pace.acquire():
            await client.call(probe_address(1))
    except OutOfFiles as error:
        return Check("API", f"{error}; raise that limit", StorageError.exit_code)
    except TryAgain as error:
        return Check("API", f"{settings.api_url} is not answering: {error}; try later", ApiUnavailable.exit_code)
    except StopRun as error:
        return Check("API", f"{settings.api_url}: {error}", error.exit_code)
    except LeadExportError as error:
        return Check("API", f"{settings.api_url} answers, but not as documented: {error}")
    return Check("API", f"{settings.api_url} answers and accepts the credentials")
