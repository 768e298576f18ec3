"""Pings: what a service is told for each ending, and that none of its moods costs more than the time allowed."""

from __future__ import annotations

import dataclasses
import time
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from monitoring_service import Service, closed_port, service
from reporters_endings import context, ending, manifest

from pipeline.errors import UsageError
from pipeline.reporters import ping
from pipeline.reporters.ending import Context, ReporterFailed
from pipeline.settings import Settings
from pipeline.settings.urls import TEMPLATE_NAMES

if TYPE_CHECKING:
    from pathlib import Path

CHECK = "/ping/2f7c3f4e-0000-4000-8000-secret-token"


def place(tmp_path: Path, seconds: float = 30.0, **settings: object) -> Context:
    """A context in which nothing is waited for between two tries."""
    return dataclasses.replace(context(tmp_path, seconds, **settings), pauses_s=(0.0, 0.0))


@pytest.mark.parametrize(
    ("code", "failed", "signal"),
    [
        *((0, 0, "0"), (1, 0, "1"), (2, 0, "2"), (3, 1, "0"), (3, 39, "3"), (4, 0, "4"), (5, 0, "5"), (6, 0, "6")),
        *((7, 0, "log"), (130, 0, "130"), (143, 0, "143")),
    ],
)
def test_each_exit_code_is_told(monitor: Service, tmp_path: Path, code: int, failed: int, signal: str) -> None:
    """As its number; a few failed rows are a success, and a busy folder changes no state."""
    rows = {"read": 40, "found": 40 - failed, "failed": failed}
    done = ending(code, "What happened.", manifest=manifest(rows=rows))
    ping.report(done, place(tmp_path, ping_url=monitor.url + CHECK))
    (told,) = monitor.told
    assert (told.method, told.path) == ("POST", f"{CHECK}/{signal}")
    assert told.query == {"rid": [done.attempt_id]}
    lines = told.body.splitlines()
    verdict = {"0": "SUCCESS", "log": "BUSY"}.get(signal, "FAILURE")
    assert lines[:2] == [f"{verdict} exit code {code}", "What happened."]
    assert f"rows: read=40 found={40 - failed} failed={failed}" in lines


def test_the_start_has_the_rid_of_the_end(monitor: Service, tmp_path: Path) -> None:
    """And its reply says how long the text may be, which is cut between two characters; a query stays."""
    monitor.headers = {"Ping-Body-Limit": "99"}
    where = place(tmp_path, ping_url=f"{monitor.url}{CHECK}?create=1")
    done = ending(5, "€" * 500)
    start = ping.StartPing(where, done.attempt_id)
    start.begin()
    ping.report(done, where, start)
    assert monitor.signals == ["start", "5"]
    assert [told.query for told in monitor.told] == [{"create": ["1"], "rid": [str(uuid.UUID(done.attempt_id))]}] * 2
    assert 97 <= len(monitor.told[1].body.encode()) <= 99
    assert set(monitor.told[1].body.splitlines()[1]) == {"€"}


@pytest.mark.parametrize(
    ("pending", "failed", "overdue", "signal"), [(2, 0, 0, "0"), (0, 0, 2, "0"), (3, 0, 0, "8"), (1, 1, 1, "8")]
)
def test_rows_without_a_young_answer_count_as_failed_ones(
    monitor: Service, tmp_path: Path, pending: int, failed: int, overdue: int, signal: str
) -> None:
    """Pending, overdue and failed rows have one tolerance together; here it is a twentieth of forty."""
    rows = {"read": 40, "found": 40 - failed - pending, "failed": failed, "pending": pending}
    told = ending(8, manifest=manifest(rows=rows, freshness={"overdue": overdue}))
    ping.report(told, place(tmp_path, ping_url=monitor.url + CHECK))
    assert monitor.signals == [signal]
    assert told.is_success == (signal == "0")


@given(text=st.text(), limit=st.integers(0, 40))
def test_any_text_is_cut_to_valid_utf8(text: str, limit: int) -> None:
    """Never longer than allowed, never half a character, never less than it could be."""
    content = ping.cut(text, limit)
    whole = text.encode(errors="replace")
    assert whole.startswith(content)
    assert content.decode().encode() == content
    assert len(content) <= limit
    assert len(content) > min(limit, len(whole)) - 4


@pytest.mark.parametrize(("code", "called"), [(0, "good"), (5, "bad"), (7, None)])
def test_templates_are_filled(monitor: Service, tmp_path: Path, code: int, called: str | None) -> None:
    """For services with other protocols: one URL for each state, with what is known, escaped."""
    query = "&".join(f"{name}={{{name}}}" for name in TEMPLATE_NAMES)
    urls: dict[str, Any] = {
        f"ping_{state}_url": f"{monitor.url}/{path}?{query}"
        for state, path in (("success", "good"), ("failure", "bad"))
    }
    done = ending(code, "Ends & says: 100% of\nthis?", manifest=manifest())
    ping.report(done, place(tmp_path, **urls))
    if called is None:
        assert monitor.told == []
        return
    (told,) = monitor.told
    assert (told.method, told.path, told.query["exit_code"]) == ("GET", f"/{called}", [str(code)])
    assert told.query["message"][0].endswith("Ends & says: 100% of this?")
    assert (told.query["run_id"], told.query["attempt_id"]) == (["20261123T020000Z"], [done.attempt_id])


