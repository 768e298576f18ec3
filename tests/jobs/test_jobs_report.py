"""The report of a run: what it says, that it is a page which any browser shows, and what is never in it."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import re
import shutil
from typing import TYPE_CHECKING, Any

import html5lib
import msgspec
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_runs import ENDS, published

from pipeline.calls.transport import ERROR_RULES
from pipeline.emails.address import REFUSALS
from pipeline.errors import EmailMismatch, ExitCode, GiveUp, LeadExportError, TryAgain, UnknownApiError, UsageError
from pipeline.files.folder import OutputFolder, read_manifest
from pipeline.jobs.call_facts import CallTotals
from pipeline.jobs.manifest import Manifest
from pipeline.jobs.manifest_counts import DriftCounts, RowCounts
from pipeline.jobs.manifest_files import PublishedFile, PublishedTable
from pipeline.jobs.rebuild import rebuild
from pipeline.jobs.report import words
from pipeline.jobs.report.facts import Facts
from pipeline.jobs.report.page import MAX_NAMES, render
from pipeline.jobs.report.write import REPORT, add_report, report
from pipeline.reporters.history import Attempt, append
from pipeline.schema import LEAD_TABLES, LEADS, OUTCOMES
from pipeline.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from xml.etree.ElementTree import Element

MAX_BYTES = 100_000
LOADING = {"src", "href", "srcset", "data", "poster", "action", "background", "xlink:href", "style"}
"""Attributes that load or run something, or that a stricter policy of a server drops."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 300 rows with an outage and 429s, after 29 other attempts."""
    return published(tmp_path_factory.mktemp("published"), 300)


def manifest_of(run: Path) -> Manifest:
    """The manifest of a published run."""
    plain = read_manifest(run)
    assert plain is not None
    return Manifest.from_dict(plain, run)


def state_of(run: Path) -> Path:
    """The hidden folder beside a run."""
    return OutputFolder(run.parent).state.path


def later_attempt(day: str, exit_code: int = 0, sentence: str = "") -> Attempt:
    """An attempt that began and ended on that day."""
    return Attempt(
        attempt_id="1",
        command="run",
        started_at=day,
        ended_at=day,
        exit_code=exit_code,
        is_success=exit_code == 0,
        version="0.1.0",
        sentence=sentence,
    )


def page(run: Path, **changes: Any) -> bytes:
    """The report of a run whose manifest has these changes."""
    manifest = msgspec.structs.replace(manifest_of(run), **changes)
    return render(manifest, Facts.of(manifest, run, state_of(run)))


def elements(html: bytes) -> Iterator[Element]:
    """Every element of a page that is valid HTML."""
    root = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(html)
    for element in root.iter():
        if isinstance(element.tag, str):
            yield element


def text_of(html: bytes) -> str:
    """What a reader sees of a page, in one line."""
    body = next(element for element in elements(html) if element.tag == "body")
    return " ".join("".join(body.itertext()).split())


def check_harmless(html: bytes) -> None:
    """Check that a page is valid, runs nothing, loads nothing, and forbids both."""
    found = [*elements(html)]
    tags = {element.tag.rpartition("}")[2] for element in found}
    assert tags.isdisjoint({"script", "link", "img", "image", "iframe", "object", "embed", "use", "form", "base", "a"})
    names = {str(name).rpartition("}")[2] for element in found for name in element.attrib}
    assert names.isdisjoint(LOADING)
    assert [name for name in names if name.startswith("on")] == []
    (style,) = [element.text or "" for element in found if element.tag == "style"]
    assert not re.search(r"url\(|@import|expression", style)
    (policy,) = [element.attrib["content"] for element in found if "http-equiv" in element.attrib]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.split("; ")[:2] == ["default-src 'none'", f"style-src 'sha256-{digest}'"]


