"""`lead-export schema`: every table and column, with type and meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.options import takes_output_options
from pipeline.cli.output import print_json, print_result
from pipeline.schema import TABLES, Table

if TYPE_CHECKING:
    from pipeline.cli.options import OutputOptions


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
    """Show every table and column of a run: type and meaning."""
    chosen = [table for table in TABLES if not names or table.name in names]
    if output.as_json:
        print_json(
            {
                table.name: [{"name": c.name, "type": c.type, "meaning": c.meaning} for c in table.columns]
                for table in chosen
            }
        )
    else:
        print_result("\n\n".join(map(_text, chosen)))


def _text(table: Table) -> str:
    width = max(len(column.name) for column in table.columns)
    rows = (f"  {column.name:<{width}}  {column.type:<18}  {column.meaning}" for column in table.columns)
    return "\n".join([f"{table.name}: a row is {table.grain}", *rows])
