"""The way out: claimed once, called once, recorded once, whatever the provider answers (ARCHITECTURE "The way out")."""

import itertools
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from django.utils import timezone

from consent import ledger
from consent.ledger import Proof
from consent.models import Contact, LedgerEntry, Line, User
from consent.verification import verify
from consent.vocabulary import Channel, Scope
from messaging import inbound, outbound, outcomes
from messaging.models import Conversation, Message, Receipt, Template
from messaging.provider import ProviderError
from tests.make import JANE, make_agent, make_contact, make_line, make_opted_in
from tests.world import (
    Clock,
    Phone,
    callback,
    notices_seen,
    post_webhook,
    standing,
    sweep,
    text_in,
    texts_seen,
    work,
    write,
)

pytestmark = pytest.mark.django_db

BUSY = ProviderError("20429", "slow down", permanent=False, may_have_left=False)
NO_ANSWER = ProviderError("", "no answer", permanent=False, may_have_left=True)


def refused(code: str) -> ProviderError:
    return ProviderError(code, f"refused with {code}", permanent=True, may_have_left=False)


@pytest.fixture
def line() -> Line:
    return make_line()


@pytest.fixture
def ann(line: Line) -> User:
    return make_agent(line)


@pytest.fixture
def jane_in(jane: Phone, line: Line) -> Phone:
    """Jane, who has opted in."""
    make_opted_in(line)
    return jane


def submit(author: User, line: Line, body: str = "Your order is ready") -> Message:
    return outbound.submit(line=line, to=JANE, body=body, author=author)


def status(message: Message) -> str:
    return Message.objects.get(pk=message.pk).status


# ---- claim ----------------------------------------------------------------------------------------------------------


def test_a_call_that_cannot_begin_within_two_seconds_is_given_back(
    line: Line, ann: User, jane_in: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = submit(ann, line)
    seconds = iter([100.0, 102.1])
    monkeypatch.setattr("messaging.outbound.time", SimpleNamespace(monotonic=lambda: next(seconds)))
    assert outbound.send_conversation(text.conversation_id) == 1
    assert jane_in.news() == []
    assert status(text) == "queued"
    monkeypatch.undo()


def test_what_was_given_back_leaves_later(line: Line, ann: User, jane_in: Phone) -> None:
    text = submit(ann, line)
    claimed = outbound.claim(text.conversation_id)
    assert claimed
    outbound.give_back(claimed.message)
    work()
    assert jane_in.news() == ["ordinary"]
    assert Message.objects.get(pk=text.pk).sent_body.count("STOP") == 1


def test_a_call_within_two_seconds_is_made(
    line: Line, ann: User, jane_in: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = submit(ann, line)
    seconds = itertools.chain([100.0, 101.9], itertools.repeat(102.0))
    with monkeypatch.context() as patched:
        patched.setattr("messaging.outbound.time", SimpleNamespace(monotonic=lambda: next(seconds)))
        outbound.send_conversation(text.conversation_id)
    assert jane_in.news() == ["ordinary"]


def test_a_request_given_back_cannot_be_answered(line: Line, ann: User, jane: Phone) -> None:
    text = submit(ann, line)
    claimed = outbound.claim(text.conversation_id)
    assert claimed and claimed.message.request
    outbound.give_back(claimed.message)
    text_in(JANE, line, "YES")
    inbound.settle_number(JANE)
    assert standing(line)[0] != "opted_in"


def test_the_claim_is_dated(line: Line, ann: User, jane_in: Phone) -> None:
    text = submit(ann, line)
    claimed = outbound.claim(text.conversation_id)
    assert claimed and status(text) == "sending"
    assert abs((timezone.now() - Message.objects.get(pk=text.pk).claimed_at).total_seconds()) < 5
    assert outbound.claim(text.conversation_id) is None, "nobody else claims it"


def test_a_text_that_was_given_back_too_late_is_left_alone(line: Line, ann: User, jane_in: Phone) -> None:
    text = write(ann, line)
    outbound.give_back(text)
    assert status(text) == "sent"


# ---- the gate is asked again ----------------------------------------------------------------------------------------


def test_a_stop_between_submit_and_claim(line: Line, ann: User, jane_in: Phone) -> None:
    text = submit(ann, line)
    text_in(JANE, line, "STOP")
    outbound.send_conversation(text.conversation_id)
    assert jane_in.news() == [], "not while the STOP is unread"
    assert status(text) == "deferred"
    work()
    assert jane_in.news() == ["opt_out_confirmation"]
    assert status(text) == "cancelled"


def test_an_opt_out_that_cancelled_nothing_still_refuses(line: Line, ann: User, jane_in: Phone) -> None:
    text = submit(ann, line)
    contact = Contact.objects.lock(JANE)
    proof = Proof(Channel.AGENT, {"route": "letter"})
    ledger.opt_out(contact, line, proof, occurred_at=timezone.now(), scope=Scope.LINE)
    work()
    assert jane_in.news() == []
    assert (status(text), Message.objects.get(pk=text.pk).reason) == ("refused", "opted_out")


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"active": False}, "line_inactive"), ({"registration": "rejected"}, "line_unregistered")],
)
def test_a_line_that_was_closed_meanwhile(
    line: Line, ann: User, jane_in: Phone, change: dict[str, Any], reason: str
) -> None:
    text = submit(ann, line)
    Line.objects.filter(pk=line.pk).update(**change)
    work()
    assert jane_in.news() == []
    assert (status(text), Message.objects.get(pk=text.pk).reason) == ("refused", reason)