# What it is.


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"trouble": None, "drift": None, "codes": {}},
        {"rows": RowCounts.of({}), "calls": CallTotals(0, 0, 0, 0, 0, 0), "tables": {}, "input": []},
        {"calls": CallTotals(40, 40, 0, 0, 0, 260), "settings": {}},
    ],
    ids=["usual", "uneventful", "empty", "resumed"],
)
def test_it_is_a_valid_page_that_runs_and_loads_nothing(run: Path, changes: dict[str, Any]) -> None:
    """Whatever a run was like: valid HTML, a policy that forbids everything but the page's own style, small."""
    html = page(run, **changes)
    check_harmless(html)
    assert len(html) <= MAX_BYTES


def test_every_picture_is_described(run: Path) -> None:
    """A picture has a title and a description, or is hidden from screen readers because its numbers stand beside it."""
    pictures = [element for element in elements(page(run)) if element.tag.endswith("svg")]
    described = [picture for picture in pictures if picture.attrib.get("role") == "img"]
    assert len(described) == 4
    for picture in described:
        ids = {str(part.attrib.get("id")) for part in picture if part.tag.rpartition("}")[2] in ("title", "desc")}
        assert ids == set(picture.attrib["aria-labelledby"].split())
    nested = {part for picture in described for part in picture.iter() if part is not picture}
    assert all(p.attrib.get("aria-hidden") == "true" for p in pictures if p not in described and p not in nested)


def test_it_stays_small_and_reads_little_however_many_rows_there_are(tmp_path: Path) -> None:
    """A million rows: at most 100 kB, and no more memory than for a few."""
    run = published(tmp_path, 1_000_000, leads=2_000)
    pool = pa.proxy_memory_pool(pa.default_memory_pool())
    before = pa.default_memory_pool()
    pa.set_memory_pool(pool)
    try:
        html = page(run, drift=DriftCounts({f"leads.key{n:03}" + "x" * 50: n for n in range(500)}, {}))
    finally:
        pa.set_memory_pool(before)
    assert len(html) <= MAX_BYTES
    assert f"And {500 - MAX_NAMES} more" in text_of(html)
    assert (pool.max_memory() or 0) < 16_000_000


# What it says.


def test_it_says_what_the_run_came_to(run: Path) -> None:
    """The rows by outcome, the calls, the trouble, the failures, the drift, the files and the settings are there."""
    manifest, text = manifest_of(run), text_of(page(run))
    for count in manifest.rows.by_outcome().values():
        assert re.search(rf"[a-z]{count}[0-9]", text)  # cells have nothing between them: name, rows, share
    assert f"{manifest.rows.failed} of 300 rows failed" in text
    assert "60 calls refused with 429" in text
    assert "1 outage" in text
    for name in ("timeout", "http_502", "leads.loyalty_tier", "transactions.transaction_date", "custom_fields"):
        assert name in text
    assert "concurrency 20" in text
    assert "formats parquet, csv" in text


def test_colour_is_never_all_there_is(run: Path) -> None:
    """Attempts that went wrong have a mark, and a table says how each of the thirty ended."""
    html = page(run)
    rows = [element for element in elements(html) if element.tag == "tr"]
    ended = [row for row in rows if any(cell.tag == "td" and cell.find("time") is not None for cell in row)]
    assert len(ended) == 30
    wrong = sum(ENDS[n % len(ENDS)] in (5, None) for n in range(1, 30))
    assert [e.text for e in elements(html) if e.attrib.get("class") == "badtext"] == ["!"] * wrong
    assert "ended without a word" in text_of(html)
    assert "stopped: the API was unavailable" in text_of(html)


def test_columns_are_counted_the_same_in_every_format(run: Path, tmp_path: Path) -> None:
    """From Parquet's statistics, and from CSV, TSV and workbooks as they are read: how filled, and when answered."""
    facts = Facts.of(manifest_of(run), run, state_of(run))
    assert [fill.table for fill in facts.fills] == [table.name for table in LEAD_TABLES]
    leads = pd.read_parquet(run / "leads.parquet")
    assert facts.fills[0].columns == leads.notna().sum().to_dict()
    for suffix in ("csv", "tsv", "xlsx"):
        folder = tmp_path / suffix
        shutil.copytree(run, folder)
        other = _in_format(manifest_of(run), folder, suffix)
        found = Facts.of(other, folder, state_of(run))
        assert (found.pace, found.fills) == (facts.pace, facts.fills), suffix


