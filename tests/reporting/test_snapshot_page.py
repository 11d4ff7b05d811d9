"""The page of the Opt In & Out Snapshot: what it finds, by pages, for whom, and that bad input is explained."""

import html
import json
import re
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from consent import ledger, phones
from consent.ledger import Proof
from consent.models import Consent, Contact, Line, Organisation, User
from consent.vocabulary import Channel, Scope, Status
from reporting import figures
from reporting.models import ReportRun
from tests.make import (
    JANE,
    OMAR,
    make_agent,
    make_contact,
    make_integrator,
    make_line,
    make_officer,
    make_opted_in,
    make_supervisor,
)
from tests.world import Clock

PAGE = "/admin/reporting/reportrun/snapshot/"
TOTALS = f"{PAGE}totals/"
EVERYBODY = ["not_defined", "pending", "opted_in", "opted_out"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def orders() -> Line:
    return make_line(name="Orders")


@pytest.fixture
def client(client: Client) -> Client:
    """A supervisor's."""
    client.force_login(make_supervisor("sam"))
    return client


def opted_out(line: Line, number: str) -> Contact:
    contact = make_contact(number)
    proof = Proof(Channel.KEYWORD, {"text": "STOP", "from": number})
    ledger.opt_out(contact, line, proof, occurred_at=timezone.now(), scope=Scope.LINE)
    return contact


def opened(client: Client, **asked: Any) -> str:
    answer = client.get(PAGE, asked)
    assert answer.status_code == 200
    return answer.content.decode()


def cells(page: str) -> list[dict[str, str]]:
    """The rows of the preview, under the names of their columns."""
    table = re.search(r'<table class="[^"]*report-table.*?</table>', page, re.DOTALL)
    rows = re.findall(r"<tr>(.*?)</tr>", table[0], re.DOTALL)[1:] if table else []
    return [
        {name: said(cell) for name, cell in re.findall(r'<td data-label="([^"]*)">(.*?)</td>', row, re.DOTALL)}
        for row in rows
    ]


def said(cell: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", cell)).split())


def numbers(page: str) -> list[str]:
    return [row["Number"] for row in cells(page)]


def ticked(page: str, name: str) -> list[str]:
    return re.findall(rf'name="{name}" value="([^"]*)" class="[^"]*" id="[^"]*" checked>', page)


def total(page: str) -> str:
    found = re.search(r"data-total>([^<]*)<", page)
    assert found
    return found[1]


# ---- what it shows --------------------------------------------------------------------------------------------------


def test_at_first_it_shows_who_is_in_or_out_on_every_line(client: Client, orders: Line, clock: Clock) -> None:
    care = make_line("+12065550101", name="Care")
    jane, omar = make_opted_in(orders, JANE), opted_out(care, OMAR)
    Contact.objects.filter(pk=jane.pk).update(first_name="Jane", last_name="Doe")
    make_contact("+12065550144")
    page = opened(client)
    assert cells(page) == [
        {
            "Line": "Care",
            "Contact": "–",
            "Number": OMAR,
            "Status": "✕ Opted out",
            "Since": "1 Dec 2026, 12:00",
            "Source": "Text message",
            "Request": "Not Sent",
            "Ledger entry": str(Consent.objects.get(contact=omar).entry_id),
        },
        {
            "Line": "Orders",
            "Contact": "Jane Doe",
            "Number": JANE,
            "Status": "Opted in",
            "Since": "1 Dec 2026, 12:00",
            "Source": "Text message",
            "Request": "Not Sent",
            "Ledger entry": str(Consent.objects.get(contact=jane).entry_id),
        },
    ]
    assert total(page) == "2"
    assert ticked(page, "lines") == [care.number, orders.number]
    assert ticked(page, "statuses") == ["opted_in", "opted_out"]


def test_totals_and_chart_are_per_line_and_status(client: Client, orders: Line) -> None:
    care = make_line("+12065550101", name="<Care>")
    for digit in range(3):
        make_opted_in(orders, f"+1206555014{digit}")
    opted_out(orders, "+12065550150")
    opted_out(care, "+12065550150")
    page = opened(client)
    drawn = re.search(r'data-value="([^"]*)"', page)
    assert drawn
    chart = json.loads(html.unescape(drawn[1]))
    assert chart["labels"] == ["<Care>", "Orders"]
    assert {each["label"]: each["data"] for each in chart["datasets"]} == {"Opted in": [0, 3], "Opted out": [1, 1]}
    table = {
        said(head): [said(cell) for cell in re.findall(r"<td.*?</td>", row, re.DOTALL)]
        for head, row in re.findall(r'<th scope="row">(.*?)</th>(.*?)</tr>', page, re.DOTALL)
    }
    assert table == {"<Care>": ["0", "1", "1"], "Orders": ["3", "1", "4"], "All of these lines": ["3", "2", "5"]}


def test_each_filter_narrows_the_page(client: Client, orders: Line, clock: Clock) -> None:
    care = make_line("+12065550101", name="Care")
    make_opted_in(orders, JANE)
    clock.passes(days=2)
    opted_out(orders, OMAR)
    opted_out(care, JANE)
    zoe = make_contact("+12065550144", first_name="Zoë")
    proof = Proof(Channel.AGENT, {"words": "no"})
    ledger.opt_out(zoe, orders, proof, occurred_at=timezone.now(), scope=Scope.LINE)
    for asked, expected in (
        ({"lines": care.number}, [JANE]),
        ({"lines": [care.number, orders.number]}, [JANE, JANE, OMAR, zoe.number]),
        ({"lines": "all", "statuses": "opted_in"}, [JANE]),
        ({"statuses": EVERYBODY}, [JANE, OMAR, zoe.number] * 2),
        ({"sources": "agent"}, [zoe.number]),
        ({"since_from": "2026-12-03"}, [JANE, OMAR, zoe.number]),
        ({"since_until": "2026-12-02"}, [JANE]),
        ({"since_from": "2026-12-01", "since_until": "2026-12-01"}, [JANE]),
        ({"search": "ZOË"}, [zoe.number]),
        ({"search": "(206) 555-0143"}, [OMAR]),
        ({"as_of": "2026-12-02T00:00"}, [JANE]),
        ({"as_of": "2026-12-02T00:00", "statuses": "opted_out"}, []),
    ):
        page = opened(client, **asked)
        assert numbers(page) == expected, asked
        if expected:
            answer = client.get(TOTALS, asked)
            assert total(answer.content.decode()) == str(len(expected)), asked


def test_days_and_moments_are_those_of_the_install(client: Client, orders: Line, clock: Clock) -> None:
    """In Chicago the second of December began at six in the morning UTC."""
    with timezone.override("America/Chicago"):
        clock.passes(hours=17, minutes=59)  # from noon, UTC
        make_opted_in(orders, JANE)
        clock.passes(minutes=2)
        make_opted_in(orders, OMAR)
        assert numbers(opened(client, since_from="2026-12-02")) == [OMAR]
        assert numbers(opened(client, since_until="2026-12-01")) == [JANE]
        assert numbers(opened(client, as_of="2026-12-02T00:00")) == [JANE]
        page = opened(client)
    assert [row["Since"] for row in cells(page)] == ["1 Dec 2026, 23:59", "2 Dec 2026, 00:01"]
    assert "Time zone: America/Chicago" in page


def test_what_has_to_be_counted_comes_after_the_page(client: Client, orders: Line) -> None:
    make_opted_in(orders, JANE)
    for asked in ({"search": "0142"}, {"statuses": EVERYBODY}):
        page = opened(client, **asked)
        assert "data-total" not in page
        address = re.search(rf'hx-get="({TOTALS}[^"]*)"', page)
        assert address
        part = client.get(html.unescape(address[1])).content.decode()
        assert total(part) == "1"
        assert "1 row: the file is handed over at once." in part
    assert TOTALS not in opened(client)


def test_where_nobody_fits_it_says_what_to_change(client: Client, orders: Line) -> None:
    make_opted_in(orders, JANE)
    page = opened(client, search="nobody", sources="import")
    assert "Nobody fits" in page
    assert "Look for less of the name or number" in page and "Choose more sources" in page
    assert "Export CSV" not in page
    Line.objects.exclude(pk=orders.pk).delete()
    assert "Nobody is on record yet" not in opened(client, statuses="opted_out")


def test_without_a_line_it_says_whom_to_ask(client: Client) -> None:
    assert "Ask whoever set up this install" in opened(client)


# ---- pages ----------------------------------------------------------------------------------------------------------


def many(line: Line, number: int, first: int = 0) -> None:
    """So many who opted in. Only the first has an entry, so the totals know of one more."""
    proof = make_opted_in(line, f"+1425{first:07}")
    entry = Consent.objects.get(contact=proof, line=line).entry_id
    contacts = Contact.objects.bulk_create(
        Contact(number=f"+1425{each:07}") for each in range(first + 1, first + number)
    )
    Consent.objects.bulk_create(
        Consent(contact=each, line=line, status=Status.OPTED_IN, since=timezone.now(), source="keyword", entry_id=entry)
        for each in contacts
    )


def follow(page: str, word: str) -> str:
    """The address behind a link of the pages; empty where there is none."""
    found = re.search(rf'<a href="([^"]*)">{word}</a>', page)
    return html.unescape(found[1]) if found else ""


def test_pages_lead_through_all_rows_and_back(client: Client, orders: Line) -> None:
    many(orders, 70)
    care = make_line("+12065550101", name="Care")
    many(care, 50, first=100)
    pages = [opened(client, statuses="opted_in")]
    while further := follow(pages[-1], "Next"):
        pages.append(client.get(PAGE + further).content.decode())
    assert [len(cells(page)) for page in pages] == [50, 50, 20]
    assert [row["Line"] for row in cells(pages[0])] == ["Care"] * 50
    assert len({row["Number"] for page in pages for row in cells(page)}) == 120
    assert not follow(pages[0], "Previous") and not follow(pages[0], "First")
    back = client.get(PAGE + follow(pages[2], "Previous")).content.decode()
    assert numbers(back) == numbers(pages[1])
    again = client.get(PAGE + follow(back, "Previous")).content.decode()
    assert numbers(again) == numbers(pages[0]) and not follow(again, "Previous")
    assert numbers(client.get(PAGE + follow(pages[2], "First")).content.decode()) == numbers(pages[0])
    assert "statuses=opted_in" in follow(pages[0], "Next") and "opted_out" not in follow(pages[0], "Next")


@pytest.mark.parametrize(
    "place",
    [
        "",
        "x",
        "1",
        "1.",
        ".1",
        "-1.2",
        "1.2.3",
        "٣.1",
        f"1.{2**64}",
        f"{2**40}.1",
        "9.99",
        "0.99999999999999",
        pytest.param(f"0.{'9' * 5000}", id="long"),
    ],
)
@pytest.mark.parametrize("way", ["after", "before"])
def test_an_odd_place_shows_the_first_page(client: Client, orders: Line, way: str, place: str) -> None:
    make_opted_in(orders, JANE)
    assert numbers(opened(client, **{way: place})) == [JANE]


def test_a_page_costs_the_same_at_any_size(client: Client, orders: Line) -> None:
    def queries(**asked: Any) -> int:
        with CaptureQueriesContext(connection) as found:
            opened(client, **asked)
        return len(found)

    many(orders, 10)
    figures.count()
    opened(client)
    before = queries(), queries(search="+14250000005")
    many(orders, 990, first=1000)
    figures.count()
    assert (queries(), queries(search="+14250000005")) == before
    assert before[0] < 20


# ---- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"since_from": "2026-03-02", "since_until": "2026-03-01"}, "This day is before the first one."),
        ({"as_of": "2999-01-01T00:00"}, "That lies in the future. Leave it empty for now."),
        ({"as_of": "0001-01-01T00:00"}, "Choose a moment from 2000 on."),
        ({"as_of": "yesterday"}, "Enter a valid date/time."),
        ({"since_from": "0001-01-01"}, "Choose a day from 2000 on."),
        ({"since_until": "9999-12-31"}, "Choose a day from 2000 on."),
        ({"since_from": "<script>"}, "Enter a valid date."),
        ({"lines": "+19995550100"}, "There is no line +19995550100 that you may see."),
        ({"lines": "<b>"}, "There is no line &lt;b&gt; that you may see."),
        ({"sent": "1", "statuses": "opted_in"}, "Choose at least one line."),
        ({"sent": "1", "lines": "all"}, "Choose at least one status."),
        ({"statuses": "nonsense"}, "is not one of the available choices"),
        ({"sources": "nonsense"}, "is not one of the available choices"),
        ({"search": "x" * 101}, "at most 100 characters"),
        ({"search": "a\x00b"}, "Null characters are not allowed."),
    ],
)
def test_bad_input_is_explained_and_the_rest_is_kept(client: Client, asked: dict[str, str], told: str) -> None:
    make_opted_in(make_line(name="Orders"), JANE)
    page = opened(client, **{"search": "kept", **asked})
    assert told in page
    assert asked.get("search") or 'value="kept"' in page
    assert not cells(page) and "Export CSV" not in page and "Start over" in page
    assert client.get(TOTALS, asked).status_code == 400


