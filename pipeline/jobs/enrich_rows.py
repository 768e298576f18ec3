"""Where the rows of `enrich` go: a file of any format, or a workbook with columns added to it."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import compress
from typing import TYPE_CHECKING, Any, Protocol, Self

import pyarrow as pa

from pipeline.files.output_format import format_of, written_names
from pipeline.files.workbook_copy import SheetValues, WorkbookCopy
from pipeline.tables.frames import make_frame

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pipeline.files.workbook_plan import CopyPlan
    from pipeline.jobs.enrich_target import EnrichTarget


class EnrichedRows(Protocol):
    """Takes the rows of a list, batch by batch; a context manager. `names` are the columns of the file."""

    names: list[str]

    def write(
        self, own: pa.RecordBatch, added: list[pa.Array[Any]], lines: Sequence[int], keep: Sequence[bool] | None
    ) -> int:
        """Write rows and return how many.

        Args:
            own: the list's own columns.
            added: the columns of the leads.
            lines: the number of each row on its sheet.
            keep: which rows are written; None is all.
        """

    def losses(self) -> list[str]:
        """What the file could not hold, as clauses for a warning."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...


def open_rows(target: EnrichTarget, path: Path, own: pa.Schema, added: Mapping[str, pa.DataType]) -> EnrichedRows:
    """Open the new file `path` for rows with these columns.

    Raises:
        UsageError: the file cannot hold as many columns, or the list cannot be read.
    """
    if target.copy is None:
        return _FrameRows(target, path, own, added)
    return _WorkbookRows(target, target.copy, path, [*own.names], [*added])


class _FrameRows:
    """Own and added columns side by side in one frame."""

    def __init__(self, target: EnrichTarget, path: Path, own: pa.Schema, added: Mapping[str, pa.DataType]) -> None:
        chosen = format_of(target.out)
        self._columns = [*own.names, *added]
        self.names = written_names(chosen, self._columns)
        header = make_frame(self._columns, (pa.array([], kind) for kind in [*own.types, *added.values()]))
        self._file = chosen.open(path, header, target.write_options(len(own)))

    def __enter__(self) -> Self:
        self._file.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._file.__exit__(*error)  # type: ignore[arg-type]  # as the context manager got it

    def write(
        self, own: pa.RecordBatch, added: list[pa.Array[Any]], lines: Sequence[int], keep: Sequence[bool] | None
    ) -> int:
        del lines
        frame = make_frame(self._columns, [*own.columns, *added])
        frame = frame if keep is None else frame.loc[list(keep)]
        self._file.write(frame)
        return len(frame)

    def losses(self) -> list[str]:
        return self._file.losses()


class _WorkbookRows:
    """Only the added columns: the own ones are in the workbook that is copied."""

    def __init__(self, target: EnrichTarget, plan: CopyPlan, path: Path, own: list[str], added: list[str]) -> None:
        self._columns, self.names = added, [*own, *added]
        with ExitStack() as opened:
            file = opened.enter_context(target.source.stored())
            if plan.reason:
                self._book: SheetValues | WorkbookCopy = SheetValues(file, path, plan, self.names)
            else:
                self._book = WorkbookCopy(file, path, plan, self._columns)
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        self._opened.enter_context(self._book)
        return self

    def __exit__(self, *error: object) -> None:
        self._opened.__exit__(*error)  # type: ignore[arg-type]  # as the context manager got it

    def write(
        self, own: pa.RecordBatch, added: list[pa.Array[Any]], lines: Sequence[int], keep: Sequence[bool] | None
    ) -> int:
        del own
        frame = make_frame(self._columns, added)
        frame = frame if keep is None else frame.loc[list(keep)]
        self._book.write(list(lines if keep is None else compress(lines, keep)), frame)
        return len(frame)

    def losses(self) -> list[str]:
        return self._book.losses()
