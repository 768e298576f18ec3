"""What `enrich` is to write, checked before the first call."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Self

import pyarrow as pa

from pipeline.errors import UsageError
from pipeline.files.output_format import WriteOptions, check_fits
from pipeline.files.workbook_plan import CopyPlan, plan_copy
from pipeline.privacy.columns import AS_THEY_ARE, ColumnRules
from pipeline.tables.frames import make_frame
from pipeline.tables.wide import ALWAYS, CUSTOM, column_name
from pipeline.words import counted

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from pipeline.emails.lists import EmailList
    from pipeline.emails.options import RowCounts
    from pipeline.settings import Settings

logger = logging.getLogger(__name__)
_WORKBOOK = ".xlsx"
_CUSTOM_FIELDS = 10
"""How many columns a pattern of custom fields is taken for, before the account's are known."""


@dataclass(frozen=True, slots=True)
class Enrichment:
    """Which columns are added, and how.

    Attributes:
        fields: names of fields or patterns, see `pipeline.tables.wide`; empty is all.
        prefix: of the name of every added column but custom fields.
        separator: between values that share a cell.
        only_found: leave out rows whose address was not found.
        force: replace an existing file.
    """

    fields: tuple[str, ...] = ()
    prefix: str = "lead_"
    separator: str = "|"
    only_found: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True)
class EnrichTarget:
    """What is written, from which list.

    Attributes:
        source: the list.
        width: cells in its longest row.
        out: the file to write.
        fields: names of fields and patterns of custom fields, see `pipeline.tables.wide`.
        how: prefix and separator, and whether rows without a lead are left out.
        settings: the zone of dates, the guard against formulas, and what was stated about the list.
        rules: what becomes of each column of the tables that the added columns are made of.
        copy: how a workbook is copied to a workbook; None for other formats.
    """

    source: EmailList
    width: int
    out: Path
    fields: list[str]
    how: Enrichment
    settings: Settings
    rules: ColumnRules
    copy: CopyPlan | None = None

    @classmethod
    def of(
        cls,
        source: EmailList,
        out: Path,
        fields: list[str],
        how: Enrichment,
        settings: Settings,
        rules: ColumnRules = AS_THEY_ARE,
    ) -> Self:
        """Check that the list can be written to `out` with these fields, and that no two columns share a name.

        Raises:
            UsageError: `out` cannot hold the list's columns, or one of them has the name of an added column.
        """
        counts = source.row_counts()
        header = own_header(source, counts.width)
        check_fits(out, header, counts.rows)
        _check_names(source.name, list(header.columns), fields, how.prefix)
        _warn_of_ragged_rows(source, counts)
        copy = _copy_plan(source, counts, out, fields, how)
        target = cls(source, counts.width, out, fields, how, settings, rules, copy)
        options = target.write_options(0)
        if options.announce_delimiter and options.bom and options.encoding == "utf-8":
            logger.warning(
                "%s: begins with `sep=%s`, after which Excel ignores the mark of UTF-8: accents may look wrong there."
                " Remove that line from the list, or pass --encoding %s to write as it was.",
                source.name,
                options.delimiter,
                source.detected().encoding,
            )
        return target

    def column_name(self, field: str) -> str:
        """The name of the column that holds a field."""
        return column_name(field, self.how.prefix)

    def write_options(self, own_columns: int) -> WriteOptions:
        """Text as the list has it: delimiter, quoting, line ends, mark and `sep=` line; UTF-8 if no encoding is stated.

        The list's own columns stay unguarded. A workbook, or a text in another encoding than UTF-8, comes from a
        spreadsheet, which needs a mark to read UTF-8.
        """
        detected, settings = self.source.detected(), self.settings
        same_format = detected.format == self.out.suffix.lower().removeprefix(".")
        is_workbook = detected.sheet is not None
        needs_mark = is_workbook or detected.byte_order_mark or detected.encoding not in (None, "utf-8")
        return WriteOptions(
            delimiter=(same_format and detected.delimiter) or ",",
            quoting=(same_format and detected.quoting) or "standard",
            encoding=settings.encoding or "utf-8",
            line_end=detected.line_end if same_format else "\n",
            bom=needs_mark if settings.csv_bom is None else settings.csv_bom,
            announce_delimiter=same_format and detected.announces_delimiter,
            formula_guard=settings.formula_guard,
            unguarded=own_columns,
        )


def own_header(source: EmailList, width: int) -> pd.DataFrame:
    """The columns of the list itself, without rows; a list without rows is refused when it is imported."""
    first = next(iter(source.batches(width)), None)
    schema = pa.schema([]) if first is None else first.schema
    return make_frame(schema.names, (pa.array([], kind) for kind in schema.types))


def _check_names(name: str, own: list[str], fields: list[str], prefix: str) -> None:
    """Check that no two columns would share a name."""
    if prefix == CUSTOM:
        raise UsageError(f"--prefix: {CUSTOM!r} is that of custom fields; choose another.")
    added = [column_name(field, prefix) for field in (*ALWAYS, *fields) if not field.startswith(CUSTOM)]
    taken = [one for one in added if one in own]
    if {column_name("outcome", prefix), column_name("id", prefix)} <= {*taken}:
        raise UsageError(
            f"{name}: looks enriched already: it has a column {taken[0]!r}; take the original list, or choose another"
            " --prefix."
        )
    if taken:
        raise UsageError(f"{name}: already has a column {taken[0]!r}; choose another --prefix.")
    if twice := next((one for one in added if added.count(one) > 1), None):
        raise UsageError(f"--prefix: two columns would be called {twice!r}; choose another.")
    patterns = [field for field in fields if field.startswith(CUSTOM)]
    if any(fnmatchcase(one, pattern) for one in own for pattern in patterns):
        raise UsageError(f"{name}: already has columns for custom fields; leave them out with --fields.")


def _warn_of_ragged_rows(source: EmailList, counts: RowCounts) -> None:
    if not counts.ragged:
        return
    rows = "1 row has" if counts.ragged == 1 else f"{counts.ragged:,} rows have"
    text = "%s: %s more or fewer cells than the first %s; see %s %s."
    listed = ", ".join(map(str, counts.ragged_lines))
    unit = counted(len(counts.ragged_lines), source.unit).partition(" ")[2]
    logger.warning(text, source.name, rows, source.unit, unit, listed)


def _copy_plan(source: EmailList, counts: RowCounts, out: Path, fields: list[str], how: Enrichment) -> CopyPlan | None:
    """How a workbook is copied to a workbook, with warnings about what cannot be kept."""
    detected = source.detected()
    first_row = source.line_numbers({1}).get(1)
    if detected.sheet is None or first_row is None or out.suffix.lower() != _WORKBOOK:
        return None
    if how.only_found:
        plan = CopyPlan(detected.sheet, counts.width, None, "rows are left out of it")
    else:
        patterns = sum(field.startswith(CUSTOM) for field in fields)
        columns = len(ALWAYS) + len(fields) + patterns * _CUSTOM_FIELDS
        with source.stored() as file:
            plan = plan_copy(
                source.name,
                file,
                sheet=detected.sheet,
                first_row=first_row,
                width=counts.width,
                has_header=detected.header,
                added=counts.rows * columns,
            )
    if plan.reason:
        text = "%s: %s; only the values of its sheet are copied, with their number formats, and no formula."
        logger.warning(text, source.name, plan.reason)
    for loss in plan.losses:
        logger.warning("%s: %s.", source.name, loss)
    return plan
