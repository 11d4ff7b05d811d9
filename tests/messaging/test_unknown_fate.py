"""A text of unknown fate: never sent again, and never in the way for ever."""

import pytest
from django.test import Client
from django.urls import reverse

from consent.models import Line, User
from messaging import inbound, outbound
from messaging.models import Message
from messaging.provider import ProviderError
from tests.make import JANE, make_agent, make_line, make_officer, make_supervisor
from tests.world import Clock, Phone, callback, standing, texts_seen, work, write

pytestmark = pytest.mark.django_db

NO_ANSWER = ProviderError("", "no answer", permanent=False, may_have_left=True)


def unknown_request(jane: Phone, ann: User, line: Line) -> Message:
    jane.provider.errors.append(NO_ANSWER)
    write(ann, line, "hello")
    return Message.objects.get(status="unknown")


def test_a_yes_proves_that_the_request_arrived(jane: Phone) -> None:
    line = make_line()
    ann = make_agent(line)
    request = unknown_request(jane, ann, line)
    jane.news()
    jane.texts(line, "YES")
    assert jane.news() == ["opt_in_confirmation", "ordinary"]
    assert standing(line) == ("opted_in", "accepted")
    request.refresh_from_db()
    assert (request.status, request.reason) == ("sent", "")


def test_somebody_found_out_that_it_left(jane: Phone) -> None:
    line = make_line()
    ann = make_agent(line)
    request = unknown_request(jane, ann, line)
    outbound.settle_unknown(request, left=True)
    assert standing(line) == ("pending", "sent")
    assert texts_seen(ann, line) == [("hello", "held")]
    with pytest.raises(outbound.TextError, match="no longer unknown"):
        outbound.settle_unknown(request, left=False)


def test_somebody_found_out_that_it_never_left(jane: Phone) -> None:
    line = make_line()
    ann = make_agent(line)
    request = unknown_request(jane, ann, line)
    sent = len(jane.provider.sent)
    outbound.settle_unknown(request, left=False)
    work()
    assert standing(line) == ("not_defined", "not_sent")
    assert texts_seen(ann, line) == [("hello", "refused")]
    assert len(jane.provider.sent) == sent, "nothing is sent again by itself"


def test_only_officers_say_what_became_of_it(jane: Phone, client: Client) -> None:
    line = make_line()
    ann = make_agent(line)
    request = unknown_request(jane, ann, line)
    address = reverse("admin:messaging_message_settle_unknown", args=[request.pk])
    for user, allowed in ((ann, False), (make_supervisor(), False), (make_officer(), True)):
        client.force_login(user)
        client.get(address)
        request.refresh_from_db()
        assert request.status == "unknown", "nothing changes on GET"
        client.post(address, {"fate": "left"})
        request.refresh_from_db()
        assert (request.status == "sent") is allowed


def test_a_request_of_unknown_fate_that_expires_was_never_sent_for_all_we_know(jane: Phone, clock: Clock) -> None:
    line = make_line()
    unknown_request(jane, make_agent(line), line)
    clock.passes(days=8)
    inbound.expire_requests()
    assert standing(line) == ("not_defined", "not_sent")


def test_after_it_expired_they_can_be_asked_again(jane: Phone, clock: Clock) -> None:
    line = make_line()
    ann = make_agent(line)
    unknown_request(jane, ann, line)
    jane.news()
    clock.passes(days=8)
    inbound.expire_requests()
    write(ann, line, "hello again")
    assert jane.news() == ["request_ours"]
    assert standing(line) == ("pending", "sent")
    jane.texts(line, "YES")
    assert jane.news() == ["opt_in_confirmation", "ordinary"]
    assert texts_seen(ann, line) == [("hello", "cancelled"), ("hello again", "sent")]


def test_a_disclaimer_that_was_not_delivered_told_nobody(jane: Phone) -> None:
    line = make_line(mode="disclaimer")
    ann = make_agent(line)
    write(ann, line, "first")
    assert jane.news() == ["disclaimer_ours", "ordinary"]
    assert line.consents.get().told_at
    callback(Message.objects.get(purpose="disclaimer_ours"), "undelivered", "30003")
    work()
    assert line.consents.get().told_at is None
    write(ann, line, "second")
    assert jane.news() == ["disclaimer_ours", "ordinary"]
    assert line.consents.get(contact__number=JANE).told_at