def _in_format(manifest: Manifest, folder: Path, suffix: str) -> Manifest:
    """The same run with its tables in another format."""
    from pipeline.files.output_format import TableWriter, WriteOptions
    from pipeline.tables.frames import arrow_schema, make_frame

    tables = {}
    for table in (*LEAD_TABLES, OUTCOMES):
        path = folder / f"{table.name}.parquet"
        content = pa.parquet.read_table(path).cast(arrow_schema(table))
        frame = make_frame(table.names, [column.combine_chunks() for column in content.columns])
        with TableWriter(folder, table.name, frame.head(0), [suffix], WriteOptions(bom=suffix == "csv")) as file:
            file.write(frame)
        tables[table.name] = PublishedTable([PublishedFile(*info) for info in file.files()])
        path.unlink()
    return msgspec.structs.replace(manifest, tables=tables)


def test_the_pace_is_that_of_the_attempt_that_published(run: Path) -> None:
    """All its answers are in the picture; those of earlier attempts are not."""
    manifest = manifest_of(run)
    pace = Facts.of(manifest, run, state_of(run)).pace
    assert pace is not None
    # Duplicates and invalid rows were never asked for.
    asked = manifest.rows.read - manifest.rows.invalid - manifest.rows.duplicate
    assert sum(pace.counts) == asked
    resumed = msgspec.structs.replace(manifest, duration_s=manifest.duration_s / 2)
    later = Facts.of(resumed, run, state_of(run)).pace
    assert later is not None
    assert 0 < sum(later.counts) < asked
    assert later.start_ms > pace.start_ms


def test_files_that_are_gone_or_damaged_cost_their_part_only(run: Path, tmp_path: Path) -> None:
    """A report of a run whose tables were moved away says so, and all that the manifest says."""
    folder = tmp_path / "run=20261124T020000Z"
    shutil.copytree(run, folder)
    for table in LEAD_TABLES:
        (folder / f"{table.name}.parquet").unlink()
    (folder / "outcomes.parquet").write_bytes(b"PAR1 no more")
    text = text_of(page(folder))
    assert text.count("The file of this table cannot be read.") == len(LEAD_TABLES)
    assert "too few answers for a picture" in text
    assert "No earlier attempt is known" in text


def test_every_code_and_every_ending_has_words() -> None:
    """Whoever adds a reason why an address fails, or an exit code, says what it means here too."""
    codes = {rule.code for rule in ERROR_RULES if issubclass(rule.becomes, TryAgain | GiveUp)}
    codes |= {each.code for each in _subclasses(TryAgain) | _subclasses(GiveUp)} | {r.code for r in REFUSALS}
    assert {code for code in codes if not words.reason(code)} == {"error"}
    assert EmailMismatch.code in codes
    assert UnknownApiError.code in codes
    assert words.ENDINGS.keys() == set(ExitCode)


def _subclasses(base: type[LeadExportError]) -> set[type[LeadExportError]]:
    return {base}.union(*map(_subclasses, base.__subclasses__()))


@pytest.mark.parametrize(
    ("share", "shown"), [(0, "0%"), (1, "100%"), (0.99999, ">99.9%"), (0.00001, "<0.1%"), (0.5, "50.0%")]
)
def test_shares_look_like_all_or_nothing_only_if_they_are(share: float, shown: str) -> None:
    """A single failed row among a million is not 0%."""
    assert words.percent(share) == shown


# What is never in it.

ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
MARKED = ANY.map(lambda text: f"{text}marker@example.com{text}")


