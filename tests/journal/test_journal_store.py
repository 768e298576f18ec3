import asyncio
import signal
import sqlite3
import stat
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import StorageError
from pipeline.journal.packing import checksum
from pipeline.journal.records import ListRow, ListSummary, RunRecord
from pipeline.journal.store import Journal
from pipeline.journal.writer import MAX_UNCOMMITTED
from pipeline.outcomes import Address, Answer, Outcome, RowOutcome

JOE, JIM, ANN, EVE, BOB = (f"{name}@example.com" for name in ("joe", "jim", "ann", "eve", "bob"))
NOON_MS = 1_795_003_200_000
RUN = RunRecord("night", NOON_MS, "everybody", "lead-export run a.csv", "/srv", replaces=True)


def rows(*given: str) -> list[ListRow]:
    """Rows of a list; a text without an @ is no address."""
    return [
        ListRow(text, text.strip(), text.strip().casefold())
        if "@" in text
        else ListRow(text, code="no_at", message="no @")
        for text in given
    ]


def numbered(count: int) -> list[str]:
    """So many distinct addresses."""
    return [f"p{n}@example.com" for n in range(1, count + 1)]


def filled(path: Path, *lists: Iterable[str]) -> Journal:
    """A journal over lists called a.csv, b.csv and c.csv."""
    journal = Journal(path)
    for name, texts in zip("abc", lists, strict=False):
        content = rows(*texts)
        number = journal.add_list(f"{name}.csv", content)
        journal.seal_list(number, rows=len(content), sha256=name * 64)
    journal.start(RUN)
    return journal


def answer(email: str, outcome: Outcome = Outcome.FOUND, **others: object) -> Answer:
    """An answer given at noon."""
    return Answer(email, outcome, answered_at_ms=NOON_MS, **others)  # type: ignore[arg-type]


async def append_all(journal: Journal, answers: dict[int, Answer]) -> None:
    """Append answers by their address's number, until they are on disk."""
    for number, one in answers.items():
        await journal.append(number, one)
    await journal.flush()


