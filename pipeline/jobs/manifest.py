"""The manifest: what a job did, as typed values in Python and as one JSON object in `manifest.json` and on `--json`."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Self

import msgspec

from pipeline.accounts.round import CombinedAccount  # noqa: TC001 - msgspec resolves it when a manifest is read
from pipeline.calls.counts import CallCounts
from pipeline.errors import ExitCode, StorageError
from pipeline.jobs.call_facts import CallRate, CallTotals, Speed, Trouble
from pipeline.jobs.change_facts import ChangeFacts  # noqa: TC001 - msgspec resolves it when a manifest is read
from pipeline.jobs.freshness import Freshness  # noqa: TC001 - msgspec resolves it when a manifest is read
from pipeline.jobs.manifest_counts import DriftCounts, RowCounts
from pipeline.jobs.manifest_files import OutputFile, PublishedFile, PublishedTable, ReportFile, private_of, tables_of
from pipeline.jobs.odd_rows import OddRows  # noqa: TC001 - msgspec resolves it when a manifest is read
from pipeline.jobs.purge_note import PurgeNote  # noqa: TC001 - msgspec resolves it
from pipeline.journal.rows import FailedLine  # noqa: TC001 - msgspec resolves it
from pipeline.outcomes import KEPT, Outcome, iso, now_ms
from pipeline.settings.account import Account, account_of
from pipeline.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pipeline.jobs.publishing import Published
    from pipeline.journal.records import ListSummary, RunRecord
    from pipeline.journal.store import Journal
    from pipeline.replies.drift import Drift
    from pipeline.settings import Settings

MANIFEST_VERSION = 1
Codes = dict[str, dict[str, int]]
RunStatus = Literal["complete", "complete_with_failures", "incomplete", "stopped"]


class Tool(msgspec.Struct, frozen=True):
    """The program that wrote the manifest."""

    name: str
    version: str


class InputList(msgspec.Struct, frozen=True):
    """One list of addresses; `rows` excludes the header, and `sha256` (hex) is that of the file's bytes."""

    name: str
    rows: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a job did. Fields that are None do not appear in the JSON.

    Attributes:
        run_id: name of the run.
        status: `complete`, `complete_with_failures` if rows failed or keep an older answer because asking again failed,
            `incomplete` if rows are pending or older than `max_age_days`, or `stopped` if nothing was published.
        started_at: when the run first started; ISO 8601 in UTC.
        finished_at: when this attempt ended; ISO 8601 in UTC.
        duration_s: how long this attempt took.
        input: the lists, in order.
        codes: rows by outcome and code, the most frequent first; rows without a code are left out.
        account: whose leads these are; None in a manifest that does not say.
        accounts: of combined tables only: which run of each account they hold.
        settings: all settings but the credentials, as `Settings.public` gives them.
        freshness: how old the answers are; of a published run only.
        tables: files by the name of the table; of a published run only.
        private: files that tables are made of and that are not published, in DIR/.lead-export/private/RUN_ID.
        key_id: names the key with which columns were hashed; None if none was.
        output: of `enrich` only.
        changes: how a published run differs from the one before; None in manifests of earlier versions.
        report: of a run with the setting `report`, unless it could not be made.
        odd_rows: rows without an address, and addresses that are probably mistyped; None if there are none.
        drift: of a job that finished.
        trouble: when the API refused calls in this attempt, or was not there; None if it never was so.
        first_failed: the first ten rows that failed, of a finished job.
        tables_removed_at: when all tables but the changes of a published run were removed; ISO 8601 in UTC.
        replies_removed_at: when the raw replies of a published run were too old to be kept; ISO 8601 in UTC.
        reason: why the job stopped.
        resume: the command that resumes a stopped job, or that asks again for failed rows of `enrich`; "" from Python.
        kept_until: until when that asks for the failed rows of `enrich` alone; ISO 8601 in UTC.
        generation: how often the published files were replaced; absent for 0.
        purged: by which purges.
    """

    manifest_version: int
    run_id: str
    status: RunStatus
    tool: Tool
    started_at: str
    finished_at: str
    duration_s: float
    input: list[InputList]
    rows: RowCounts
    codes: Codes = msgspec.field(default_factory=dict)
    calls: CallTotals
    rate: CallRate
    speed: Speed
    account: Account | None = None
    accounts: dict[str, CombinedAccount] | None = None
    settings: dict[str, Any]
    freshness: Freshness | None = None
    tables: dict[str, PublishedTable] | None = None
    private: dict[str, PublishedTable] | None = None
    key_id: str | None = None
    output: OutputFile | None = None
    changes: ChangeFacts | None = None
    report: ReportFile | None = None
    drift: DriftCounts | None = None
    trouble: Trouble | None = None
    odd_rows: OddRows | None = None
    first_failed: list[FailedLine] | None = None
    replies_removed_at: str | None = None
    tables_removed_at: str | None = None
    reason: str | None = None
    resume: str | None = None
    kept_until: str | None = None
    generation: int = 0
    purged: list[PurgeNote] | None = None

    @property
    def exit_code(self) -> ExitCode:
        """That of a finished job."""
        return _EXIT_CODES[self.status]

    def in_failures(self) -> int:
        """Rows that failed, or keep an older answer because asking again failed: those in `failures.csv`."""
        return self.rows.failed + kept_rows(self.codes)

    @property
    def failures_can_be_run(self) -> bool:
        """Whether `failures.csv` is a list of addresses, which it may not be if columns are left out or hashed."""
        return not (self.settings.get("drop_columns") or self.settings.get("hash_columns"))

    def files(self) -> list[PublishedFile]:
        """The files of all tables."""
        return [file for table in (self.tables or {}).values() for file in table.files]

    def to_dict(self) -> dict[str, Any]:
        """The manifest as the plain values of its JSON."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any], path: Path) -> Self:
        """Read the plain values of a manifest that came from `path`; keys of other versions are ignored.

        Raises:
            StorageError: a key is missing or holds a value of the wrong type.
        """
        try:
            return msgspec.convert(plain, cls)
        except msgspec.ValidationError as error:
            raise StorageError(f"{path}: the manifest is damaged ({error}).") from error


