"""The page of the double opt-in funnel: what it shows to whom, that it keeps to what was chosen, and what it costs."""

import datetime as dt
import html
import json
import re
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext

from consent.models import Line, OptInRequest, User
from consent.vocabulary import Channel, RequestKind, RequestOutcome
from messaging.models import Template
from reporting.admin.funnel import FunnelForm, roughly
from reporting.funnel import By
from reporting.models import ReportRun
from tests.make import make_agent, make_integrator, make_line, make_officer, make_supervisor
from tests.reporting.test_funnel import make_request
from tests.world import Clock

PAGE = "/admin/reporting/reportrun/funnel/"
NOW = dt.datetime(2026, 12, 1, 12, tzinfo=dt.UTC)  # as the clock of these tests says
pytestmark = pytest.mark.django_db


@pytest.fixture
def sales(clock: Clock) -> Line:
    return make_line(name="Sales")


def sent(line: Line, *, days_ago: float = 0, **fields: Any) -> OptInRequest:
    return make_request(line, sent=NOW - dt.timedelta(days=days_ago), **fields)


def opened(client: Client, user: User, **asked: Any) -> str:
    client.force_login(user)
    answer = client.get(PAGE, asked)
    assert answer.status_code == 200
    page = answer.content.decode()
    return page[page.index('id="content-main"') :].partition("</main>")[0]


def rows(page: str) -> dict[str, dict[str, str]]:
    """The table: for each row its cells by their headings."""
    found = {}
    for row in re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL):
        if name := re.search(r'<th scope="row">(.*?)</th>', row):
            cells = re.findall(r'<td data-label="(.*?)">(.*?)</td>', row)
            found[html.unescape(name[1])] = dict(cells)
    return found


def drawn(page: str) -> dict[str, Any]:
    data = re.search(r'data-value="(.*?)"', page)
    assert data
    return json.loads(html.unescape(data[1]))


# ---- who ------------------------------------------------------------------------------------------------------------


def test_officers_and_supervisors_open_it_and_nobody_else(client: Client, sales: Line) -> None:
    sent(sales)
    for user in [make_officer(), make_supervisor(), User.objects.create_superuser("root")]:
        assert "Sales" in opened(client, user)
    for user in [make_agent(sales), make_integrator(sales)]:
        client.force_login(user)
        answer = client.get(PAGE)
        assert answer.status_code == 403 or "/login/" in answer.headers["Location"]
        assert b"Sales" not in answer.content
    client.logout()
    assert "/login/" in client.get(PAGE).headers["Location"]


def test_who_may_see_reports_sees_only_lines_they_may_use(client: Client, sales: Line) -> None:
    secret = make_line("+12065550101", name="Secret")
    sent(sales)
    sent(secret)
    ann = make_agent(sales)
    ann.user_permissions.add(Permission.objects.get(codename="export_reports"))
    for by in By:
        page = opened(client, ann, by=by.value)
        assert "Secret" not in page and secret.number not in page
        assert rows(page)["Total"]["Sent"] == "1"
    page = opened(client, ann, lines=secret.number)
    assert not rows(page) and "is not one of the available choices" in page
    ann.lines.clear()
    assert "You don't work on a line yet" in opened(client, ann)


def test_it_is_read_only(client: Client, sales: Line) -> None:
    client.force_login(make_officer())
    assert client.post(PAGE).status_code == 405
    before = (OptInRequest.objects.count(), ReportRun.objects.count())
    client.get(PAGE)
    assert (OptInRequest.objects.count(), ReportRun.objects.count()) == before


# ---- what -----------------------------------------------------------------------------------------------------------