def on_disk(path: Path) -> int:
    """How many answers another process would see."""
    with Journal(path) as other:
        return sum(1 for _ in other.answers())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal of a test is."""
    return tmp_path / "night.journal"


def test_addresses_are_asked_in_the_order_of_their_first_appearance(path: Path) -> None:
    """Each distinct address once, spelled as it first stood, over all lists; rows without one are not asked."""
    with filled(path, [JOE, "n/a", JIM, "JOE@example.com"], [" JIM@example.com ", ANN, JOE]) as journal:
        assert list(journal.pending()) == [Address(1, JOE), Address(2, JIM), Address(3, ANN)]
        assert journal.count_addresses() == 3
        assert journal.count_answered() == 0


def test_a_journal_remembers_run_and_lists(path: Path) -> None:
    """What a resumed run needs to know is there when the file is opened again."""
    filled(path, [JOE, "n/a"], []).close()
    with Journal(path) as journal:
        assert journal.run() == RUN
        assert journal.lists() == [ListSummary("a.csv", 2, "a" * 64), ListSummary("b.csv", 0, "b" * 64)]


def test_a_list_is_taken_in_whole_or_not_at_all(path: Path) -> None:
    """When reading breaks off, neither the list nor its addresses are in the journal."""

    def breaking() -> Iterator[ListRow]:
        yield from rows(JIM, ANN)
        raise ValueError("the list breaks off")

    with filled(path, [JOE]) as journal:
        with pytest.raises(ValueError, match="breaks off"):
            journal.add_list("broken.csv", breaking())
        assert [entry.name for entry in journal.lists()] == ["a.csv"]
        assert list(journal.pending()) == [Address(1, JOE)]
        journal.add_list("next.csv", rows(ANN, JOE))
        assert [row.given for row in journal.row_outcomes()] == [JOE, ANN, JOE]


async def test_every_row_ends_as_one_outcome(path: Path) -> None:
    """The six classes, row by row: duplicates point to the row that asked, and cost no attempt."""
    with filled(path, [JOE, "n/a", JIM, ANN], ["Joe@example.com", EVE, BOB, " jim@example.com", "n/a"]) as journal:
        await append_all(
            journal,
            {
                1: answer(JOE, lead_id="7", body=b"{}"),
                2: answer(JIM, Outcome.NOT_FOUND, code="234", message="No lead found", attempts=2),
                3: answer(ANN, Outcome.DELETED, code="245", message="Lead is deleted"),
                4: answer(EVE, Outcome.FAILED, code="timeout", message="no answer in time", attempts=5),
                5: answer(BOB, code="email_mismatch", lead_id="8", attempts=3),
            },
        )
        assert list(journal.row_outcomes()) == [
            RowOutcome("a.csv", 1, JOE, JOE, "found", None, None, "7", 1, NOON_MS),
            RowOutcome("a.csv", 2, "n/a", None, "invalid", "no_at", "no @", None, 0, None),
            RowOutcome("a.csv", 3, JIM, JIM, "not_found", "234", "No lead found", None, 2, NOON_MS),
            RowOutcome("a.csv", 4, ANN, ANN, "deleted", "245", "Lead is deleted", None, 1, NOON_MS),
            RowOutcome(
                "b.csv",
                1,
                "Joe@example.com",
                JOE,
                "duplicate",
                None,
                "the same address as row 1 of a.csv",
                "7",
                0,
                None,
            ),
            RowOutcome("b.csv", 2, EVE, EVE, "failed", "timeout", "no answer in time", None, 5, NOON_MS),
            RowOutcome("b.csv", 3, BOB, BOB, "found", "email_mismatch", None, "8", 3, NOON_MS),
            RowOutcome(
                "b.csv",
                4,
                " jim@example.com",
                JIM,
                "duplicate",
                None,
                "the same address as row 3 of a.csv",
                None,
                0,
                None,
            ),
            RowOutcome("b.csv", 5, "n/a", None, "invalid", "no_at", "no @", None, 0, None),
        ]
        assert journal.count_rows() == {
            "found": 2, "not_found": 1, "deleted": 1, "failed": 1, "invalid": 2, "duplicate": 2
        }  # fmt: skip


async def test_rows_without_an_answer_yet_are_pending(path: Path) -> None:
    """The tally of a stopped run adds up as well; a second row of an unanswered address is a duplicate already."""
    with filled(path, [JOE, "n/a", JIM, JIM, ANN]) as journal:
        await append_all(journal, {1: answer(JOE)})
        assert journal.count_rows() == Counter(found=1, invalid=1, pending=2, duplicate=1)


async def test_a_resumed_run_asks_for_what_is_open_and_what_failed(path: Path) -> None:
    """Answered addresses are never asked again; failed ones get another chance and their later answer counts."""
    with filled(path, [JOE, JIM, ANN, EVE, BOB]) as journal:
        await append_all(
            journal,
            {
                1: answer(JOE),
                2: answer(JIM, Outcome.NOT_FOUND),
                3: answer(ANN, Outcome.DELETED),
                5: answer(BOB, Outcome.FAILED, code="timeout"),
            },
        )
    with Journal(path) as journal:
        assert journal.count_answered() == 3
        assert list(journal.pending()) == [Address(4, EVE), Address(5, BOB)]
        await append_all(journal, {5: answer(BOB, attempts=2)})
        assert list(journal.pending()) == [Address(4, EVE)]
        assert list(journal.answers())[-1] == answer(BOB, attempts=2)


async def test_answers_replay_in_the_order_of_the_lists(path: Path) -> None:
    """However the answers came in, what is made from them is always the same."""
    with filled(path, [JOE, JIM, ANN]) as journal:
        await append_all(
            journal, {3: answer(ANN, body=b"c"), 1: answer(JOE, body=b"a"), 2: answer(JIM, body=b"\xff\0")}
        )
        assert list(journal.answers()) == [answer(JOE, body=b"a"), answer(JIM, body=b"\xff\0"), answer(ANN, body=b"c")]


@settings(deadline=None)
@given(
    outcome=st.sampled_from([Outcome.FOUND, Outcome.NOT_FOUND, Outcome.DELETED, Outcome.FAILED]),
    texts=st.tuples(*[st.none() | st.text(st.characters(exclude_categories=["Cs"]))] * 3),
    attempts=st.integers(0, 10_000),
    body=st.none() | st.binary(),
)
def test_any_answer_replays_unchanged(
    tmp_path_factory: pytest.TempPathFactory,
    outcome: Outcome,
    texts: tuple[str | None, str | None, str | None],
    attempts: int,
    body: bytes | None,
) -> None:
    """Every byte of a reply and every character of a message comes back as it went in."""
    given = Answer(JOE, outcome, *texts, attempts, NOON_MS, body)
    path = tmp_path_factory.mktemp("any") / "any.journal"
    with filled(path, [JOE]) as journal:
        asyncio.run(append_without_waiting(journal, {1: given}))
    with Journal(path) as journal:
        assert list(journal.answers()) == [given]


async def append_without_waiting(journal: Journal, answers: dict[int, Answer]) -> None:
    """Append answers and go: the journal's `close` has to see to the rest."""
    for number, one in answers.items():
        await journal.append(number, one)


