import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pipeline
from pipeline import schema

# A column of the schema, and the columns added after it: one of each type that replies have.
ADDED = {
    "company": 'string("sales_tax_id", "tax id", "personal"),',
    "product_name": 'Column("quantity", "int64", "how many", "personal", source_key="qty"),',
    "list_name": 'date("joined", "since when"), Column("rank", "int32", "rank", "personal"),',
    "field_id": 'flag("required", "1 if required"),',
    "field_type": 'Column("price", "int64", "of the option", "personal", nested_in="field_value"),',
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
NORMAL = {"id": "2", "sales_tax_id": "00-2", "lists": [{"rank": "4"}], "transactions": [{"qty": "-5"}]}
PROGRAM = """
import json, sys
import pyarrow as pa
from pipeline.tables.flatten import flatten
from pipeline.replies.read import read_directly
from pipeline.replies.shape import DOCUMENTED
bodies = [line.rstrip().encode() for line in sys.stdin]
frames = flatten(bodies).by_name()
tables = {name: pa.Table.from_pandas(frame).to_pylist() for name, frame in frames.items()}
print(json.dumps([[read_directly(body, DOCUMENTED) is not None for body in bodies], tables], default=str))
"""


def test_every_column_is_described() -> None:
    """Names are unique within a table, and each column has a meaning."""
    for table in schema.TABLES:
        assert len(set(table.names)) == len(table.names)
        assert all(column.meaning for column in table.columns)


def test_the_type_of_a_column_is_looked_up_by_name() -> None:
    """A name that is not in the table is a KeyError."""
    assert schema.LEADS.type_of("score") == "int64"
    with pytest.raises(KeyError):
        schema.TAGS.type_of("score")


def test_a_column_added_to_the_schema_is_read_from_the_replies(tmp_path: Path) -> None:
    """A column of any type, of a lead or of an item, needs no other change, on the fast path or the lenient one."""
    package = tmp_path / "pipeline"
    shutil.copytree(Path(pipeline.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    lines = (package / "schema.py").read_text(encoding="utf-8").splitlines(keepends=True)
    for name, columns in ADDED.items():
        (index,) = [i for i, line in enumerate(lines) if line.strip().startswith(f'string("{name}", ')]
        lines.insert(index + 1, f"{columns}\n")
    (package / "schema.py").write_text("".join(lines), encoding="utf-8")
    bodies = [json.dumps({"status": "Success", "lead_details": details}) for details in (DETAILS, NORMAL)]
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        input="\n".join(bodies),
        text=True,
        capture_output=True,
        check=True,
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