def test_it_shows_what_became_of_the_requests(client: Client, sales: Line) -> None:
    care = make_line("+12065550101", name="Care")
    sent(sales, outcome=RequestOutcome.ACCEPTED, took=dt.timedelta(minutes=3))
    sent(sales, outcome=RequestOutcome.REJECTED, took=dt.timedelta(hours=2))
    sent(sales)
    sent(care, outcome=RequestOutcome.EXPIRED)
    page = opened(client, make_officer())
    assert rows(page) == {
        "Care (+12065550101)": {
            "Sent": "1",
            "Accepted": "0",
            "Rejected": "0",
            "Expired": "1",
            "No answer yet": "0",
            "Not delivered": "0",
            "Rate": "0.0%",
            "Half answered within": "–",
            "Nine in ten within": "–",
        },
        "Sales (+12065550100)": {
            "Sent": "3",
            "Accepted": "1",
            "Rejected": "1",
            "Expired": "0",
            "No answer yet": "1",
            "Not delivered": "0",
            "Rate": "33.3%",
            "Half answered within": "3 min",
            "Nine in ten within": "2 h",
        },
        "Total": {
            "Sent": "4",
            "Accepted": "1",
            "Rejected": "1",
            "Expired": "1",
            "No answer yet": "1",
            "Not delivered": "0",
            "Rate": "25.0%",
            "Half answered within": "3 min",
            "Nine in ten within": "2 h",
        },
    }
    sent(sales, outcome=RequestOutcome.WITHDRAWN)
    assert rows(opened(client, make_officer()))["Total"]["Settled otherwise"] == "1"
    series = {each["label"]: each["data"] for each in drawn(page)["datasets"]}
    assert drawn(page)["labels"] == ["Sales (+12065550100)", "Care (+12065550101)"]  # the largest first
    assert series == {"Sent": [3, 1], "Accepted": [1, 0], "Rejected": [1, 0], "Expired": [0, 1]}


def test_it_begins_with_the_last_thirty_days(client: Client, sales: Line) -> None:
    officer = make_officer()
    sent(sales, days_ago=29)
    sent(sales, days_ago=30)
    assert rows(opened(client, officer))["Total"]["Sent"] == "1"
    assert rows(opened(client, officer, since="", until=""))["Total"]["Sent"] == "2"
    page = opened(client, officer)
    words = dict(re.findall(r'<a href="([^"]*)"(?: aria-current="true")?>([^<]+)</a>', page))
    addresses = {label: html.unescape(url) for url, label in words.items()}
    for label, number in {"Last 7 days": None, "Last 30 days": "1", "Last 90 days": "2", "All time": "2"}.items():
        answer = client.get(PAGE + addresses[label]).content.decode()
        assert rows(answer).get("Total", {}).get("Sent") == number, label
        assert f'aria-current="true">{label}' in answer


def test_each_filter_narrows(client: Client, sales: Line) -> None:
    care = make_line("+12065550101", name="Care")
    officer = make_officer()
    sent(sales, kind=RequestKind.THEIRS, channel=Channel.KEYWORD)
    sent(sales, batch="march.csv", channel=Channel.IMPORT, kind=RequestKind.CONFIRM_SIGN_UP)
    sent(care, days_ago=3)

    def number(**asked: Any) -> str:
        return rows(opened(client, officer, **asked))["Total"]["Sent"]

    assert number() == "3"
    assert number(lines=sales.number) == "2"
    assert number(lines=[sales.number, care.number]) == "3"
    assert number(initiators="theirs") == "1"
    assert number(channels=["keyword", "import"]) == "2"
    assert number(batch="march.csv") == "1"
    assert number(since="2026-11-28", until="2026-11-28") == "1"
    assert number(since="2026-11-29") == "2"
    assert number(until="2026-11-28") == "1"


def test_all_lines_are_one_click_away_and_nothing_else_is_lost(client: Client, sales: Line) -> None:
    make_line("+12065550101", name="Care")
    page = opened(client, make_officer(), lines=sales.number, channels="agent", by="day", since="2026-11-01")
    [address] = re.findall(r'<a href="([^"]*)">All lines</a>', page)
    assert html.unescape(address) == "?since=2026-11-01&channels=agent&by=day"
    assert ">All lines</a>" not in opened(client, make_officer())


@pytest.mark.parametrize("by", By)
def test_every_dimension_has_a_table_a_chart_and_a_total(client: Client, sales: Line, by: By) -> None:
    wording = Template.objects.get(kind="request_ours").current.uuid
    sent(sales, asked_by=make_agent(sales), wording=wording)
    sent(sales, days_ago=20)
    page = opened(client, make_officer(), by=by.value)
    assert rows(page)["Total"]["Sent"] == "2"
    assert f"By {by.label.lower()}" in page
    assert sum(drawn(page)["datasets"][0]["data"]) == 2


