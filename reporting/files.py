"""What a report is written as: CSV, XLSX or JSON, block by block, in constant memory."""

import csv
import io
import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import xlsxwriter
from django.conf import settings

from consent.spreadsheets import FORMULA as FORMULA
from consent.spreadsheets import guarded as guarded
from reporting.models import ReportRun

Format = ReportRun.Format
BOM = b"\xef\xbb\xbf"
BLOCK = 64 * 1024
PREFIX = "making-"
# A sheet of Excel has 1,048,576 rows, of which one is the heading.
ROWS_OF_A_SHEET = 1_048_575
_NARROWEST, _WIDEST = 12, 40

# What rows are written as. Evidence packs, which are no rows, are PDF or ZIP (reporting.evidence_pack).
TABLES = (Format.CSV, Format.CSV_FOR_EXCEL, Format.XLSX, Format.JSON)
ENDINGS = {
    Format.CSV: "csv",
    Format.CSV_FOR_EXCEL: "csv",
    Format.XLSX: "xlsx",
    Format.JSON: "json",
    Format.PDF: "pdf",
    Format.ZIP: "zip",
}
CONTENT_TYPES = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.CSV_FOR_EXCEL: "text/csv; charset=utf-8",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    Format.JSON: "application/json",
    Format.PDF: "application/pdf",
    Format.ZIP: "application/zip",
}


def unfinished() -> Path:
    """Where files are while they are made: what a dead process leaves there is tidied away (reporting.exports)."""
    folder = Path(settings.DATA_DIR) / "reports"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


class Content(Protocol):
    """What stands in a file. ``rows`` counts what was written so far, without the heading."""

    rows: int

    def headings(self) -> Sequence[str]: ...

    def cells(self) -> Iterator[Sequence[str | int | float | None]]:
        """The rows as they are; harmless in XLSX and JSON, where a text is never a formula."""

    def csv(self) -> Iterator[bytes]:
        """The rows as lines of CSV, guarded, without the heading."""


def blocks(content: Content, format: str, about: dict[str, Any]) -> Iterator[bytes]:
    """The whole file. ``about`` goes before the rows of JSON."""
    match Format(format):
        case Format.CSV:
            return _csv(content, b"")
        case Format.CSV_FOR_EXCEL:
            return _csv(content, BOM)
        case Format.XLSX:
            return _xlsx(content)
        case Format.JSON:
            return _json(content, about)
    raise ValueError(f"{format} is no format of a table")


def _csv(content: Content, begin: bytes) -> Iterator[bytes]:
    yield begin + lines([content.headings()])
    yield from content.csv()


def lines(rows: Iterable[Sequence[Any]]) -> bytes:
    """Lines of CSV: UTF-8, comma, LF; empty cells without quotes."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _xlsx(content: Content) -> Iterator[bytes]:
    """XLSX is a ZIP archive whose parts are known only at the end: it is written to a file first."""
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=unfinished()) as folder:
        path = Path(folder) / "report.xlsx"
        for _ in _write_xlsx(content, path):
            yield b""  # whoever makes the file may stop here
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                yield block


def _write_xlsx(content: Content, path: Path) -> Iterator[None]:
    """Gives the turn back every thousand rows."""
    with xlsxwriter.Workbook(path, {"constant_memory": True, "tmpdir": str(path.parent)}) as book:
        bold = book.add_format({"bold": True})
        headings = content.headings()
        sheet, place = None, ROWS_OF_A_SHEET
        for cells in content.cells():
            if place == ROWS_OF_A_SHEET:
                sheet, place = _sheet(book, headings, bold), 0
            place += 1
            for column, cell in enumerate(cells):
                if isinstance(cell, str):
                    sheet.write_string(place, column, cell)
                elif cell is not None:
                    sheet.write_number(place, column, cell)
            content.rows += 1
            if content.rows % 1000 == 0:
                yield
        if sheet is None:
            _sheet(book, headings, bold)


def _sheet(book: Any, headings: Sequence[str], bold: Any) -> Any:
    sheet = book.add_worksheet()
    sheet.freeze_panes(1, 0)
    for column, heading in enumerate(headings):
        sheet.set_column(column, column, min(max(len(heading) + 4, _NARROWEST), _WIDEST))
        sheet.write_string(0, column, heading, bold)
    return sheet


def _json(content: Content, about: dict[str, Any]) -> Iterator[bytes]:
    """One object. Its last member counts the rows, so that a file that was cut off shows."""
    headings = list(content.headings())
    begin = json.dumps({**about, "columns": headings}, ensure_ascii=False)[:-1]
    block = [f'{begin}, "rows": [']
    length = 0
    for cells in content.cells():
        row = json.dumps(dict(zip(headings, cells, strict=True)), ensure_ascii=False)
        block.append(f"{',' if content.rows else ''}\n{row}")
        content.rows += 1
        length += len(row)
        if length > BLOCK:
            yield "".join(block).encode()
            block, length = [], 0
    block.append(f'\n], "count": {content.rows}}}\n')
    yield "".join(block).encode()
