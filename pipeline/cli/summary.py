"""What a job did: a few lines that add up on standard error, and with `--json` the manifest on standard output."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline.cli.carried import carried_lines
from pipeline.cli.changed import change_lines
from pipeline.cli.limits import limit_lines, shortcomings
from pipeline.cli.output import print_json, print_message
from pipeline.errors import EmailMismatch, ExitCode, StopRun, StorageError
from pipeline.outcomes import Outcome
from pipeline.words import counted, duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pipeline.cli.monitor import Monitor
    from pipeline.cli.options import OutputOptions
    from pipeline.cli.progress import Progress
    from pipeline.jobs.call_facts import CallTotals, Speed
    from pipeline.jobs.manifest import Manifest
    from pipeline.jobs.manifest_counts import DriftCounts
    from pipeline.jobs.manifest_files import OutputFile
    from pipeline.jobs.odd_rows import OddRows
    from pipeline.journal.rows import OddRow


NAME = "lead-export"
MIN_CALLS = 20
"""With fewer calls, what limited the speed is not worth telling."""
MAX_REASONS = 3
"""Reasons for failed rows that are named; the manifest has all."""


def show(manifest: Manifest, out: Path, output: OutputOptions, monitor: Monitor) -> ExitCode:
    """Print the summary of a finished job; return its exit code."""
    monitor.manifest, monitor.sentence = manifest, sentence(manifest, out)
    for notice in _notices(manifest, out, monitor) if output.quiet else ():
        print_message("warning", notice)
    return _print(manifest, lines(manifest, out), output)


def show_rebuilt(manifest: Manifest, out: Path, output: OutputOptions) -> ExitCode:
    """Print the summary of a rebuilt run; return the exit code."""
    summary = [f"Run {manifest.run_id}: rebuilt", *_rows(manifest), *_results(manifest, out)]
    return _print(manifest, summary, output)


@contextmanager
def shown_if_stopped(progress: Progress, out: Path, output: OutputOptions) -> Iterator[None]:
    """Print the summary of the job in the block if it stops early."""
    try:
        yield
    except StopRun as error:
        progress.close()
        if error.manifest is not None:
            _print(error.manifest, lines(error.manifest, out), output)
        raise


def _print(manifest: Manifest, summary: list[str], output: OutputOptions) -> ExitCode:
    if not output.quiet:
        print_message("info", "\n".join(summary))
    if output.as_json:
        try:
            print_json(manifest)
        except StorageError as error:  # what was published stays, and so does the exit code that says so
            print_message("warning", f"{NAME}: {error}")
    return manifest.exit_code


def lines(manifest: Manifest, out: Path) -> list[str]:
    """The summary of a job; the rows by outcome add up to the rows read."""
    status = manifest.status.replace("_", " ")
    # The duration is that of the last attempt only.
    started = f" (started {manifest.started_at[:16].replace('T', ' ')} UTC)" if manifest.calls.resumed else ""
    text = [f"Run {manifest.run_id}: {status} after {duration(manifest.duration_s)}{started}"]
    text += _rows(manifest)
    text += _odd_rows(manifest.odd_rows)
    text.append(f"  {_calls(manifest.calls, manifest.rate.achieved_per_s)}")
    text += [f"  {line}" for line in carried_lines(manifest.freshness)]
    if speed := _speed(manifest.speed, manifest.calls.sent):
        text.append(f"  {speed}")
    text += [f"  {line}" for line in limit_lines(manifest.freshness)]
    if manifest.status == "stopped":
        answers = manifest.calls.answered or manifest.calls.resumed
        kept = "answers so far are kept; resume with:" if answers else "nothing was answered yet; try again with:"
        return [*text, f"  {kept}", f"    {manifest.resume or 'the same command'}"]
    return text + _results(manifest, out)


def sentence(manifest: Manifest, out: Path) -> str:
    """What a job did, in one line: which run, how many rows are pending, too old or failed, and where these are."""
    rows = manifest.rows
    if manifest.status == "complete":
        counts = [f"{count:,} {name.replace('_', ' ')}" for name, count in rows.by_outcome().items() if count]
        return f"Run {manifest.run_id}: {rows.read:,} rows read, {', '.join(counts) or 'none of them an address'}."
    where = out if manifest.output else _folder(manifest, out) / "failures.csv"
    parts = [*shortcomings(manifest)]
    if rows.failed:
        parts.append(f"{rows.failed:,} of {rows.read:,} rows failed ({_reasons(manifest)}); see {where}")
    return f"Run {manifest.run_id}: {'; '.join(parts)}."


def stopped(manifest: Manifest, reason: str, code: int) -> str:
    """Why a job stopped, how far it got, and how it goes on."""
    rows = manifest.rows
    done = rows.read - (rows.pending or 0)
    end = "" if reason.endswith((".", "!", "?")) else "."
    again = "its answers are kept" if code == ExitCode.LEADS_GONE else "the same command resumes it"
    how = f"ended with exit code {code}, {done:,} of {rows.read:,} rows done; {again}."
    return f"{reason}{end} Run {manifest.run_id} {how}"


def _notices(manifest: Manifest, out: Path, monitor: Monitor) -> Iterator[str]:
    """What is told of a finished job even where no summary is wanted; what differs in the replies, only once."""
    if manifest.status != "complete":
        yield f"{NAME}: {sentence(manifest, out)}"
    drift = manifest.drift
    if drift and monitor.take_untold([*drift.unknown_keys, *drift.unreadable_values]):
        yield f"{NAME}: Run {manifest.run_id}: {_drift(drift)}."


def _reasons(manifest: Manifest) -> str:
    """The reasons why rows failed, the most frequent first."""
    failed = manifest.codes.get(Outcome.FAILED, {})
    reasons = [f"{count:,} {code}" for code, count in list(failed.items())[:MAX_REASONS]]
    more = [f"{len(failed) - MAX_REASONS} more"] if len(failed) > MAX_REASONS else []
    return ", ".join(reasons + more)


def _folder(manifest: Manifest, out: Path) -> Path:
    return out / f"run={manifest.run_id}"


def _rows(manifest: Manifest) -> list[str]:
    """Rows by outcome, why rows failed, and how many were found under another address."""
    rows = manifest.rows
    counts = [f"  {count:>9,} {name.replace('_', ' ')}" for name, count in rows.by_outcome().items() if count]
    text = [f"  {rows.read:>9,} {'row' if rows.read == 1 else 'rows'} read", *counts]
    if reasons := _reasons(manifest):
        text.append(f"  failed with: {reasons}")
    if accepted := manifest.codes.get(Outcome.FOUND, {}).get(EmailMismatch.code):
        text.append(f"  {counted(accepted, 'row')} found under another address")
    return text


def _odd_rows(odd: OddRows | None) -> Iterator[str]:
    """Where the first rows are that people should look at, those with the same fault on one line."""
    if odd is None:
        return
    for what, first, count in (
        ("invalid", odd.first_invalid, None),
        (f"{odd.suspicious:,} suspicious, looked up all the same", odd.first_suspicious, odd.suspicious),
    ):
        if first:
            yield f"  {what}{':' if count is None or count <= len(first) else f', the first {len(first)} of them:'}"
        for (name, code), rows in _grouped(first).items():
            yield f"    {name}, {', '.join(rows)}: {meaning(code)}"


def _grouped(rows: Sequence[OddRow]) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for odd in rows:
        found.setdefault((odd.input, odd.code), []).append(f"{odd.unit} {odd.line:,}")
    return found


def meaning(code: str) -> str:
    """What is wrong with a row, in words; without an @, so that whoever looks for addresses in a log finds none."""
    from pipeline.emails.address import REFUSALS
    from pipeline.emails.suspicion import SUSPICIONS

    reasons = {**SUSPICIONS, **{each.code: each.message for each in REFUSALS}}
    return reasons.get(code, code.replace("_", " ")).replace("@", "at sign")


def _calls(calls: CallTotals, per_second: float) -> str:
    rate = f" at {per_second:g} per second" if per_second else ""
    details = [
        f"{count:,} {words}"
        for count, words in (
            (calls.retried, "retried"),
            (calls.throttled, "throttled"),
            (calls.probes, "probe" if calls.probes == 1 else "probes"),
            (calls.resumed, f"{'answer' if calls.resumed == 1 else 'answers'} from the previous attempt"),
        )
        if count
    ]
    return ", ".join([f"{counted(calls.sent, 'call')}{rate}", *details])


def _speed(speed: Speed, calls: int) -> str:
    """What limited the speed, and where the time went."""
    if calls < MIN_CALLS:
        return ""
    shares = ", ".join(f"{name} {share:.0%}" for name, share in speed.time_shares.items() if share >= 0.01)
    return f"{speed.bound_by}: {shares}" if shares else str(speed.bound_by)


def _results(manifest: Manifest, out: Path) -> list[str]:
    """Differences from the API's documentation, and where the results are."""
    drift = _drift(manifest.drift) if manifest.drift else ""
    text = [f"  {drift}"] if drift else []
    text += [f"  {line}" for line in change_lines(manifest.changes)] if manifest.changes else []
    text += [f"  {_failed(manifest)}"] if manifest.first_failed else []
    if manifest.output:
        return [*text, f"  {_enriched(manifest.output, manifest.rows.found)} in {out}", *_again(manifest)]
    folder = _folder(manifest, out)
    text.append(f"  tables in {folder}")
    if manifest.report:
        text.append(f"  report in {folder / manifest.report.name}")
    if manifest.in_failures():
        again = ", which can be run again as a list" if manifest.failures_can_be_run else ""
        text.append(f"  failed rows in {folder / 'failures.csv'}{again}")
    return text


