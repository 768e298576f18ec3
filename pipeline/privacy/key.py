"""The key under which addresses and other values are hashed, so that only its holder can tell whose hash is whose.

A key is one line of hexadecimal digits that stand for at least 32 random bytes. A hash can be made with any tool that
has HMAC: with `HMAC` for HMAC-SHA-256, `subkey = HMAC(key, "lead-export " + purpose)`, and the hash of a value is the
first 32 hexadecimal digits, 128 bits, of `HMAC(subkey, value in UTF-8)`. A purpose has a sub-key of its own, so that
hashes made for one say nothing to whoever sees those made for another.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.files import durable
from pipeline.files.folder import read_manifest
from pipeline.files.state import SUFFIX
from pipeline.filesystem import sync, why_not_private
from pipeline.settings import variable_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.settings import Settings

KEY_BYTES = 32
"""Random bytes of a new key, and the least that a key may have."""
SUPPRESSION, COLUMNS = "suppression", "columns"
"""The purposes: hashes of the suppression list, and of values in published tables."""
_LABEL = "lead-export "
_HASH_BYTES, _ID_BYTES = 16, 8
_MAX_BYTES = 4_096
_VARIABLE = variable_of("privacy_key")
NAME_A_KEY = f"name the file of the key in privacy_key_file, or set {_VARIABLE}"
"""What to do where a key is needed and there is none; the end of a sentence."""


@dataclass(frozen=True, slots=True)
class PrivacyKey:
    """A key.

    Attributes:
        secret: its bytes.
        id: names it without revealing it, 16 hexadecimal digits; what is hashed with it says so.
    """

    secret: bytes = field(repr=False)
    id: str = field(init=False)

    def __post_init__(self) -> None:
        """Work out the name."""
        object.__setattr__(self, "id", _hmac(self.secret, f"{_LABEL}key id")[:_ID_BYTES].hex())

    def subkey(self, purpose: str) -> bytes:
        """The 32 bytes of the key for a purpose."""
        return _hmac(self.secret, _LABEL + purpose)

    def hasher(self, purpose: str) -> Callable[[str], str]:
        """What hashes strings for a purpose: 32 hexadecimal digits each."""
        keyed = hmac.new(self.subkey(purpose), digestmod="sha256")

        def hashed(value: str) -> str:
            one = keyed.copy()
            one.update(value.encode(errors="surrogatepass"))
            return one.digest()[:_HASH_BYTES].hex()

        return hashed


def load_key(settings: Settings) -> PrivacyKey | None:
    """The key that the settings name; None if they name none.

    Raises:
        UsageError: it cannot be read, is not private or is no key, or two settings give two keys.
    """
    given = settings.privacy_key.get_secret_value()
    here = parse_key(given, _VARIABLE) if given else None
    there = _read(settings.privacy_key_file) if settings.privacy_key_file else None
    if here and there and here.id != there.id:
        raise UsageError(f"{_VARIABLE} and {settings.privacy_key_file} hold different keys; set one of them.")
    return here or there


def parse_key(text: str, where: str) -> PrivacyKey:
    """The key in a text; messages say that it is in `where`.

    Raises:
        UsageError: it is none.
    """
    digits = text.strip()
    if not re.fullmatch(r"([0-9A-Fa-f]{2})*", digits):
        raise UsageError(
            f"{where}: holds no key, which is one line of hexadecimal digits; make one with lead-export key new."
        )
    if len(digits) < KEY_BYTES * 2:
        raise UsageError(
            f"{where}: the key has {len(digits)} hexadecimal digits, and at least {KEY_BYTES * 2} are needed; make one"
            " with lead-export key new."
        )
    return PrivacyKey(bytes.fromhex(digits))


def create_key(path: Path) -> PrivacyKey:
    """Write a new random key to the new file `path`, for its owner only; it is on the disk when this returns.

    Raises:
        UsageError: the file exists or cannot be written, or lies in an output folder, with which it would be copied.
    """
    folder = _output_folder(path)
    if folder is not None:
        raise UsageError(
            f"{path}: lies in the output folder {folder}, and whoever gets a copy of that would get the key too;"
            " name a file elsewhere."
        )
    key = PrivacyKey(secrets.token_bytes(KEY_BYTES))
    try:
        with durable.create(path) as file:
            file.write(f"{key.secret.hex()}\n".encode())
        sync(path)
        sync(path.absolute().parent)
    except FileExistsError:
        raise UsageError(
            f"{path}: exists and is left as it is, because what was hashed with a key needs it; name another file."
        ) from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}).") from error
    return key


def _read(path: Path) -> PrivacyKey:
    try:
        remedy = why_not_private(path)
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES).decode("ascii", errors="replace")
    except FileNotFoundError:
        raise UsageError(f"privacy_key_file: {path} is missing; restore it, for no other key will do.") from None
    except OSError as error:
        raise UsageError(f"privacy_key_file: {path} cannot be read ({error.strerror}).") from error
    if remedy:
        raise UsageError(f"privacy_key_file: {path} holds a secret but is not private; {remedy}.")
    return parse_key(text, f"privacy_key_file: {path}")


def _output_folder(path: Path) -> Path | None:
    """The output folder, or published run, that a file lies in; None if it lies in none."""
    real = Path(os.path.realpath(path))
    return next(
        (one for one in real.parents if one.name == SUFFIX or (one / SUFFIX).is_dir() or read_manifest(one)), None
    )


def _hmac(key: bytes, message: str) -> bytes:
    return hmac.digest(key, message.encode(), "sha256")
