"""Files as people and attackers make them: read row by row, nothing lost, nothing that grows without bound."""

import datetime as dt
import io
import time
import zipfile
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messaging.importing import sheets
from messaging.importing.sheets import Row, SheetError


def rows(tmp_path: Path, content: bytes | str) -> list[Row]:
    path = tmp_path / "list"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(sheets.rows(path, sheets.recognise(path)))


def cells(tmp_path: Path, content: bytes | str) -> list[list[str]]:
    return [list(row.cells) for row in rows(tmp_path, content)]


@pytest.mark.parametrize(
    "content",
    [
        "Mobile,Name\n+12065550142,José\n".encode(),
        "Mobile;Name\r\n+12065550142;José\r\n".encode(),
        "\ufeffMobile\tName\n+12065550142\tJosé\n".encode(),
        "Mobile|Name\r+12065550142|José".encode(),
        '"Mobile","Name"\n"+12065550142","José"\n'.encode("cp1252"),
        "Mobile,Name\n+12065550142,José\n".encode("utf-16"),
        "\n\nMobile,Name\n,\n+12065550142,José\n\n".encode(),
    ],
)
def test_dialects(content: bytes, tmp_path: Path) -> None:
    assert cells(tmp_path, content) == [["Mobile", "Name"], ["+12065550142", "José"]]


def test_rows_are_numbered_as_a_spreadsheet_does(tmp_path: Path) -> None:
    assert [row.number for row in rows(tmp_path, "a,b\n\n1,2\n")] == [1, 3]


def test_quotes(tmp_path: Path) -> None:
    text = 'a,b\n1,"two\nlines, ""quoted"""\n2,in "the" middle\n3,"x"y\n'
    assert cells(tmp_path, text)[1:] == [["1", 'two\nlines, "quoted"'], ["2", 'in "the" middle'], ["3", "xy"]]


@pytest.mark.parametrize("behind", [3, 300, 30_000])
def test_a_quote_that_nobody_closes_costs_its_own_row_alone(behind: int, tmp_path: Path) -> None:
    text = 'a,b\n1,"open\n' + "".join(f"{serial},x\n" for serial in range(2, behind))
    found = rows(tmp_path, text)
    assert "never closed" in found[1].fault
    assert [row.cells[0] for row in found[2:]] == [str(serial) for serial in range(2, behind)]


def test_a_line_of_ten_megabytes_is_read_past(tmp_path: Path) -> None:
    found = rows(tmp_path, "a,b\n1," + "x" * 10_000_000 + "\n2,y\n")
    assert "longer" in found[1].fault and len(found[1].cells[0]) <= 100
    assert found[2].cells == ["2", "y"]


def test_many_quotes_take_no_longer(tmp_path: Path) -> None:
    began = time.monotonic()
    found = rows(tmp_path, 'a,b\n"' + '"\n""'.join(["x"] * 20_000) + "\n1,2\n")
    assert found[-1].cells == ["1", "2"]
    assert time.monotonic() - began < 60  # a quadratic reader takes hours


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"%PDF-1.7", "neither CSV nor XLSX"),
        (b"\xd0\xcf\x11\xe0old", "neither CSV nor XLSX"),
        (b"a,b\n\x00\x01,2\n", "not a text file"),
        (b"a,b\n\x81\x8d,\x90\n", "can't be read"),
        (b"PK\x03\x04nonsense", "damaged"),
    ],
)
def test_what_is_no_list_says_so(content: bytes, why: str, tmp_path: Path) -> None:
    with pytest.raises(SheetError, match=why):
        rows(tmp_path, content)


def workbook(*given: list[object]) -> bytes:
    book = openpyxl.Workbook()
    for row in given:
        book.active.append(row)  # type: ignore[union-attr]
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def test_workbooks(tmp_path: Path) -> None:
    content = workbook(
        ["Mobile", "When", "In"],
        [12065550142, dt.datetime(2026, 3, 14), True],
        [],
        [2.5, dt.datetime(2026, 3, 14, 9), ""],
    )
    assert cells(tmp_path, content) == [
        ["Mobile", "When", "In"],
        ["12065550142", "2026-03-14", "yes"],
        ["2.5", "2026-03-14T09:00:00"],
    ]


