"""Exports from the admin: streamed or made in the background and followed, and the record that an auditor finds."""

import csv
import datetime as dt
import hashlib
import io
import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import Permission
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from consent.models import Contact, Line, Organisation, User
from reporting import exports
from reporting.models import ReportRun
from reporting.models.report_run import KEPT_FOR
from reporting.snapshot import Filters
from tests.make import (
    JANE,
    OMAR,
    make_agent,
    make_contact,
    make_line,
    make_officer,
    make_opted_in,
    make_supervisor,
)
from tests.reporting.test_funnel import make_request
from tests.reporting.test_snapshot_page import said

EXPORTS = "/admin/reporting/reportrun/"
SNAPSHOT, FUNNEL = f"{EXPORTS}snapshot/", f"{EXPORTS}funnel/"
State, Format = ReportRun.State, ReportRun.Format

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folder(settings: LazySettings, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path
    return tmp_path / "reports"


@pytest.fixture
def orders() -> Line:
    line = make_line(name="Orders")
    for digit in range(3):
        make_opted_in(line, f"+1206555014{digit}")
    return line


@pytest.fixture
def sam() -> User:
    return make_supervisor("sam")


@pytest.fixture
def client(client: Client, sam: User) -> Client:
    client.force_login(sam)
    return client


def export(client: Client, format: str = "csv", **asked: Any) -> Any:
    return client.post(f"{SNAPSHOT}export/", {"format": format, **asked})


def page_of(run: ReportRun, name: str = "progress") -> str:
    return reverse(f"admin:reporting_run_{name}", args=[run.uuid])


def in_background(client: Client, settings: LazySettings, **asked: Any) -> ReportRun:
    settings.EXPORT_BACKGROUND_ROWS = 2
    answer = export(client, **asked)
    run = ReportRun.objects.latest("pk")
    assert (answer.status_code, answer["Location"]) == (302, page_of(run))
    return run


def made(client: Client, settings: LazySettings, **asked: Any) -> ReportRun:
    run = in_background(client, settings, **asked)
    exports.make_waiting()
    run.refresh_from_db()
    assert run.state == State.DONE
    return run


def shows(answer: HttpResponse) -> str:
    assert answer.status_code == 200
    return answer.content.decode()


# ---- handed over at once --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["csv", "csv-excel", "xlsx"])
def test_what_was_handed_over_is_on_record(client: Client, sam: User, orders: Line, format: str) -> None:
    answer = export(client, format, lines=orders.number, statuses="opted_in")
    file = b"".join(answer)
    run = ReportRun.objects.get()
    assert run.sha256 == hashlib.sha256(file).hexdigest()
    assert (run.user, run.origin, run.format, run.rows, run.state) == (sam, "admin", format, 3, State.DONE)
    assert run.expected_rows == 3 and not run.in_background
    assert answer["Content-Disposition"] == f'attachment; filename="{exports.file_name(run)}"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in answer["Cache-Control"] and "private" in answer["Cache-Control"]
    assert file.startswith({"csv": b"Line name,", "csv-excel": b"\xef\xbb\xbfLine name,", "xlsx": b"PK"}[format])


def test_the_file_holds_what_the_filters_find(client: Client, orders: Line) -> None:
    care = make_line("+12065550101", name="Care")
    make_opted_in(care, JANE)
    file = b"".join(export(client, lines=[care.number], statuses=["opted_in", "not_defined"], search="555"))
    rows = list(csv.DictReader(io.StringIO(file.decode())))
    found = [(row["Line name"], row["Mobile number"], row["Status"]) for row in rows]
    assert found == [
        ("Care", "+12065550140", "Not Defined"),
        ("Care", "+12065550141", "Not Defined"),
        ("Care", JANE, "Opted in"),
    ]
    assert ReportRun.objects.get().filters == {
        "line": [care.number],
        "status": ["opted_in", "not_defined"],
        "search": "555",
    }


def test_names_that_a_spreadsheet_would_run_are_defused(client: Client, orders: Line) -> None:
    Contact.objects.filter(number=JANE).update(first_name="=HYPERLINK(1)")
    assert b",'=HYPERLINK(1)," in b"".join(export(client))


def test_the_funnel_is_exported_as_it_is_shown(client: Client, sam: User, orders: Line) -> None:
    make_request(orders, sent=timezone.now(), outcome="accepted")
    asked = {"by": "channel", "since": "2000-01-01", "until": "2999-01-01", "lines": orders.number}
    file = b"".join(client.post(f"{FUNNEL}export/", {**asked, "format": "csv"}))
    run = ReportRun.objects.get()
    assert (run.report, run.user, run.rows) == ("funnel", sam, 1)
    assert run.filters == {"line": [orders.number], "since": "2000-01-01", "until": "2999-01-01", "by": "channel"}
    assert run.sha256 == hashlib.sha256(file).hexdigest()
    assert file.splitlines()[1].startswith(b"channel,agent,")


@pytest.mark.parametrize("page", [SNAPSHOT, FUNNEL])
def test_bad_input_leads_back_to_the_page_that_explains_it(client: Client, orders: Line, page: str) -> None:
    bad = {"lines": "+19995550100", "search": "kept", "by": "line"}
    answer = client.post(f"{page}export/", {**bad, "format": "csv"})
    assert answer.status_code == 302 and answer["Location"].startswith(f"{page}?")
    assert "+19995550100" in shows(client.get(answer["Location"]))
    for format in ("json", "", "exe"):
        assert client.post(f"{page}export/", {"format": format}).status_code == 400
    assert not ReportRun.objects.exists()


def test_an_address_exports_nothing(client: Client, orders: Line) -> None:
    for page in (SNAPSHOT, FUNNEL):
        assert client.get(f"{page}export/", {"format": "csv"}).status_code == 405
    assert not ReportRun.objects.exists()


# ---- made in the background -----------------------------------------------------------------------------------------


def test_a_large_one_is_followed_to_its_end_and_fetched(client: Client, settings: LazySettings, orders: Line) -> None:
    run = in_background(client, settings)
    assert (run.state, run.expected_rows, run.in_background) == (State.WAITING, 3, True)
    page = shows(client.get(page_of(run)))
    assert "Waiting for a worker" in page and "Cancel" in page and page_of(run, "state") in page
    ReportRun.objects.update(state=State.RUNNING, rows=2, heartbeat_at=timezone.now(), claim=run.uuid)
    bar = client.get(page_of(run, "state"))
    assert 'value="66"' in shows(bar) and "2 of about 3 rows" in shows(bar)
    assert "HX-Retarget" not in bar and 'hx-trigger="every 1s"' in shows(bar)
    ReportRun.objects.update(state=State.WAITING, rows=0)
    exports.make_waiting()
    run.refresh_from_db()
    ended = client.get(page_of(run, "state"))
    assert ended["HX-Retarget"] == "#report-run" and "hx-trigger" not in shows(ended)
    for page in (shows(ended), shows(client.get(page_of(run)))):
        assert "The file is ready." in page and run.sha256 in page and page_of(run, "download") in page
    answer = client.get(page_of(run, "download"))
    file = b"".join(answer)
    assert hashlib.sha256(file).hexdigest() == run.sha256 and file.count(b"\n") == 4
    assert answer["Content-Disposition"] == f'attachment; filename="{exports.file_name(run)}"'
    assert answer["X-Content-Type-Options"] == "nosniff" and "no-store" in answer["Cache-Control"]


def test_more_rows_than_expected_are_not_yet_the_end(client: Client, settings: LazySettings, orders: Line) -> None:
    run = in_background(client, settings)
    ReportRun.objects.update(state=State.RUNNING, rows=7, heartbeat_at=timezone.now())
    assert 'value="99"' in shows(client.get(page_of(run)))
    ReportRun.objects.update(expected_rows=None)
    assert 'value="0"' in shows(client.get(page_of(run)))


def test_what_is_cancelled_ends_without_a_file(client: Client, settings: LazySettings, orders: Line) -> None:
    run = in_background(client, settings)
    assert client.get(page_of(run, "cancel")).status_code == 405
    assert client.post(page_of(run, "cancel"))["Location"] == page_of(run)
    exports.make_waiting()
    page = shows(client.get(page_of(run)))
    assert "This export was cancelled" in page and page_of(run, "download") not in page
    assert "HX-Retarget" in client.get(page_of(run, "state"))
    answer = client.post(page_of(run, "cancel"), follow=True)
    assert "It had ended already." in shows(answer)


def test_what_failed_says_so(client: Client, settings: LazySettings, orders: Line) -> None:
    run = in_background(client, settings)
    ReportRun.objects.update(state=State.FAILED, problem="It failed <3> times.", ended_at=timezone.now())
    page = shows(client.get(page_of(run)))
    assert "The file could not be made. It failed &lt;3&gt; times." in page and "Export it again." in page


def test_a_file_can_be_fetched_for_seven_days(client: Client, settings: LazySettings, orders: Line) -> None:
    run = made(client, settings)
    ReportRun.objects.update(ended_at=run.ended_at - KEPT_FOR - dt.timedelta(seconds=1))  # type: ignore[operator]
    exports.tidy(timezone.now())
    answer = client.get(page_of(run, "download"), follow=True)
    assert answer.redirect_chain == [(page_of(run), 302)]
    assert said(shows(answer)).count("This file is no longer kept. Export it again.") == 1
    assert "no longer kept" in shows(client.get(reverse("admin:reporting_reportrun_change", args=[run.pk])))


def test_a_spoiled_file_is_not_handed_over(client: Client, settings: LazySettings, orders: Line, folder: Path) -> None:
    run = made(client, settings)
    next(folder.iterdir()).write_bytes(b"something else")
    assert "its SHA-256 differs" in shows(client.get(page_of(run, "download"), follow=True))


def test_it_starts_by_itself_only_for_whoever_waited(client: Client, settings: LazySettings, orders: Line) -> None:
    run = made(client, settings)
    assert "data-starts" in shows(client.get(page_of(run)))
    client.force_login(make_officer())
    assert "data-starts" not in shows(client.get(page_of(run)))
    client.force_login(run.user)  # type: ignore[arg-type]
    ReportRun.objects.update(ended_at=run.ended_at - dt.timedelta(minutes=5))  # type: ignore[operator]
    assert "data-starts" not in shows(client.get(page_of(run)))


# ---- who ------------------------------------------------------------------------------------------------------------


def test_only_its_owner_and_officers_follow_and_fetch_it(client: Client, settings: LazySettings, orders: Line) -> None:
    run = made(client, settings)
    waiting = in_background(client, settings)
    other = Client()
    for user, status in ((make_supervisor("sue"), 404), (make_agent(orders), 403)):
        other.force_login(user)
        for name in ("progress", "state", "download"):
            assert other.get(page_of(run, name)).status_code == status, (user, name)
        assert other.post(page_of(waiting, "cancel")).status_code == status
    assert "/login/" in Client().get(page_of(run, "download"))["Location"]
    waiting.refresh_from_db()
    assert waiting.state == State.WAITING
    other.force_login(make_officer())
    assert b"".join(other.get(page_of(run, "download"))).startswith(b"Line name")
    assert other.post(page_of(waiting, "cancel")).status_code == 302
    waiting.refresh_from_db()
    assert waiting.state == State.CANCELLED


def test_an_agent_exports_nothing(client: Client, orders: Line) -> None:
    client.force_login(make_agent(orders))
    assert export(client).status_code == 403
    assert client.post(f"{FUNNEL}export/", {"format": "csv"}).status_code == 403
    assert client.get(EXPORTS).status_code == 403
    assert not ReportRun.objects.exists()


def reporter(*lines: Line) -> User:
    """An agent whom somebody gave the permission to export, beside what agents may."""
    ann = make_agent(*lines)
    ann.user_permissions.add(Permission.objects.get(codename="export_reports"))
    return ann


def test_a_file_keeps_to_lines_and_hides_numbers(client: Client, orders: Line) -> None:
    make_opted_in(make_line("+12065550101", name="Secret"), OMAR)
    Organisation.objects.update(mask_numbers=True)
    client.force_login(reporter(orders))
    file = b"".join(export(client, lines="all")).decode()
    assert "Secret" not in file and JANE not in file and "•••• 0142" in file
    assert ReportRun.objects.get().numbers_masked


def test_whoever_lost_a_line_does_not_fetch_its_file(client: Client, settings: LazySettings, orders: Line) -> None:
    ann = reporter(orders)
    client.force_login(ann)
    run = made(client, settings)
    ann.lines.clear()
    assert client.get(page_of(run, "download")).status_code == 403
    page = shows(client.get(page_of(run)))
    assert "that you may no longer see" in page and page_of(run, "download") not in page


# ---- the record -----------------------------------------------------------------------------------------------------


def listed(client: Client, **asked: str) -> list[ReportRun]:
    return list(client.get(EXPORTS, asked).context["cl"].result_list)


def test_an_auditor_finds_the_export_by_the_file(client: Client, sam: User, orders: Line) -> None:
    for search in ("0140", "0141"):
        file = b"".join(export(client, search=search))
    first, last = ReportRun.objects.order_by("pk")
    digest = hashlib.sha256(file).hexdigest()
    assert listed(client) == [last, first]
    for words in (digest, digest[:9], digest.upper(), f"{digest}  snapshot (1).csv"):
        assert listed(client, q=words) == [last], words
    assert listed(client, q=digest[1:]) == []
    assert listed(client, user__id__exact=str(sam.pk), report__exact="snapshot", state__exact="done") == [last, first]
    assert listed(client, state__exact="failed") == []
    page = shows(client.get(reverse("admin:reporting_reportrun_change", args=[last.pk])))
    assert digest in page and f"sha256sum {exports.file_name(last)}" in page
    assert "It was handed over at once, and no copy was kept." in page


def filters_of(client: Client, run: ReportRun) -> list[str]:
    page = shows(client.get(reverse("admin:reporting_reportrun_change", args=[run.pk])))
    return [said(each) for each in re.findall(r"<li>(<strong>.*?)</li>", page)]


def test_what_was_chosen_is_spelled_out(client: Client, orders: Line) -> None:
    b"".join(
        export(
            client,
            lines=orders.number,
            statuses=["opted_in", "pending"],
            sources="keyword",
            since_from="2026-03-01",
            since_until="2026-03-31",
            search="<b>O'Neil</b>",
            as_of="2026-04-01T10:30",
        )
    )
    assert filters_of(client, ReportRun.objects.latest("pk")) == [
        f"Lines: Orders ({orders.number})",
        "Status: Opted in, Opt-in requested",
        "Source: Text message",
        "Since: from 1 March 2026, 00:00:00 UTC on and before 1 April 2026, 00:00:00 UTC",
        "Contact: “<b>O'Neil</b>”",
        "As of: 1 April 2026, 10:30:00 UTC",
    ]
    b"".join(client.post(f"{FUNNEL}export/", {"format": "csv", "since": "2026-03-01", "until": "", "by": "week"}))
    assert filters_of(client, ReportRun.objects.latest("pk")) == [
        f"Lines: Orders ({orders.number})",
        "Requests sent: from 1 March 2026",
        "Who began: any",
        "Capture channel: any",
        "Compared by: Week",
    ]


def test_a_number_that_was_looked_for_stays_hidden(client: Client, orders: Line) -> None:
    b"".join(export(client, search=JANE))
    ann = reporter(orders)
    ann.user_permissions.add(Permission.objects.get(codename="view_reportrun"))
    Organisation.objects.update(mask_numbers=True)
    run = ReportRun.objects.get()
    assert f"Contact: “{JANE}”" in filters_of(client, run)
    client.force_login(ann)
    assert "Contact: part of a name or number" in filters_of(client, run)


def test_others_see_the_record_but_not_the_file(client: Client, settings: LazySettings, orders: Line) -> None:
    run = made(client, settings)
    address = reverse("admin:reporting_reportrun_change", args=[run.pk])
    assert page_of(run, "download") in shows(client.get(address))
    client.force_login(make_supervisor("sue"))
    page = shows(client.get(address))
    assert page_of(run, "download") not in page and "for whoever exported it, and for officers" in page
    client.force_login(make_officer())
    assert page_of(run, "download") in shows(client.get(address))


def test_every_state_is_shown(client: Client, sam: User, orders: Line) -> None:
    make_contact("+12065550150")
    for state in State:
        for background in (True, False):
            run = exports.begin(
                Filters((orders,)),
                format="xlsx",
                origin="command",
                user=None if background else sam,
                in_background=background,
            )
            ReportRun.objects.filter(pk=run.pk).update(state=state, started_at=None)
            for user in (sam, make_officer()):
                client.force_login(user)
                shows(client.get(reverse("admin:reporting_reportrun_change", args=[run.pk])))
            shows(client.get(page_of(run)))
            shows(client.get(page_of(run, "state")))
    shows(client.get(EXPORTS))
