from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from emails_lists import ANN, JIM, JOE, as_csv, as_parquet, compress, listed, refusal, write

from pipeline.emails.lists import STDIN, EmailList
from pipeline.errors import StorageError, UsageError

LIST = as_csv([["id", "email"], ["1", JOE], ["2", JIM]]).encode()


def pipe_with(content: bytes, path: Path) -> threading.Thread:
    """A named pipe that somebody writes this to, once."""
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(content,))
    writer.start()
    return writer


@pytest.mark.parametrize("name", ["people.csv", "people.csv.gz", "people", "people.jsonl.zst", "people.parquet"])
def test_a_named_pipe_is_copied_and_read_again_and_again(tmp_path: Path, name: str) -> None:
    """Its name may state the format; without a suffix it is CSV. The copy has no name, so nothing stays behind."""
    contents = {"people.jsonl.zst": json.dumps({"email": JOE}).encode(), "people.parquet": as_parquet({"email": [JIM]})}
    content = compress(contents.get(name, LIST), name)
    emails, spool = EmailList(tmp_path / name), tmp_path / "spool"
    spool.mkdir()
    writer = pipe_with(content, emails.path)
    emails.check()
    assert emails.fingerprint(spool) == hashlib.sha256(content).hexdigest()
    writer.join()
    assert emails.fingerprint(spool) == emails.sha256
    cells = list(emails.cells())
    assert cells == list(emails.cells()) == {"people.jsonl.zst": [JOE], "people.parquet": [JIM]}.get(name, [JOE, JIM])
    assert emails.row_counts().rows == sum(batch.num_rows for batch in emails.batches()) == len(cells)
    assert list(spool.iterdir()) == []


def test_readers_of_a_copy_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Each has its own position, as in a file."""
    emails = EmailList(tmp_path / "people.csv")
    writer = pipe_with(LIST, emails.path)
    first, second = emails.cells(), emails.cells()
    assert [next(first), next(second), next(first), next(second)] == [JOE, JOE, JIM, JIM]
    writer.join()


READ_AND_WAIT = """
import sys, time
from pathlib import Path
from pipeline.emails.lists import EmailList
print(EmailList(Path("-")).fingerprint(), flush=True)
time.sleep(60)
"""


def test_a_killed_process_leaves_no_copy_behind(tmp_path: Path) -> None:
    """The list of a pipe is personal data: after SIGKILL, too, it is not in the folder for temporary files."""
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", READ_AND_WAIT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(LIST)
        child.stdin.close()
        assert child.stdout.readline().decode().strip() == hashlib.sha256(LIST).hexdigest()
        child.send_signal(signal.SIGKILL)
    assert list(tmp_path.iterdir()) == []


def test_the_fingerprint_is_the_checksum_of_the_bytes_as_stored(tmp_path: Path) -> None:
    """Compressed or not, text or not, valid or not; rows are not counted by it."""
    for name, content in {
        "a.csv": LIST,
        "a.csv.gz": compress(LIST, "a.gz"),
        "a.parquet": b"not a Parquet file",
        "a.txt": b"",
        "a.jsonl": b"\xff\0",
    }.items():
        emails = listed(tmp_path, content, name)
        assert emails.fingerprint() == hashlib.sha256(content).hexdigest() == emails.sha256
        assert emails.rows == 0


def test_a_damaged_compressed_list_has_no_fingerprint(tmp_path: Path) -> None:
    """It is refused at once, before anything is called."""
    with pytest.raises(UsageError, match=r"^a\.csv\.gz: "):
        listed(tmp_path, compress(LIST, "a.gz")[:-4], "a.csv.gz").fingerprint()


def test_a_list_must_not_change_while_it_is_read(tmp_path: Path) -> None:
    """Its checksum is that of the rows that were read, or it is refused."""
    for name, content in (("a.csv", f"{JOE}\n".encode()), ("a.parquet", as_parquet({"email": [JOE]}))):
        emails = listed(tmp_path, content, name)
        emails.fingerprint()
        write(tmp_path, content.replace(b"joe", b"jim"), name)
        refusal(emails, "changed")


def test_a_copy_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    """The list is not to blame."""
    emails = EmailList(tmp_path / "people.csv")
    os.mkfifo(emails.path)
    with pytest.raises(StorageError, match="none"):
        emails.fingerprint(tmp_path / "none")


def test_an_open_descriptor_is_a_pipe(tmp_path: Path) -> None:
    """As a shell's `<(…)` gives it; also if it refers to a file."""
    path = write(tmp_path, LIST, "people.any")
    with path.open("rb") as file:
        emails = EmailList(Path(f"/dev/fd/{file.fileno()}"))
        emails.check()
        emails.fingerprint()
    assert list(emails.cells()) == [JOE, JIM]


READ_STDIN = """
import json, os, sys
from pathlib import Path
from pipeline.emails.lists import EmailList
from pipeline.errors import UsageError
os.set_blocking(0, False)
emails = EmailList(Path("-"))
emails.check()
try:
    print(json.dumps([list(emails.cells()), emails.name, emails.rows, emails.sha256, str(emails.detected())]))
except UsageError as error:
    print(json.dumps(str(error)))
"""


def read_stdin(*pieces: bytes) -> object:
    """What a process reads from its standard input, which does not block and is empty between these pieces."""
    command = [sys.executable, "-c", READ_STDIN]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        for piece in pieces:
            child.stdin.write(piece)
            child.stdin.flush()
        child.stdin.close()
        return json.loads(child.stdout.read())


def test_standard_input_is_read_to_its_end() -> None:
    """As CSV; that it is empty for a while is not its end, so no row is lost."""
    pieces = [f"{cell}\n".encode() for cell in ("id,email", f"1,{JOE}", "2,jürgen@example.com")]
    sha256 = hashlib.sha256(b"".join(pieces)).hexdigest()
    detected = "csv, utf-8, comma, column 'email' (2 of 2)"
    assert read_stdin(*pieces) == [[JOE, "jürgen@example.com"], "standard input", 2, sha256, detected]


def test_empty_standard_input_is_refused() -> None:
    """As an empty file is."""
    assert str(read_stdin(b"")).startswith("standard input: ")


def test_check_refuses_at_once_what_cannot_be_read(tmp_path: Path) -> None:
    """Before anything is called: no file, a folder, an unsupported type, a name that no file can have."""
    (tmp_path / "folder.csv").mkdir()
    compressed = write(tmp_path, compress(b"email\n", "a.gz"), "list.xlsx.gz")
    for path in (tmp_path / "none.csv", tmp_path / "folder.csv", compressed, tmp_path, tmp_path / f"{'x' * 300}.csv"):
        with pytest.raises(UsageError) as error:
            EmailList(path).check()
        assert str(error.value).startswith(f"{path}: ")


def test_check_accepts_good_lists_and_pipes(tmp_path: Path) -> None:
    """A named pipe is not opened by it: closing it again would end it for its writer."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/null"), Path(STDIN), write(tmp_path, "")):
        EmailList(path).check()


def test_a_file_name_that_is_not_utf_8_can_be_shown(tmp_path: Path) -> None:
    """Linux allows any bytes in a file's name; tables and JSON do not."""
    path = tmp_path / os.fsdecode(b"caf\xe9.csv")
    path.write_text(f"{ANN}\n")
    emails = EmailList(path)
    assert (emails.name, list(emails.cells())) == ("caf\ufffd.csv", [ANN])
