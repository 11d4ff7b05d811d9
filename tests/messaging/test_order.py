"""In a conversation the provider has accepted a text before the next one is claimed (PRODUCT "Order")."""

import pytest
from django.utils import timezone

from consent.models import Line, User
from messaging import inbound, outbound, outcomes
from messaging.models import Message
from messaging.provider import ProviderError
from tests.make import JANE, make_agent, make_line
from tests.world import Clock, Phone, callback, notices_seen, standing, text_in, texts_seen, work, write

pytestmark = pytest.mark.django_db

BUSY = ProviderError("20429", "slow down", permanent=False, may_have_left=False)
FILTERED = ProviderError("30007", "filtered", permanent=True, may_have_left=False)
NO_ANSWER = ProviderError("", "no answer", permanent=False, may_have_left=True)


@pytest.fixture
def line() -> Line:
    return make_line()


@pytest.fixture
def told_line() -> Line:
    return make_line("+12065550101", mode="disclaimer")


@pytest.fixture
def ann(line: Line, told_line: Line) -> User:
    return make_agent(line, told_line)


def submit(author: User, line: Line, *bodies: str) -> list[Message]:
    return [outbound.submit(line=line, to=JANE, body=body, author=author) for body in bodies]


def first_lines(jane: Phone) -> list[str]:
    return [body.split("\n")[0] for body in jane.provider.to(JANE)]


def test_one_text_at_a_time(told_line: Line, ann: User, jane: Phone) -> None:
    disclaimer_and_text = submit(ann, told_line, "hello")[0].conversation
    first = outbound.claim(disclaimer_and_text.pk)
    assert first and first.message.purpose == "disclaimer_ours"
    assert outbound.claim(disclaimer_and_text.pk) is None
    outcomes.record_success(first.message, "SM1")
    second = outbound.claim(disclaimer_and_text.pk)
    assert second and second.message.body == "hello"


def test_other_conversations_do_not_wait(told_line: Line, ann: User, jane: Phone) -> None:
    one = submit(ann, told_line, "hello")[0]
    other = outbound.submit(line=told_line, to="+12065550143", body="hello", author=ann)
    assert outbound.claim(one.conversation_id)
    assert outbound.claim(other.conversation_id)


def test_ordinary_texts_leave_in_the_order_written(line: Line, ann: User, jane: Phone) -> None:
    jane.texts(line, "START")
    submit(ann, line, "one", "two", "three")
    work()
    assert first_lines(jane)[1:] == ["one", "two", "three"]