def test_a_start_template(monitor: Service, tmp_path: Path) -> None:
    """What is not known at the start is empty."""
    where = place(tmp_path, ping_start_url=f"{monitor.url}/begin?id={{attempt_id}}&x={{run_id}}")
    start = ping.StartPing(where, "4711")
    start.begin()
    ping.report(ending(0), where, start)
    assert [(told.path, told.query) for told in monitor.told] == [("/begin", {"id": ["4711"]})]


@pytest.mark.parametrize(("statuses", "tries"), [([500, 503], 3), ([429], 2), ([408, 500], 3)])
def test_trouble_that_passes_is_waited_for(monitor: Service, tmp_path: Path, statuses: list[int], tries: int) -> None:
    """Two retries are enough for it."""
    monitor.replies = [*statuses]
    ping.report(ending(0), place(tmp_path, ping_url=monitor.url + CHECK))
    assert len(monitor.told) == tries


@pytest.mark.parametrize(
    ("status", "text", "tries"), [(500, "", 3), (301, "", 1), (404, "", 1), (400, "", 1), (200, "OK (not found)", 1)]
)
def test_trouble_that_stays_is_said_without_the_url(
    monitor: Service, tmp_path: Path, status: int, text: str, tries: int
) -> None:
    """One sentence, after as many tries as may help; a redirect is not followed, and a polite refusal is one."""
    monitor.status, monitor.text, monitor.headers = status, text, {"Location": f"{monitor.url}/elsewhere"}
    with pytest.raises(ReporterFailed) as failure:
        ping.report(ending(0), place(tmp_path, ping_url=monitor.url + CHECK))
    assert len(monitor.told) == tries
    assert [secret for secret in ("secret", "127.0.0.1", "http://") if secret in str(failure.value)] == []
    assert status == 200 or str(status) in str(failure.value)


def test_nobody_listens(tmp_path: Path) -> None:
    """A refused connection is one sentence."""
    with pytest.raises(ReporterFailed) as failure:
        ping.report(ending(0), place(tmp_path, ping_url=f"http://127.0.0.1:{closed_port()}{CHECK}"))
    assert "secret" not in str(failure.value)


def test_a_service_that_hangs_costs_no_more_than_the_time_allowed(monitor: Service, tmp_path: Path) -> None:
    """However many tries it might take; the start, which hangs too, is given up."""
    monitor.hangs.set()
    where = place(tmp_path, 0.6, ping_url=monitor.url + CHECK)
    start = ping.StartPing(where, "4711")
    start.begin()
    before = time.monotonic()
    with pytest.raises(ReporterFailed):
        ping.report(ending(0), where, start)
    assert time.monotonic() - before < 5


def test_a_proxy_is_used(monitor: Service, tmp_path: Path) -> None:
    """That of the settings, for a host that only it knows."""
    with service() as proxy:
        where = place(tmp_path, ping_url=f"http://localhost:1{CHECK}", proxy=proxy.url)
        ping.report(ending(0), where)
        assert proxy.signals == ["0"]
    assert monitor.told == []


@pytest.mark.parametrize(
    "key", ["ping_url", "ping_start_url", "ping_success_url", "ping_failure_url", "notify_webhook"]
)
@pytest.mark.parametrize(
    "url", ["http://example.com/secret", "ftp://example.com/secret", "secret", "https://[secret", "https://"]
)
def test_an_insecure_url_is_refused_and_not_shown(key: str, url: str) -> None:
    """The sentence names the setting, and says what is expected."""
    with pytest.raises(UsageError) as refused:
        Settings.load(environ={f"LEAD_EXPORT_{key.upper()}": url})
    assert f"LEAD_EXPORT_{key.upper()}" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_template_with_an_unknown_word_is_refused() -> None:
    """It would be sent as it stands."""
    with pytest.raises(UsageError, match="exit_code"):
        Settings.load({"ping_failure_url": "https://example.com/?x={exitcode}"}, environ={})


def test_urls_are_never_shown() -> None:
    """Neither by printing the settings, nor in a manifest."""
    settings = Settings.load(
        {"ping_url": "https://hc.example.com/secret", "notify_urls": ["ntfy://secret", "json://secret"]}, environ={}
    )
    assert "secret" not in f"{settings!r} {settings} {settings.public()}"
    assert settings.notify_urls.get_secret_value() == "ntfy://secret json://secret"


@given(message=st.text(max_size=40))
def test_any_sentence_makes_a_url(message: str) -> None:
    """Whatever it holds, the URL has the same parts as before."""
    url = ping._filled("https://example.com/a?m={message}&n=1", message=message.encode(errors="replace").decode())
    parts = urlsplit(url)
    assert (parts.netloc, parts.path, parts.query.count("&")) == ("example.com", "/a", 1)
    assert unquote(parts.query[2:-4]) == message.encode(errors="replace").decode()
