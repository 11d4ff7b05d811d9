"""A text that is let go more than a day after it was written waits for its author's word."""

import pytest
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from consent.models import Line, User
from messaging import outbound, review
from messaging.models import Message, Notice, Review
from messaging.outbound import TextError
from tests.make import JANE, make_agent, make_integrator, make_line, make_officer, make_opted_in
from tests.world import Clock, Phone, notices_seen, standing, sweep, text_in, work, write

pytestmark = pytest.mark.django_db
WAITS = ("held", "author_confirms")


@pytest.fixture
def line() -> Line:
    return make_line()


@pytest.fixture
def ann(line: Line) -> User:
    return make_agent(line)


def state(text: Message) -> tuple[str, str]:
    text.refresh_from_db()
    return text.status, text.reason


def late(line: Line, ann: User, jane: Phone, clock: Clock) -> Message:
    """Ann texts Jane, who says yes two days later."""
    text = write(ann, line)
    clock.passes(days=2)
    jane.texts(line, "YES")
    jane.news()
    return text


def test_it_stays_held_and_the_author_is_told(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    text = write(ann, line)
    clock.passes(hours=24, minutes=1)
    jane.texts(line, "YES")
    assert standing(line) == ("opted_in", "accepted")
    assert jane.news() == ["request_ours", "opt_in_confirmation"]
    assert state(text) == WAITS
    assert "confirm" in text.reason_text
    told = Notice.objects.get(kind="notice_opted_in", to=ann)
    assert "1 text is older than a day and waits for your word." in told.text


def test_a_day_is_not_too_long(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    text = write(ann, line)
    clock.passes(hours=23, minutes=59)
    jane.texts(line, "YES")
    assert state(text)[0] == "sent"


def test_what_counts_is_when_it_is_let_go(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    """The contact answered in time, but nobody read it until the next day."""
    text = write(ann, line)
    clock.passes(hours=20)
    text_in(JANE, line, "YES")
    clock.passes(hours=5)
    work()
    assert state(text) == WAITS


def test_the_fresh_ones_leave_and_each_author_hears_of_their_own(
    line: Line, ann: User, jane: Phone, clock: Clock
) -> None:
    ben = make_agent(line)
    old = [write(ann, line, body) for body in ("first", "second")]
    clock.passes(hours=20)
    fresh = [write(ann, line, "third"), write(ben, line, "fourth")]
    clock.passes(hours=5)
    jane.texts(line, "YES")
    assert [state(text) for text in old] == [WAITS, WAITS]
    assert [state(text)[0] for text in fresh] == ["sent", "sent"]
    to_ann, to_ben = (Notice.objects.get(kind="notice_opted_in", to=user).text for user in (ann, ben))
    assert "The text that waited is on its way. 2 texts are older than a day and wait for your word." in to_ann
    assert "The text that waited is on its way." in to_ben and "older" not in to_ben


def test_confirmed_they_leave_behind_what_was_written_since(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    text = late(line, ann, jane, clock)
    outbound.submit(line=line, to=JANE, body="Written since", author=ann)
    confirmed = outbound.confirm(text, ann)
    assert (confirmed.status, confirmed.reason) == ("queued", "")
    work()
    assert state(text) == ("sent", "")
    assert [sent.body.partition("\n")[0] for sent in jane.provider.sent][-2:] == ["Written since", text.body]


def test_only_the_author_confirms(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    text = late(line, ann, jane, clock)
    for other in (make_agent(line), make_officer()):
        with pytest.raises(TextError, match="Only its author"):
            outbound.confirm(text, other)
    assert state(text) == WAITS


def test_only_what_waits_for_it_is_confirmed(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    asked = write(ann, line)
    with pytest.raises(TextError, match="does not wait for your word"):
        outbound.confirm(asked, ann)
    assert state(asked) == ("held", "consent_missing")
    clock.passes(days=2)
    jane.texts(line, "YES")
    outbound.confirm(asked, ann)
    work()
    with pytest.raises(TextError, match="does not wait for your word"):
        outbound.confirm(asked, ann)
    assert len([body for body in jane.provider.to(JANE) if body.startswith(asked.body)]) == 1


def test_the_author_may_withdraw_instead(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    text = late(line, ann, jane, clock)
    outbound.withdraw(text, ann)
    assert state(text) == ("cancelled", "withdrawn")
    with pytest.raises(TextError):
        outbound.confirm(text, ann)


def test_a_stop_cancels_it(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    text = late(line, ann, jane, clock)
    jane.texts(line, "STOP")
    assert state(text) == ("cancelled", "opted_out")
    with pytest.raises(TextError):
        outbound.confirm(text, ann)
    work()
    assert jane.news() == ["opt_out_confirmation"]


def test_a_confirmation_passes_the_gate_again(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    text = late(line, ann, jane, clock)
    jane.texts(line, "wrong number")
    confirmed = outbound.confirm(text, ann)
    assert (confirmed.status, confirmed.reason) == ("held", "under_review")
    Line.objects.update(active=False)
    other = Message.objects.filter(pk=text.pk)
    other.update(reason="author_confirms")
    refused = outbound.confirm(text, ann)
    assert (refused.status, refused.reason) == ("refused", "line_inactive")
    work()
    assert jane.news() == []


def test_an_unread_webhook_fences_it_off(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    text = late(line, ann, jane, clock)
    text_in(JANE, line, "STOP")
    assert outbound.confirm(text, ann).status == "deferred"
    work()
    assert state(text) == ("cancelled", "opted_out")


def test_it_is_not_let_go_by_another_yes(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    text = late(line, ann, jane, clock)
    jane.texts(line, "START")
    assert state(text) == WAITS


def test_no_answer_cancels_as_before(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    text = write(ann, line)
    clock.passes(days=8)
    sweep()
    assert state(text) == ("cancelled", "request_expired")


def test_a_review_that_ends_follows_the_same_rule(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    make_opted_in(line)
    jane.texts(line, "wrong number")
    old = write(ann, line, "old")
    clock.passes(hours=20)
    fresh = write(ann, line, "fresh")
    clock.passes(hours=5)
    review.it_was_no_opt_out(Review.objects.get(), by=make_officer(), reason="They meant the weather.")
    work()
    assert (state(old), state(fresh)[0]) == (WAITS, "sent")
    closed = Notice.objects.get(kind="notice_review_closed")
    assert "The text that waited goes on. 1 text is older than a day and waits for its author's word." in closed.text
    assert notices_seen(ann, line) == ["under_review", "review_closed"]
    outbound.confirm(old, ann)
    work()
    assert state(old)[0] == "sent"


def test_rest(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    client = APIClient()
    system = make_integrator(line)
    text = late(line, system, jane, clock)
    address = f"/api/v1/messages/{text.uuid}/confirm/"
    assert client.post(address).status_code == 401
    client.credentials(HTTP_AUTHORIZATION=f"Token {Token.objects.create(user=ann).key}")
    answer = client.post(address)
    assert (answer.status_code, answer.json()["detail"][:15]) == (409, "Only its author")
    client.credentials(HTTP_AUTHORIZATION=f"Token {Token.objects.create(user=make_agent()).key}")
    assert client.post(address).status_code == 404
    client.credentials(HTTP_AUTHORIZATION=f"Token {Token.objects.create(user=system).key}")
    assert client.get(address).status_code == 405
    answer = client.post(address)
    assert (answer.status_code, answer.json()["status"], answer.json()["reason"]) == (200, "queued", None)
    assert client.post(address).status_code == 409