def test_what_contacts_and_officers_named_is_never_markup(client: Client) -> None:
    line = make_line(name='"><script>alert(1)</script>')
    contact = make_opted_in(line, JANE)
    Contact.objects.filter(pk=contact.pk).update(first_name="<img src=x onerror=alert(1)>", last_name="=cmd|'/c'!A1")
    for asked in ({}, {"search": "<img"}):
        for page in (opened(client, **asked), client.get(TOTALS, asked).content.decode()):
            assert "<script>alert" not in page and "<img src=x" not in page
    assert cells(opened(client))[0]["Contact"] == "<img src=x onerror=alert(1)> =cmd|'/c'!A1"


# ---- who ------------------------------------------------------------------------------------------------------------


def test_only_officers_and_supervisors_open_it(client: Client, orders: Line) -> None:
    make_opted_in(orders, JANE)
    for user, status in ((make_officer(), 200), (make_agent(orders), 403), (make_integrator(orders), 403)):
        client.force_login(user)
        for address in (PAGE, TOTALS):
            answer = client.get(address)
            assert answer.status_code == status, (user, address)
            assert status == 200 or JANE.encode() not in answer.content
    client.logout()
    assert "/login/" in client.get(PAGE)["Location"]


def reporter(*lines: Line) -> User:
    """An agent whom somebody gave the permission to export, beside what agents may."""
    ann = make_agent(*lines)
    ann.user_permissions.add(Permission.objects.get(codename="export_reports"))
    return ann