def test_a_text_turned_away_for_now_is_not_overtaken(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    """Held texts leave in the order written (flow 3), also where the provider is busy for a moment."""
    submit(ann, line, "one", "two")
    work()
    text_in(JANE, line, "YES")
    inbound.settle_number(JANE)
    conversation = Message.objects.get(body="one").conversation_id
    confirmation = outbound.claim(conversation)
    assert confirmation
    outcomes.record_success(confirmation.message, "SM1")
    jane.provider.errors.append(BUSY)
    for _ in range(4):
        work()
        clock.passes(seconds=3)
    assert first_lines(jane)[-2:] == ["one", "two"]


@pytest.mark.parametrize("behind", ["disclaimer_ours", "request_ours"])
def test_an_automatic_text_turned_away_for_now_is_not_overtaken(
    line: Line, told_line: Line, ann: User, jane: Phone, clock: Clock, behind: str
) -> None:
    where = told_line if behind == "disclaimer_ours" else line
    jane.provider.errors.append(BUSY)
    submit(ann, where, "hello")
    work()
    assert jane.news() == []
    clock.passes(seconds=2)
    work()
    assert jane.news()[0] == behind


def test_a_failed_disclaimer_refuses_what_is_behind_it(told_line: Line, ann: User, jane: Phone) -> None:
    jane.provider.errors.append(FILTERED)
    submit(ann, told_line, "one", "two")
    work()
    assert jane.news() == []
    assert texts_seen(ann, told_line) == [("one", "refused"), ("two", "refused")]
    assert all(text.reason_text for text in Message.objects.filter(purpose="ordinary"))
    assert notices_seen(ann, told_line) == ["request_failed"]
    assert standing(told_line) == ("not_defined", "not_sent")
    assert not told_line.consents.exclude(told_at=None).exists()


def test_after_a_failed_disclaimer_the_next_text_brings_a_new_one(told_line: Line, ann: User, jane: Phone) -> None:
    jane.provider.errors.append(FILTERED)
    write(ann, told_line, "one")
    write(ann, told_line, "two")
    assert jane.news() == ["disclaimer_ours", "ordinary"]


def test_a_failed_opt_in_confirmation_lets_the_texts_go(line: Line, ann: User, jane: Phone) -> None:
    write(ann, line)
    jane.news()
    jane.provider.errors.append(FILTERED)
    jane.texts(line, "YES")
    assert jane.news() == ["ordinary"]


@pytest.mark.parametrize("which", ["disclaimer", "opt-in confirmation"])
def test_behind_an_automatic_text_of_unknown_fate_texts_wait(
    line: Line, told_line: Line, ann: User, jane: Phone, which: str
) -> None:
    where = told_line if which == "disclaimer" else line
    if which == "opt-in confirmation":
        write(ann, line, "hello")
        jane.provider.errors.append(NO_ANSWER)
        jane.texts(line, "YES")
    else:
        jane.provider.errors.append(NO_ANSWER)
        write(ann, told_line, "hello")
    unknown = Message.objects.get(status="unknown")
    assert texts_seen(ann, where) == [("hello", "queued")]
    write(ann, where, "and this")
    assert texts_seen(ann, where) == [("hello", "queued"), ("and this", "queued")]
    callback(unknown, "delivered")
    work()
    assert texts_seen(ann, where) == [("hello", "sent"), ("and this", "sent")]


def test_the_opt_out_confirmation_and_help_do_not_wait_for_it(told_line: Line, ann: User, jane: Phone) -> None:
    jane.provider.errors.append(NO_ANSWER)
    write(ann, told_line, "hello")
    jane.news()
    jane.texts(told_line, "HELP")
    assert jane.news() == ["help_reply"]
    jane.texts(told_line, "STOP")
    assert jane.news() == ["opt_out_confirmation"]


def test_an_ordinary_text_of_unknown_fate_holds_nobody_up(line: Line, ann: User, jane: Phone) -> None:
    jane.texts(line, "START")
    jane.provider.errors.append(NO_ANSWER)
    assert write(ann, line, "one").status == "unknown"
    assert write(ann, line, "two").status == "sent"


def test_a_request_of_unknown_fate_that_fails_after_all(line: Line, ann: User, jane: Phone) -> None:
    jane.provider.errors.append(NO_ANSWER)
    write(ann, line, "hello")
    callback(Message.objects.get(status="unknown"), "failed", "30007")
    work()
    assert texts_seen(ann, line) == [("hello", "refused")]
    assert standing(line) == ("not_defined", "not_sent")


def test_a_text_written_while_the_yes_is_read_stands_behind_what_it_released(
    line: Line, ann: User, jane: Phone
) -> None:
    """It leaves by that YES, so the confirmation goes first, and texts written earlier go before it."""
    write(ann, line, "earlier")
    jane.news()
    text_in(JANE, line, "YES")
    submit(ann, line, "meanwhile")
    work()
    assert jane.news() == ["opt_in_confirmation", "ordinary", "ordinary"]
    assert first_lines(jane)[-2:] == ["earlier", "meanwhile"]


def test_what_was_released_stands_behind_what_was_queued(line: Line, ann: User, jane: Phone) -> None:
    """The confirmation goes before the texts it explains, whenever they were written."""
    write(ann, line, "hello")
    jane.news()
    jane.texts(line, "YES")
    times = Message.objects.filter(status="sent").exclude(purpose="request_ours").order_by("sent_at")
    assert [text.purpose for text in times] == ["opt_in_confirmation", "ordinary"]
    assert all(text.sent_at and text.sent_at <= timezone.now() for text in times)