@dataclass(frozen=True, slots=True)
class ManifestBuilder:
    """Collects the facts of one attempt at a job, from when it starts.

    Attributes:
        run: the run, which may have started in an earlier attempt.
        lists: the lists of the run.
        settings: those of this attempt.
        resumed: addresses answered before this attempt.
        odd_rows: what people should look at in the lists, if anything.
        calls: counted up while the calls are made.
        start_s: when the attempt started, in seconds of the monotonic clock.
        clock: gives the time, in milliseconds since 1970 UTC.
    """

    run: RunRecord
    lists: list[ListSummary]
    settings: Settings
    resumed: int
    odd_rows: OddRows | None = None
    calls: CallCounts = field(default_factory=CallCounts)
    start_s: float = field(default_factory=time.monotonic)
    clock: Callable[[], int] = now_ms

    @classmethod
    def start(cls, journal: Journal, settings: Settings, clock: Callable[[], int] = now_ms) -> Self:
        """Start with what the journal holds before the first call."""
        before = journal.summary()
        return cls(before.run, before.lists, settings, before.answered, clock=clock)

    def with_odd_rows(self, odd_rows: OddRows | None) -> Self:
        """The same with what people should look at."""
        return replace(self, odd_rows=odd_rows)

    def published(
        self,
        published: Published,
        codes: Codes,
        failed: list[FailedLine] | None,
        changes: ChangeFacts | None = None,
        freshness: Freshness | None = None,
        *,
        key_id: str | None = None,
    ) -> Manifest:
        """Describe a published run; `failed` are the first rows that failed, `key_id` names the key of hashes."""
        return self._build(
            status_of(published.rows, codes, freshness),
            RowCounts.of(published.rows),
            codes,
            freshness=freshness,
            tables=tables_of(published),
            changes=changes,
            private=private_of(published),
            key_id=key_id,
            drift=DriftCounts.of(published.drift),
            first_failed=failed,
        )

    def enriched(
        self,
        rows: Mapping[str, int],
        codes: Codes,
        output: OutputFile,
        drift: Drift,
        *,
        first_failed: list[FailedLine] | None,
        resume: str | None,
        kept_until: str | None,
    ) -> Manifest:
        """Describe a finished `enrich`, which wrote the file `output`; see `Manifest` for what is about failed rows."""
        return self._build(
            status_of(rows, codes),
            RowCounts.of(rows),
            codes,
            output=output,
            drift=DriftCounts.of(drift),
            first_failed=first_failed,
            resume=resume,
            kept_until=kept_until,
        )

    def stopped(self, rows: Mapping[str, int], codes: Codes, reason: str) -> Manifest:
        """Describe a job that stopped before it published anything."""
        return self._build("stopped", RowCounts.of(rows, stopped=True), codes, reason=reason, resume=self.run.command)

    def _build(self, status: RunStatus, rows: RowCounts, codes: Codes, **rest: Any) -> Manifest:  # noqa: ANN401 - fields of Manifest
        calls = self.calls
        return Manifest(
            manifest_version=MANIFEST_VERSION,
            run_id=self.run.run_id,
            status=status,
            tool=Tool("lead-export", __version__),
            started_at=iso(self.run.started_at_ms),
            finished_at=iso(self.clock()),
            duration_s=round(time.monotonic() - self.start_s, 3),
            input=[InputList(entry.name, entry.rows, entry.sha256) for entry in self.lists],
            rows=rows,
            codes=codes,
            calls=CallTotals.of(calls, resumed=self.resumed),
            rate=CallRate(self.settings.rate_per_s, round(calls.per_second, 2)),
            speed=Speed(calls.bound_by(), calls.shares()),
            trouble=Trouble.of(calls),
            account=account_of(self.settings),
            settings=self.settings.public(),
            odd_rows=self.odd_rows,
            **rest,
        )


_EXIT_CODES: dict[RunStatus, ExitCode] = {
    "complete": ExitCode.OK,
    "complete_with_failures": ExitCode.ROWS_FAILED,
    "incomplete": ExitCode.INCOMPLETE,
    "stopped": ExitCode.OK,  # overruled by the error that stopped it
}


def status_of(rows: Mapping[str, int], codes: Codes, freshness: Freshness | None = None) -> RunStatus:
    """How a finished job with these rows ended."""
    if rows.get(Outcome.PENDING) or (freshness is not None and freshness.overdue):
        return "incomplete"
    return "complete_with_failures" if rows.get(Outcome.FAILED) or kept_rows(codes) else "complete"


def kept_rows(codes: Codes) -> int:
    """Rows that keep an older answer because asking again failed."""
    return sum(count for found in codes.values() for code, count in found.items() if code.startswith(KEPT))
