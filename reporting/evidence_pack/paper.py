"""The pack as a PDF that a person reads from the first page on: where they stand, what happened, how to check it."""

import datetime as dt
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import IO, Any

from django.utils import timezone
from django.utils.formats import date_format
from reportlab.lib import colors
from reportlab.lib.enums import TA_LEFT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, HRFlowable, KeepTogether, Paragraph, SimpleDocTemplate, Spacer, Table

from reporting.evidence_pack import fonts
from reporting.evidence_pack.fonts import markup
from reporting.evidence_pack.gathered import Event, Pack

_GREEN, _GREY, _LIGHT, _RED = (colors.HexColor(each) for each in ("#1b5950", "#5f6b69", "#eef5f3", "#a3262a"))
_KINDS = {
    "entry": "LEDGER",
    "text": "TEXT",
    "request": "REQUEST",
    "review": "REVIEW",
    "reading": "READING",
    "notice": "NOTICE",
    "pack": "EVIDENCE PACK",
}


def _style(name: str, size: float, **more: Any) -> ParagraphStyle:
    # The leading is larger than most, since the letters of other scripts are higher.
    given = {"fontName": fonts.REGULAR, "leading": size * 1.4, "alignment": TA_LEFT, **more}
    return ParagraphStyle(name, fontSize=size, **given)


_PLAIN = _style("plain", 9)
_SMALL = _style("small", 7.5, textColor=_GREY)
_TITLE = _style("title", 20, fontName=fonts.BOLD, textColor=_GREEN, spaceAfter=2 * mm)
_HEADING = _style("heading", 13, fontName=fonts.BOLD, textColor=_GREEN, spaceBefore=7 * mm, spaceAfter=2 * mm)
_DAY = _style("day", 10, fontName=fonts.BOLD, spaceBefore=4 * mm, spaceAfter=1 * mm)
_EVENT = _style("event", 9, spaceBefore=2 * mm)
_TOLD = _style("told", 8, textColor=_GREY, leftIndent=6 * mm)
_WORDS = _style(
    "words",
    9,
    leftIndent=8 * mm,
    rightIndent=4 * mm,
    backColor=_LIGHT,
    borderPadding=(1, 3, 2, 3),
    spaceBefore=1.2 * mm,
    spaceAfter=1.2 * mm,
    splitLongWords=True,
)
_HASH = _style("hash", 6.8, fontName=fonts.REGULAR, splitLongWords=True)
_CELL, _HEAD = _style("cell", 8), _style("head", 8, fontName=fonts.BOLD)


def write(pack: Pack, file: IO[bytes]) -> None:
    """Write the whole document to ``file``."""
    fonts.prepare()
    document = SimpleDocTemplate(
        file,
        pagesize=A4,
        leftMargin=18 * mm,
        rightMargin=18 * mm,
        topMargin=18 * mm,
        bottomMargin=20 * mm,
        title=f"Evidence pack {pack.run}",
        author="Optline",
        # No second file can be made that differs only in what the library writes about itself.
        invariant=1,
    )

    def footer(canvas: Any, shown: Any) -> None:
        canvas.saveState()
        canvas.setFont(fonts.REGULAR, 7)
        canvas.setFillColor(_GREY)
        canvas.drawString(18 * mm, 11 * mm, f"Evidence pack {pack.run}")
        canvas.drawRightString(A4[0] - 18 * mm, 11 * mm, f"Page {shown.page}")
        canvas.restoreState()

    document.build(list(_story(pack)), onFirstPage=footer, onLaterPages=footer)


