"""The provider says that a line is not registered with the carriers (30034): it stops, and officers see why."""

import pytest
from django.test import Client
from django.urls import reverse

from consent.models import Line, User
from messaging import api
from messaging.models import Message
from messaging.provider import ProviderError
from tests.make import JANE, OMAR, make_agent, make_line, make_officer, make_opted_in
from tests.world import Phone, callback, notices_seen, standing, texts_seen, work, write

pytestmark = pytest.mark.django_db

UNREGISTERED = ProviderError("30034", "this line is not registered", permanent=True, may_have_left=False)


@pytest.fixture
def line() -> Line:
    return make_line(name="Orders")


@pytest.fixture
def ann(line: Line) -> User:
    return make_agent(line)


@pytest.fixture
def jane_in(jane: Phone, line: Line) -> Phone:
    make_opted_in(line)
    make_opted_in(line, OMAR)
    return jane


def registration(line: Line) -> str:
    return Line.objects.get(pk=line.pk).registration


@pytest.mark.parametrize("registered_as", ["not_needed", "verified"])
def test_a_call_that_is_refused_for_it_stops_the_line(
    line: Line, ann: User, jane_in: Phone, registered_as: str
) -> None:
    Line.objects.update(registration=registered_as)
    jane_in.provider.errors.append(UNREGISTERED)
    text = write(ann, line)
    assert (text.status, text.error_code) == ("failed", "30034")
    assert registration(line) == "rejected"
    assert write(ann, line, to=OMAR).reason == "line_unregistered"
    assert api.check(line, JANE).reason == "line_unregistered"
    assert jane_in.provider.sent == []


@pytest.mark.parametrize("status", ["undelivered", "failed"])
def test_a_callback_with_it_stops_the_line(line: Line, ann: User, jane_in: Phone, status: str) -> None:
    text = write(ann, line)
    callback(text, status, "30034")
    assert registration(line) == "rejected"
    assert write(ann, line, to=OMAR).reason == "line_unregistered"


def test_what_was_queued_is_refused(line: Line, ann: User, jane_in: Phone) -> None:
    jane_in.provider.errors.append(ProviderError("20429", "slow down", permanent=False, may_have_left=False))
    queued = write(ann, line, to=OMAR)
    assert queued.status == "queued"
    jane_in.provider.errors.append(UNREGISTERED)
    write(ann, line)
    Message.objects.filter(pk=queued.pk).update(not_before=None)
    work()
    queued.refresh_from_db()
    assert (queued.status, queued.reason) == ("refused", "line_unregistered")


def test_a_request_that_fails_for_it_refuses_what_it_held(line: Line, ann: User, jane: Phone) -> None:
    jane.provider.errors.append(UNREGISTERED)
    write(ann, line, "hello")
    assert standing(line) == ("not_defined", "not_sent")
    assert texts_seen(ann, line) == [("hello", "refused")]
    assert "request_failed" in notices_seen(ann, line)


def test_other_lines_and_a_waiting_registration_stay_as_they_are(line: Line, ann: User, jane_in: Phone) -> None:
    other = make_line("+12065550109")
    text = write(ann, line)
    Line.objects.filter(pk=line.pk).update(registration="pending")
    callback(text, "undelivered", "30034")
    assert (registration(line), registration(other)) == ("pending", "not_needed")


def test_other_codes_stop_no_line(line: Line, ann: User, jane_in: Phone) -> None:
    for code in ("30007", "21610", "30003", ""):
        callback(write(ann, line), "undelivered", code)
    assert registration(line) == "not_needed"


def test_officers_see_it_on_the_first_page_and_set_it_right(
    line: Line, ann: User, jane_in: Phone, client: Client
) -> None:
    callback(write(ann, line), "undelivered", "30034")
    client.force_login(make_officer())
    page = client.get(reverse("admin:index")).content.decode()
    assert "Orders: rejected by the carriers" in page
    assert reverse("admin:consent_line_change", args=[line.pk]) in page
    Line.objects.update(registration="verified")
    assert write(ann, line).status == "sent"
