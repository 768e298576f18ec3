"""People in the shapes in which they are hard to erase, an API that knows them, and a search that finds them."""

from __future__ import annotations

import base64
import json
import shutil
import sqlite3
import urllib.parse
import zipfile
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import msgspec
import pyarrow.parquet as pq
import zstandard
from cli_command import lead_export, write_list
from monitoring_service import service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cli_command import Result

ADA, NEW_ADA, BOB, CAROL, DAVE, EVE = (
    f"{name}@example.com" for name in ("ada.lovelace", "countess", "bob", "carol", "dave", "eve")
)
NOBODY, STOP = "nobody@example.com", "stop@example.com"
ROWS = [ADA, BOB, NEW_ADA, CAROL, f"Ada <{ADA.upper()}>", DAVE, EVE, NOBODY, f"{ADA} {BOB}", "no address"]
"""A list: Ada stands in it twice, under another address, and in a cell that is no address."""
KEY = {"LEAD_EXPORT_PRIVACY_KEY": "ab" * 32}
FORMATS = [word for name in ("parquet", "csv", "tsv", "xlsx") for word in ("--format", name)]


def lead(number: str, email: str, **others: Any) -> dict[str, Any]:
    """A lead with a tag, a list and a custom field."""
    return {
        "id": number,
        "email": email,
        "first_name": email.partition("@")[0],
        "tags": [{"tag_name": "customer"}],
        "lists": [{"list_name": "news", "active": "1"}],
        "custom_fields": [{"field_id": "7", "field_identifier": "shirt", "field_value": "XL"}],
        **others,
    }


LEADS = {
    ADA: lead("1", "Ada.Lovelace@Example.com", notes="likes engines"),
    BOB: lead("2", BOB, phone="555"),
    NEW_ADA: lead("1", NEW_ADA, notes="the same lead, merged"),
    CAROL: lead("3", CAROL, lead_deleted="1", lead_deleted_date="2024-02-29 23:59:59"),
    DAVE: lead("1", ADA, notes="a stranger's lead"),  # not Dave's: the row fails
    EVE: lead("5", EVE),
}
MENTIONING = {
    **LEADS,
    BOB: lead("2", BOB, notes=f"asked by {ADA}\nand by ADA.LOVELACE@EXAMPLE.COM", referred_by=ADA),
    EVE: lead("5", EVE, company=urllib.parse.quote(ADA, safe=""), tags=[{"tag_name": f"friend of {ADA}"}]),
}
"""The same, with Ada's address in the data of others: in notes, in a key without a column, in a tag, escaped."""


@contextmanager
def api(leads: dict[str, dict[str, Any]], asked: list[str] | None = None) -> Iterator[dict[str, str]]:
    """An API that knows these leads, as variables for a command; it notes who is `asked` for.

    Once it was asked for `stop@example.com`, if it does not know that, it refuses the App.
    """
    refuses = False

    def answer(request: str) -> str:
        email = next((value[0] for field, value in parse_qs(request).items() if "email" in field), "")
        nonlocal refuses
        if asked is not None:
            asked.append(email)
        refuses |= email == STOP and STOP not in leads
        if refuses:
            return json.dumps({"status": "Error", "message": "not allowed", "type": "233"})
        found = leads.get(email.lower())
        if found is None:
            return json.dumps({"status": "Error", "message": "No lead found", "type": "234"})
        return json.dumps({"status": "Success", "lead_details": found})

    with service() as running:
        running.answers = answer
        yield {
            "KARTRA_APP_ID": "app",
            "KARTRA_API_KEY": "key",
            "KARTRA_API_PASSWORD": "password",
            "LEAD_EXPORT_API_URL": running.url,
            "LEAD_EXPORT_MAX_ATTEMPTS": "1",
            "LEAD_EXPORT_RATE_PER_S": "0",
        }


def publish(folder: Path, out: Path, leads: dict[str, dict[str, Any]], *options: object, **settings: str) -> Result:
    """Publish a run over ROWS."""
    people = write_list(folder / "people.csv", ROWS)
    with api(leads) as env:
        return lead_export("run", people, "--out", out, "-q", *options, **env, **settings)


def stopped(folder: Path, out: Path, leads: dict[str, dict[str, Any]], *options: object) -> Path:
    """A run that the API stops after its first answers; return its journal."""
    people = write_list(folder / "stopped.csv", [*ROWS, STOP])
    with api(leads) as env:
        done = lead_export("run", people, "--out", out, "-q", "--concurrency", 1, *options, **env)
    assert done.code == 4
    (journal,) = (out / ".lead-export").glob("*.journal")
    return journal


def purge(*arguments: object, **env: str) -> Result:
    """Purge without a suppression list, and so without a key."""
    return lead_export("purge", *arguments, "--no-suppress", **env)


def copied(source: Path, target: Path) -> Path:
    """A copy of an output folder, links as links."""
    return shutil.copytree(source, target, symlinks=True)


# A search that shares nothing with the one that is tested: every file is unpacked, and each spelling looked for.


def spellings(address: str) -> list[bytes]:
    """More than ten ways to write an address, in lower case."""
    plain = address.lower()
    ways = [
        plain.encode(),
        plain.encode("utf-16-le"),
        plain.encode("utf-16-be"),
        plain.encode("utf-32-le"),
        plain.replace("@", "\\u0040").encode(),
        plain.replace("@", "\\\\u0040").encode(),
        "".join(f"\\u{ord(one):04x}" for one in plain).encode(),
        plain.replace("@", "%40").encode(),
        plain.replace("@", "%2540").encode(),
        plain.replace("@", "&#64;").encode(),
        plain.replace("@", "&#x40;").encode(),
        plain.replace("@", "=40").encode(),
        plain.encode().hex().encode(),
    ]
    padded = (base64.b64encode(b"x" * before + plain.encode()).rstrip(b"=") for before in range(3))
    return ways + [encoded[4:-2].lower() for encoded in padded]


def traces(folder: Path, *addresses: str) -> list[str]:
    """The files below a folder in which one of these addresses is, in any spelling."""
    wanted = [way for address in addresses for way in spellings(address)]
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())
    found = (path for path in files if any(_holds(content, wanted) for content in _contents(path)))
    return [path.relative_to(folder).as_posix() for path in found]


def _holds(content: bytes, wanted: list[bytes]) -> bool:
    lowered = content.lower()
    return any(way in lowered for way in wanted)


def _contents(path: Path) -> Iterator[bytes]:
    yield path.read_bytes()
    if path.suffix == ".parquet":
        with pq.ParquetFile(path) as file:
            yield str(file.metadata.to_dict()).encode()
            for batch in file.iter_batches():
                for column in batch.columns:
                    yield b"\n".join(v if isinstance(v, bytes) else str(v).encode() for v in column.to_pylist())
    elif path.suffix == ".xlsx":
        with zipfile.ZipFile(path) as archive:
            yield from (archive.read(part) for part in archive.infolist())
    elif path.suffix == ".journal":
        with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as db:
            for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                for row in db.execute(f"SELECT * FROM {table}"):  # noqa: S608 - a name in the file
                    yield from (str(value).encode() for value in row)
            for (pack,) in db.execute("SELECT bodies FROM packs"):
                yield from msgspec.msgpack.decode(zstandard.decompress(pack), type=dict[int, bytes]).values()
