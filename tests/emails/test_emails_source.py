from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from emails_lists import ANN, JIM, JOE, PACKERS, as_csv, listed, write

from pipeline.emails.reader import EmailList
from pipeline.errors import StorageError, UsageError

LIST = as_csv([["id", "email"], ["1", JOE], ["2", JIM]]).encode()


def pipe_with(content: bytes, path: Path) -> threading.Thread:
    """A named pipe that somebody writes this to, once."""
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(content,))
    writer.start()
    return writer


@pytest.mark.parametrize("name", ["people.csv", "people.csv.gz", "people", "people.jsonl.zst"])
def test_a_named_pipe_is_copied_and_read_again_and_again(tmp_path: Path, name: str) -> None:
    """Its name may say what flows; without one it is CSV. The copy is for the owner only, and it is what came."""
    content = json.dumps({"email": JOE}).encode() if "json" in name else LIST
    content = PACKERS[Path(name).suffix if Path(name).suffix in PACKERS else ""](content)
    emails, spool = EmailList(tmp_path / name), tmp_path / "spool"
    writer = pipe_with(content, emails.path)
    emails.check()
    assert emails.fingerprint(spool) == hashlib.sha256(content).hexdigest()
    writer.join()
    assert (spool.read_bytes(), spool.stat().st_mode & 0o777) == (content, 0o600)
    assert emails.fingerprint(spool) == emails.sha256
    cells = list(emails.cells())
    assert cells == list(emails.cells()) == ([JOE] if "json" in name else [JOE, JIM])
    assert emails.shape().rows == sum(batch.num_rows for batch in emails.batches()) == len(cells)


def test_a_named_pipe_can_be_read_without_a_fingerprint(tmp_path: Path) -> None:
    """It is copied all the same, to a place that is gone with the list."""
    emails = EmailList(tmp_path / "people.csv")
    writer = pipe_with(LIST, emails.path)
    assert list(emails.cells()) == list(emails.cells()) == [JOE, JIM]
    writer.join()
    copy = emails._source.place
    assert copy.exists()
    del emails
    assert not copy.exists()


def test_a_file_is_not_copied(tmp_path: Path) -> None:
    """Its fingerprint is the checksum of its bytes as they lie on the disk, packed or not, text or not."""
    for name, content in {
        "a.csv": LIST,
        "a.csv.gz": PACKERS[".gz"](LIST),
        "a.parquet": b"no Parquet file",
        "a.txt": b"",
        "a.jsonl": b"\xff\0",
    }.items():
        emails = listed(tmp_path, content, name)
        assert emails.fingerprint(tmp_path / "spool") == hashlib.sha256(content).hexdigest() == emails.sha256
        assert emails.rows == 0
    assert not (tmp_path / "spool").exists()


def test_a_damaged_packing_has_no_fingerprint(tmp_path: Path) -> None:
    """It is found out at once, before anything is called."""
    emails = listed(tmp_path, PACKERS[".gz"](LIST)[:-4], "a.csv.gz")
    with pytest.raises(UsageError, match=r"^a\.csv\.gz: the gzip file is cut off"):
        emails.fingerprint(tmp_path / "spool")


def test_a_copy_that_cannot_be_written_is_an_error_of_storage(tmp_path: Path) -> None:
    """The list is not to blame; a copy that is left from before is replaced."""
    emails = EmailList(tmp_path / "people.csv")
    writer = pipe_with(LIST, emails.path)
    with pytest.raises(StorageError, match="No such file or directory"):
        emails.fingerprint(tmp_path / "none" / "spool")
    spool = write(tmp_path, "left from before", "spool")
    spool.chmod(0o644)
    emails.fingerprint(spool)
    writer.join()
    assert (spool.read_bytes(), spool.stat().st_mode & 0o777) == (LIST, 0o600)


def test_an_open_descriptor_is_a_pipe(tmp_path: Path) -> None:
    """As a shell's `<(…)` gives it; also if what it leads to is a file."""
    path = write(tmp_path, LIST, "people.any")
    with path.open("rb") as file:
        emails = EmailList(Path(f"/dev/fd/{file.fileno()}"))
        emails.check()
        emails.fingerprint(tmp_path / "spool")
    assert list(emails.cells()) == [JOE, JIM]


READ_STDIN = """
import json, sys
from pathlib import Path
from pipeline.emails.reader import EmailList
emails, spool = EmailList(Path("-")), Path(sys.argv[1])
emails.check()
sha256 = emails.fingerprint(spool)
print(json.dumps([list(emails.cells()), list(emails.cells()), emails.rows, sha256, str(emails.detected())]))
spool.unlink()
"""


def test_standard_input_is_copied_and_read_again(tmp_path: Path) -> None:
    """As CSV or plain lines."""
    for content, shown in (
        (LIST, "csv, utf-8, comma, column 'email' (2 of 2)"),
        (f"{JOE}\n{JIM}\n".encode("utf-16"), "csv, utf-16, comma, no header, column 'column 1' (1 of 1)"),
    ):
        child = subprocess.run(
            [sys.executable, "-c", READ_STDIN, str(tmp_path / "spool")], input=content, capture_output=True, check=True
        )
        cells = [JOE, JIM]
        assert json.loads(child.stdout) == [cells, cells, 2, hashlib.sha256(content).hexdigest(), shown]


READ_SLOW_STDIN = """
import os
from pathlib import Path
from pipeline.emails.reader import EmailList
os.set_blocking(0, False)
print(list(EmailList(Path("-")).cells()))
"""


def test_a_pipe_that_does_not_block_is_read_to_its_end() -> None:
    """That it is empty for a while is not its end: no row is lost."""
    with subprocess.Popen(
        [sys.executable, "-c", READ_SLOW_STDIN], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        for line in ("email", JOE, JIM):
            time.sleep(0.15)
            child.stdin.write(f"{line}\n".encode())
            child.stdin.flush()
        child.stdin.close()
        assert child.stdout.read().decode() == f"{[JOE, JIM]}\n"


READ_LIGHTLY = """
import sys
from pathlib import Path
from pipeline.emails.reader import EmailList
emails = EmailList(Path(sys.argv[1]))
emails.check()
emails.fingerprint(Path("never"))
print(len(list(emails.cells())), emails.shape().rows)
print(sorted({"pyarrow", "openpyxl", "zstandard", "pandas", "numpy", "msgspec"} & sys.modules.keys()))
"""


@pytest.mark.parametrize(
    ("name", "libraries"),
    [
        ("a.csv", []),
        ("a.tsv", []),
        ("a.txt", []),
        ("a.csv.gz", []),
        ("a.csv.zst", ["zstandard"]),
        ("a.jsonl", ["msgspec"]),
    ],
)
def test_a_list_loads_only_the_libraries_it_needs(tmp_path: Path, name: str, libraries: list[str]) -> None:
    """Text is read at once, without waiting for libraries of other forms."""
    content = json.dumps({"email": ANN}).encode() if "json" in name else f"{ANN}\n".encode()
    path = write(tmp_path, PACKERS[Path(name).suffix if Path(name).suffix in PACKERS else ""](content), name)
    child = subprocess.run([sys.executable, "-c", READ_LIGHTLY, str(path)], capture_output=True, check=True, text=True)
    assert child.stdout.splitlines() == ["1 1", str(libraries)]
