"""What may narrow a list by its address: what the page offers, and no day or year that there isn't breaks it."""

import pytest
from django.contrib import admin
from django.test import Client

from tests.make import make_officer

pytestmark = pytest.mark.django_db

HOLIDAYS = "/admin/consent/holiday/"
LISTS = [
    ("/admin/consent/ledgerentry/", "recorded_at"),
    ("/admin/messaging/message/", "created"),
    ("/admin/reporting/reportrun/", "created"),
    ("/admin/consent/donotcontact/", "added"),
    (HOLIDAYS, "created"),
]


@pytest.fixture
def officer(client: Client) -> Client:
    client.force_login(make_officer())
    return client


@pytest.mark.parametrize("part", ["year", "month", "day"])
@pytest.mark.parametrize(("path", "field"), LISTS)
def test_lists_without_an_index_of_days_have_none_in_the_address(
    officer: Client, path: str, field: str, part: str
) -> None:
    assert officer.get(path).status_code == 200
    for value in ("1", "99999"):
        assert officer.get(path, {f"{field}__{part}": value}).status_code == 400


def test_the_index_of_days(officer: Client) -> None:
    for query in ({"day__year": "2026"}, {"day__year": "2026", "day__month": "12"}, {"day__month": "2"}):
        assert officer.get(HOLIDAYS, query).status_code == 200, query
    shown = officer.get(HOLIDAYS, {"day__year": "2026", "day__month": "12", "day__day": "25"}).content.decode()
    assert "Christmas" in shown


@pytest.mark.parametrize(
    "query",
    [
        "day__year=99999",
        "day__year=9999",
        "day__year=9999&day__month=12",
        "day__year=9999&day__month=12&day__day=31",
        "day__year=0",
        "day__year=-1",
        "day__year=x",
        "day__year=" + "9" * 30,
        "day__year=2026&day__month=13",
        "day__year=2026&day__month=2&day__day=30",
        "day__month=x",
        "day__gte=99999-01-01",
    ],
)
def test_a_day_that_there_is_not_leads_to_the_whole_list(officer: Client, query: str) -> None:
    answer = officer.get(f"{HOLIDAYS}?{query}")
    assert (answer.status_code, answer["Location"]) == (302, f"{HOLIDAYS}?e=1")
    assert officer.get(answer["Location"]).status_code == 200


@pytest.mark.parametrize(("lookup", "value"), [("exact", "9" * 30), ("gte", "9" * 30), ("gte", "\x00")])
def test_no_list_breaks_at_a_value(officer: Client, lookup: str, value: str) -> None:
    for screen in admin.site._registry.values():
        path = f"/admin/{screen.opts.app_label}/{screen.opts.model_name}/"
        for each in [*screen.list_filter, screen.date_hierarchy]:
            field = each if isinstance(each, str) else each[0] if isinstance(each, tuple) else None
            if field:
                answer = officer.get(path, {f"{field}__{lookup}": value})
                assert answer.status_code in {200, 302, 400, 403}, (path, field)
