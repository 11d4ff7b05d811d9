"""The page Alerts: what needs somebody and what is wrong with this install, the gravest first, for officers."""

import datetime as dt
from collections import namedtuple
from typing import Any

import pytest
from celery import current_app
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from consent import clock as clocks
from consent.models import Line, Organisation, User
from messaging.models import Receipt
from reporting import figures
from reporting.models import Figure, Mark
from tests.make import make_agent, make_line, make_officer, make_opted_in, make_supervisor
from tests.world import Clock, Phone

ALERTS = "/admin/alerts/"


@pytest.fixture
def sales(clock: Clock, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Line:
    """An install in which all is well."""
    settings.ALLOWED_HOSTS = ["127.0.0.1", "testserver"]
    settings.PUBLIC_URL, settings.EMBEDDED, settings.DATABASE_URL, settings.REDIS_URL = "http://127.0.0.1", True, "", ""
    settings.SIMULATOR, settings.HAS_TWILIO = True, False
    usage = namedtuple("usage", "free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(100 << 30))
    line = make_line(name="Sales")
    figures.count()
    return line


def opened(client: Client, user: User) -> str:
    client.force_login(user)
    answer = client.get(ALERTS)
    assert answer.status_code == 200
    page = answer.content.decode()
    return page[page.index('id="content-main"') :].partition("</main>")[0]


def test_all_is_well(client: Client, sales: Line) -> None:
    assert "Nothing. No text waits" in opened(client, make_officer())


def test_it_has_what_the_dashboard_has(client: Client, sales: Line, jane: Phone) -> None:
    make_opted_in(sales)
    jane.texts(sales, "I don't know why you keep texting me")
    make_line("+12065550101", name="<b>Off</b>", active=False)
    Receipt.objects.create(
        kind="inbound", provider_id="SM1", raw=b"", received_at=timezone.now() - dt.timedelta(hours=1)
    )
    officer = make_officer()
    alerts = opened(client, officer)
    for words in ("1 text may ask us to stop", "1 webhook is not settled yet", "&lt;b&gt;Off&lt;/b&gt;: switched off"):
        assert words in alerts
        assert words in client.get("/admin/").content.decode()
    assert "<b>Off" not in alerts


def test_it_has_what_is_wrong_with_the_install_the_gravest_first(
    client: Client, sales: Line, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    officer = make_officer()
    make_line("+12065550101", name="Off", active=False)
    settings.ALLOWED_HOSTS = ["testserver"]
    settings.LOST_SECONDS = 1
    usage = namedtuple("usage", "free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(1 << 30))
    monkeypatch.setattr(clocks, "database_now", lambda: timezone.now() + dt.timedelta(seconds=30))
    alerts = opened(client, officer)
    in_order = [
        "LOST_SECONDS is not longer",
        "Add 127.0.0.1 to ALLOWED_HOSTS",
        "clock and the database&#x27;s differ by",
        "The disk of DATA_DIR has 1,024 MB left",
        "Off: switched off",
    ]
    places = [alerts.find(words) for words in in_order]
    assert -1 not in places and places == sorted(places), list(zip(in_order, places, strict=True))
    assert "LOST_SECONDS" not in client.get("/admin/").content.decode(), "the dashboard does not ask"


def test_a_broker_that_does_not_answer(client: Client, sales: Line, settings: Any, monkeypatch: Any) -> None:
    settings.EMBEDDED = False
    connect = current_app.connection_for_write
    nobody = "redis://127.0.0.1:1/0"
    monkeypatch.setattr(current_app, "connection_for_write", lambda **more: connect(nobody, **more))
    assert "Redis does not answer" in opened(client, make_officer())


def test_officers_open_it_and_nobody_else(client: Client, sales: Line) -> None:
    for user in (make_supervisor(), make_agent(sales)):
        client.force_login(user)
        assert client.get(ALERTS).status_code == 403
        assert reverse("alerts") not in client.get("/admin/").content.decode()
    client.force_login(make_officer())
    assert reverse("alerts") in client.get("/admin/").content.decode(), "in the menu"
    client.logout()
    assert client.get(ALERTS)["Location"].startswith("/admin/login/")


def test_it_only_reads(client: Client, sales: Line) -> None:
    Mark.objects.all().delete()
    officer = make_officer()
    assert "counted for the first time" in opened(client, officer)
    assert not Mark.objects.exists()
    assert client.post(ALERTS).status_code == 405
    assert client.head(ALERTS).status_code == 200


def test_it_costs_the_same_few_queries_at_any_size(client: Client, sales: Line, jane: Phone) -> None:
    ContentType.objects.get_for_models(Figure)  # cached per process
    Organisation.objects.update(name="Harbor Home Services")
    officer = make_officer()

    def cost() -> int:
        client.force_login(officer)
        with CaptureQueriesContext(connection) as queries:
            assert client.get(ALERTS).status_code == 200
        return len(queries)

    before = cost()
    assert before <= 11, before
    for digit in range(5):
        line = make_line(f"+1425555020{digit}", active=digit % 2 == 0, category="marketing", mode="")
        make_opted_in(line, f"+1425555030{digit}")
    figures.count()
    assert cost() == before
