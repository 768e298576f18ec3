import pytest

from pipeline import schema
from pipeline.replies.lead import COLLECTIONS, SCALARS, CustomField, Lead, Option

OURS = {"requested_email", "extra", "fetched_at", "lead_id", "email", "position"}


def test_the_scalars_of_a_lead_are_the_columns_of_leads() -> None:
    """A column added to the struct or to the schema only is an error, and so is another order."""
    assert tuple(name for name in schema.LEADS.names if name not in OURS - {"email"}) == SCALARS


def test_the_collections_of_a_lead_are_the_other_tables() -> None:
    """Each collection has a table of its name, in the same order as in the lead."""
    assert tuple(COLLECTIONS) == tuple(table.name for table in schema.LEAD_TABLES[1:])
    assert Lead.__struct_fields__ == (*SCALARS, *COLLECTIONS)


@pytest.mark.parametrize("table", schema.LEAD_TABLES[1:], ids=lambda table: table.name)
def test_the_fields_of_an_item_are_the_columns_of_its_table(table: schema.Table) -> None:
    """A column added to the struct or to the schema only is an error, and so is another order."""
    fields = COLLECTIONS[table.name].__struct_fields__
    if table is schema.CUSTOM_FIELDS:
        assert CustomField.__struct_fields__[-1] == "field_value"
        assert Option.__struct_fields__ == ("option_id", "option_value")
        fields = (*fields[:-1], "option_id", "value")
    assert fields == tuple(name for name in table.names if name not in OURS)


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
