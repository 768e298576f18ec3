"""Nothing about people, and no secret, leaves the folder of the runs: not in pings, metrics, notifications or logs."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from cli_command import lead_export
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from monitoring_service import service

if TYPE_CHECKING:
    import pytest

WORDS = st.text("bcdfghjklmnpqrstvwxz", min_size=12, max_size=12).map(lambda word: f"MARK{word}")
"""Consonants only, so that no word of ours is one by chance."""


@settings(max_examples=12, phases=[Phase.explicit, Phase.generate])  # a run each: nothing is shrunk
@given(
    words=st.lists(WORDS, min_size=8, max_size=8, unique=True),
    fate=st.sampled_from(["found", "failed", "refused", "odd", "wrong column", "no list"]),
)
def test_no_marker_is_told(tmp_path_factory: pytest.TempPathFactory, words: list[str], fate: str) -> None:
    """Markers in addresses, names, keys, passwords and URLs are in none of what others get to see, whatever happens."""
    folder = tmp_path_factory.mktemp("privacy")
    address, name, key, password, app, token, hook, column = words
    people = folder / "people.csv"
    if fate != "no list":
        rows = [f"{name},{address}.{n}@example.com,{name}\n" for n in range(3)]
        people.write_text("".join([f"name,email,{column}\n", *rows]))

    def answer(request: str) -> str:
        email = next((value[0] for field, value in parse_qs(request).items() if "email" in field), "")
        if email.endswith(".invalid"):  # asked by a probe
            return json.dumps({"status": "Error", "message": "No lead found", "type": "234"})
        lead = {"id": "1", "email": email, "first_name": name, f"{name} {name}": name, "score": name, "tags": [name]}
        return json.dumps(
            {
                "found": {"status": "Success", "lead_details": lead},
                "failed": {"status": "Error", "message": f"{name} {email}", "type": "206"},
                "refused": {"status": "Error", "message": f"{name} {email} {key}", "type": "233"},
            }.get(fate, {"status": name, "message": email})
        )

    with service() as api, service() as monitor:
        api.answers = answer
        env = {
            "KARTRA_APP_ID": app,
            "KARTRA_API_KEY": key,
            "KARTRA_API_PASSWORD": password,
            "LEAD_EXPORT_API_URL": api.url,
            "LEAD_EXPORT_MAX_ATTEMPTS": "1",
            "LEAD_EXPORT_OUTAGE_PATIENCE_S": "0",
            "LEAD_EXPORT_PING_URL": f"{monitor.url}/{token}",
            "LEAD_EXPORT_PING_FAILURE_URL": f"{monitor.url}/{token}?m={{message}}",
            "LEAD_EXPORT_NOTIFY_WEBHOOK": f"{monitor.url}/{hook}",
            "LEAD_EXPORT_METRICS_FILE": str(folder / "leads.prom"),
        }
        options = ["--email-column", f"{address}@example.com"] if fate == "wrong column" else []
        done = lead_export("run", people, "--out", folder / "leads", "-vv", "--rate", 0, *options, **env)
    assert done.code == {"found": 0, "failed": 3, "refused": 4, "odd": 3}.get(fate, 2)
    files = [path.read_text() for path in (folder / "leads.prom", *(folder / "leads" / ".lead-export").glob("*.json*"))]
    assert (len(monitor.told) >= 2, len(files) > 2) == (True, fate != "no list")
    told = "".join([*files, *(f"{one.query}{one.body}" for one in monitor.told)])
    assert re.findall(r"MARK\w+|@", told) == []
    # On the terminal, a sentence repeats what was typed, and names the columns of the list that there are.
    shown = f"{done.err}{lead_export('status', folder / 'leads').out}"
    allowed = {column, address} if fate == "wrong column" else set()
    assert set(re.findall(r"MARK\w+", shown)) <= allowed
