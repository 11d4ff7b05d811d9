"""At most 2 requests to a contact on a line in 30 days, 24 hours apart (PRODUCT "Limits")."""

import datetime as dt

import pytest

from consent.models import Line, Organisation, User
from messaging.models import Message
from tests.make import JANE, make_agent, make_line, make_officer
from tests.world import Clock, Phone, notices_seen, standing, sweep, texts_seen, write

pytestmark = pytest.mark.django_db

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def line() -> Line:
    """Requests expire after an hour here, so that the pause between them matters."""
    return make_line(request_expires_after=HOUR)


@pytest.fixture
def ann(line: Line) -> User:
    return make_agent(line)


def ask_in_vain(author: User, line: Line, clock: Clock) -> Message:
    text = write(author, line)
    clock.passes(hours=1, minutes=1)
    sweep()
    return text


def test_a_day_lies_between_two_requests(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    ask_in_vain(ann, line, clock)
    jane.news()
    text = write(ann, line)
    assert jane.news() == []
    assert (text.status, text.reason) == ("refused", "request_limit")
    assert "02 December 2026, 12:0" in text.reason_text, "the moment from which asking is possible"
    assert standing(line) == ("not_defined", "expired")
    assert notices_seen(ann, line).count("asked") == 1
    clock.passes(hours=23)
    assert write(ann, line).status == "held"
    assert jane.news() == ["request_ours"]


def test_two_requests_in_thirty_days(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    ask_in_vain(ann, line, clock)
    clock.passes(days=5)
    ask_in_vain(ann, line, clock)
    clock.passes(days=5)
    jane.news()
    text = write(ann, line)
    assert (text.status, text.reason) == ("refused", "request_limit")
    assert "31 December 2026, 12:0" in text.reason_text, "thirty days after the first one"
    assert jane.news() == []
    clock.passes(days=20)
    assert write(ann, line).status == "held"
    assert jane.news() == ["request_ours"]


def test_a_contacts_text_at_the_limit_is_held_back_and_officers_see_it(
    line: Line, ann: User, jane: Phone, clock: Clock
) -> None:
    ask_in_vain(ann, line, clock)
    jane.news()
    jane.texts(line, "Is my order ready?")
    assert jane.news() == []
    assert standing(line) == ("not_defined", "expired")
    assert ("Is my order ready?", "received") not in texts_seen(ann, line)
    assert "held_back" in [status for _, status in texts_seen(make_officer(), line)]


def test_both_kinds_of_request_count_together(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    ask_in_vain(ann, line, clock)
    clock.passes(days=2)
    jane.texts(line, "hello")
    assert jane.news() == ["request_ours", "request_theirs"]
    clock.passes(days=2)
    sweep()
    assert write(ann, line).reason == "request_limit"


def test_a_line_may_have_limits_of_its_own(ann: User, jane: Phone, clock: Clock) -> None:
    patient = make_line(
        "+12065550107", request_limit=3, request_pause=dt.timedelta(0), request_expires_after=HOUR, name="Patient"
    )
    ann.lines.add(patient)
    for _ in range(3):
        ask_in_vain(ann, patient, clock)
    assert jane.news() == ["request_ours"] * 3
    assert write(ann, patient).reason == "request_limit"


def test_the_organisation_sets_the_limits(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    Organisation.objects.update(request_limit=1, request_pause=dt.timedelta(0))
    ask_in_vain(ann, line, clock)
    assert write(ann, line).reason == "request_limit"


def test_a_limit_of_none_at_all(ann: User, jane: Phone) -> None:
    silent = make_line("+12065550107", request_limit=0, name="Silent")
    ann.lines.add(silent)
    assert write(ann, silent).reason == "request_limit"
    jane.texts(silent, "hello")
    assert jane.news() == []


def test_other_lines_and_other_contacts_have_limits_of_their_own(
    line: Line, ann: User, jane: Phone, clock: Clock
) -> None:
    other = make_line("+12065550107", name="Other")
    ann.lines.add(other)
    ask_in_vain(ann, line, clock)
    assert write(ann, other).status == "held"
    assert write(ann, line, to="+12065550143").status == "held"


def test_the_week_begins_when_the_provider_took_the_request(ann: User, jane: Phone, clock: Clock) -> None:
    line = make_line("+12065550107")
    ann.lines.add(line)
    write(ann, line)
    request = line.requests.get()
    assert request.expires_at - request.sent_at == dt.timedelta(days=7)


def test_while_asked_nothing_is_asked_again(line: Line, ann: User, jane: Phone) -> None:
    write(ann, line)
    jane.news()
    for words in ("who are you?", "👍", "why?"):
        jane.texts(line, words)
    assert jane.news() == []
    assert standing(line) == ("pending", "sent")
    assert texts_seen(ann, line) == [("Your order is ready", "held")]
    assert Message.objects.filter(status="held_back", conversation__contact__number=JANE).count() == 3