def test_a_number_found_unreachable_meanwhile(line: Line, ann: User, jane_in: Phone) -> None:
    text = submit(ann, line)
    Contact.objects.filter(number=JANE).update(unreachable="reassigned")
    work()
    assert (status(text), Message.objects.get(pk=text.pk).reason) == ("refused", "unreachable")


def bar(number: str) -> None:
    ledger.add_do_not_contact(Contact.objects.lock(number), Proof(Channel.AGENT, {"call": "7"}), reason="asked")


@pytest.mark.parametrize("words", ["STOP", "START", "HELP", "hello", "YES"])
def test_do_not_contact_refuses_even_confirmations(line: Line, ann: User, jane: Phone, words: str) -> None:
    bar(JANE)
    jane.texts(line, words)
    assert jane.news() == []
    answers = Message.objects.outgoing()
    assert {text.reason for text in answers} <= {"do_not_contact"}


def test_do_not_contact_refuses_what_was_queued_already(line: Line, ann: User, jane: Phone) -> None:
    text_in(JANE, line, "STOP")
    inbound.settle_number(JANE)
    bar(JANE)
    work()
    assert jane.news() == []


def test_do_not_contact_still_records_what_they_say(line: Line, ann: User, jane: Phone) -> None:
    bar(JANE)
    jane.texts(line, "STOP")
    assert standing(line)[0] == "opted_out"
    assert write(ann, line).reason == "do_not_contact"


# ---- the provider's answers -----------------------------------------------------------------------------------------


def test_busy_is_tried_again(line: Line, ann: User, jane_in: Phone, clock: Clock) -> None:
    jane_in.provider.errors.extend([BUSY, BUSY])
    text = write(ann, line)
    assert (status(text), jane_in.news()) == ("queued", [])
    for _ in range(3):
        clock.passes(seconds=10)
        work()
    assert (status(text), jane_in.news()) == ("sent", ["ordinary"])


def test_what_may_have_left_is_never_sent_again(line: Line, ann: User, jane_in: Phone, clock: Clock) -> None:
    jane_in.provider.errors.append(NO_ANSWER)
    text = write(ann, line)
    assert status(text) == "unknown"
    for _ in range(3):
        clock.passes(hours=3)
        sweep()
    assert jane_in.news() == ["ordinary"]
    assert status(text) == "unknown"


@pytest.mark.parametrize("reported", ["sent", "delivered", "undelivered", "failed"])
def test_a_callback_settles_an_unknown_one(line: Line, ann: User, jane_in: Phone, reported: str) -> None:
    jane_in.provider.errors.append(NO_ANSWER)
    text = write(ann, line)
    callback(text, reported)
    assert status(text) == reported


def test_a_settled_one_no_longer_says_that_it_may_have_left(line: Line, ann: User, jane_in: Phone) -> None:
    jane_in.provider.errors.append(NO_ANSWER)
    text = write(ann, line)
    assert Message.objects.get(pk=text.pk).reason == "unknown"
    callback(text, "delivered")
    text.refresh_from_db()
    assert (text.status, text.reason) == ("delivered", "")


