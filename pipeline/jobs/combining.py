"""The tables of all accounts, published together like a run."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from pipeline.accounts.combined import TABLES, Source, find_sources, write_combined
from pipeline.accounts.lanes import COMBINED
from pipeline.accounts.round import CombinedRecord, worst
from pipeline.errors import StopRun
from pipeline.files.folder import OutputFolder
from pipeline.files.modes import Modes
from pipeline.jobs.call_facts import CallRate, CallTotals, Speed
from pipeline.jobs.combined_people import leave_out_suppressed
from pipeline.jobs.expire import expire_after_run
from pipeline.jobs.manifest import MANIFEST_VERSION, InputList, Manifest, Tool, status_of
from pipeline.jobs.manifest_counts import RowCounts
from pipeline.jobs.manifest_files import PublishedFile, PublishedTable
from pipeline.outcomes import Outcome, iso, now_ms
from pipeline.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pipeline.accounts.lanes import Accounts
    from pipeline.files.output_format import FileInfo
    from pipeline.jobs.combined_people import Counts
    from pipeline.jobs.manifest import Codes
    from pipeline.settings import Settings


def combine(accounts: Accounts, fresh: Mapping[str, str], name: str, require: str) -> CombinedRecord:
    """Publish the tables of all accounts of the file together, in the folder `combined` of the common one.

    Args:
        accounts: the accounts, of which those without a new run give an older one.
        fresh: the names of the runs that were published in this round, by account.
        name: what the combined run is called; another number is appended if there is one of that name.
        require: `all` if nothing is to be published unless each account has a new run.

    Returns:
        What became of it; what went wrong is in there, too.
    """
    if not fresh:
        return CombinedRecord(sentence="No account has a new run, so there is nothing new to combine.")
    try:
        found = find_sources(accounts.folders, fresh, accounts.settings)
        sources, left_out = leave_out_suppressed(found, accounts)
        states = {source.name: source.account for source in sources}
        late = [name for name, account in states.items() if account.state != "fresh"]
        code = worst(source.code for source in sources)
        why = next((source.account.reason for source in sources if source.account.reason), None)
        if require == "all" and late:
            text = f"Not published, as all accounts are required and {', '.join(late)} had no new run."
            return CombinedRecord(code=code, accounts=states, sentence=text)
        if all(source.run is None for source in sources):
            return CombinedRecord(code=code, accounts=states, sentence=why)
        run_id = _publish(sources, accounts, name, left_out)
    except StopRun as error:
        return CombinedRecord(code=error.exit_code, sentence=str(error))
    return CombinedRecord(run_id=run_id, code=code, accounts=states, sentence=why)


def _publish(sources: Sequence[Source], accounts: Accounts, name: str, left_out: Counts) -> str:
    folder = OutputFolder(accounts.out / COMBINED, Modes.of(accounts.settings))
    began, began_s = now_ms(), time.monotonic()
    with folder.locked():
        names = (name if n == 1 else f"{name}-{n}" for n in itertools.count(1))
        run_id = next(free for free in names if not folder.is_published(free))
        with folder.staging(run_id) as staging:
            tables = write_combined(sources, accounts.settings, staging)
            duration_s = time.monotonic() - began_s
            manifest = _manifest(sources, left_out, tables, accounts.settings, run_id, began, duration_s)
            folder.publish(staging, run_id, manifest.to_dict())
        folder.switch_latest_to(run_id)
        expire_after_run(folder, accounts.settings, now_ms())
    return run_id


def _manifest(
    sources: Sequence[Source],
    left_out: Counts,
    tables: Mapping[str, list[FileInfo]],
    settings: Settings,
    run_id: str,
    began_ms: int,
    duration_s: float,
) -> Manifest:
    """What is in the tables; rows, codes and calls are the sums of those of the runs, less who is left out."""
    runs = [source.manifest for source in sources if source.manifest is not None]
    rows = _sum(run["rows"] for run in runs)
    del rows["read"]
    codes = _codes(runs, left_out)
    for (outcome, _), count in left_out.items():
        rows[outcome] -= count
        rows[Outcome.SUPPRESSED] += count
    keys = {run.get("key_id") for run in runs} - {None}
    return Manifest(
        manifest_version=MANIFEST_VERSION,
        run_id=run_id,
        status=status_of(rows, codes),
        tool=Tool("lead-export", __version__),
        started_at=iso(began_ms),
        finished_at=iso(now_ms()),
        duration_s=round(duration_s, 3),
        input=[InputList(one["name"], one["rows"], one["sha256"]) for run in runs for one in run["input"]],
        rows=RowCounts.of(rows),
        codes=codes,
        calls=CallTotals(**{name: _sum(run["calls"] for run in runs)[name] for name in CallTotals.__struct_fields__}),
        rate=CallRate(settings.rate_per_s, 0.0),
        speed=Speed(None, {}),
        settings=settings.public(),
        tables={table.name: PublishedTable([*_files(tables[table.name])]) for table in TABLES if table.name in tables},
        key_id=keys.pop() if len(keys) == 1 else None,
        accounts={source.name: source.account for source in sources},
    )


def _files(files: Sequence[FileInfo]) -> Iterator[PublishedFile]:
    return (PublishedFile(one.name, one.rows, one.bytes, one.sha256) for one in files)


def _sum(counts: Any) -> Counter[str]:  # noqa: ANN401 - of plain values of manifests
    total: Counter[str] = Counter()
    for count in counts:
        total.update({name: number for name, number in count.items() if isinstance(number, int)})
    return total


def _codes(runs: Sequence[Mapping[str, Any]], left_out: Counts) -> Codes:
    """Rows by outcome and code of all runs, the most frequent first, without those that are left out."""
    outcomes = sorted({outcome for run in runs for outcome in run.get("codes", {})})
    codes = {}
    for outcome in outcomes:
        total = _sum(run.get("codes", {}).get(outcome, {}) for run in runs)
        total.subtract({code: count for (other, code), count in left_out.items() if other == outcome and code})
        codes[outcome] = dict((+total).most_common())
    return {outcome: counts for outcome, counts in codes.items() if counts}
