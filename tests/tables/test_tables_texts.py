import pytest

from pipeline.tables.arrow import column_of_texts
from pipeline.tables.texts import Texts


def columns(*parts: list[str | None], most_bytes: int = 1000) -> dict[str, list[object]]:
    """The columns of a table with two of them that takes in these cells."""
    texts = Texts(["one", "two"], most_bytes=most_bytes)
    for part in parts:
        texts.add(part)
    return {name: column_of_texts(column, "string").to_pylist() for name, column in texts.columns().items()}


def test_rows_become_columns() -> None:
    """In order, over all parts, of which some may be empty."""
    assert columns(["a", "b", "c", "d"], [], ["e", "f"]) == {"one": ["a", "c", "e"], "two": ["b", "d", "f"]}


def test_an_empty_text_is_null() -> None:
    """A null is one too; every other text stays to the letter, whatever stands beside it."""
    assert columns(["", "\0", None, " "], ["é🎉", ""]) == {"one": [None, None, "é🎉"], "two": ["\0", " ", None]}


@pytest.mark.parametrize("parts", [(), ([],), ([None, None],), (["", ""], [None, ""])])
def test_a_table_may_hold_nothing(parts: tuple[list[str | None], ...]) -> None:
    """No rows, or rows in which nothing stands."""
    nothing = [None] * (sum(map(len, parts)) // 2)
    assert columns(*parts) == {"one": nothing, "two": nothing}


def test_more_texts_than_one_array_holds_are_the_same_columns() -> None:
    """Numbers and dates are cast from them as well."""
    texts = Texts(["number", "date"], most_bytes=10)
    texts.add(["12", "2019-03-26 06:35:31", "", "0000-00-00 00:00:00"])
    number, date = texts.columns().values()
    assert columns(["a" * 20, "b"], ["", None], most_bytes=10) == columns(["a" * 20, "b"], ["", None])
    assert column_of_texts(number, "int64").to_pylist() == [12, None]
    assert [str(value) for value in column_of_texts(date, "timestamp[s]").to_pylist()] == [
        "2019-03-26 06:35:31",
        "None",
    ]