def test_a_text_whose_sender_died_is_unknown_after_a_while(line: Line, ann: User, jane_in: Phone, clock: Clock) -> None:
    text = submit(ann, line)
    assert outbound.claim(text.conversation_id)
    clock.passes(seconds=29)
    sweep()
    assert status(text) == "sending"
    clock.passes(seconds=2)
    sweep()
    assert status(text) == "unknown"
    clock.passes(days=1)
    sweep()
    assert jane_in.news() == []


def test_an_answer_after_all(line: Line, ann: User, jane_in: Phone, clock: Clock) -> None:
    text = submit(ann, line)
    claimed = outbound.claim(text.conversation_id)
    assert claimed
    clock.passes(seconds=31)
    sweep()
    outcomes.record_success(claimed.message, "SM77")
    text.refresh_from_db()
    assert (text.status, text.provider_id) == ("sent", "SM77")


def test_a_lasting_refusal_is_not_tried_again(line: Line, ann: User, jane_in: Phone, clock: Clock) -> None:
    jane_in.provider.errors.append(refused("30007"))
    text = write(ann, line)
    clock.passes(hours=1)
    sweep()
    text.refresh_from_db()
    assert (text.status, text.error_code) == ("failed", "30007")
    assert text.reason_text
    assert jane_in.news() == []
    assert standing(line)[0] == "opted_in"


# ---- callbacks ------------------------------------------------------------------------------------------------------

STORIES = [
    (("queued", "sending", "sent", "delivered"), "delivered"),
    (("sent", "delivered", "read"), "delivered"),
    (("accepted", "sent", "undelivered"), "undelivered"),
    (("sent", "failed", "queued"), "failed"),
]


ORDERS = [(order, ends) for story, ends in STORIES for order in itertools.permutations(story)]


@pytest.mark.parametrize(("order", "ends"), ORDERS, ids=["-".join(order) for order, _ in ORDERS])
def test_callbacks_in_any_order_and_repeated(line: Line, order: tuple[str, ...], ends: str) -> None:
    text = in_state(line, "sending")
    for reported in (*order, *order):
        assert callback(text, reported).status_code == 200
    assert status(text) == ends


@pytest.mark.parametrize("final", ["delivered", "undelivered", "failed"])
@pytest.mark.parametrize("later", ["sent", "delivered", "undelivered", "failed", "canceled", "read"])
def test_a_final_state_is_never_left(line: Line, final: str, later: str) -> None:
    text = in_state(line, final)
    callback(text, later)
    assert status(text) == final


def in_state(line: Line, status: str) -> Message:
    """A text of ours at some point of its life."""
    conversation = Conversation.objects.between(make_contact(), line)
    return Message.objects.create(
        conversation=conversation,
        direction="out",
        purpose="ordinary",
        body="hi",
        sent_body="hi",
        status=status,
        claimed_at=timezone.now(),
        created=timezone.now(),
    )


@pytest.mark.parametrize("waiting", ["queued", "held", "deferred", "refused", "cancelled"])
def test_a_callback_does_not_move_a_text_that_never_left(line: Line, waiting: str) -> None:
    text = in_state(line, waiting)
    callback(text, "delivered")
    assert status(text) == waiting


@pytest.mark.parametrize("reported", ["sent", "delivered", "undelivered"])
def test_a_callback_before_the_answer(
    line: Line, ann: User, jane: Phone, monkeypatch: pytest.MonkeyPatch, reported: str
) -> None:
    """The id of ours in the callback's address finds the text although its provider id is not stored yet."""
    fake = jane.provider.send

    def send_and_report(**fields: str) -> str:
        provider_id = fake(**fields)
        callback(Message.objects.get(uuid=fields["callback_url"].rpartition("m=")[2]), reported)
        return provider_id

    monkeypatch.setattr("messaging.provider.send", send_and_report)
    write(ann, line)
    request = Message.objects.get(purpose="request_ours")
    assert request.status == reported
    assert request.provider_id == jane.provider.sent[0].provider_id
    assert standing(line) == (("not_defined", "not_sent") if reported == "undelivered" else ("pending", "sent"))