def _story(pack: Pack) -> Iterator[Flowable]:
    yield Paragraph("Evidence pack", _TITLE)
    yield _facts(_about(pack))
    yield Paragraph("Where they stand", _HEADING)
    yield from _standings(pack)
    yield Paragraph("After each opt-out", _HEADING)
    yield from _after_stops(pack)
    yield Paragraph("Proof", _HEADING)
    yield from _proof(pack)
    yield Paragraph("What happened", _HEADING)
    yield Paragraph(
        f"{len(pack.events)} events, the oldest first. Times are in {markup(timezone.get_current_timezone_name())}. "
        "Words on a coloured ground are exact.",
        _SMALL,
    )
    for day, events in groupby(pack.events, key=lambda event: timezone.localtime(event.at).date()):
        yield Paragraph(date_format(day, "l, j F Y"), _DAY)
        for event in events:
            yield from _event(event)
    if pack.wordings:
        yield Paragraph("Wordings", _HEADING)
        yield Paragraph("The templates behind these events, as they were when they were used.", _SMALL)
        for wording in pack.wordings:
            yield Paragraph(f"{markup(wording.name)}, saved {_moment(wording.saved_at)}", _EVENT)
            yield from _words(wording.body)
    yield Paragraph("The chain", _HEADING)
    yield from _chain(pack)


def _about(pack: Pack) -> Iterator[tuple[str, str]]:
    yield "Contact", f"{pack.contact.name}, {pack.contact.number}" if pack.contact.name else pack.contact.number
    yield "Company", pack.company or "(no name was given)"
    names = ", ".join(f"{line.name} ({line.number})" for line in pack.lines)
    yield "Lines", f"Every line: {names}" if pack.whole else names
    if pack.listed:
        yield "Do not contact", "The number is on the do-not-contact list: nothing at all goes to it."
    yield "Made", f"{_moment(pack.made_at)}, by {pack.made_by}"
    if pack.reason:
        yield "Because", pack.reason
    yield "Id of this pack", str(pack.run)


def _facts(rows: Iterator[tuple[str, str]]) -> Table:
    cells = [[Paragraph(label, _HEAD), Paragraph(markup(value), _PLAIN)] for label, value in rows]
    return Table(cells, colWidths=[32 * mm, None], style=[("VALIGN", (0, 0), (-1, -1), "TOP"), _TIGHT, _TIGHT_TOP])


_TIGHT = ("BOTTOMPADDING", (0, 0), (-1, -1), 1)
_TIGHT_TOP = ("TOPPADDING", (0, 0), (-1, -1), 1)
_RULED = [("LINEBELOW", (0, 0), (-1, -1), 0.3, colors.HexColor("#c9d5d2")), ("VALIGN", (0, 0), (-1, -1), "TOP")]


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[float | None]) -> Table:
    cells = [[Paragraph(each, _HEAD) for each in headings]]
    cells += [[Paragraph(markup(each), _CELL) for each in row] for row in rows]
    return Table(cells, colWidths=widths, repeatRows=1, style=_RULED)


def _standings(pack: Pack) -> Iterator[Flowable]:
    rows = []
    for each in pack.standings:
        status = each.status
        if each.review_since:
            status += ", under review"
        if each.told_at:
            status += f"; told how to stop {_moment(each.told_at)}"
        since = _moment(each.since) if each.since else ""
        rows.append([f"{each.name}\n{each.line}", status, each.request, since, each.source, each.level])
    widths = [38 * mm, 42 * mm, 22 * mm, 34 * mm, 22 * mm, 16 * mm]
    yield _table(["Line", "Status", "Request", "Since", "Source", "Level"], rows, widths)


def _after_stops(pack: Pack) -> Iterator[Flowable]:
    if not pack.after_stops:
        yield Paragraph("They opted out of none of these lines.", _PLAIN)
        return
    rows = []
    for each in pack.after_stops:
        if each.seconds is None:
            after = "No text"
        else:
            after = f"{each.others} texts, the last {each.seconds:,.1f} seconds after it"
        answers = f"{each.answers}" if each.answers else "none"
        before = _moment(each.left_before) if each.left_before else "never"
        rows.append([each.line, _moment(each.said_at), before, after, answers])
    yield _table(
        ["Line", "Opted out", "Last text before it", "What left after it, until they opted in again", "Answers"],
        rows,
        [28 * mm, 36 * mm, 36 * mm, None, 18 * mm],
    )
    yield Paragraph(
        "Answers are the confirmation of the opt-out and what the contact's own later texts call for: help, how to "
        "come back, the question whether they want to. A text counts from the moment at which it was handed to the "
        "provider.",
        _SMALL,
    )


