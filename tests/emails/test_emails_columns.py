import pytest

from pipeline.emails.columns import find_column, is_header, looks_like_address, stated_title
from pipeline.errors import UsageError

JOE, JIM, ANN = "joe@example.com", "jim@example.com", "ann@example.com"


@pytest.mark.parametrize(
    "title",
    [
        "email",
        "Email",
        " E-MAIL ",
        "E-mail Address",
        "email_address",
        "Mail",
        "lead_email",
        "Contact Email (work)",
        "E-Mail-Adresse",
        "Correo electrónico",
        "Adresse e-mail",
        "メールアドレス",
        "邮箱",
        "Эл. почта email",
        "이메일",
        "Email Address",
        "e_mail",
        "E\N{EN DASH}Mail",
        "E-Mail (name@company)",
        "Adresse électronique",
        "ADRESSE COURRIEL",
        "Mél.",
        "Correo",
        "correo_electronico",
        "Dirección de correo electrónico",
        "Correio eletrônico",
        "Endereço de e-mail",
        "Indirizzo e-mail",
        "Posta elettronica",
        "E-mailadres",
        "E-postadress",
        "Sähköposti",
        "Adres e-mail",
        "E-posta",
        "Электронная почта",
        "Адрес электронной почты",
        "Емейл",
        "Ηλεκτρονικό ταχυδρομείο",
        "البريد الإلكتروني",
        "อีเมล",
        "ईमेल",
        "Ｅメール",
        "電子メール",
        "电子邮箱地址",
        "電子郵件",
        "이메일 주소",
    ],
)
def test_a_column_is_found_by_its_name(title: str) -> None:
    """Titles that mean email in the spellings and languages people export, also over an empty list."""
    assert find_column("a.csv", ["id", title, "name"], [], None) == 1
    assert is_header(["id", title, "name"], [["1", JOE, "Joe"]])


@pytest.mark.parametrize(
    ("header", "sample", "column"),
    [
        (["email opt in", "email"], [], 1),
        (["email", "lead_email"], [[JOE, JIM]], 0),
        (["id", "Contact"], [["1", JOE], ["2", JIM]], 1),
        (None, [["1", JOE], ["2", JIM]], 1),
        (None, [[JOE]], 0),
        (["id", "who"], [["1", JOE], ["2", JIM], ["3", ANN], ["4", "n/a"], ["5", ""]], 1),
        (["id", "who"], [["1"], ["2", JIM]], 1),
        (["id"], [["1", JOE]], 1),
        (["email", "Email"], [["", JOE], ["", JIM]], 1),
        (["email_opt_in", "contact"], [["yes", JOE], ["no", JIM]], 1),
        (["email_opt_in", "lead_email"], [["yes", JOE], ["no", "n/a"]], 1),
        (["email_opt_in", "email_status", "who"], [["yes", "ok", JOE]], 2),
        (["email"], [["n/a"]], 0),
        (["mail", "contact"], [["yes", JOE], ["no", JIM]], 1),
        (["mail", "x"], [["yes", "1"], ["no", "2"]], 0),
    ],
)
def test_a_column_is_found(header: list[str] | None, sample: list[list[str]], column: int) -> None:
    """An exact name wins, then a longer name with addresses under it, then the only column that holds addresses."""
    assert find_column("a.csv", header, sample, None) == column


@pytest.mark.parametrize(
    ("header", "sample", "message"),
    [
        (
            ["id", "name"],
            [["1", "Joe"]],
            "no column holds addresses; say which with --email-column. Columns: 'id', 'name'.",
        ),
        (["id", "name"], [], "no column holds addresses; say which with --email-column. Columns: 'id', 'name'."),
        (
            ["from", "to"],
            [[JOE, JIM]],
            "several columns could hold the addresses; say which with --email-column. Columns: 'from', 'to'.",
        ),
        (
            ["email", "E-Mail"],
            [],
            "several columns could hold the addresses; say which with --email-column. Columns: 'email', 'E-Mail'.",
        ),
        (
            None,
            [[JOE, JIM]],
            "several columns could hold the addresses; say which with --email-column. Columns: 'column 1', 'column 2'.",
        ),
        (
            ["x" * 60, *"abcdefghijklmnopqrstuvwxyz"],
            [],
            f"no column holds addresses; say which with --email-column. Columns: '{'x' * 40}', "
            + ", ".join(repr(title) for title in "abcdefghijklmnopqrs")
            + ", ….",
        ),
    ],
)
def test_a_guess_that_is_not_plain_is_an_error(header: list[str] | None, sample: list[list[str]], message: str) -> None:
    """The message names the columns found, so that one can be stated; data is never repeated in it."""
    with pytest.raises(UsageError) as error:
        find_column("a.csv", header, sample, None)
    assert str(error.value) == f"a.csv: {message}"


@pytest.mark.parametrize(
    ("header", "wanted", "column"),
    [
        (["id", "Contact"], "Contact", 1),
        (["id", "Contact"], " contact ", 1),
        (["Contact", "contact"], "contact", 1),
        (["id", "Contact"], "2", 1),
        (["2", "Contact"], "2", 0),
        (["a", "a"], "2", 1),
        (None, "2", 1),
        (None, "column 2", 1),
    ],
)
def test_a_stated_column_is_taken(header: list[str] | None, wanted: str, column: int) -> None:
    """By name, without case if need be, else by number from 1; what stands in it does not matter."""
    assert find_column("a.csv", header, [["1", "2"]], wanted) == column