def test_only_lines_that_one_may_use_are_shown(client: Client, orders: Line) -> None:
    secret = make_line("+12065550101", name="Secret")
    make_opted_in(orders, JANE)
    make_opted_in(secret, OMAR)
    client.force_login(reporter(orders))
    for asked in ({}, {"lines": "all"}, {"lines": secret.number}, {"lines": [secret.number, "all"]}):
        page = opened(client, **asked)
        assert "Secret" not in page and OMAR not in page, asked
        assert client.get(TOTALS, asked).status_code == (400 if asked == {"lines": secret.number} else 200)


def test_numbers_stay_hidden_from_whom_they_are_hidden(client: Client, orders: Line) -> None:
    make_opted_in(orders, JANE)
    Organisation.objects.update(mask_numbers=True)
    client.force_login(reporter(orders))
    page = opened(client)
    assert numbers(page) == [phones.mask(JANE)] and JANE not in page
    assert numbers(opened(client, search="0142")) == [phones.mask(JANE)]
    assert not numbers(opened(client, search="206555"))
    client.force_login(make_officer())
    assert numbers(opened(client)) == [JANE]


def test_links_lead_only_where_one_may_go(client: Client, orders: Line) -> None:
    jane = make_opted_in(orders, JANE)
    contact, entry = f"/admin/consent/contact/{jane.pk}/change/", "/admin/consent/ledgerentry/"
    page = opened(client)
    assert contact in page and f'href="{entry}' not in page
    client.force_login(make_officer())
    page = opened(client)
    assert contact in page and f'href="{entry}{Consent.objects.get().entry_id}/change/"' in page