async def test_appending_does_not_wait_for_the_disk(path: Path) -> None:
    """Until it is flushed an answer may be in memory only; `flush` returns when it is on disk."""
    with filled(path, [JOE, JIM]) as journal:
        await journal.append(1, answer(JOE))
        assert on_disk(path) == 0
        await journal.flush()
        assert on_disk(path) == 1
        await journal.append(2, answer(JIM))
        await journal.flush()
        assert on_disk(path) == 2


async def test_flushing_nothing_is_fine(path: Path) -> None:
    """A run without calls flushes too."""
    with filled(path, [JOE]) as journal:
        await journal.flush()
        assert on_disk(path) == 0


def test_closing_writes_what_is_waiting(path: Path) -> None:
    """Also when the event loop that took the answers has ended, as it does on Ctrl-C."""
    with filled(path, [JOE, JIM]) as journal:
        asyncio.run(append_without_waiting(journal, {1: answer(JOE), 2: answer(JIM)}))
        assert on_disk(path) == 0
    assert on_disk(path) == 2


async def test_many_answers_at_once_make_the_calls_wait(path: Path) -> None:
    """Answers never pile up beyond the limit, whatever the number of those who append; none is lost or doubled."""
    emails = numbered(3 * MAX_UNCOMMITTED)
    with filled(path, emails) as journal:
        most = 0

        async def worker(addresses: Iterator[Address]) -> None:
            nonlocal most
            for number, email in addresses:
                await journal.append(number, answer(email))
                most = max(most, len(journal._writer.uncommitted))

        addresses = journal.pending()
        await asyncio.gather(*(worker(addresses) for _ in range(50)))
        await journal.flush()
        assert MAX_UNCOMMITTED / 2 < most <= MAX_UNCOMMITTED + 50
        assert [one.email for one in journal.answers()] == emails
        assert list(journal.pending()) == []


async def test_pending_goes_on_while_answers_come_in(path: Path) -> None:
    """Addresses are read page by page; answering, or failing, in between neither skips nor repeats any."""
    emails = numbered(5_000)
    asked = []
    with filled(path, emails) as journal:
        for number, email in journal.pending():
            asked.append(email)
            await journal.append(number, answer(email, Outcome.FAILED if number % 2 else Outcome.FOUND))
        await journal.flush()
        assert asked == emails
        assert [number for number, _ in journal.pending()] == list(range(1, 5_001, 2))


async def test_only_the_owner_can_read_it(path: Path) -> None:
    """The journal and what SQLite keeps beside it hold personal data."""
    with filled(path, [JOE]) as journal:
        await append_all(journal, {1: answer(JOE)})
        files = sorted(path.parent.iterdir())
        assert [file.name for file in files] == ["night.journal", "night.journal-shm", "night.journal-wal"]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_closed_journal_is_one_file_and_can_be_removed(path: Path) -> None:
    """It may be renamed when it is closed, and nothing is left when it is removed."""
    journal = filled(path, [JOE])
    journal.close()
    assert list(path.parent.iterdir()) == [path]
    journal.remove()
    assert list(path.parent.iterdir()) == []


def foreign_database(path: Path) -> None:
    """Another program's SQLite file."""
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE answers (address INTEGER)")
    db.close()


