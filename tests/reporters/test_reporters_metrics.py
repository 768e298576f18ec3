"""The metrics file: what is in it after each ending, who may read it, and that Prometheus' own tool accepts it."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from reporters_endings import context, ending, manifest

from pipeline.outcomes import Outcome
from pipeline.reporters import metrics
from pipeline.reporters.ending import ReporterFailed
from pipeline.schema import LEAD_TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIGS = Path(__file__).parents[2] / "configs" / "prometheus"
RULES = CONFIGS / "lead-export.rules.yml"


def promtool() -> str:
    """Prometheus' own tool."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool (Debian package prometheus) is not installed")
    return found


def values(text: str, name: str) -> dict[str, float]:
    """The values of a metric by its second label, or by "" if it has none."""
    samples = {family.name: family.samples for family in text_string_to_metric_families(text)}
    found = {}
    for sample in samples[f"lead_export_{name}"]:
        labels = dict(sample.labels)
        assert labels.pop("export")
        found[next(iter(labels.values()), "")] = sample.value
    return found


def publish(root: Path, run_id: str, **changes: Any) -> None:
    """A published run of which there is only the manifest."""
    folder = root / f"run={run_id}"
    folder.mkdir(parents=True)
    content = {"manifest_version": 1, **manifest(run_id=run_id, **changes)}
    (folder / "manifest.json").write_text(json.dumps(content))


def reported(root: Path, code: int, **changes: Any) -> str:
    """What the file says after an attempt."""
    file = root / "node" / "leads.prom"
    file.parent.mkdir(exist_ok=True, parents=True)
    metrics.report(ending(code, **changes), context(root, metrics_file=str(file)))
    return file.read_text(encoding="utf-8")


def test_a_finished_run(tmp_path: Path) -> None:
    """Every fact, and a zero for everything that did not happen."""
    publish(tmp_path, "one")
    text = reported(tmp_path, 3, manifest=manifest())
    assert values(text, "last_attempt_exit_code") == {"": 3}
    assert values(text, "last_attempt_success") == {"": 1}
    assert values(text, "last_attempt_timestamp_seconds") == {"": 1_795_485_610}
    assert values(text, "last_attempt_duration_seconds") == {"": 10}
    assert values(text, "last_success_timestamp_seconds") == {"": 1_795_399_210}
    rows = values(text, "last_attempt_rows")
    assert rows.keys() == {outcome.value for outcome in Outcome}
    assert rows["pending"] == 0
    assert values(text, "last_attempt_overdue_answers") == {"": 0}
    assert (sum(rows.values()), rows["failed"]) == (40, 1)
    assert values(text, "last_attempt_calls")["throttled"] == 1
    assert values(text, "api_drift_keys") == {**{table.name: 0 for table in LEAD_TABLES}, "leads": 2, "tags": 1}
    assert values(text, "published_size_bytes") == {"": 1_000}


def test_a_night_that_was_too_short(tmp_path: Path) -> None:
    """What is pending and what is too old are counted."""
    rows = {"read": 40, "found": 10, "pending": 30}
    text = reported(tmp_path, 8, manifest=manifest(rows=rows, freshness={"overdue": 4}))
    assert values(text, "last_attempt_success") == {"": 0}
    assert values(text, "last_attempt_rows")["pending"] == 30
    assert values(text, "last_attempt_overdue_answers") == {"": 4}


def test_a_failed_night_keeps_the_last_success(tmp_path: Path) -> None:
    """The newest run is too bad to count: the one before is; the attempt itself is there with zeros."""
    publish(tmp_path, "b", finished_at="2026-11-20T02:00:00.000+00:00")
    publish(tmp_path, "a", finished_at="2026-11-21T02:00:00.000+00:00")
    bad = {"read": 10, "found": 5, "failed": 5}
    publish(tmp_path, "c", finished_at="2026-11-22T02:00:00.000+00:00", rows=bad)
    (tmp_path / "latest").symlink_to("run=c")
    text = reported(tmp_path, 5)
    assert values(text, "last_success_timestamp_seconds") == {"": 1_795_226_400}
    assert set(values(text, "last_attempt_rows").values()) == {0}
    assert values(text, "last_attempt_success") == {"": 0}


def test_a_folder_without_a_run(tmp_path: Path) -> None:
    """Zero stands for never; the names of the metrics are those of any other night."""
    text = reported(tmp_path, 2)
    assert values(text, "last_success_timestamp_seconds") == {"": 0}
    publish(tmp_path, "one")
    other = reported(tmp_path, 0, manifest=manifest())
    assert series(text).keys() == series(other).keys()


def series(text: str) -> Mapping[str, str]:
    """What stands before each value."""
    return {line.rpartition(" ")[0]: line for line in text.splitlines()}


def test_everybody_may_read_it_and_nothing_else_is_left(tmp_path: Path) -> None:
    """Mode 0644 under the umask of the command; one file, which is replaced in one step."""
    before = os.umask(0o077)
    try:
        reported(tmp_path, 0, manifest=manifest())
        reported(tmp_path, 0, manifest=manifest())
    finally:
        os.umask(before)
    (file,) = (tmp_path / "node").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """One sentence with the path, and nothing is left of the try."""
    with pytest.raises(ReporterFailed, match=r"none/leads\.prom"):
        metrics.report(ending(0), context(tmp_path, metrics_file=str(tmp_path / "none" / "leads.prom")))


@pytest.mark.parametrize("name", ["leads", 'a"b\\c\nd', "Ümlaut"])
def test_promtool_accepts_every_ending(name: str) -> None:
    """Whatever the export is called, and whether there was a run or not."""
    for done in (ending(0, manifest=manifest()), ending(2)):
        text = metrics.render(done, name, None)
        checked = subprocess.run([promtool(), "check", "metrics"], input=text, capture_output=True, check=False)
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
        assert {
            sample.labels["export"]
            for family in text_string_to_metric_families(text.decode())
            for sample in family.samples
        } == {name}


@pytest.mark.parametrize("words", [("check", "rules", RULES.name), ("test", "rules", "lead-export.test.yml")])
def test_promtool_accepts_the_alert_rules(words: tuple[str, ...]) -> None:
    """Their syntax, and when they fire."""
    done = subprocess.run([promtool(), *words], cwd=CONFIGS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_alert_rules_are_about_metrics_that_exist() -> None:
    """Each name in an expression is one in the file."""
    text = metrics.render(ending(0), "leads", None).decode()
    known = {family.name for family in text_string_to_metric_families(text)}
    used = {
        word.strip("(){}") for word in RULES.read_text().replace("{", " ").replace("(", " ").replace(")", " ").split()
    }
    names = {word for word in used if word.startswith("lead_export_")}
    assert len(names) >= 5
    assert names <= known


def test_the_name_is_that_of_the_folder_unless_it_is_set(tmp_path: Path) -> None:
    """A label that tells several exports on one machine apart."""
    assert context(tmp_path / "leads").name == "leads"
    assert context(tmp_path / "leads", name="nightly").name == "nightly"
