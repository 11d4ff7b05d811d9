"""Exports: the same bytes that were recorded, by whom and when; for whom they are, and what XLSX makes of them."""

import datetime as dt
import hashlib
import io
import threading

import pytest
from django.conf import LazySettings
from django.test import Client
from django.utils import timezone

from consent.models import Consent, Contact, Line, User
from consent.models.ledger import AuditRowError
from consent.vocabulary import Status
from reporting import exports, files, snapshot
from reporting.models import ReportRun
from reporting.snapshot import Filters
from tests.make import (
    make_agent,
    make_integrator,
    make_officer,
    make_supervisor,
)
from tests.reporting.exporting import URL, api, asked_for, breaking_off, got, made

State, Format, Origin = ReportRun.State, ReportRun.Format, ReportRun.Origin

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("folder")]


# ---- streamed -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", files.TABLES)
def test_what_was_streamed_is_what_was_recorded(line: Line, sue: User, format: str) -> None:
    run = asked_for(line, sue, format)
    content = b"".join(exports.stream(run))
    run.refresh_from_db()
    assert (run.state, run.rows, run.size) == (State.DONE, 3, len(content))
    assert run.sha256 == hashlib.sha256(content).hexdigest()
    assert run.user == sue and run.as_of and run.seconds is not None and run.seconds >= 0
    assert run.filters["line"] == [line.number]


def test_who_goes_away_before_the_end_is_on_record_too(line: Line, sue: User) -> None:
    run = asked_for(line, sue)
    stream = exports.stream(run)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    run.refresh_from_db()
    assert (run.state, run.sha256, run.size) == (State.CANCELLED, "", None)
    assert run.problem


def test_a_file_that_breaks_off_says_so_itself(line: Line, sue: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer has begun with 200, and the server would end it like a whole one."""
    monkeypatch.setattr(snapshot.Content, "csv", breaking_off)
    run = asked_for(line, sue)
    last = b"".join(exports.stream(run)).splitlines()[-1]
    assert last.startswith(b"INCOMPLETE")
    run.refresh_from_db()
    assert (run.state, run.sha256) == (State.FAILED, "")


def test_a_person_gets_a_whole_file_or_none(line: Line, sue: User, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = exports.whole(asked_for(line, sue))
    content = b"".join(answer.streaming_content)  # type: ignore[arg-type]
    assert answer["Content-Length"] == str(len(content))
    monkeypatch.setattr(snapshot.Content, "csv", breaking_off)
    browser = Client()
    browser.force_login(sue)
    asked = {"lines": "all", "statuses": ["opted_in", "opted_out"], "format": "csv"}
    answer = browser.post("/admin/reporting/reportrun/snapshot/export/", asked, follow=True)
    assert answer.status_code == 200 and "could not be made" in answer.content.decode()


def test_a_reader_who_takes_for_ever_is_cut_off(line: Line, sue: User, settings: LazySettings) -> None:
    settings.EXPORT_SECONDS = -1
    run = asked_for(line, sue)
    assert b"INCOMPLETE" in b"".join(exports.stream(run))
    run.refresh_from_db()
    assert run.state == State.FAILED


def test_slow_readers_leave_room_for_webhooks(line: Line, sue: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "_places", threading.BoundedSemaphore(1))
    slow = api(sue).get(URL, {"as": "csv"})
    busy = api(sue).get(URL, {"as": "csv"})
    assert busy.status_code == 503 and busy["Retry-After"]
    assert ReportRun.objects.filter(state=State.FAILED).count() == 1
    assert got(slow), "which ends it"
    assert got(api(sue).get(URL, {"as": "csv"}))
    assert ReportRun.objects.filter(state=State.DONE).count() == 2


def test_without_lines_there_is_an_empty_file() -> None:
    nobody = make_supervisor()
    run = api(nobody).get(URL, {"as": "csv"})
    assert b"".join(run.streaming_content).count(b"\n") == 1
    assert ReportRun.objects.get().state == State.DONE


def test_a_download_whose_server_died_does_not_run_for_ever(line: Line, sue: User, settings: LazySettings) -> None:
    run = asked_for(line, sue)
    now = timezone.now()
    exports.tidy(now + dt.timedelta(seconds=settings.EXPORT_SECONDS))
    run.refresh_from_db()
    assert run.state == State.RUNNING
    exports.tidy(now + dt.timedelta(seconds=settings.EXPORT_SECONDS + 60))
    run.refresh_from_db()
    assert run.state == State.FAILED and run.problem


# ---- who may --------------------------------------------------------------------------------------------------------


def test_a_file_is_for_its_owner_and_for_officers(line: Line, sue: User) -> None:
    run = made(line, sue)
    assert exports.may_take(run, sue)
    assert exports.may_take(run, make_officer())
    for other in (make_supervisor(), make_agent(line), make_integrator(line)):
        assert not exports.may_take(run, other)
    sue.groups.clear()
    assert not exports.may_take(run, User.objects.get(pk=sue.pk)), "who may no longer export gets nothing"


def test_who_fetched_a_file_is_on_record(line: Line, sue: User) -> None:
    run, olivia = made(line, sue), make_officer("olivia")
    for user in (sue, olivia):
        browser = Client()
        browser.force_login(user)
        assert b"".join(browser.get(f"/admin/reporting/reportrun/{run.uuid}/download/").streaming_content)
    assert [each.user for each in run.downloads.all()] == [sue, olivia]
    assert "olivia" in browser.get(f"/admin/reporting/reportrun/{run.pk}/change/").content.decode()
    with pytest.raises(AuditRowError):
        run.downloads.get(user=olivia).delete()


def test_the_record_stays(line: Line, sue: User) -> None:
    run = made(line, sue)
    with pytest.raises(AuditRowError):
        run.delete()
    with pytest.raises(AuditRowError):
        ReportRun.objects.all().delete()


# ---- XLSX -----------------------------------------------------------------------------------------------------------


def test_more_rows_than_a_sheet_holds_go_on_in_the_next(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    import openpyxl

    monkeypatch.setattr(files, "ROWS_OF_A_SHEET", 2)
    content = b"".join(files.blocks(snapshot.Content(Filters((line,))), Format.XLSX, {}))
    book = openpyxl.load_workbook(io.BytesIO(content))
    heights = [sheet.max_row for sheet in book.worksheets]
    assert heights == [3, 2]
    assert {sheet["A1"].value for sheet in book.worksheets} == {"line_name"}


def test_a_name_in_xlsx_is_a_text_whatever_it_looks_like(line: Line) -> None:
    import openpyxl

    contact = Contact.objects.create(number="+12065550199", first_name="=1+1", last_name="http://x.example")
    Consent.objects.create(contact=contact, line=line, status=Status.OPTED_OUT)
    content = b"".join(files.blocks(snapshot.Content(Filters((line,))), Format.XLSX, {}))
    sheet = openpyxl.load_workbook(io.BytesIO(content)).worksheets[0]
    cell = sheet["C5"]
    assert (cell.value, cell.data_type, cell.hyperlink) == ("=1+1 http://x.example", "s", None)
