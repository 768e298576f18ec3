import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pipeline
from pipeline import schema
from pipeline.replies.lead import COLLECTIONS, FIELD_COLUMNS, OPTION_COLUMNS, CustomField, Lead, Option

OURS = {"requested_email", "extra", "fetched_at", "lead_id", "position"}


def fields_of(struct: type) -> dict[str, str]:
    """The fields of a struct, each with what the API calls it."""
    return dict(zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True))  # type: ignore[attr-defined]


def test_a_lead_has_the_columns_of_leads_and_then_the_collections() -> None:
    """In the order of the schema; what is ours is not looked for in a reply."""
    scalars = [name for name in schema.LEADS.names if name not in OURS]
    assert list(fields_of(Lead)) == [*scalars, *COLLECTIONS]
    assert list(COLLECTIONS) == [table.name for table in schema.LEAD_TABLES[1:]]


@pytest.mark.parametrize("table", schema.LEAD_TABLES[1:-1], ids=lambda table: table.name)
def test_an_item_has_the_columns_of_its_table(table: schema.Table) -> None:
    """All but those that are ours; one is called otherwise by the API."""
    keys = fields_of(COLLECTIONS[table.name])
    assert list(keys) == [name for name in table.names if name not in OURS | {"email"}]
    assert {name: key for name, key in keys.items() if key != name} == (
        {"transaction_id": "id"} if table is schema.TRANSACTIONS else {}
    )


def test_the_columns_of_custom_fields_are_those_of_a_field_and_of_an_option() -> None:
    """What stands inside of `field_value` is read from there."""
    assert (*FIELD_COLUMNS, *OPTION_COLUMNS) == schema.CUSTOM_FIELDS.api_columns
    assert list(fields_of(CustomField)) == ["field_id", "field_identifier", "field_type", "field_value"]
    assert fields_of(Option) == {"option_id": "option_id", "value": "option_value"}


def test_every_column_is_described() -> None:
    """Names are unique within a table, and each column says what it means."""
    for table in schema.TABLES:
        assert len(set(table.names)) == len(table.names)
        assert all(column.meaning for column in table.columns)


def test_the_type_of_a_column_is_found_by_its_name() -> None:
    """A name that the table does not have is a KeyError."""
    assert schema.LEADS.type_of("score") == "int64"
    with pytest.raises(KeyError):
        schema.TAGS.type_of("score")


# A line of the schema, and the lines that stand for it: with a column behind it, of each type that replies have.
ADDED = {
    '        _string("company", "company"),': '_string("sales_tax_id", "tax id"),',
    '    _string("product_name", "product"),': 'Column("quantity", "int64", "how many", source_key="qty"),',
    '    _string("list_name", "the list"),': '_date("joined", "since when"), Column("rank", "int32", "place"),',
    '    _string("field_id", "the field\'s id"),': '_flag("required", "1 if it must be filled in"),',
    '    _string("value", "the text, or the option\'s text", source_key="option_value", nested_in="field_value"),': (
        'Column("price", "int64", "of the option", nested_in="field_value"),'
    ),
}
DETAILS = {
    "id": "1",
    "company": "ACME",
    "sales_tax_id": "00-1",
    "transactions": [{"id": "7", "qty": "3", "colour": "red"}, {"qty": "many"}],
    "lists": [{"joined": "2019-03-26 06:35:31", "rank": "123456789"}, {"joined": "2019-02-30 00:00:00"}],
    "custom_fields": [
        {"field_id": "5", "required": "1", "field_value": [{"option_id": "1", "option_value": "x", "price": "12"}]},
        {"field_value": "pie"},
    ],
}
SHOWN = """
import json, sys
from pipeline.tables.gather import gather
from pipeline.replies.read import read_normal
bodies = [line.rstrip().encode() for line in sys.stdin]
tables = {name: table.to_pylist() for name, table in gather(bodies).tables.items()}
print(json.dumps([[read_normal(body) is not None for body in bodies], tables], default=str))
"""


def test_a_column_that_the_schema_gains_is_filled_from_the_replies(tmp_path: Path) -> None:
    """Nothing else has to be told of it: of any type, of a lead or of an item, on the fast path and the lenient one."""
    package = tmp_path / "pipeline"
    shutil.copytree(Path(pipeline.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    text = (package / "schema.py").read_text(encoding="utf-8")
    for line, column in ADDED.items():
        assert text.count(f"{line}\n") == 1
        text = text.replace(line, f"{line} {column}")
    (package / "schema.py").write_text(text, encoding="utf-8")
    normal = {"id": "2", "sales_tax_id": "00-2", "lists": [{"rank": "4"}], "transactions": [{"qty": "-5"}]}
    lines = [json.dumps({"status": "Success", "lead_details": details}) for details in (DETAILS, normal)]
    run = subprocess.run(
        [sys.executable, "-c", SHOWN], cwd=tmp_path, input="\n".join(lines), text=True, capture_output=True, check=True
    )
    fast, tables = json.loads(run.stdout)

    def cells(table: str, *columns: str) -> list[tuple[object, ...]]:
        return [tuple(row[column] for column in columns) for row in tables[table]]

    assert fast == [False, True]
    assert cells("leads", "company", "sales_tax_id", "extra") == [("ACME", "00-1", None), (None, "00-2", None)]
    assert cells("transactions", "transaction_id", "quantity", "extra") == [
        ("7", 3, '{"colour":"red"}'),
        (None, None, '{"qty":"many"}'),
        (None, -5, None),
    ]
    assert cells("lists", "joined", "rank", "extra") == [
        ("2019-03-26 06:35:31", 123456789, None),
        (None, None, '{"joined":"2019-02-30 00:00:00"}'),
        (None, 4, None),
    ]
    assert cells("custom_fields", "required", "option_id", "value", "price", "extra") == [
        (1, "1", "x", 12, None),
        (None, None, "pie", None, None),
    ]
