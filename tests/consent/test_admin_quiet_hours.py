"""What officers set about the hours in which texts leave: the tables, a line's own hours, where a contact is."""

import datetime as dt
import re
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from consent.models import Contact, ContactCap, Line, SendingHours, User
from tests.consent.test_admin_policy import errors, line_fields, page
from tests.make import JANE, make_contact, make_line, make_officer, make_supervisor

pytestmark = pytest.mark.django_db
ADD = "/admin/consent/sendinghours/add/"
ADD_CAP = "/admin/consent/contactcap/add/"


@pytest.fixture
def olive(client: Client) -> User:
    olive = make_officer("olive")
    client.force_login(olive)
    return olive


def hours_fields(**changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "place": "us-ga",
        "applies_to": "every",
        "weekdays": ["7", "6"],
        "opens": "09:00",
        "closes": "20:00",
        "valid_from": "2026-12-01",
        "valid_to": "",
        "source": "Our counsel, November 2026",
    }
    return fields | changes


def cap_fields(**changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "place": "US-MD",
        "applies_to": "marketing",
        "texts": "3",
        "hours": "24",
        "valid_from": "2026-12-01",
        "valid_to": "",
        "source": "Our counsel, November 2026",
    }
    return fields | changes


# ---- the tables -----------------------------------------------------------------------------------------------------


def test_an_officer_adds_a_rule(olive: User, client: Client) -> None:
    assert client.post(ADD, hours_fields()).status_code == 302
    row = SendingHours.objects.get(place="US-GA")
    assert (row.weekdays, row.opens, row.closes) == ("67", dt.time(9), dt.time(20))
    assert str(row) == "US-GA, Sat, Sun: 09:00 to 20:00"


def test_the_form_shows_the_days_of_a_rule_and_keeps_them(olive: User, client: Client) -> None:
    row = SendingHours.objects.get(place="US-TX", weekdays="7")
    shown = client.get(page(row)).content.decode()
    assert shown.count('name="weekdays"') == 7
    assert [day for day, box in enumerate(boxes(shown), 1) if re.search(r"\schecked(?!:)", box)] == [7]
    kept = hours_fields(place="US-TX", weekdays=["7"], opens="12:00", closes="21:00")
    assert client.post(page(row), {**kept, "valid_to": "2026-12-31"}).status_code == 302
    row.refresh_from_db()
    assert (row.weekdays, row.valid_to) == ("7", dt.date(2026, 12, 31))


def boxes(shown: str) -> list[str]:
    """Each checkbox of a day, as it is written in the page."""
    return [part.partition(">")[0] for part in shown.split("<input") if 'name="weekdays"' in part]


# Each: what is wrong, the field to name, the change to an otherwise good rule.
WRONG: list[tuple[str, str, dict[str, Any]]] = [
    ("no such state", "place", {"place": "US-XX"}),
    ("a state without its country", "place", {"place": "GAX"}),
    ("no such country", "place", {"place": "XX"}),
    ("no day at all", "weekdays", {"weekdays": []}),
    ("a day that is none", "weekdays", {"weekdays": ["8"]}),
    ("only an hour of opening", "closes", {"closes": ""}),
    ("only an hour of closing", "opens", {"opens": ""}),
    ("closing before opening", "closes", {"closes": "08:00"}),
    ("closing when it opens", "closes", {"closes": "09:00"}),
    ("over before it begins", "valid_to", {"valid_to": "2026-11-30"}),
    ("no source", "source", {"source": ""}),
]


@pytest.mark.parametrize(("what", "field", "change"), WRONG, ids=[row[0] for row in WRONG])
def test_a_rule_that_makes_no_sense_says_why(
    olive: User, client: Client, what: str, field: str, change: dict[str, Any]
) -> None:
    answer = client.post(ADD, hours_fields(**change))
    assert list(errors(answer)) == [field]
    assert not SendingHours.objects.filter(source__startswith="Our counsel").exists()


@pytest.mark.parametrize(
    "change", [{"closes": "00:00"}, {"opens": "", "closes": ""}, {"weekdays": [], "on_holidays": "on"}, {"place": "FR"}]
)
def test_what_makes_sense_is_taken(olive: User, client: Client, change: dict[str, Any]) -> None:
    assert client.post(ADD, hours_fields(**change)).status_code == 302


def test_an_officer_adds_a_cap(olive: User, client: Client) -> None:
    assert client.post(ADD_CAP, cap_fields()).status_code == 302
    assert str(ContactCap.objects.get(place="US-MD")) == "US-MD: 3 in 24 hours"