def test_days_without_a_request_are_drawn_and_the_latest_stands_first(client: Client, sales: Line) -> None:
    sent(sales)
    sent(sales, days_ago=3)
    page = opened(client, make_officer(), by="day")
    assert list(rows(page)) == ["Tue, 1 Dec 2026", "Sat, 28 Nov 2026", "Total"]
    assert drawn(page)["datasets"][0]["data"] == [1, 0, 0, 1]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"since": "yesterday"}, "Enter a valid date"),
        ({"until": "9999-12-31"}, "Choose a day from 2000 on"),
        ({"since": "0001-01-01"}, "Choose a day from 2000 on"),
        ({"since": "2026-11-02", "until": "2026-11-01"}, "The first day is after the last one"),
        ({"by": "phone"}, "is not one of the available choices"),
        ({"lines": "+19995550100"}, "is not one of the available choices"),
        ({"channels": "x"}, "is not one of the available choices"),
        ({"batch": "x" * 81}, "at most 80 characters"),
    ],
)
def test_what_makes_no_sense_is_said_and_nothing_is_counted(
    client: Client, sales: Line, asked: dict[str, str], words: str
) -> None:
    sent(sales)
    page = opened(client, make_officer(), **asked)
    assert words in page and not rows(page) and "export" not in page


def test_an_empty_period_says_so_in_words(client: Client, sales: Line) -> None:
    sent(sales, days_ago=40)
    officer = make_officer()
    assert "No opt-in request was sent from 2 November 2026 to 1 December 2026" in opened(client, officer)
    assert "was sent on 1 December 2026" in opened(client, officer, since="2026-12-01", until="2026-12-01")
    assert "<canvas" not in opened(client, officer)


def test_hostile_names_are_words_and_nothing_else(client: Client, clock: Clock) -> None:
    evil = '"><img src=x onerror=alert(1)>'
    line = make_line(name=evil)
    person = User.objects.create(username="eve", first_name=evil)
    sent(line, batch=evil, asked_by=person)
    officer = make_officer()
    for by in (By.LINE, By.ASKED_BY, By.BATCH):
        page = opened(client, officer, by=by.value, batch=evil, lines=line.number)
        assert "<img" not in page
        assert any(evil in name for name in rows(page))
    assert "<img" not in opened(client, officer, by=evil, since=evil, lines=evil, channels=evil)


def test_the_form_for_an_export_asks_for_what_is_shown(client: Client, sales: Line) -> None:
    sent(sales)
    officer = make_officer()
    for asked in [{}, {"lines": [sales.number], "by": "day", "since": "", "until": "2026-12-01"}]:
        page = opened(client, officer, **asked)
        form = page[page.index('<form method="post"') :]
        assert "csrfmiddlewaretoken" in form
        fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form)
        assert re.findall(r'name="format" value="([\w-]+)"', form) == ["csv", "csv-excel", "xlsx"]
        shown = opened(client, officer, **asked)
        again = opened(client, officer, **{name: html.unescape(value) for name, value in fields if name[:4] != "csrf"})
        assert rows(again) == rows(shown)


def test_the_form_reads_a_post_like_an_address(sales: Line) -> None:
    asked = QueryDict(urlencode({"since": "", "until": "2026-11-30", "channels": "import", "by": "month"}))
    form = FunnelForm(make_officer(), asked)
    assert form.is_valid(), form.errors
    assert form.compared_by == By.MONTH
    assert form.filters.as_json() == {"line": [sales.number], "until": "2026-11-30", "channel": ["import"]}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "–"),
        (0.4, "under 1 s"),
        (40, "40 s"),
        (125.6, "2 min 6 s"),
        (3_000 + 29, "50 min 29 s"),
        (3_599.9, "60 min"),
        (7_530, "2 h 6 min"),
        (86_399, "24 h"),
        (3 * 86_400 + 3_700, "3 d 1 h"),
    ],
)
def test_times_are_as_exact_as_anybody_cares(seconds: float | None, words: str) -> None:
    assert roughly(None if seconds is None else dt.timedelta(seconds=seconds)) == words


# ---- cost -----------------------------------------------------------------------------------------------------------


def test_the_page_costs_as_many_queries_at_any_size(client: Client, sales: Line) -> None:
    ContentType.objects.get_for_models(OptInRequest)  # cached per process
    officer = make_officer()

    def cost() -> list[int]:
        found = []
        for by in By:
            with CaptureQueriesContext(connection) as queries:
                opened(client, officer, by=by.value)
            found.append(len(queries))
        return found

    sent(sales)
    opened(client, officer)
    before = cost()
    for serial in range(4):
        line = make_line(f"+1425555020{serial}")
        sent(line, days_ago=serial, asked_by=make_agent(line), batch=f"{serial}.csv")
    assert cost() == before
    assert len(set(before)) == 1