def test_formulas_are_never_calculated(tmp_path: Path) -> None:
    assert cells(tmp_path, workbook(["Mobile"], ['=HYPERLINK("http://x")'], ["+12065550142"]))[1:] == [["+12065550142"]]


def rezipped(content: bytes, name: str, data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.namelist():
            if part != name:
                new.writestr(part, old.read(part))
        new.writestr(name, data)
    return out.getvalue()


@pytest.mark.parametrize("part", ["xl/sharedStrings.xml", "xl/worksheets/sheet1.xml"])
def test_a_bomb_is_not_unpacked(part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "LARGEST_PART", 1_000_000)
    monkeypatch.setattr(sheets, "LARGEST_SHEET", 1_000_000)
    bomb = rezipped(workbook(["Mobile"]), part, b" " * 5_000_000)
    assert len(bomb) < 50_000
    with pytest.raises(SheetError, match="too large"):
        rows(tmp_path, bomb)


@pytest.mark.parametrize(
    "sheet",
    [
        b"<worksheet><sheetData><row",
        b"not xml",
        b'<!DOCTYPE a [<!ENTITY b "c">]><worksheet>&b;</worksheet>',
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        b'<row r="999999999999"><c r="A999999999999" t="n"><v>1</v></c></row></sheetData></worksheet>',
    ],
)
def test_a_broken_workbook_ends_in_an_error_that_says_so(
    sheet: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheets, "MOST_ROWS", 1000)
    bad = rezipped(workbook(["Mobile"], ["+12065550142"]), "xl/worksheets/sheet1.xml", sheet)
    try:
        assert len(rows(tmp_path, bad)) <= 1
    except SheetError as error:
        assert "CSV UTF-8" in str(error)


def test_a_billion_laughs_stay_unheard(tmp_path: Path) -> None:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    strings = f'<!DOCTYPE s [<!ENTITY l0 "ha">{entities}]><sst><si><t>&l9;</t></si></sst>'
    with pytest.raises(SheetError, match="no spreadsheet writes"):
        rows(tmp_path, rezipped(workbook(["Mobile"], ["x"]), "xl/sharedStrings.xml", strings.encode()))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400) | st.text('",;\n\ra1+\0é', max_size=200).map(str.encode))
def test_anything_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "anything"
    path.write_bytes(content)
    try:
        found = list(sheets.rows(path, sheets.recognise(path)))
    except SheetError as error:
        assert str(error)
        return
    numbers = [row.number for row in found]
    assert numbers == sorted(set(numbers))
    assert not any("\0" in cell for row in found for cell in row.cells)


@pytest.mark.parametrize(
    "inside",
    [
        b"<row><c t='inlineStr'><is><t>" + b"A" * 3_000_000 + b"</t></is></c></row>",
        b"<row>" + b"<c/>" * 750_000 + b"</row>",
        b"<row><c t='" + b"A" * 3_000_000 + b"'/></row>",
        b"<row/><!--" + b"A" * 3_000_000 + b"-->",
    ],
)
def test_a_row_as_large_as_a_sheet_is_refused_before_it_is_read(inside: bytes, tmp_path: Path) -> None:
    book = io.BytesIO()
    openpyxl.Workbook().save(book)
    path = tmp_path / "book.xlsx"
    with zipfile.ZipFile(book) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name in source.namelist():
            content = source.read(name)
            if name.startswith("xl/worksheets/"):
                namespace = b'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
                content = b"<worksheet " + namespace + b"><sheetData>" + inside + b"</sheetData></worksheet>"
            made.writestr(name, content)
    assert path.stat().st_size < 50_000
    with pytest.raises(SheetError, match="row of this workbook is too large"):
        sheets.recognise(path)