@pytest.mark.parametrize(
    ("field", "value"), [("texts", "0"), ("hours", "0"), ("hours", "745"), ("place", "Maryland"), ("source", "")]
)
def test_a_cap_that_makes_no_sense_says_why(olive: User, client: Client, field: str, value: str) -> None:
    assert list(errors(client.post(ADD_CAP, cap_fields(**{field: value})))) == [field]


def test_a_supervisor_sees_the_tables_and_changes_nothing(client: Client) -> None:
    client.force_login(make_supervisor())
    row = SendingHours.objects.get(place="US-CT")
    assert "Sending hours" in client.get("/admin/").content.decode()
    assert "09:00 to 20:00" in client.get("/admin/consent/sendinghours/").content.decode()
    assert "3 in 24 hours" in client.get("/admin/consent/contactcap/").content.decode()
    assert client.get(page(row)).status_code == 200
    assert client.post(page(row), hours_fields()).status_code == 403
    assert client.post(ADD, hours_fields()).status_code == 403
    assert client.post(ADD_CAP, cap_fields()).status_code == 403


# ---- a line ---------------------------------------------------------------------------------------------------------


def test_a_line_is_offered_with_quiet_hours_on(olive: User, client: Client) -> None:
    form = client.get("/admin/consent/line/add/").context_data["adminform"].form  # type: ignore[attr-defined]
    assert form["quiet_hours"].value() is True


def test_a_line_gets_hours_of_its_own(olive: User, client: Client) -> None:
    line = make_line()
    fields = line_fields(line, quiet_hours="on", texts_from="09:00", texts_until="17:00")
    assert client.post(page(line), fields).status_code == 302
    line = Line.objects.get()
    assert (line.quiet_hours, line.texts_from, line.texts_until) == (True, dt.time(9), dt.time(17))


@pytest.mark.parametrize(
    ("hours", "field"),
    [
        ({"texts_from": "09:00", "texts_until": ""}, "texts_until"),
        ({"texts_from": "", "texts_until": "17:00"}, "texts_from"),
        ({"texts_from": "17:00", "texts_until": "09:00"}, "texts_until"),
    ],
)
def test_half_of_a_line_s_hours_says_why(olive: User, client: Client, hours: dict[str, str], field: str) -> None:
    line = make_line()
    assert list(errors(client.post(page(line), line_fields(line, **hours)))) == [field]


# ---- a contact ------------------------------------------------------------------------------------------------------


def contact_form(client: Client, contact: Contact, **fields: str) -> Any:
    given = {"first_name": "", "last_name": "", "language": "", "postal_code": "", "time_zone": "", "unreachable": ""}
    inlines = {}
    for prefix in ("consents", "conversations"):
        inlines |= {f"{prefix}-TOTAL_FORMS": "0", f"{prefix}-INITIAL_FORMS": "0"}
    return client.post(reverse("admin:consent_contact_change", args=[contact.pk]), {**given, **inlines, **fields})


def test_a_contact_s_place_is_kept(olive: User, client: Client) -> None:
    contact = make_contact()
    assert contact_form(client, contact, postal_code=" 98101-1234 ", time_zone="America/Denver").status_code == 302
    contact.refresh_from_db()
    assert (contact.postal_code, contact.time_zone) == ("98101-1234", "America/Denver")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("postal_code", "9810"),
        ("postal_code", "98101 1234"),
        ("postal_code", "<b>"),
        ("time_zone", "America/Seattle"),
        ("time_zone", "../etc/passwd"),
    ],
)
def test_a_place_that_is_none_says_why(olive: User, client: Client, field: str, value: str) -> None:
    answer = contact_form(client, make_contact(), **{field: value})
    assert list(errors(answer)) == [field]


def test_a_zone_of_an_older_name_can_be_kept(olive: User, client: Client) -> None:
    contact = make_contact(time_zone="US/Central")
    assert contact_form(client, contact, first_name="Jane", time_zone="US/Central").status_code == 302
    contact.refresh_from_db()
    assert (contact.first_name, contact.time_zone) == ("Jane", "US/Central")


@pytest.mark.parametrize(
    ("number", "code"), [(JANE, "98101"), ("+14165550142", "M5V 2T6"), ("+33612345678", "7500"), (JANE, "M5V 2T6")]
)
def test_postal_codes_of_other_countries_are_kept_as_they_are(number: str, code: str) -> None:
    Contact(number=number, postal_code=code).full_clean()


def test_the_model_itself_knows_what_a_zone_is() -> None:
    with pytest.raises(ValidationError, match="America/Chicago"):
        Contact(number=JANE, time_zone="Nowhere/Else").full_clean()
