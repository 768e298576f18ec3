"""`lead-export schema`: every table and column, with type, meaning, and what it says about people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.options import takes_output_options
from pipeline.cli.output import print_json, print_result
from pipeline.schema import TABLES

if TYPE_CHECKING:
    from pipeline.cli.options import OutputOptions
    from pipeline.columns import Column, Table

DATES = """\
Types are those of the Parquet files. timestamp[ms] is a date as the API gives it, to the second, without a zone; in CSV
it is 2026-11-23 02:00:00. With the setting timezone it is timestamp[ms, tz=UTC], and 2026-11-23T02:00:00Z in CSV.
After the type stands what a column says about people: their identity, by which one is told from others; something
personal; free text, which may say anything about anybody; or nothing (neutral)."""


@click.command(
    "schema",
    epilog="""\b
Examples:
  lead-export schema
  lead-export schema transactions
  lead-export schema --json
""",
)
@click.argument("names", metavar="[TABLE]...", nargs=-1, type=click.Choice([table.name for table in TABLES]))
@takes_output_options
def schema_command(names: tuple[str, ...], output: OutputOptions) -> None:
    """Show every table and column: type, kind and meaning."""
    chosen = [table for table in TABLES if not names or table.name in names]
    if output.as_json:
        print_json({table.name: [_as_json(column) for column in table.columns] for table in chosen})
    else:
        print_result("\n\n".join([*map(_text, chosen), DATES]))


def _as_json(column: Column) -> dict[str, str]:
    types = {"type": column.type_in_files(), "type_with_timezone": column.type_in_files(timezone=True)}
    return {"name": column.name, **types, "kind": column.kind, "meaning": column.meaning}


def _text(table: Table) -> str:
    width = max(len(column.name) for column in table.columns)
    rows = (
        f"  {column.name:<{width}}  {column.type_in_files():<20}  {column.kind:<9}  {column.meaning}"
        for column in table.columns
    )
    return "\n".join([f"{table.name}: a row is {table.grain}", *rows])
