"""A request that could not be sent: held texts are refused with that reason, the state is what it was (PRODUCT)."""

import pytest

from consent.models import Contact, Line, OptInRequest, User
from messaging import outbound
from messaging.models import Message
from messaging.provider import ProviderError
from tests.make import JANE, make_agent, make_line
from tests.world import Clock, Phone, callback, notices_seen, standing, sweep, texts_seen, work, write

pytestmark = pytest.mark.django_db

FILTERED = ProviderError("30007", "filtered", permanent=True, may_have_left=False)


@pytest.fixture
def line() -> Line:
    return make_line()


@pytest.fixture
def ann(line: Line) -> User:
    return make_agent(line)


@pytest.fixture
def ben(line: Line) -> User:
    return make_agent(line, shown_name="Ben")


def assert_failed(line: Line, *authors: User) -> None:
    for author in authors:
        assert all(status == "refused" for _, status in texts_seen(author, line))
        assert notices_seen(author, line)[-1] == "request_failed"
    held = Message.objects.filter(purpose="ordinary")
    assert {text.reason for text in held} == {"request_failed"}
    assert all(text.reason_text for text in held)
    assert standing(line) == ("not_defined", "not_sent")


def test_the_provider_refuses_it(line: Line, ann: User, ben: User, jane: Phone) -> None:
    jane.provider.errors.append(FILTERED)
    outbound.submit(line=line, to=JANE, body="one", author=ann)
    outbound.submit(line=line, to=JANE, body="two", author=ben)
    work()
    assert jane.news() == []
    assert_failed(line, ann, ben)


@pytest.mark.parametrize("status", ["undelivered", "failed"])
def test_a_callback_says_so_later(line: Line, ann: User, ben: User, jane: Phone, status: str) -> None:
    write(ann, line, "one")
    write(ben, line, "two")
    assert standing(line) == ("pending", "sent")
    callback(Message.objects.get(purpose="request_ours"), status, "30008")
    work()
    assert_failed(line, ann, ben)


def test_their_request_fails(line: Line, ann: User, jane: Phone) -> None:
    jane.provider.errors.append(FILTERED)
    jane.texts(line, "hello")
    assert jane.news() == []
    assert standing(line) == ("not_defined", "not_sent")
    assert texts_seen(ann, line) == [], "still held back"


def test_whoever_was_opted_out_stays_so(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    jane.texts(line, "STOP")
    clock.passes(hours=25)
    jane.provider.errors.append(FILTERED)
    jane.texts(line, "hello")
    assert standing(line)[0] == "opted_out"


def test_the_earlier_request_shows_again(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    write(ann, line)
    clock.passes(days=8)
    sweep()
    jane.provider.errors.append(FILTERED)
    write(ann, line)
    assert standing(line) == ("not_defined", "expired")


def test_it_does_not_count_against_the_limit(line: Line, ann: User, jane: Phone) -> None:
    jane.provider.errors.append(FILTERED)
    write(ann, line)
    assert write(ann, line).status == "held"
    assert jane.news() == ["request_ours"]


def test_a_failure_that_comes_after_yes_changes_nothing(line: Line, ann: User, jane: Phone) -> None:
    write(ann, line)
    request = Message.objects.get(purpose="request_ours")
    jane.texts(line, "YES")
    callback(request, "undelivered", "30008")
    work()
    assert standing(line) == ("opted_in", "accepted")
    assert texts_seen(ann, line) == [("Your order is ready", "sent")]


def test_a_number_that_cannot_be_texted(line: Line, ann: User, jane: Phone) -> None:
    jane.provider.errors.append(ProviderError("21614", "not a mobile", permanent=True, may_have_left=False))
    text = write(ann, line)
    assert (text.status, text.reason) == ("refused", "request_failed")
    assert Contact.objects.get(number=JANE).unreachable == "not_mobile"
    assert write(ann, line).reason == "unreachable"


def test_the_gate_refuses_it_when_it_is_claimed(line: Line, ann: User, jane: Phone) -> None:
    text = outbound.submit(line=line, to=JANE, body="hello", author=ann)
    Line.objects.filter(pk=line.pk).update(active=False)
    work()
    text.refresh_from_db()
    assert (text.status, text.reason) == ("refused", "request_failed")
    assert jane.news() == []
    assert OptInRequest.objects.get().outcome == "failed"
    assert standing(line) == ("not_defined", "not_sent")


def test_one_of_unknown_fate_leaves_the_texts_held(line: Line, ann: User, jane: Phone) -> None:
    jane.provider.errors.append(ProviderError("", "no answer", permanent=False, may_have_left=True))
    assert write(ann, line).status == "held"
    request = Message.objects.get(purpose="request_ours")
    assert request.status == "unknown"
    callback(request, "delivered")
    assert standing(line) == ("pending", "sent")
    jane.texts(line, "YES")
    assert jane.news() == ["request_ours", "opt_in_confirmation", "ordinary"]
