import pytest

from pipeline.emails.columns import find_column, has_stated_name, is_header, looks_like_address
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
    """Names that mean email in the spellings and languages people use, also over an empty list."""
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
    ("header", "sample", "columns"),
    [
        (["id", "name"], [["1", "Joe"]], ["'id'", "'name'"]),
        (["from", "to"], [[JOE, JIM]], ["'from'", "'to'"]),
        (["email", "E-Mail"], [], ["'email'", "'E-Mail'"]),
        (None, [[JOE, JIM]], ["'column 1'", "'column 2'"]),
        (["x" * 60, *"abcdefghijklmnopqrstuvwxyz"], [], [repr("x" * 40), "'a'", "'s', …"]),
        ([JOE, "b"], [], ["column 1", "'b'"]),
    ],
)
def test_an_unclear_column_is_an_error(header: list[str] | None, sample: list[list[str]], columns: list[str]) -> None:
    """The message lists the columns, so that one can be stated, and never repeats data."""
    with pytest.raises(UsageError) as error:
        find_column("a.csv", header, sample, None)
    message = str(error.value)
    assert [fact for fact in ("a.csv: ", "--email-column", *columns) if fact not in message] == []
    assert "@" not in message


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
def test_a_stated_column_is_used(header: list[str] | None, wanted: str, column: int) -> None:
    """By name, ignoring case if need be, else by number from 1; its contents do not matter."""
    assert find_column("a.csv", header, [["1", "2"]], wanted) == column


@pytest.mark.parametrize(
    ("header", "wanted", "facts"),
    [
        (["id", "Contact"], "Contakt", ["'Contakt'", "'Contact'?", "'id', 'Contact'"]),
        (["id", "Contact"], "3", ["'3'"]),
        (["id", "Contact"], "0", ["'0'"]),
        (["id", "Contact"], "²", ["'²'"]),
        (["id", "Contact"], "", ["''"]),
        (["a", "b", "a"], "a", ["'a'", "1, 3"]),
        (None, "email", ["'email'", "'column 1', 'column 2'"]),
    ],
)
def test_a_stated_column_that_does_not_exist_is_an_error(
    header: list[str] | None, wanted: str, facts: list[str]
) -> None:
    """The message lists the columns and suggests the most similar one."""
    with pytest.raises(UsageError) as error:
        find_column("a.csv", header, [["1", "2"]], wanted)
    assert [fact for fact in ("a.csv: ", *facts) if fact not in str(error.value)] == []


@pytest.mark.parametrize(
    ("row", "sample"),
    [
        (["id", "email"], []),
        (["id", "name"], []),
        (["email", "2023", "2024"], [[JIM, "1", "2"]]),
        (["email"], [[JIM], ["email"], [ANN]]),
        (["who", "when"], [[JIM, "2024"], [ANN, "2025"]]),
        (["Kd.-Nr.", "Kontakt", "Address 1"], [["1", JIM, "x"], ["2", ANN, "y"]]),
        (["", "contact"], [["0", JIM], ["1", ANN]]),
        (["email_opt_in", "contact"], [["yes", JIM], ["no", ANN]]),
    ],
)
def test_a_first_row_of_names_is_a_header(row: list[str], sample: list[list[str]]) -> None:
    """One says email, or all could be names."""
    assert is_header(row, sample)


@pytest.mark.parametrize(
    ("row", "sample"),
    [
        (["1", JOE], []),
        (["joe@localhost"], []),
        (["joe@@example.com"], []),
        ([""], []),
        (["1", "joeexample.com"], [["2", JIM], ["3", ANN]]),
        (["Joe", "joe.example.com"], [["Jim", JIM], ["Ann", ANN]]),
        (["Joe", ""], [["Jim", JIM], ["Ann", ANN]]),
        (["Joe", "n/a"], [["Jim", JIM], ["Ann", ANN]]),
        (["Joe", "joe@@example.com", "email"], [["Jim", JIM, "email"]]),
        (["Joe", "", "email"], [["Jim", JIM, "email"], ["Ann", ANN, "shop"]]),
        (["DE", "unknown"], [["DE", JIM], ["FR", ANN]]),
        (["2024-01-31", "unknown"], [["2024-02-01", JIM]]),
        (["E-Mail (name@company)"], [[JIM], [ANN]]),
        (["(" * 100_000, "@"], [[JIM, ""]]),
    ],
)
def test_a_doubtful_first_row_is_data(row: list[str], sample: list[list[str]]) -> None:
    """With an @, a host, a number, a missing address or a recurring value it is counted as a row."""
    assert not is_header(row, sample)


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
    """A number is not a name: it may be data."""
    assert has_stated_name(row, wanted) is stated


@pytest.mark.parametrize(
    ("cell", "plain"), [(JOE, True), (f"Joe <{JOE}>", True), ("joe@localhost", False), ("Joe", False)]
)
def test_a_clear_address_has_a_dot_in_its_domain(cell: str, plain: bool) -> None:
    """This distinguishes a column of addresses from one of social media names."""
    assert looks_like_address(cell) is plain


@pytest.mark.parametrize("header", [["email", "email"], ["email", "mail"], ["Work Email", "Home Email"]])
@pytest.mark.parametrize("odd", ["#N/A", "unknown", "ann@example"])
def test_an_odd_cell_does_not_choose_between_columns_of_addresses(header: list[str], odd: str) -> None:
    """Two columns are called email and hold addresses, one of them not in every row: the user must choose."""
    with pytest.raises(UsageError, match="several columns"):
        find_column("a.csv", header, [[JOE, JIM], [odd, ANN]], None)
    assert find_column("a.csv", header, [[odd, JIM], ["-", ANN]], None) == 1


def test_a_header_that_does_not_say_email_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """It may have been a row after all; the warning does not repeat it."""
    sample = [["Bob", "bob@example.com"], ["Cy", "cy@example.com"]]
    assert find_column("list.csv", ["Ada", "adaexample.com"], sample, None) == 1
    (record,) = caplog.records
    assert record.getMessage().startswith("list.csv: ")
    assert "Ada" not in record.getMessage()
    caplog.clear()
    assert find_column("list.csv", ["Ada", "adaexample.com"], sample, "2") == 1
    assert [entry.getMessage() for entry in caplog.records] == [record.getMessage()]
    caplog.clear()
    assert find_column("list.csv", ["Name", "Email"], sample, None) == 1
    assert find_column("list.csv", None, sample, "2") == 1
    assert caplog.records == []
