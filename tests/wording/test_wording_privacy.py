"""The exact sentences about people's data: the key, columns, and who is not to be asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cli_command import lead_export, write_list

from pipeline.errors import LeadExportError
from pipeline.privacy.columns import ColumnRules
from pipeline.privacy.key import PrivacyKey, parse_key
from pipeline.privacy.suppression import SuppressionList
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

KEY, OTHER_KEY = PrivacyKey(b"k" * 32), PrivacyKey(b"o" * 32)
TEXTS = ("*.extra", "leads.lead_picture", "leads.notes", "custom_fields.value", "outcomes.message")
NAME_A_KEY = "name the file of the key in privacy_key_file, or set LEAD_EXPORT_PRIVACY_KEY"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "secret",
            "here: holds no key, which is one line of hexadecimal digits; make one with lead-export key new.",
        ),
        (
            "ab" * 31,
            ("here: the key has 62 hexadecimal digits, and at least 64 are needed; make one with lead-export key new."),
        ),
    ],
)
def test_keys(text: str, sentence: str) -> None:
    """Why a text is no key."""
    with pytest.raises(LeadExportError) as caught:
        parse_key(text, "here")
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        (None, f"names people who are not to be asked for, and cannot be read without its key; {NAME_A_KEY}."),
        (
            OTHER_KEY,
            (
                f"names people who are not to be asked for, and was made with the key {KEY.id}, not with"
                f" {OTHER_KEY.id}; {NAME_A_KEY}."
            ),
        ),
    ],
)
def test_suppression_lists(tmp_path: Path, key: PrivacyKey | None, sentence: str) -> None:
    """Why a list cannot be heeded."""
    path = tmp_path / "suppressed.jsonl"
    SuppressionList.read(path, KEY).add(["ann@example.com"], reason="purge", at_ms=0)
    with pytest.raises(LeadExportError) as caught:
        SuppressionList.read(path, key)
    assert str(caught.value) == f"{path}: {sentence}"


def test_unsuppress(tmp_path: Path) -> None:
    """What was done, and what names no address."""
    out, odd = tmp_path / "out", write_list(tmp_path / "odd.csv", ["ann@example.com", "secret name"])
    out.mkdir()
    for words, sentence in (
        (["ann@example.com", "secret name"], "ADDRESS 2: has no at sign; nothing was done."),
        (["--list", odd], "odd.csv, line 3: has no at sign; nothing was done."),
        ([], "No address is named; give some, or --list FILE, or - for standard input."),
    ):
        assert lead_export("unsuppress", *words, "--out", out).sentence == sentence
    done = lead_export("unsuppress", "ann@example.com", "--out", out)
    assert done.err == "0 of 1 address taken off the list; 0 left on it\n"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"drop_columns": ["leads.phon"]},
            "drop_columns: there is no column 'leads.phon'. Did you mean 'leads.phone'?",
        ),
        ({"drop_columns": ["phone"]}, "drop_columns: there is no table 'phone'. Did you mean 'leads.phone'?"),
        (
            {"hash_columns": ["email"]},
            "hash_columns: there is no table 'email'. Did you mean 'leads.email' or '*.email'?",
        ),
        (
            {"keep_columns": ["lead.notes"]},
            "keep_columns: there is no column 'lead.notes'. Did you mean 'leads.notes'?",
        ),
        (
            {"drop_columns": ["replies.body"]},
            ("drop_columns: there are no columns of replies to choose; the setting replies says where they go."),
        ),
        (
            {"drop_columns": ["outcomes"]},
            (
                "drop_columns: outcomes.code is needed, for every row is accounted for by the columns code, input,"
                " outcome, row of outcomes; name the others one by one."
            ),
        ),
        (
            {"hash_columns": ["outcomes.input"]},
            (
                "hash_columns: outcomes.input is needed, for every row is accounted for by the columns code, input,"
                " outcome, row of outcomes; name the others one by one."
            ),
        ),
        ({"drop_columns": ["leads"]}, "drop_columns: the table leads would have no column left; keep at least one."),
        (
            {"drop_columns": ["leads.ip"], "keep_columns": ["*.extra"]},
            (
                "leads.lead_picture, leads.notes, custom_fields.value and 1 more are free text, which may repeat what"
                " drop_columns and hash_columns name; name each in one of them or in keep_columns."
            ),
        ),
        (
            {"drop_columns": ["custom.age"], "keep_columns": TEXTS[:4]},
            (
                "outcomes.message is free text, which may repeat what drop_columns and hash_columns name; name it in"
                " one of them or in keep_columns."
            ),
        ),
    ],
)
def test_columns(settings: dict[str, object], sentence: str) -> None:
    """Why columns cannot be left out, hashed or kept so."""
    with pytest.raises(LeadExportError) as caught:
        ColumnRules.of(Settings.model_validate({"keep_columns": TEXTS, **settings}), KEY)
    assert str(caught.value) == sentence