def test_looking_changes_nothing(client: Client, orders: Line) -> None:
    make_opted_in(orders, JANE)
    before = list(Consent.objects.values()), ReportRun.objects.count()
    opened(client, as_of="2026-01-01T00:00", statuses=EVERYBODY)
    assert (list(Consent.objects.values()), ReportRun.objects.count()) == before
    for address in (PAGE, TOTALS):
        assert client.post(address).status_code == 405


def test_the_menu_leads_there_and_the_file_is_one_more_click(client: Client, orders: Line) -> None:
    make_opted_in(orders, JANE)
    menu = client.get("/admin/").content.decode()
    assert f'href="{PAGE}"' in menu
    page = opened(client)
    form = re.search(r'<form method="post" action="([^"]*)".*?</form>', page, re.DOTALL)
    assert form
    fields = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', form[0]))
    fields.pop("csrfmiddlewaretoken", None)
    assert 'name="format" value="csv"' in form[0]
    file = b"".join(client.post(form[1], {**fields, "format": "csv", "statuses": ["opted_in", "opted_out"]}))
    assert file.splitlines()[1].startswith(b"Orders,") and JANE.encode() in file


def test_the_buttons_say_what_happens(client: Client, orders: Line, settings: LazySettings) -> None:
    for digit in range(6):
        make_opted_in(orders, f"+1206555014{digit}")
    assert "6 rows: the file is handed over at once." in opened(client)
    settings.EXPORT_BACKGROUND_ROWS = 5
    assert "6 rows: the file is made in the background, you can go on working." in opened(client)
