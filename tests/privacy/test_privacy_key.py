"""The key: where it comes from, what is refused, and hashes that anybody can make again with HMAC."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

import pytest
from cli_command import lead_export
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UsageError
from pipeline.privacy.key import COLUMNS, SUPPRESSION, PrivacyKey, create_key, load_key, parse_key
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

DIGITS = "0123456789abcdef" * 4
OTHER = "f" * 64


def key_file(path: Path, content: str | bytes = f"{DIGITS}\n", mode: int = 0o600) -> Path:
    """A file with a key, or with something else."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return path


def loaded(
    options: dict[str, object] | None = None, config: Path | None = None, **environ: object
) -> PrivacyKey | None:
    """The key of these settings."""
    variables = {name: str(value) for name, value in environ.items()}
    return load_key(Settings.load(options, config=config, environ=variables))


def test_a_new_key_is_private_random_and_long_enough(tmp_path: Path) -> None:
    """Two of them differ; each is read back as it was made."""
    keys = [create_key(tmp_path / name) for name in "ab"]
    assert keys[0].id != keys[1].id
    for name, key in zip("ab", keys, strict=True):
        path = tmp_path / name
        assert (path.stat().st_mode & 0o777, len(path.read_text().strip())) == (0o600, 64)
        assert loaded({"privacy_key_file": path}) == key


@given(value=st.text(st.characters(exclude_categories=["Cs"])), purpose=st.sampled_from([COLUMNS, SUPPRESSION]))
def test_a_hash_can_be_made_again_with_plain_hmac(value: str, purpose: str) -> None:
    """HMAC-SHA-256 under the sub-key of the purpose, cut to 128 bits."""
    subkey = hmac.digest(bytes.fromhex(DIGITS), f"lead-export {purpose}".encode(), "sha256")
    expected = hmac.digest(subkey, value.encode(), "sha256").hex()[:32]
    assert parse_key(DIGITS, "here").hasher(purpose)(value) == expected


def test_purposes_and_keys_have_hashes_of_their_own() -> None:
    """The same value hashes alike only for the same purpose under the same key."""
    hashes = {parse_key(key, "").hasher(purpose)("x") for key in (DIGITS, OTHER) for purpose in (COLUMNS, SUPPRESSION)}
    assert len(hashes) == 4


def test_the_key_is_in_no_representation() -> None:
    """Printing a key, or an error that holds it, shows its id alone."""
    key = parse_key(DIGITS, "here")
    assert repr(key) == f"PrivacyKey(id={key.id!r})"


def test_where_a_key_may_be(tmp_path: Path) -> None:
    """A setting, a variable, a file that a variable names, a folder of credentials; the stronger one holds."""
    file, other = key_file(tmp_path / "privacy_key"), key_file(tmp_path / "other", OTHER)
    config = key_file(tmp_path / "job.toml", f'privacy_key_file = "{other}"\n')
    expected, weaker = parse_key(DIGITS, ""), parse_key(OTHER, "")
    assert loaded() is None
    assert loaded(LEAD_EXPORT_PRIVACY_KEY=DIGITS.upper()) == expected
    assert loaded(LEAD_EXPORT_PRIVACY_KEY_FILE=file) == expected
    assert loaded(CREDENTIALS_DIRECTORY=tmp_path) == expected
    assert loaded({"privacy_key_file": file}, LEAD_EXPORT_PRIVACY_KEY=OTHER) == expected
    assert loaded(config=config) == weaker
    assert loaded(config=config, LEAD_EXPORT_PRIVACY_KEY="") == weaker
    assert loaded(config=config, LEAD_EXPORT_PRIVACY_KEY_FILE=file) == expected
    inside = key_file(tmp_path / "inside.toml", f'privacy_key = "{DIGITS}"\n')
    assert loaded(config=inside) == expected
    inside.chmod(0o644)
    with pytest.raises(UsageError, match="privacy_key, which is a secret, but is not private"):
        loaded(config=inside)


def test_two_keys_of_equal_strength_are_refused(tmp_path: Path) -> None:
    """Nobody could tell which one is meant; twice the same key is none."""
    file = key_file(tmp_path / "key")
    assert loaded({"privacy_key_file": file, "privacy_key": DIGITS}) == parse_key(DIGITS, "")
    with pytest.raises(UsageError, match="hold different keys"):
        loaded({"privacy_key_file": file, "privacy_key": OTHER})


@pytest.mark.parametrize(
    ("content", "mode", "problem"),
    [
        (None, 0o600, "is missing; restore it"),
        ("", 0o600, "has 0 hexadecimal digits, and at least 64 are needed"),
        (DIGITS[:-2], 0o600, "has 62 hexadecimal digits"),
        (DIGITS[:-1], 0o600, "holds no key"),
        (f"{DIGITS}\n{DIGITS}", 0o600, "holds no key"),
        ("correct horse battery staple " * 4, 0o600, "holds no key"),
        (b"\xff" * 64, 0o600, "holds no key"),
        (DIGITS, 0o604, "is not private; run chmod 600 on it"),
    ],
)
def test_what_is_no_key_is_refused(tmp_path: Path, content: str | bytes | None, mode: int, problem: str) -> None:
    """One sentence that names the file, and never shows what is in it."""
    path = tmp_path / "key"
    if content is not None:
        key_file(path, content, mode)
    with pytest.raises(UsageError, match=problem) as error:
        loaded({"privacy_key_file": path})
    assert str(path) in str(error.value)
    assert DIGITS[:32] not in str(error.value)


def test_a_folder_is_no_key(tmp_path: Path) -> None:
    """What cannot be read is named."""
    with pytest.raises(UsageError, match="cannot be read"):
        loaded({"privacy_key_file": tmp_path})


def test_the_command_makes_a_key_and_shows_its_id_only(tmp_path: Path) -> None:
    """Standard output has the id, which scripts can keep; the key itself is shown nowhere."""
    path = tmp_path / "privacy.key"
    done = lead_export("key", "new", path)
    key = path.read_text().strip()
    assert (done.code, done.out.strip()) == (0, parse_key(key, "").id)
    assert key not in done.out + done.err
    assert lead_export("key", "new", tmp_path / "other", "--quiet").err == ""


def test_the_command_replaces_no_key_and_keeps_it_out_of_exports(tmp_path: Path) -> None:
    """A key that exists stays; one in an output folder, or a run, would be copied with it."""
    path = key_file(tmp_path / "key")
    assert "exists and is left as it is" in lead_export("key", "new", path).sentence
    assert path.read_text() == f"{DIGITS}\n"
    (tmp_path / "out" / ".lead-export").mkdir(parents=True)
    for inside in ("out/key", "out/.lead-export/key", "out/run=1/key"):
        (tmp_path / inside).parent.mkdir(exist_ok=True)
        assert "lies in the output folder" in lead_export("key", "new", tmp_path / inside).sentence
    assert "cannot be written" in lead_export("key", "new", tmp_path / "nowhere" / "key").sentence


def test_no_command_has_an_option_for_the_key() -> None:
    """It would show in the list of processes; its settings say only whether it is set."""
    shown = lead_export("config", "show", LEAD_EXPORT_PRIVACY_KEY=DIGITS)
    assert DIGITS not in shown.out
    assert any(line.split() == ["privacy_key", "=", '"set"', "(environment)"] for line in shown.out.splitlines())
    assert "--privacy-key" not in lead_export("run", "--help").out
