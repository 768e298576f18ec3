"""`lead-export schema`: every table and column, with type and meaning."""

from __future__ import annotations

import json

import click

from pipeline.cli import output
from pipeline.schema import TABLES, Table


@click.command(
    epilog="""\b
Examples:
  lead-export schema
  lead-export schema transactions
  lead-export schema --json
"""
)
@click.argument("names", metavar="[TABLE]...", nargs=-1, type=click.Choice([table.name for table in TABLES]))
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def schema(names: tuple[str, ...], *, as_json: bool) -> None:
    """Show every table and column of a run: type and meaning."""
    chosen = [table for table in TABLES if not names or table.name in names]
    if as_json:
        tables = {
            table.name: [{"name": c.name, "type": c.type, "meaning": c.meaning} for c in table.columns]
            for table in chosen
        }
        output.write(json.dumps(tables, indent=2))
    else:
        output.write("\n\n".join(map(_text, chosen)))


def _text(table: Table) -> str:
    width = max(len(column.name) for column in table.columns)
    rows = (f"  {column.name:<{width}}  {column.type:<18}  {column.meaning}" for column in table.columns)
    return "\n".join([f"{table.name}: a row is {table.grain}", *rows])