def newer_journal(path: Path) -> None:
    """A journal of a version to come."""
    filled(path, [JOE]).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (foreign_database, "this is no journal that this version of lead-export can read."),
        (newer_journal, "this is no journal that this version of lead-export can read."),
        (lambda path: path.touch(), "this is no journal that this version of lead-export can read."),
        (lambda path: path.write_text("x" * 5_000), "the journal cannot be read or written (file is not a database)."),
        (lambda path: path.mkdir(), "the journal cannot be read or written (unable to open database file)."),
    ],
)
def test_what_is_no_journal_is_refused_and_left_alone(path: Path, make: Callable[[Path], None], reason: str) -> None:
    """The message has the path; the file keeps every byte and nothing is put beside it."""
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(StorageError) as error:
        Journal(path)
    assert str(error.value) == f"{path}: {reason}"
    assert list(path.parent.iterdir()) == [path]
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_folder_that_is_not_there_is_an_error(path: Path) -> None:
    """The message has the path."""
    with pytest.raises(StorageError, match=f"^{path}/none: the journal cannot be read or written"):
        Journal(path / "none")


@pytest.fixture
def night(path: Path) -> Path:
    """A journal with a few hundred addresses, half of them answered."""
    with filled(path, [f"{'x' * 90}{email}" for email in numbered(300)]) as journal:
        asyncio.run(append_without_waiting(journal, {n: answer(JOE, body=b"x" * 500) for n in range(1, 300, 2)}))
    return path


def test_a_cut_off_journal_is_refused(night: Path) -> None:
    """Wherever blocks are missing, the run is not taken up with fewer answers than it had."""
    whole = night.read_bytes()
    for size in range(0, len(whole), 4_096):
        night.write_bytes(whole[:size])
        with pytest.raises(StorageError, match=f"^{night}: "):
            Journal(night)


@pytest.mark.parametrize("noise", [bytes(300), b"\xa5\x5a" * 150])
def test_a_damaged_journal_never_crashes(night: Path, noise: bytes) -> None:
    """Damaged anywhere, it is refused with its path, or at least read to its end."""
    whole, refused = night.read_bytes(), 0
    for place in range(0, len(whole), 2_900):
        night.write_bytes(whole[:place] + noise + whole[place + len(noise) :])
        try:
            read_all(night)
        except StorageError as error:
            assert str(error).startswith(f"{night}: ")  # noqa: PT017 - either way is fine
            refused += 1
    assert refused > len(whole) / 2_900 / 4


def read_all(path: Path) -> int:
    """Read everything that a journal holds."""
    with Journal(path) as journal:
        return len([journal.run(), journal.lists(), *journal.pending(), *journal.row_outcomes(), *journal.answers()])


APPEND = """
import asyncio, os, resource, signal, sys
from pathlib import Path
from pipeline.errors import StorageError
from pipeline.journal.store import Journal
from pipeline.outcomes import Answer, Outcome

async def append(journal, first, last, size, body=lambda size: b"x" * size):
    for number in range(first, last + 1):
        await journal.append(number, Answer(f"p{number}@example.com", Outcome.FOUND, body=body(size)))

async def killed(journal):
    await append(journal, 1, 500, 1_000)
    await journal.flush()
    await append(journal, 501, 600, 1_000)
    os.kill(os.getpid(), signal.SIGKILL)

async def out_of_space(journal):
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
    try:
        await append(journal, 1, 600, 10_000, os.urandom)
        await journal.flush()
    except StorageError as error:
        sys.exit(str(error))

journal = Journal(Path(sys.argv[2]))
asyncio.run(globals()[sys.argv[1]](journal))
"""


def run_child(job: str, path: Path) -> "subprocess.CompletedProcess[str]":
    """Append answers in a process of its own."""
    return subprocess.run([sys.executable, "-c", APPEND, job, path], capture_output=True, text=True, check=False)


def test_what_was_flushed_survives_a_kill(path: Path) -> None:
    """After kill -9 the journal opens, holds every flushed answer, and the rest is asked again."""
    filled(path, numbered(600)).close()
    assert run_child("killed", path).returncode == -signal.SIGKILL
    with Journal(path) as journal:
        assert [one.email for one in journal.answers()][:500] == numbered(500)
        assert journal.count_answered() + sum(1 for _ in journal.pending()) == 600
        assert {one.body for one in journal.answers()} == {b"x" * 1_000}