@pytest.mark.parametrize(
    ("header", "wanted", "message"),
    [
        (
            ["id", "Contact"],
            "Contakt",
            "there is no column 'Contakt'. Did you mean 'Contact'? Columns: 'id', 'Contact'.",
        ),
        (["id", "Contact"], "3", "there is no column '3'. Columns: 'id', 'Contact'."),
        (["id", "Contact"], "0", "there is no column '0'. Columns: 'id', 'Contact'."),
        (["id", "Contact"], "²", "there is no column '²'. Columns: 'id', 'Contact'."),
        (["id", "Contact"], "", "there is no column ''. Columns: 'id', 'Contact'."),
        (["a", "b", "a"], "a", "several columns are called 'a'; say which by number: 1, 3."),
        (None, "email", "there is no column 'email'. Columns: 'column 1', 'column 2'."),
    ],
)
def test_a_stated_column_that_is_not_there_is_an_error(header: list[str] | None, wanted: str, message: str) -> None:
    """The message names the columns found and the nearest one."""
    with pytest.raises(UsageError) as error:
        find_column("a.csv", header, [["1", "2"]], wanted)
    assert str(error.value) == f"a.csv: {message}"


@pytest.mark.parametrize(
    ("row", "header"),
    [
        (["id", "email"], True),
        ([""], True),
        (["1", JOE], False),
        (["joe@localhost"], False),
        (["joe@@example.com"], False),
    ],
)
def test_a_first_row_with_an_at_sign_is_data(row: list[str], header: bool) -> None:
    """Even a damaged address in the first row is a row and is accounted for."""
    assert is_header(row) is header


@pytest.mark.parametrize(
    ("row", "sample", "header"),
    [
        (["1", "joeexample.com"], [["2", JIM], ["3", ANN]], False),
        (["1", "n/a"], [["2", JIM], ["3", ANN]], False),
        (["Joe", "joe@@example.com", "email"], [["Jim", JIM, "email"]], False),
        (["Joe", "", "email"], [["Jim", JIM, "email"], ["Ann", ANN, "shop"]], False),
        (["DE", "n/a"], [["DE", JIM], ["FR", ANN]], False),
        (["2024-01-31", "n/a"], [["2024-02-01", JIM]], False),
        (["joe.example.org"], [[JIM], ["ann@example.org"]], False),
        (["E-Mail (name@company.com)"], [[JIM], [ANN]], True),
        (["@handle", "email"], [["@jim", JIM], ["@ann", ANN]], True),
        (["email", "2023", "2024"], [[JIM, "1", "2"]], True),
        (["who", "when"], [[JIM, "2024"], [ANN, "2025"]], True),
        (["user.login"], [[JIM], [ANN]], True),
        (["email"], [[JIM], ["email"], [ANN]], True),
        (["id", "name"], [], True),
        (["(" * 100_000, "@"], [[JIM, ""]], False),
    ],
)
def test_a_first_row_like_those_below_is_data(row: list[str], sample: list[list[str]], header: bool) -> None:
    """A number above numbers, a host above addresses, a value that comes again: in doubt it is a row."""
    assert is_header(row, sample) is header


@pytest.mark.parametrize(
    ("row", "wanted", "stated"),
    [
        (["id", "Contact"], " contact", True),
        (["id", "Contact"], "2", False),
        (["2", "x"], "2", False),
        ([JOE, "x"], "x", False),
        (["id"], None, False),
    ],
)
def test_a_stated_name_in_the_first_row_makes_it_a_header(row: list[str], wanted: str | None, stated: bool) -> None:
    """A number is none: it may be data."""
    assert stated_title(row, wanted) is stated


@pytest.mark.parametrize(
    ("cell", "plain"), [(JOE, True), (f"Joe <{JOE}>", True), ("joe@localhost", False), ("Joe", False)]
)
def test_a_plain_address_has_a_dot_in_its_domain(cell: str, plain: bool) -> None:
    """What tells a column of addresses from one of social media names."""
    assert looks_like_address(cell) is plain


def test_a_first_line_that_says_nothing_of_email_is_mentioned(caplog: pytest.LogCaptureFixture) -> None:
    """Should the first line have been a person and not names of columns, somebody learns of it, without the person."""
    sample = [["Bob", "bob@example.com"], ["Cy", "cy@example.com"]]
    assert find_column("list.csv", ["Ada", "adaexample.com"], sample, None) == 1
    (record,) = caplog.records
    assert record.getMessage().startswith("list.csv: the first line is taken for the names of columns")
    assert "Ada" not in record.getMessage()
    caplog.clear()
    assert find_column("list.csv", ["Ada", "adaexample.com"], sample, "2") == 1
    assert [entry.getMessage() for entry in caplog.records] == [record.getMessage()]
    caplog.clear()
    assert find_column("list.csv", ["Name", "Email"], sample, None) == 1
    assert find_column("list.csv", None, sample, "2") == 1
    assert caplog.records == []
