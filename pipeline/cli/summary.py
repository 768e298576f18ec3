"""What a job did, at its end: a few lines that add up on standard error, and with `--json` the manifest."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pipeline.cli import output
from pipeline.errors import StopRun
from pipeline.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pipeline.cli.progress import Progress


ENOUGH_CALLS = 20
"""Fewer say nothing about the speed."""


def show(manifest: Mapping[str, Any], out: Path, *, quiet: bool, as_json: bool) -> None:
    """Print the summary, and the whole manifest on standard output if asked for."""
    if not quiet:
        output.say("info", "\n".join(lines(manifest, out)))
    if as_json:
        output.write(json.dumps(manifest))


@contextmanager
def of_a_stop(progress: Progress, out: Path, *, quiet: bool, as_json: bool) -> Iterator[None]:
    """Show what was done so far if the job in the block has to stop."""
    try:
        yield
    except StopRun as error:
        progress.close()
        if error.report is not None:
            show(error.report, out, quiet=quiet, as_json=as_json)
        raise


def show_rebuilt(manifest: Mapping[str, Any], out: Path, *, quiet: bool, as_json: bool) -> None:
    """The same for tables that were made again."""
    if not quiet:
        output.say(
            "info",
            "\n".join(
                [f"Run {manifest['run_id']}: made again", *_tally(manifest["rows"]), *_what_came_out(manifest, out)]
            ),
        )
    if as_json:
        output.write(json.dumps(manifest))


def lines(manifest: Mapping[str, Any], out: Path) -> list[str]:
    """The summary; the classes of rows add up to the rows read."""
    status = str(manifest["status"]).replace("_", " ")
    text = [f"Run {manifest['run_id']}: {status} after {duration(manifest['duration_s'])}{_begun(manifest)}"]
    text += _tally(manifest["rows"])
    text.append(f"  {_calls(manifest)}")
    if speed := _speed(manifest["speed"], manifest["calls"]["sent"]):
        text.append(f"  {speed}")
    if status == "stopped":
        resume = manifest["resume"] or "the same call, with the same lists"
        kept = manifest["calls"]["answered"] or manifest["calls"]["resumed"]
        what = (
            "what was answered is kept; this goes on from there"
            if kept
            else "nothing was answered yet; this tries again"
        )
        text.append(f"  {what}:\n    {resume}")
        return text
    return text + _what_came_out(manifest, out)


def _what_came_out(manifest: Mapping[str, Any], out: Path) -> list[str]:
    """Oddities, and where the tables are."""
    drift = _drift(manifest["drift"])
    text = [f"  {drift}"] if drift else []
    if "output" in manifest:
        return [*text, f"  {manifest['output']['rows']:,} rows in {out}"]
    place = out / f"run={manifest['run_id']}"
    text.append(f"  tables in {place}")
    if manifest["rows"]["failed"]:
        text.append(f"  failed rows in {place / 'failures.csv'}, which is a list to run again")
    return text


def _tally(rows: Mapping[str, int]) -> list[str]:
    classes = [f"  {rows[name]:>9,} {name.replace('_', ' ')}" for name in [*Outcome, "pending"] if rows.get(name)]
    return [f"  {rows['read']:>9,} rows read", *classes]


def _calls(manifest: Mapping[str, Any]) -> str:
    calls, rate = manifest["calls"], manifest["rate"]
    pace = f" at {rate['achieved_per_s']:g} a second" if rate["achieved_per_s"] else ""
    details = [
        f"{calls[name]:,} {word}"
        for name, word in (
            ("retried", "asked again"),
            ("throttled", "throttled"),
            ("probes", "probes"),
            ("resumed", "kept from before"),
        )
        if calls[name]
    ]
    return ", ".join([f"{calls['sent']:,} call{'' if calls['sent'] == 1 else 's'}{pace}", *details])


def _speed(speed: Mapping[str, Any], calls: int) -> str:
    """What held it down, and what the time went into."""
    if calls < ENOUGH_CALLS:
        return ""
    shares = ", ".join(f"{name} {share:.0%}" for name, share in speed["time_shares"].items() if share >= 0.01)
    return f"{speed['bound_by']}: {shares}" if shares else str(speed["bound_by"])


def _begun(manifest: Mapping[str, Any]) -> str:
    """When a run that went on had begun; its duration is only that of its last part."""
    return f" (begun {manifest['started_at'][:16].replace('T', ' ')} UTC)" if manifest["calls"]["resumed"] else ""


def _drift(drift: Mapping[str, Mapping[str, int]]) -> str:
    """A hint that the API gives more than we know, or something else."""
    keys, values = drift["unknown_keys"], drift["unreadable_values"]
    parts = [
        f"{len(names)} {what} ({', '.join(list(names)[:3])}{', …' if len(names) > 3 else ''})"
        for names, what in ((keys, "unknown keys"), (values, "columns with unreadable values"))
        if names
    ]
    return f"the API's replies differ from its documentation: {', '.join(parts)}; kept in `extra`" if parts else ""


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