def test_a_full_disk_is_an_error_with_the_path(path: Path) -> None:
    """Nothing is half written: what was committed before is there, and the run can be taken up elsewhere."""
    filled(path, numbered(600)).close()
    child = run_child("out_of_space", path)
    assert child.returncode == 1
    assert f"{path}: the journal cannot be read or written (" in child.stderr
    with Journal(path) as journal:
        assert journal.count_answered() + sum(1 for _ in journal.pending()) == 600


def test_a_journal_that_was_deleted_is_noticed(path: Path) -> None:
    """The operating system would take every further answer and keep none of them."""
    with suppress(StorageError), filled(path, [JOE, JIM]) as journal:
        asyncio.run(append_all(journal, {1: answer(JOE)}))
        path.unlink()
        with pytest.raises(StorageError, match=f"^{path}: the journal was removed"):
            asyncio.run(append_all(journal, {2: answer(JIM)}))


def test_what_could_not_be_written_is_tried_once_more(path: Path) -> None:
    """When the trouble is over by the time the run gives up, not even the answers that met it are lost."""
    journal = filled(path, [JOE, JIM])
    aside = path.rename(path.with_name("aside"))
    with pytest.raises(StorageError):
        asyncio.run(append_all(journal, {1: answer(JOE, body=b"x"), 2: answer(JIM)}))
    aside.rename(path)
    journal.close()
    assert on_disk(path) == 2


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE answers SET lead_id = '8' WHERE address = 2",
        "UPDATE answers SET address = 3 WHERE address = 2",
        "UPDATE bodies SET body = x'62'",
        "UPDATE bodies SET body = 'a'",
        "UPDATE bodies SET packed = 1",
        "UPDATE bodies SET address = 2",
        "DELETE FROM bodies",
    ],
)
async def test_an_answer_that_was_changed_is_noticed(path: Path, change: str) -> None:
    """A single other value, in whatever column: the journal is refused before anything is made of it."""
    with filled(path, [JOE, JIM, ANN]) as journal:
        await append_all(journal, {1: answer(JOE, body=b"a"), 2: answer(JIM, lead_id="7")})
    with closing(sqlite3.connect(path)) as db:
        before = list(db.iterdump())
        db.execute(change)
        db.commit()
        assert list(db.iterdump()) != before
    with Journal(path) as journal, pytest.raises(StorageError, match=f"^{path}: the journal is damaged"):
        list(journal.answers())


async def test_a_dictionary_outlives_the_process(path: Path) -> None:
    """Replies packed by one process are read, and more of them packed, by the next."""
    emails = numbered(160)
    bodies = [b'{"id":"%d","email":"%s"}' % (n, email.encode()) * 9 for n, email in enumerate(emails)]
    answers = {n: answer(email, body=body) for n, (email, body) in enumerate(zip(emails, bodies, strict=True), 1)}
    filled(path, emails).close()
    for first, last in ((1, 40), (41, 120), (121, 160)):
        with Journal(path) as journal:
            await append_all(journal, {n: one for n, one in answers.items() if first <= n <= last})
    with Journal(path) as journal:
        assert list(journal.answers()) == list(answers.values())
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT sum(packed), count(*) FROM bodies").fetchone() == (56, 160)
        assert db.execute("SELECT count(*) FROM dictionary").fetchone() == (1,)


async def test_answers_and_rows_are_read_by_number(path: Path) -> None:
    """From any number to any other, over a connection of their own, the same as all of them from the start."""
    emails = numbered(30)
    with filled(path, emails, [*emails[:5], "new@example.com"]) as journal:
        await append_all(journal, {n: answer(email) for n, email in enumerate([*emails, "new@example.com"], 1)})
        answers, rows = journal.numbered_answers(), journal.numbered_rows()
        assert (answers.count, rows.count) == (31, 36)
        for first, last in ((0, 31), (0, 0), (0, 1), (7, 20), (30, 31)):
            assert list(answers.between(first, last)) == list(journal.answers())[first:last]
            assert list(rows.between(first, last)) == list(journal.row_outcomes())[first:last]
        assert list(rows.between(30, 36)) == list(journal.row_outcomes())[30:]