@settings(max_examples=15)
@given(codes=st.dictionaries(ANY | MARKED, st.integers(1, 9)), name=ANY | MARKED, sentence=ANY | MARKED)
def test_no_text_that_may_be_lead_data_gets_in(run: Path, codes: dict[str, int], name: str, sentence: str) -> None:
    """Whatever a manifest and a history hold as codes, keys, settings and sentences: the page stays harmless."""
    attempt = later_attempt("2026-11-23", exit_code=9, sentence=sentence)
    manifest = msgspec.structs.replace(
        manifest_of(run),
        codes={"failed": codes, "invalid": codes},
        drift=DriftCounts(codes, codes),
        settings={**manifest_of(run).settings, "email_column": name, "name": name, name: name},
        input=[msgspec.structs.replace(manifest_of(run).input[0], name=name)],
    )
    html = render(manifest, Facts(None, [], [attempt]))
    check_harmless(html)
    assert b"marker" not in html


# Where it goes.


def test_later_attempts_change_nothing(run: Path, tmp_path: Path) -> None:
    """A report made later is the one that was published, byte for byte, though there have been more attempts."""
    shutil.copytree(run.parent, tmp_path / "copy", symlinks=True)
    copy = tmp_path / "copy" / run.name
    state = state_of(copy)
    first = add_report(manifest_of(copy), copy, state).report
    append(state, later_attempt("2027-01-01"))
    later = report(tmp_path / "copy" / "latest", tmp_path / "later.html")
    assert first is not None
    assert (later.sha256, later.bytes) == (first.sha256, first.bytes)
    assert (copy / REPORT).read_bytes() == (tmp_path / "later.html").read_bytes()
    assert (tmp_path / "later.html").stat().st_mode & 0o777 == 0o600


def test_a_report_that_cannot_be_made_is_one_warning(
    run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The manifest comes back as it was, and no file is left."""
    manifest = manifest_of(run)
    assert add_report(manifest, tmp_path / "nowhere", state_of(run)) is manifest
    damaged = msgspec.structs.replace(manifest, finished_at="once upon a time")
    assert add_report(damaged, tmp_path, state_of(run)) is damaged
    assert [record.levelno for record in caplog.records if record.levelno > logging.INFO] == [logging.WARNING] * 2
    assert [*tmp_path.iterdir()] == []


def test_where_a_report_cannot_go(run: Path, tmp_path: Path) -> None:
    """Not over an existing file unless forced, not in place of a folder, not into one that is not there."""
    out = tmp_path / "report.html"
    out.write_text("mine")
    for where in (out, tmp_path, tmp_path / "nowhere" / "report.html"):
        with pytest.raises(UsageError):
            report(run, where)
    with pytest.raises(UsageError):
        report(tmp_path, tmp_path / "other.html")
    assert out.read_text() == "mine"
    assert report(run, out, force=True).name == "report.html"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_rebuilt_runs_do_not_claim_a_report_they_do_not_have(tmp_path: Path) -> None:
    """`rebuild` makes no report unless asked, and then the manifest has no word of one."""
    from jobs_lists import settings as job_settings
    from jobs_lists import write_list

    from pipeline.jobs.export import export
    from pipeline.sandbox.options import SandboxOptions
    from pipeline.sandbox.process import running

    people = write_list(tmp_path / "people.txt", ["ann@example.com", "not-found@example.com"])
    with running(SandboxOptions(limit_per_s=0)) as sandbox:
        made = export(job_settings(sandbox.url, report=True), [people], tmp_path / "out")
    latest = tmp_path / "out" / "latest"
    assert made.report is not None
    assert made.report.sha256 == hashlib.sha256((latest / REPORT).read_bytes()).hexdigest()
    assert json.loads((latest / "manifest.json").read_text())["report"] == msgspec.to_builtins(made.report)
    assert rebuild(latest, tmp_path / "bare").report is None
    assert "report" not in json.loads((tmp_path / "bare" / "latest" / "manifest.json").read_text())
    assert not (tmp_path / "bare" / "latest" / REPORT).exists()
    again = rebuild(latest, tmp_path / "asked", lambda before: Settings.model_validate({**before, "report": True}))
    assert again.report is not None
    assert (tmp_path / "asked" / "latest" / REPORT).stat().st_size == again.report.bytes
    leads = pd.read_parquet(latest / f"{LEADS.name}.parquet")
    assert leads["email"].iloc[0] not in (latest / REPORT).read_text()