@pytest.mark.parametrize("name", ["", "nonsense", "00000000-0000-4000-8000-000000000000", "'; DROP TABLE"])
def test_a_callback_about_nothing_we_know(name: str) -> None:
    assert post_webhook(f"/twilio/status/?m={quote(name)}", {"MessageStatus": "sent"}).status_code == 200


def test_a_status_nobody_has_heard_of(line: Line, ann: User, jane_in: Phone) -> None:
    text = write(ann, line)
    assert callback(text, "teleported").status_code == 200
    assert status(text) == "sent"


# ---- 21610: opted out at the provider -------------------------------------------------------------------------------


@pytest.fixture(params=["answer", "undelivered", "failed"])
def blocked(request: pytest.FixtureRequest, line: Line, ann: User, jane_in: Phone) -> Message:
    """A text that the provider turned away because Jane had opted out there."""
    if request.param == "answer":
        jane_in.provider.errors.append(refused("21610"))
        text = write(ann, line)
    else:
        text = write(ann, line)
        callback(text, request.param, "21610")
    return text


def test_21610_is_an_opt_out_with_source_provider(line: Line, ann: User, jane_in: Phone, blocked: Message) -> None:
    waits = submit(ann, line, "waits")
    work()
    consent = line.consents.get()
    assert (consent.status, consent.source, consent.blocked_at_provider) == ("opted_out", "provider", True)
    blocked.refresh_from_db()
    assert consent.opted_out_at == blocked.claimed_at
    assert status(waits) in {"cancelled", "refused"}
    assert "opt_out_confirmation" not in jane_in.news()
    assert notices_seen(ann, line)[-1] == "opted_out"
    entry = LedgerEntry.objects.get(kind="opted_out")
    assert (entry.channel, entry.occurred_at) == ("provider", blocked.claimed_at)
    assert write(ann, line).reason == "opted_out"


def test_21610_twice_is_one_opt_out(line: Line, ann: User, jane_in: Phone, blocked: Message) -> None:
    for reported in ("undelivered", "failed", "undelivered"):
        callback(blocked, reported, "21610")
    work()
    assert LedgerEntry.objects.filter(kind="opted_out").count() == 1
    assert not LedgerEntry.objects.filter(kind="opt_out_repeated").exists()


def test_21610_is_fenced_until_it_is_settled(line: Line, ann: User, jane_in: Phone) -> None:
    text = write(ann, line)
    callback(text, "undelivered", "21610")
    assert submit(ann, line, "next").reason == "inbound_unsettled"


def test_21610_of_a_text_claimed_before_their_own_start_changes_nothing(
    line: Line, ann: User, jane_in: Phone, clock: Clock
) -> None:
    text = write(ann, line)
    clock.passes(minutes=1)
    jane_in.texts(line, "START")
    callback(text, "undelivered", "21610")
    work()
    assert standing(line)[0] == "opted_in"
    assert write(ann, line).status == "sent"


def test_21610_to_who_is_out_already_is_no_new_opt_out(line: Line, jane: Phone, clock: Clock) -> None:
    """Else the silence after a STOP would begin anew, and they could never be answered."""
    jane.texts(line, "STOP")
    said = line.consents.get().opted_out_at
    clock.passes(hours=30)
    jane.provider.errors.append(refused("21610"))
    jane.texts(line, "HELP")
    consent = line.consents.get()
    assert (consent.status, consent.opted_out_at, consent.blocked_at_provider) == ("opted_out", said, True)
    assert list(verify()) == []


def test_21610_to_a_request(line: Line, ann: User, jane: Phone) -> None:
    jane.provider.errors.append(refused("21610"))
    text = write(ann, line)
    assert standing(line)[0] == "opted_out"
    assert status(text) in {"refused", "cancelled"}
    assert jane.news() == []


# ---- numbers that can't be texted -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("21211", "not_mobile"),
        ("21614", "not_mobile"),
        ("21635", "not_mobile"),
        ("30006", "not_mobile"),
        ("30005", "deactivated"),
    ],
)
@pytest.mark.parametrize("how", ["answer", "callback"])
def test_codes_that_make_a_number_unreachable(
    line: Line, ann: User, jane_in: Phone, code: str, why: str, how: str
) -> None:
    if how == "answer":
        jane_in.provider.errors.append(refused(code))
        write(ann, line)
    else:
        callback(write(ann, line), "undelivered", code)
        work()
    assert Contact.objects.get(number=JANE).unreachable == why
    assert write(ann, line).reason == "unreachable"
    assert standing(line)[0] == "opted_in", "nothing that the contact said"


