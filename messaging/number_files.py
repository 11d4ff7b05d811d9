"""Reading files of numbers that people upload: lists to scrub against, and answers about reassigned numbers.

A file is read whole before anything is written: what can't be read is named with its row and the remedy, and then
nothing of the file counts.
"""

import csv
import datetime as dt
import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from consent import phones

LARGEST = 50 * 1024 * 1024
# What fits into the memory of a small server, read whole.
MOST_ROWS = 1_000_000
MOST_ERRORS = 10
T = TypeVar("T")
_LONGEST_FIELD = 200

_NUMBER = frozenset({"number", "phone", "phone number", "telephone", "telephone number", "tn", "mobile"})
_DATE = frozenset({"date", "consent date", "date of consent", "contact date"})
_ANSWER = frozenset({"answer", "response", "result", "status", "listed", "disconnected", "reassigned"})
_YES = frozenset({"yes", "y", "true", "1", "listed", "on", "dnc", "litigator", "match"})
_NO = frozenset({"no", "n", "false", "0", "clear", "clean", "not listed", "off", "no match"})
_NO_DATA = frozenset({"no data", "nodata", "unknown", "none"})
_DATES = ("%Y-%m-%d", "%Y%m%d", "%m/%d/%Y")


class FileError(ValueError):
    """The file can't be used. ``errors`` say which rows and why, in words for whoever chose the file."""

    def __init__(self, *errors: str) -> None:
        super().__init__(" ".join(errors))
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Row:
    """``answer``: yes, no or no_data; None where the file has no such column."""

    number: str
    date: dt.date | None
    answer: str | None


@dataclass(frozen=True)
class File:
    sha256: str
    rows: list[Row]


def read(content: bytes, *, answers: bool) -> File:
    """The rows of a CSV file. ``answers``: each must have a date and an answer. Raises FileError.

    Columns are found by their headings; without headings they are number, date, answer. A number without a country code
    is one of the United States, whose lists these are.
    """
    if len(content) > LARGEST:
        raise FileError(f"The file is larger than {LARGEST // 1024 // 1024} MB. Split it.")
    if b"\0" in content:
        raise FileError("This is not a text file. Save it as CSV (UTF-8) and choose it again.")
    text = content.decode("utf-8-sig", "replace")
    _, first = next(_filled(text), (0, []))
    if not first:
        raise FileError("The file is empty.")
    columns = _headings(first)
    begin = 1 if columns else 0
    if not columns:
        columns = dict(zip(("number", "date", "answer"), range(3), strict=True))
        if not answers and max(len(cells) for _, cells in _filled(text)) == 2:
            columns = {"number": 0, "answer": 1}
    if answers and len(columns) < 3:
        raise FileError("The columns number, date and answer are needed. Their headings are in the first row.")
    errors: list[str] = []
    wrong = 0
    rows = []
    for at, cells in islice(_filled(text), begin, None):
        try:
            rows.append(_row(cells, columns, answers))
        except ValueError as error:
            wrong += 1
            if wrong <= MOST_ERRORS:
                errors.append(f"Row {at}: {error}")
        if len(rows) + wrong > MOST_ROWS:
            raise FileError(f"The file has more than {MOST_ROWS:,} rows. Split it.")
    if errors:
        more = f"And {wrong - MOST_ERRORS} more rows." if wrong > MOST_ERRORS else ""
        raise FileError(*errors, *([more] if more else []))
    if not rows:
        raise FileError("The file has headings, but no rows.")
    return File(hashlib.sha256(content).hexdigest(), rows)


def _filled(text: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, numbered from 1 with those that are, one at a time. Raises FileError."""
    try:
        for at, cells in enumerate(csv.reader(io.StringIO(text, newline="")), 1):
            if any(map(str.strip, cells)):
                yield at, [cell.strip() for cell in cells]
    except csv.Error as error:
        raise FileError(f"This is not a CSV file: {error}. Save it as CSV (UTF-8) and choose it again.") from None


def _headings(cells: list[str]) -> dict[str, int]:
    """Where each column is, if this row has headings. Empty where it has a number in it instead."""
    known = {"number": _NUMBER, "date": _DATE, "answer": _ANSWER}
    found = {
        name: at
        for at, cell in reversed(list(enumerate(cells)))
        for name, words in known.items()
        if cell.replace("_", " ").casefold() in words
    }
    return found if "number" in found else {}


def _row(cells: list[str], columns: dict[str, int], answers: bool) -> Row:
    def cell(name: str) -> str:
        at = columns.get(name)
        return cells[at][:_LONGEST_FIELD] if at is not None and at < len(cells) else ""

    date, answer = cell("date"), cell("answer")
    if answers and not (date and answer):
        raise ValueError("date or answer is missing.")
    return Row(_number(cell("number")), _date(date) if date else None, _answer(answer) if answer else None)


def _number(written: str) -> str:
    digits = "".join(sign for sign in written if sign.isdecimal())
    if not written.startswith("+") and len(digits) in {10, 11} and digits.isascii():
        written = f"+{digits}" if len(digits) == 11 else f"+1{digits}"
    try:
        return phones.normalise(written)
    except phones.PhoneError:
        raise ValueError(
            f"“{written[:20]}” is no phone number. Write ten digits, or the country code and a plus."
        ) from None


def _date(written: str) -> dt.date:
    for form in _DATES:
        try:
            return dt.datetime.strptime(written, form).date()
        except ValueError:
            continue
    raise ValueError(f"“{written[:20]}” is no date. Write it like 2026-11-30.")


def _answer(written: str) -> str:
    word = written.replace("_", " ").casefold()
    for answer, words in (("yes", _YES), ("no", _NO), ("no_data", _NO_DATA)):
        if word in words:
            return answer
    raise ValueError(f"“{written[:20]}” is no answer. It is yes, no or no data.")


def in_pages(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """``items`` in lists of at most so many."""
    left = iter(items)
    while page := list(islice(left, size)):
        yield page
