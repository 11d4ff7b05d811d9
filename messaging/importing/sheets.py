"""Files of rows: CSV in its many dialects, and XLSX. Read row by row, whoever made them and for whatever purpose.

Nothing in a file can make a process larger: a line that is too long is read past, a cell that is too long is cut and
said so, a workbook that unpacks to more than is allowed is refused before it is unpacked.
"""

import codecs
import csv
import datetime as dt
import io
import zipfile
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple
from xml.etree.ElementTree import ParseError
from xml.parsers.expat import ExpatError, ParserCreate

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

CSV, XLSX = "csv", "xlsx"
# Of one record, in characters; a cell of Excel holds 32,767.
LONGEST_RECORD = 64 * 1024
# A record in quotes may go over so many lines.
MOST_LINES = 100
MOST_COLUMNS = 200
MOST_ROWS = 1_048_576  # of a sheet
# What a workbook holds besides its sheets is read into memory as a whole.
LARGEST_PART = 96 * 1024 * 1024
LARGEST_SHEET = 1024 * 1024 * 1024
# Of a row's XML in bytes: openpyxl reads a row whole, whatever stands in it.
LARGEST_ROW = 2 * 1024 * 1024
_DELIMITERS = ",;\t|"
_BOMS = [
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
]
# What Excel writes in Western Europe and America unless it is asked for UTF-8.
_FALLBACK = "cp1252"
# What openpyxl and zipfile raise for workbooks that are not what they should be.
_BROKEN = (
    KeyError,
    IndexError,
    ValueError,
    TypeError,
    AttributeError,
    OverflowError,
    ParseError,
    EOFError,
    OSError,
    RuntimeError,
    zlib.error,
    zipfile.BadZipFile,
    InvalidFileException,
)


class SheetError(ValueError):
    """Not a file that can be read as rows. The message says why, and what would be one."""


@dataclass(frozen=True)
class Form:
    """How the bytes of a file are to be read."""

    kind: str
    encoding: str = ""
    delimiter: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Row(NamedTuple):
    """``number`` counts from 1, as a spreadsheet does, empty rows included. ``fault`` says why it can't be read."""

    number: int
    cells: Sequence[str]
    fault: str = ""


# ---- what kind of file ----------------------------------------------------------------------------------------------


def recognise(path: Path) -> Form:
    """How this file is to be read, by its content. Raises SheetError."""
    with path.open("rb") as file:
        beginning = file.read(8)
        if not beginning:
            raise SheetError("This file is empty.")
        if beginning.startswith(b"PK\x03\x04"):
            _check_workbook(path)
            return Form(XLSX)
        if beginning.startswith((b"\xd0\xcf\x11\xe0", b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"{\\rtf")):
            raise SheetError("This is neither CSV nor XLSX. Open it in your spreadsheet and save it as CSV UTF-8.")
        file.seek(0)
        encoding = _encoding(file)
    with path.open(encoding=encoding, newline="") as text:
        begin = text.read(LONGEST_RECORD)
    return Form(CSV, encoding, _delimiter(begin))


def _encoding(file: BinaryIO) -> str:
    """Read to its end: a name on the last page may be the first that is not ASCII."""
    beginning = file.read(4)
    file.seek(0)
    wanted = next((name for bom, name in _BOMS if beginning.startswith(bom)), "utf-8")
    for encoding in (wanted, _FALLBACK):
        decoder, control = codecs.getincrementaldecoder(encoding)(), False
        file.seek(0)
        try:
            while block := file.read(1 << 20):
                control = control or "\0" in decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            continue
        if control:
            raise SheetError(
                "This is not a text file, or in an encoding that is not supported. Save it as CSV UTF-8, or as XLSX."
            )
        return encoding
    raise SheetError("Its characters can't be read. In your spreadsheet, save it as “CSV UTF-8”.")


