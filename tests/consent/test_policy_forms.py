"""What officers choose on the pages of the organisation and of lines: the effects in words, spans of time as people
write them."""

import datetime as dt
from typing import Any

import pytest
from django import forms
from django.test import Client

from consent.admin.plain_durations import PlainDurationField, in_words
from consent.models import Line, Organisation
from tests.make import make_line, make_officer, make_supervisor

ORGANISATION = "/admin/consent/organisation/1/change/"


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("24 hours", dt.timedelta(hours=24)),
        ("1 hour", dt.timedelta(hours=1)),
        ("7 days", dt.timedelta(days=7)),
        (" 7 DAYS ", dt.timedelta(days=7)),
        ("90 minutes", dt.timedelta(minutes=90)),
        ("1 day 12 hours", dt.timedelta(hours=36)),
        ("1 day, 2 hours and 30 minutes", dt.timedelta(hours=26, minutes=30)),
        ("30days", dt.timedelta(days=30)),
        ("0 hours", dt.timedelta(0)),
        ("1 00:00:00", dt.timedelta(days=1)),
        ("12:30:00", dt.timedelta(hours=12, minutes=30)),
        ("", None),
    ],
)
def test_a_span_is_read_as_people_write_it(text: str, span: dt.timedelta | None) -> None:
    assert PlainDurationField(required=False).clean(text) == span


@pytest.mark.parametrize(
    "text", ["24", "soon", "7 weeks", "-1 days", "hours", "1 hour ago", "999999999 days", "-1:00:00"]
)
def test_what_is_no_span_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(forms.ValidationError, match="7 days"):
        PlainDurationField().clean(text)


@pytest.mark.parametrize(
    "text",
    ["24 hours", "48 hours", "7 days", "90 seconds", "1 minute 30 seconds", "3 days 1 hour", "1 hour", "0 seconds"],
)
def test_what_is_shown_is_read_as_the_same(text: str) -> None:
    span = PlainDurationField().clean(text)
    assert PlainDurationField().clean(in_words(span)) == span
    assert not PlainDurationField().has_changed(span, in_words(span))


def test_spans_are_said_as_people_say_them() -> None:
    shown = {
        dt.timedelta(days=1): "24 hours",
        dt.timedelta(days=7): "7 days",
        dt.timedelta(minutes=90): "1 hour 30 minutes",
    }
    assert {span: in_words(span) for span in shown} == shown


@pytest.fixture
def olive(db: None, client: Client) -> Client:
    client.force_login(make_officer("olive"))
    return client


def organisation_fields(**changes: Any) -> dict[str, Any]:
    return {
        "name": "Northwind",
        "frequency": "varies",
        "mode": "consent",
        "revocation_scope": "category",
        "next_revocation_scope": "all",
        "next_revocation_scope_on": "2027-01-31",
        "request_limit": 2,
        "request_pause": "24 hours",
        "request_expires_after": "7 days",
        **changes,
    }


def test_each_choice_of_the_organisation_says_what_it_does(olive: Client) -> None:
    content = olive.get(ORGANISATION).content.decode()
    for words in (
        "contacts must reply YES before anything else is sent",
        "contacts are told who writes and how to stop, and need not answer",
        "a STOP to one marketing line ends all marketing lines",
        "31 January 2027",
        "vendors report about four in five",
        'value="24 hours"',
        'value="7 days"',
    ):
        assert words in content, words


def test_the_page_says_what_holds_at_present_and_what_is_planned(olive: Client) -> None:
    Organisation.objects.update(next_revocation_scope_on=dt.date(2999, 1, 31))
    content = olive.get(ORGANISATION).content.decode()
    assert "A STOP is valid for: every line of the same category. From 31 January 2999 on: every line." in content
    Organisation.objects.update(next_revocation_scope_on=dt.date(2020, 1, 31))
    assert "A STOP is valid for: every line." in olive.get(ORGANISATION).content.decode()


def test_spans_are_saved(olive: Client) -> None:
    assert olive.post(ORGANISATION, organisation_fields(request_pause="36 hours")).status_code == 302
    assert Organisation.objects.current().request_pause == dt.timedelta(hours=36)
    for wrong in ("24", "0 hours"):
        answer: Any = olive.post(ORGANISATION, organisation_fields(request_expires_after=wrong))
        assert "request_expires_after" in answer.context_data["adminform"].form.errors
    answer = olive.post(ORGANISATION, organisation_fields(revocation_scope="", mode="sometimes"))
    assert {"revocation_scope", "mode"} == answer.context_data["adminform"].form.errors.keys()


def test_no_change_of_scope_can_be_planned(olive: Client) -> None:
    fields = organisation_fields(next_revocation_scope="", next_revocation_scope_on="")
    assert olive.post(ORGANISATION, fields).status_code == 302
    assert Organisation.objects.current().next_revocation_scope_on is None


def test_a_line_says_what_the_organisation_does_at_present(olive: Client) -> None:
    line = make_line(mode="", request_pause=dt.timedelta(hours=12))
    address = f"/admin/consent/line/{line.pk}/change/"
    content = olive.get(address).content.decode()
    assert "As the organisation, at present: Opt-in with consent" in content
    assert 'value="12 hours"' in content
    Organisation.objects.update(mode="disclaimer")
    assert "As the organisation, at present: Disclaimer only" in olive.get(address).content.decode()


def test_a_line_without_limits_follows_the_organisation(olive: Client) -> None:
    line = make_line(request_pause=dt.timedelta(hours=12))
    fields = {
        "name": line.name,
        "category": line.category,
        "mode": "",
        "required_level": "express",
        "registration": "not_needed",
        "language": "en",
        "footer_frequency": "every",
        "active": "on",
        "request_pause": "",
        "request_expires_after": "3 days",
    }
    assert olive.post(f"/admin/consent/line/{line.pk}/change/", fields).status_code == 302
    saved = Line.objects.get(pk=line.pk)
    assert (saved.mode, saved.request_pause, saved.request_expires_after) == ("", None, dt.timedelta(days=3))


def test_supervisors_look_and_change_nothing(db: None, client: Client) -> None:
    line = make_line()
    client.force_login(make_supervisor())
    for address in (ORGANISATION, f"/admin/consent/line/{line.pk}/change/"):
        assert client.get(address).status_code == 200
        assert client.post(address, organisation_fields()).status_code == 403