def _proof(pack: Pack) -> Iterator[Flowable]:
    if pack.fault:
        red = _style("red", 9, textColor=_RED)
        yield Paragraph(f"The ledger does NOT fit together for this contact: {markup(pack.fault)}.", red)
    else:
        yield Paragraph(
            "When this pack was made, the contact's chain of entries, its evidence and the status above fitted "
            "together.",
            _PLAIN,
        )
    yield Paragraph(
        f"{pack.length} entries, of which {len(pack.proof.shown)} are told here"
        + (f" and {pack.proof.hidden} are about other lines" if pack.proof.hidden else "")
        + ". The last one has the hash:",
        _PLAIN,
    )
    yield Paragraph(pack.head or "(there is none)", _HASH)
    yield Paragraph(
        "Each entry's hash covers the entry and the hash before it, so none can be changed, left out or put in without "
        "all later hashes being others. The ZIP of this pack holds entries, evidence and files with a short program, "
        "verify.py, that recomputes all of it with nothing but Python. A chain can be rewritten as a whole by whoever "
        "owns the database: a daily seal that was kept elsewhere shows whether it was. The export's record in Optline "
        "has this file's SHA-256.",
        _SMALL,
    )


def _event(event: Event) -> Iterator[Flowable]:
    at = date_format(timezone.localtime(event.at), "H:i:s")
    head = f'<font name="{fonts.BOLD}">{at}</font>&nbsp;&nbsp; {markup(event.what)}'
    if event.state:
        head += f'&nbsp;&nbsp;<font name="{fonts.BOLD}">{markup(event.state)}</font>'
    told = [_KINDS[event.kind], event.line, event.who and f"by {event.who}", event.where]
    late = event.recorded_at and abs(event.recorded_at - event.at) > dt.timedelta(minutes=2)
    told.append(f"recorded {_moment(event.recorded_at)}" if late and event.recorded_at else "")
    told.append(event.wording and f"wording: {event.wording}")
    if number := event.more.get("seq"):
        told.append(f"entry {number}, {str(event.more['hash'])[:16]}…")
    yield KeepTogether([Paragraph(head, _EVENT), Paragraph(markup(" · ".join(each for each in told if each)), _TOLD)])
    if event.why:
        yield Paragraph(markup(event.why), _TOLD)
    yield from _words(event.words)


def _words(words: str) -> Iterator[Flowable]:
    if not words:
        return
    # Each line for itself, since what is longer than a page must be able to go on on the next one.
    for line in words.splitlines() or [""]:
        yield Paragraph(markup(line) or "&nbsp;", _WORDS)
    if not fonts.is_faithful(words):
        note = "This script is drawn letter by letter from left to right here. pack.json in the ZIP has the exact text."
        yield Paragraph(note, _TOLD)


def _chain(pack: Pack) -> Iterator[Flowable]:
    yield Paragraph("Entry, what it is, and its hash. Entries about other lines have their hash alone.", _SMALL)
    yield Spacer(1, 2 * mm)
    told = {entry.seq: entry for entry in pack.proof.shown}
    for each in pack.proof.entries:
        seq = each["covered"]["seq"] if "covered" in each else each["seq"]
        kind = told[seq].get_kind_display() if seq in told else "about another line"
        yield Paragraph(f"{seq}&nbsp;&nbsp;{markup(kind)}&nbsp;&nbsp;{each['hash']}", _HASH)
    yield HRFlowable(width="100%", color=_LIGHT, spaceBefore=3 * mm)


def _moment(moment: dt.datetime) -> str:
    return date_format(timezone.localtime(moment), "j M Y, H:i:s")
