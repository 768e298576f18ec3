"""What openpyxl does not see in a workbook: the strict variant of the format, and formulas without values.

A workbook is a ZIP archive of XML parts (ECMA-376). Its two variants, strict and transitional, differ in the names of
namespaces and relationships; openpyxl knows the transitional ones and finds no sheet in the other.
"""

from __future__ import annotations

import posixpath
import re
import shutil
import tempfile
import zipfile
from typing import IO, TYPE_CHECKING
from xml.etree import ElementTree  # expat limits entities, and openpyxl reads the same parts with it

if TYPE_CHECKING:
    from collections.abc import Iterator

_STRICT = re.compile(rb"http://purl\.oclc\.org/ooxml/(\w+)/")
_TRANSITIONAL = rb"http://schemas.openxmlformats.org/\1/2006/"
_LONGEST_NAME = 64
"""Bytes, at least, of what `_STRICT` matches: it may lie across two chunks."""
_WORKBOOK_TYPE = ".main+xml"
_USUAL_WORKBOOK_PART = "xl/workbook.xml"
_CHUNK_BYTES = 1 << 20
_XML_PARTS = (".xml", ".rels", ".vml")


def is_strict(file: IO[bytes]) -> bool:
    """Whether a workbook is in the strict variant.

    Raises:
        zipfile.BadZipFile, KeyError: it is damaged.
    """
    with zipfile.ZipFile(file) as archive:
        return bool(_STRICT.search(archive.read(_workbook_part(archive))))


def as_transitional(file: IO[bytes]) -> IO[bytes]:
    """A copy of a strict workbook as a transitional one, in a temporary file without a name.

    Raises:
        OSError: it cannot be written.
        zipfile.BadZipFile: the workbook is damaged.
    """
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    with (
        zipfile.ZipFile(file) as old,
        zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new,
    ):
        for part in old.infolist():
            with old.open(part) as source, new.open(part.filename, "w", force_zip64=True) as target:
                if part.filename.endswith(_XML_PARTS):
                    _rename(source, target)
                else:
                    shutil.copyfileobj(source, target)
    copy.seek(0)
    return copy


def _rename(source: IO[bytes], target: IO[bytes]) -> None:
    rest = b""
    while chunk := source.read(_CHUNK_BYTES):
        text = _STRICT.sub(_TRANSITIONAL, rest + chunk)
        target.write(text[:-_LONGEST_NAME])
        rest = text[-_LONGEST_NAME:]
    target.write(rest)


def formulas_without_values(file: IO[bytes], sheet: int) -> Iterator[str]:
    """The cells, such as `B2`, of a worksheet that hold a formula but not the value that a spreadsheet computed for it.

    Args:
        file: a transitional workbook.
        sheet: the number of the worksheet, from 0; other sheets, such as charts, do not count.
    """
    with zipfile.ZipFile(file) as archive:
        name = _worksheets(archive)[sheet]
        if not _contains(archive, name, (b"<f", b":f")):
            return
        with archive.open(name) as part:
            rows: ElementTree.Element | None = None
            for event, element in ElementTree.iterparse(part, ("start", "end")):  # noqa: S314 - see the import
                tag = _local(element.tag)
                if event == "start":
                    rows = element if tag == "sheetData" else rows
                elif tag == "row" and rows is not None:
                    yield from (cell.get("r", "?") for cell in element if _lacks_value(cell))
                    rows.clear()  # or the rows before would fill the memory


def _lacks_value(cell: ElementTree.Element) -> bool:
    """Whether it has a formula and no value; the value of a formula that gives text may be empty."""
    parts = {_local(part.tag): part.text for part in cell}
    has_value = "is" in parts or bool(parts.get("v")) or ("v" in parts and cell.get("t") == "str")
    return "f" in parts and not has_value


def _contains(archive: zipfile.ZipFile, name: str, marks: tuple[bytes, ...]) -> bool:
    """Whether a part contains one of these bytes, which is soon known, while reading its XML takes long."""
    with archive.open(name) as part:
        end = b""
        while chunk := part.read(_CHUNK_BYTES):
            if any(mark in end + chunk for mark in marks):
                return True
            end = chunk[-1:]
    return False


def _workbook_part(archive: zipfile.ZipFile) -> str:
    """The name of the part that lists the sheets."""
    types = ElementTree.fromstring(archive.read("[Content_Types].xml"))  # noqa: S314 - see the import
    parts = (each.get("PartName", "") for each in types if each.get("ContentType", "").endswith(_WORKBOOK_TYPE))
    return next(parts, _USUAL_WORKBOOK_PART).lstrip("/")


def _worksheets(archive: zipfile.ZipFile) -> list[str]:
    """The names of the parts that hold the worksheets, in order."""
    workbook = _workbook_part(archive)
    folder, name = posixpath.split(workbook)
    related = ElementTree.fromstring(archive.read(posixpath.join(folder, "_rels", f"{name}.rels")))  # noqa: S314
    parts = {
        each.get("Id", ""): posixpath.normpath(posixpath.join("/", folder, each.get("Target", ""))).lstrip("/")
        for each in related
        if each.get("Type", "").endswith("/worksheet")
    }
    sheets = (each for each in ElementTree.fromstring(archive.read(workbook)).iter() if _local(each.tag) == "sheet")  # noqa: S314
    ids = (next((value for key, value in sheet.items() if _local(key) == "id"), "") for sheet in sheets)
    return [parts[number] for number in ids if number in parts]


def _local(name: str) -> str:
    """The name of an element or attribute without its namespace."""
    return name.rpartition("}")[2]