@pytest.mark.parametrize("code", ["30003", "30007", "30008", "30022", ""])
def test_codes_that_may_pass(line: Line, ann: User, jane_in: Phone, code: str) -> None:
    callback(write(ann, line), "undelivered", code)
    work()
    assert Contact.objects.get(number=JANE).unreachable == ""
    assert write(ann, line).status == "sent"
    assert not Receipt.objects.unsettled().exists()


@pytest.mark.parametrize(("marked", "then"), [("deactivated", ""), ("not_mobile", ""), ("reassigned", "reassigned")])
@pytest.mark.parametrize("words", ["hello", "START", "STOP", "HELP"])
def test_a_text_of_theirs_shows_that_the_number_works(
    line: Line, jane_in: Phone, marked: str, then: str, words: str
) -> None:
    """Not whose it is now: that it was given to somebody else stays true, until whoever has it opts in."""
    Contact.objects.update(unreachable=marked)
    jane_in.texts(line, words)
    assert Contact.objects.get().unreachable == ("" if words == "START" else then)


def test_who_texts_from_a_number_marked_deactivated_is_answered(line: Line, ann: User, jane_in: Phone) -> None:
    Contact.objects.update(unreachable="deactivated")
    jane_in.texts(line, "HELP")
    assert jane_in.news() == ["help_reply"]
    assert write(ann, line).status == "sent"


# ---- the words that leave -------------------------------------------------------------------------------------------


def test_every_ordinary_text_carries_the_footer(line: Line, ann: User, jane_in: Phone) -> None:
    for body in ("one", "two"):
        text = write(ann, line, body)
        assert jane_in.last_words() == f"{body}\nReply STOP to opt out."
        assert (text.body, text.sent_body) == (body, jane_in.last_words())


def test_the_footer_is_not_doubled(line: Line, ann: User, jane_in: Phone) -> None:
    write(ann, line, "Ready at 5. Reply STOP to end.")
    assert jane_in.last_words() == "Ready at 5. Reply STOP to end."


def test_a_stop_in_passing_is_no_instruction(line: Line, ann: User, jane_in: Phone) -> None:
    write(ann, line, "We'll stop by at five.")
    assert jane_in.last_words().endswith("Reply STOP to opt out.")


def test_automatic_texts_carry_no_footer(jane: Phone) -> None:
    line = make_line("+12065550101", mode="disclaimer")
    jane.texts(line, "hi")
    jane.texts(line, "HELP")
    assert all(body.count("STOP") == 1 for body in jane.provider.to(JANE))


def test_sent_texts_keep_the_wording_they_left_with(line: Line, ann: User, jane_in: Phone) -> None:
    text = write(ann, line, "one")
    Template.objects.get(kind="footer", line=None).say("Text STOP to leave.")
    write(ann, line, "two")
    assert jane_in.last_words() == "two\nText STOP to leave."
    text.refresh_from_db()
    assert text.sent_body == "one\nReply STOP to opt out."
    assert text.wording and text.wording.body == "Reply STOP to opt out."


# ---- nothing is lost, nothing is sent twice -------------------------------------------------------------------------


def test_every_refusal_is_kept(line: Line, ann: User, jane: Phone) -> None:
    jane.texts(line, "STOP")
    for serial in range(3):
        write(ann, line, f"text {serial}")
    assert texts_seen(ann, line) == [(f"text {serial}", "refused") for serial in range(3)]


def test_many_rounds_of_workers_send_once(line: Line, ann: User, jane_in: Phone) -> None:
    text = submit(ann, line)
    for _ in range(3):
        outbound.send_conversation(text.conversation_id)
        sweep()
    assert jane_in.news() == ["ordinary"]


def test_the_callback_address_names_our_own_id(line: Line, ann: User, jane_in: Phone, settings) -> None:
    text = write(ann, line)
    assert jane_in.provider.sent[-1].callback_url == f"{settings.PUBLIC_URL}/twilio/status/?m={text.uuid}"