def _failed(manifest: Manifest) -> str:
    """Where the first rows are that failed, and why they did."""
    named = manifest.first_failed or []
    several = len(manifest.input) > 1
    places = [
        f"{row.unit} {row.line:,}{f' of {row.input}' if several else ''} ({row.code or 'no reason given'})"
        for row in named
    ]
    more = manifest.in_failures() - len(named)
    return f"failed rows: {', '.join(places)}{f' and {more:,} more' if more else ''}"


def _enriched(output: OutputFile, found: int) -> str:
    """The rows of the file, and how many of them have the data of a lead: more than were found if some are the same."""
    duplicates = output.filled - found
    more = f" ({found:,} found, and {counted(duplicates, 'duplicate')} of these)" if duplicates else ""
    return f"{counted(output.rows, 'row')}, {output.filled:,} of them with a lead{more},"


def _again(manifest: Manifest) -> list[str]:
    """What to do about the rows of `enrich` that failed."""
    if not manifest.kept_until:
        return []
    until = manifest.kept_until[:16].replace("T", " ")
    again = manifest.resume or "the same call with force=True"
    return [f"  to ask again for what failed, and for nothing else, until {until} UTC:", f"    {again}"]


def _several(count: int, what: str) -> str:
    """The number of things whose first word or words are the noun: `2 columns with unreadable values`."""
    noun, _, rest = what.partition(" with ")
    return f"{counted(count, noun)} with {rest}" if rest else counted(count, noun)


def _drift(drift: DriftCounts) -> str:
    """What the API sent that is not documented; "" if there was nothing."""
    parts = [
        f"{_several(len(names), what)} ({', '.join(list(names)[:3])}{', …' if len(names) > 3 else ''})"
        for names, what in (
            (drift.unknown_keys, "unknown key"),
            (drift.unreadable_values, "column with unreadable values"),
        )
        if names
    ]
    return f"the API's replies differ from its documentation: {', '.join(parts)}; kept in `extra`" if parts else ""