async def test_moved_lists_are_renamed(path: Path) -> None:
    """In their order; rows follow."""
    with filled(path, [JOE], [JIM]) as journal:
        journal.rename_lists(["x.csv", "y.csv"])
        assert [entry.name for entry in journal.lists()] == ["x.csv", "y.csv"]
        assert [row.input for row in journal.row_outcomes()] == ["x.csv", "y.csv"]
        assert journal.rows_read() == 2


def move(path: Path, place: Path) -> None:
    """Take a file from under whoever has it open."""
    path.rename(place)


async def test_what_could_not_be_committed_is_written_at_the_end(path: Path) -> None:
    """With the dictionary that was learnt from it, once what stood in the way is gone."""
    emails = numbered(100)
    answers = [
        answer(email, body=b'{"id":"%d","email":"%s"}' % (n, email.encode()) * 9) for n, email in enumerate(emails)
    ]
    aside = path.with_suffix(".aside")
    with filled(path, emails) as journal:
        for number, one in enumerate(answers, 1):
            await journal.append(number, one)
        move(path, aside)
        with pytest.raises(StorageError, match="the journal was removed while the run was writing it"):
            await journal.flush()
        move(aside, path)
    with Journal(path) as journal:
        assert list(journal.answers()) == answers
        await journal.append(1, answers[0])
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT packed FROM bodies WHERE address = 1").fetchone() == (1,)


async def test_a_commit_given_up_halfway_is_made_up_for(path: Path) -> None:
    """Cancelled at any moment of it, closing writes what it did not."""
    for turns in range(12):
        Journal.remove_file(path)
        emails = numbered(3)
        with filled(path, emails) as journal:
            await journal.append(1, answer(emails[0]))
            flushing = asyncio.create_task(journal.flush())
            for _ in range(turns):
                await asyncio.sleep(0)
            assert journal._writer._commits is not None
            journal._writer._commits.cancel()
            await asyncio.gather(flushing, return_exceptions=True)
        with Journal(path) as journal:
            assert list(journal.answers()) == [answer(emails[0])]


async def test_an_outcome_that_is_not_known_is_damage(path: Path) -> None:
    """As a later version may write it, with a checksum that fits."""
    with filled(path, [JOE]) as journal:
        await append_all(journal, {1: answer(JOE)})
    facts = (1, "sold", None, None, None, 1, NOON_MS, None)
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE answers SET outcome = 'sold', lead_id = NULL, checksum = ?", (checksum(facts, None),))
        db.commit()
    with (
        Journal(path) as journal,
        pytest.raises(StorageError, match=r"the journal is damaged \('sold' is not a valid Out"),
    ):
        list(journal.answers())


@pytest.mark.parametrize("version", [2, 3])
async def test_journals_of_earlier_versions_go_on(path: Path, version: int) -> None:
    """Their answers carry checksums of another kind; new ones come beside them."""
    with filled(path, [JOE, ANN]) as journal:
        await append_all(journal, {1: answer(JOE, body=b"joe")})
    with closing(sqlite3.connect(path)) as db:
        fields = db.execute("SELECT outcome, code, message, lead_id, attempts, answered_at_ms FROM answers").fetchone()
        body = db.execute("SELECT body FROM bodies").fetchone()[0]
        before = zlib.crc32(body, zlib.crc32(ascii((fields, False)).encode()))
        db.execute("UPDATE answers SET checksum = ?", (before,))
        db.execute(f"PRAGMA user_version = {version}")
        db.commit()
    with Journal(path) as journal:
        await append_all(journal, {2: answer(ANN)})
    with Journal(path) as journal:
        assert list(journal.answers()) == [answer(JOE, body=b"joe"), answer(ANN)]
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (4,), "an earlier lead-export would take it for damaged"


def test_journals_of_later_versions_are_not_read(path: Path) -> None:
    """What they mean is not known."""
    filled(path, [JOE]).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 5")
    with pytest.raises(StorageError, match="no journal that this version"):
        Journal(path)