def _delimiter(begin: str) -> str:
    """The one that cuts the first records into the most columns, as long as they agree."""

    def columns(delimiter: str) -> tuple[int, int]:
        try:
            rows = [row for row in islice(csv.reader(io.StringIO(begin, newline=""), delimiter=delimiter), 20) if row]
        except csv.Error:
            return (0, 0)
        if not rows:
            return (0, 0)
        width = len(rows[0])
        return (sum(len(row) == width for row in rows) if width > 1 else 0, width)

    return max(_DELIMITERS, key=columns)


def _check_workbook(path: Path) -> None:
    """Refuses what would unpack to more than is allowed. An entry can't unpack to more than it declares: zipfile stops
    there."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise SheetError("This workbook is damaged. Save it again as XLSX, or as CSV UTF-8.") from error
    names = {part.filename for part in parts}
    if "xl/workbook.xml" not in names:
        raise SheetError("This is not an XLSX workbook. Save it as XLSX, or as CSV UTF-8.")
    sheets = sum(part.file_size for part in parts if part.filename.startswith("xl/worksheets/"))
    others = sum(part.file_size for part in parts if not part.filename.startswith("xl/worksheets/"))
    if len(parts) > 1000 or sheets > LARGEST_SHEET or others > LARGEST_PART:
        raise SheetError("This workbook is too large once it is unpacked. Save it as CSV UTF-8 instead.")
    try:
        with zipfile.ZipFile(path) as archive:
            for part in parts:
                if part.filename.endswith((".xml", ".rels")):
                    with archive.open(part) as file:
                        _refuse_entities(file)
                if part.filename.startswith("xl/worksheets/"):
                    with archive.open(part) as file:
                        _refuse_endless_rows(file)
    except SheetError:
        raise
    except (*_BROKEN, ExpatError) as error:
        raise SheetError("This workbook is damaged. Save it again as XLSX, or as CSV UTF-8.") from error


class _Begun(Exception):
    """The document's first element was reached."""


def _refuse_entities(file: IO[bytes]) -> None:
    """No spreadsheet writes a document type, and one that does wants a few bytes to become gigabytes."""
    parser = ParserCreate()

    def refuse(*declared: object) -> None:
        raise SheetError("This workbook holds what no spreadsheet writes. Save it again as XLSX, or as CSV UTF-8.")

    def begun(*element: object) -> None:
        raise _Begun

    parser.StartDoctypeDeclHandler, parser.StartElementHandler = refuse, begun
    try:
        while block := file.read(1 << 14):
            parser.Parse(block)
    except _Begun:
        pass


def _refuse_endless_rows(file: IO[bytes]) -> None:
    """A megabyte of ZIP may unpack to one row, or one cell, as large as a whole sheet may be."""
    parser, read, behind = ParserCreate(), 0, 0

    def ended(name: str) -> None:
        nonlocal behind
        if name.endswith("row"):
            behind = parser.CurrentByteIndex

    parser.EndElementHandler = ended
    while block := file.read(1 << 16):
        parser.Parse(block)
        read += len(block)
        if read - behind > LARGEST_ROW:
            raise SheetError("A row of this workbook is too large. Save it as CSV UTF-8 instead.")


# ---- rows -----------------------------------------------------------------------------------------------------------


def rows(path: Path, form: Form) -> Iterator[Row]:
    """Every row that is not empty, in order. Raises SheetError where the file as a whole can't be read on."""
    found = _of_workbook(path) if form.kind == XLSX else _of_text(path, form)
    for row in found:
        if row.fault or any(row.cells):
            yield row


def _of_text(path: Path, form: Form) -> Iterator[Row]:
    with path.open(encoding=form.encoding, newline="") as text:
        try:
            yield from _records(_Lines(text), form.delimiter)
        except UnicodeDecodeError as error:
            raise SheetError("Its characters can't be read. Save it as CSV UTF-8.") from error


class _Lines:
    """The lines of a file, none longer than a record may be, with the last few kept to be read once more."""

    def __init__(self, text: Any) -> None:
        self._text = text
        self._again: deque[str] = deque()
        self.taken: list[str] = []
        self.too_long = False

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        if len(self.taken) >= MOST_LINES:
            raise csv.Error("too many lines")
        line = self._again.popleft() if self._again else self._text.readline(LONGEST_RECORD)
        if not line:
            raise StopIteration
        if len(line) >= LONGEST_RECORD and not line.endswith(("\n", "\r")):
            self.too_long = True
            while (more := self._text.readline(LONGEST_RECORD)) and not more.endswith(("\n", "\r")):
                pass
            line = line[:100] + "\n"
        self.taken.append(line)
        return line.replace("\0", "")

    def begin_record(self) -> None:
        self.taken, self.too_long = [], False

    def read_again(self) -> None:
        """All but the first line of what was taken."""
        self._again.extendleft(reversed(self.taken[1:]))


def _records(lines: _Lines, delimiter: str) -> Iterator[Row]:
    """A quote that nobody closes would swallow the rest of the file. So a record that does not end soon is given up
    with its first line alone, and reading goes on with the second."""
    number = 0
    while True:
        lines.begin_record()
        try:
            cells = _cells(lines, delimiter)
        except StopIteration:
            return
        except csv.Error:
            cells = None
        number += 1
        if lines.too_long and len(lines.taken) == 1:
            yield Row(number, [lines.taken[0][:100]], f"The row is longer than {LONGEST_RECORD:,} characters.")
        elif cells is None or _never_closed(lines, delimiter):
            lines.read_again()
            first = lines.taken[0].rstrip("\r\n")
            yield Row(number, first.split(delimiter), "A quotation mark is opened in this row and never closed.")
        elif len(cells) > MOST_COLUMNS:
            yield Row(number, cells[:MOST_COLUMNS], f"The row has more than {MOST_COLUMNS} columns.")
        else:
            yield Row(number, [cell.strip() for cell in cells])


def _cells(lines: _Lines, delimiter: str) -> list[str]:
    """Of the record that begins with the next line. Raises csv.Error, and StopIteration at the end of the file."""
    line = next(lines)
    if '"' not in line:
        return line.rstrip("\r\n").split(delimiter)
    return next(csv.reader(chain([line], lines), delimiter=delimiter))


def _never_closed(lines: _Lines, delimiter: str) -> bool:
    """The record became too long, or ended only because the file did."""
    if '"' not in lines.taken[0]:
        return False
    if sum(map(len, lines.taken)) > LONGEST_RECORD:
        return True
    try:
        list(csv.reader(lines.taken, delimiter=delimiter, strict=True))
    except csv.Error as error:
        return "unexpected end of data" in str(error)
    return False


def _of_workbook(path: Path) -> Iterator[Row]:
    """The first sheet. Formulas count for what they last came to; nothing is ever calculated."""
    try:
        with (
            path.open("rb") as file,
            closing(openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)) as book,
        ):
            sheet = book.worksheets[0]
            sheet.reset_dimensions()  # what the file says of its size may be anything
            for number, cells in enumerate(sheet.iter_rows(max_col=MOST_COLUMNS, values_only=True), 1):
                if number > MOST_ROWS:  # a row may call itself the trillionth, and those before it come as empty ones
                    raise ValueError("more rows than a sheet has")
                yield Row(number, _without_end([_as_text(cell) for cell in cells]))
    except _BROKEN as error:
        raise SheetError(
            "This workbook can't be read to its end. Open it in your spreadsheet and save it as CSV UTF-8."
        ) from error


def _without_end(cells: list[str]) -> list[str]:
    """Without the empty cells behind the last one that is not."""
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _as_text(cell: Any) -> str:
    match cell:
        case None:
            return ""
        case bool():
            return "yes" if cell else "no"
        case float() if cell.is_integer() and abs(cell) < 1e16:
            return str(int(cell))
        case dt.datetime() if cell.time() == dt.time():
            return cell.date().isoformat()
        case dt.datetime() | dt.date() | dt.time():
            return cell.isoformat()
        case _:
            return str(cell)[:LONGEST_RECORD].replace("\0", "").strip()
