"""The way in: kept as it came, settled once or not at all, and fenced off until then (ARCHITECTURE "The way in")."""

import datetime as dt
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from django.conf import settings
from django.db import OperationalError
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from consent.models import Consent, Contact, LedgerEntry, Line, User
from messaging import inbound, outbound
from messaging.models import Message, Notice, Receipt
from tests.fake_provider import FakeProvider
from tests.make import JANE, OMAR, make_agent, make_line, make_opted_in
from tests.world import (
    Clock,
    Phone,
    inbound_fields,
    notices_seen,
    post_webhook,
    say,
    sign,
    standing,
    sweep,
    text_in,
    texts_seen,
    work,
    write,
)

pytestmark = pytest.mark.django_db

INBOUND, FORM = "/twilio/inbound/", "application/x-www-form-urlencoded"


@pytest.fixture
def line() -> Line:
    return make_line()


@pytest.fixture
def ann(line: Line) -> User:
    return make_agent(line)


def post_raw(body: bytes) -> HttpResponse:
    """A signed webhook whose body is not what a well-behaved client would write."""
    fields = dict(parse_qsl(body.decode(), keep_blank_values=True, errors="replace"))
    headers = {"X-Twilio-Signature": sign(settings.PUBLIC_URL + INBOUND, fields)}
    return Client().post(INBOUND, body, content_type=FORM, headers=headers)


# ---- kept as it came ------------------------------------------------------------------------------------------------


def test_it_is_stored_before_it_is_answered_and_read_later(line: Line) -> None:
    receipt = text_in(JANE, line, "STOP")
    assert receipt.settled_at is None
    assert receipt.number == JANE
    assert b"Body=STOP" in bytes(receipt.raw)
    assert not Message.objects.exists() and not Consent.objects.exists()


def test_it_is_kept_as_the_model_would_make_it(line: Line) -> None:
    """The statement that stores it names its columns itself."""
    receipt = text_in(JANE, line, "hello")
    made = Receipt(kind="inbound", provider_id=receipt.provider_id, number=JANE, raw=bytes(receipt.raw))
    for field in Receipt._meta.concrete_fields:
        if field.name not in {"id", "received_at"}:
            kept = getattr(receipt, field.attname)
            assert (bytes(kept) if field.name == "raw" else kept) == getattr(made, field.attname), field.name
    assert abs(receipt.received_at - timezone.now()) < dt.timedelta(minutes=1)


def test_it_is_answered_with_empty_twiml(line: Line) -> None:
    answer = post_webhook(INBOUND, inbound_fields(JANE, line, "hi"))
    assert answer["Content-Type"].startswith("text/xml")
    assert b"<Response/>" in answer.content and b"Message" not in answer.content


def test_a_repeated_webhook_is_stored_once(line: Line, jane: Phone) -> None:
    fields = inbound_fields(JANE, line, "hello")
    for _ in range(2):
        assert post_webhook(INBOUND, fields).status_code == 200
        work()
    assert post_webhook(INBOUND, {**fields, "SomethingNew": "1"}).status_code == 200
    work()
    assert Receipt.objects.count() == 1
    assert Message.objects.filter(direction="in").count() == 1
    assert jane.news() == ["request_theirs"]


def test_what_cannot_be_stored_is_not_answered_200(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("disk full")

    monkeypatch.setattr("messaging.models.receipt.ReceiptQuerySet.keep", full)
    fields = inbound_fields(JANE, line, "STOP")
    headers = {"X-Twilio-Signature": sign(settings.PUBLIC_URL + INBOUND, fields)}
    client = Client(raise_request_exception=False)
    answer = client.post(INBOUND, urlencode(fields), content_type=FORM, headers=headers)
    assert answer.status_code == 500


# ---- hostile and odd input ------------------------------------------------------------------------------------------

ODD_WORDS = {
    "NUL": b"he%00llo",
    "lone surrogates": b"hi+%ED%A0%80+%ED%B0%80",
    "broken UTF-8": b"hi+%FF%FE%C3",
    "nothing": b"",
    "1600 characters": b"a" * 1600,
    "1600 emoji": b"%F0%9F%98%80" * 1600,
    "markup": b"%3Cscript%3Ealert(1)%3C/script%3E",
    "braces": b"%7Bcompany_name%7D+%7B0.__class__%7D",
    "line separators": b"a%0D%0Ab%E2%80%A8c",
    "right to left": b"%E2%80%AEabc",
}


@pytest.mark.parametrize("words", ODD_WORDS.values(), ids=ODD_WORDS.keys())
def test_odd_words_are_kept_and_answered(line: Line, jane: Phone, words: bytes) -> None:
    body = b"MessageSid=SM1&From=%2B12065550142&To=%2B12065550100&NumMedia=0&Body=" + words
    assert post_raw(body).status_code == 200
    work()
    receipt = Receipt.objects.get()
    assert bytes(receipt.raw) == body
    assert receipt.outcome == "settled"
    message = Message.objects.get(direction="in")
    assert "\x00" not in message.body
    message.body.encode()
    assert jane.news() == ["request_theirs"]


def test_a_stop_among_invisible_characters_counts(line: Line, jane: Phone) -> None:
    body = b"MessageSid=SM1&From=%2B12065550142&To=%2B12065550100&Body=S%E2%80%8BT%00OP%EF%BB%BF"
    assert post_raw(body).status_code == 200
    work()
    assert standing(line)[0] == "opted_out"


def test_without_a_message_sid(line: Line, jane: Phone) -> None:
    fields = {"From": JANE, "To": line.number, "Body": "STOP"}
    for _ in range(2):
        assert post_webhook(INBOUND, fields).status_code == 200
    work()
    assert standing(line)[0] == "opted_out"
    assert jane.news() == ["opt_out_confirmation"]


def test_two_texts_without_a_message_sid_are_both_kept(line: Line, jane: Phone) -> None:
    for words in ("hello", "STOP"):
        post_webhook(INBOUND, {"From": JANE, "To": line.number, "Body": words})
    work()
    assert Receipt.objects.count() == 2
    assert standing(line)[0] == "opted_out"


@pytest.mark.parametrize("sid", ["SM" + "9" * 200, "SM\x001", "", "é🛑", "' OR 1=1"])
def test_an_odd_message_sid_loses_no_stop(line: Line, jane: Phone, sid: str) -> None:
    post_webhook(INBOUND, {**inbound_fields(JANE, line, "STOP"), "MessageSid": sid})
    work()
    assert standing(line)[0] == "opted_out"


def test_parameters_nobody_has_heard_of(line: Line, jane: Phone) -> None:
    jane.texts(line, "STOP", NewIn2027="yes", FromCity="Seattle", Empty="")
    assert standing(line)[0] == "opted_out"


def test_a_number_as_people_write_it(line: Line, jane: Phone) -> None:
    post_webhook(INBOUND, inbound_fields("+1 (206) 555-0142", line, "STOP"))
    work()
    assert standing(line)[0] == "opted_out"


# ---- nobody we know -------------------------------------------------------------------------------------------------


def test_a_stop_from_a_number_never_seen(line: Line, jane: Phone) -> None:
    jane.texts(line, "STOP")
    assert Contact.objects.get().number == JANE
    assert standing(line)[0] == "opted_out"


# No country of phonenumbers has these, or not with so many digits. But somebody texted from there.
IMPOSSIBLE = {
    "of no known country": "+999999999999",
    "too short for its country": "+1206555014",
    "too long for its country": "+1206555014233",
    "as short as numbers are": "+123456",
    "as long as numbers are": "+999999999999999",
}


@pytest.mark.parametrize("category", ["transactional", "marketing"])
@pytest.mark.parametrize("sender", IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_a_stop_from_a_number_that_cannot_be(jane: Phone, sender: str, category: str) -> None:
    line = make_line(category=category)
    receipt = text_in(sender, line, "STOP")
    assert receipt.number == sender
    work()
    assert standing(line, sender)[0] == "opted_out"
    assert Phone(jane.provider, sender).news() == ["opt_out_confirmation"]


def test_an_old_mexican_number_is_the_same_contact(line: Line, jane: Phone) -> None:
    """+52 1 … was how mobiles were written until 2019; some networks still do."""
    say("+525512345678", line, "START")
    say("+5215512345678", line, "STOP")
    assert Contact.objects.get().number == "+525512345678"
    assert standing(line, "+525512345678")[0] == "opted_out"


@pytest.mark.parametrize(
    "sender",
    ["", "AMAZON", "72345", "+1", "+12345", "anonymous", "+49123456789012345", "+9999999999999999999", "client:bob"],
)
def test_an_unreadable_sender_is_kept_as_unroutable(line: Line, sender: str) -> None:
    post_webhook(INBOUND, inbound_fields(sender, line, "STOP"))
    work()
    receipt = Receipt.objects.get()
    assert (receipt.outcome, receipt.number) == ("unroutable", "")
    assert receipt.settled_at and not Consent.objects.exists()


@pytest.mark.parametrize("recipient", ["+12065559999", "+49123456789012345", "", "nonsense", "99999"])
def test_a_stop_to_no_line_of_ours_counts_on_every_line(line: Line, jane: Phone, recipient: str) -> None:
    far = make_line("+12065550102", category="marketing")
    jane.texts(far, "START")
    text = outbound.submit(line=far, to=JANE, body="waits", author=make_agent(far))
    jane.news()
    jane.texts(recipient, "STOP")
    assert standing(line)[0] == standing(far)[0] == "opted_out"
    assert jane.news() == []
    text.refresh_from_db()
    assert text.status == "cancelled"
    assert Receipt.objects.get(provider_id__startswith="SM", outcome="unroutable").settled_at


@pytest.mark.parametrize("words", ["START", "hello", "HELP", "YES"])
def test_other_words_to_no_line_of_ours_change_nothing(line: Line, jane: Phone, words: str) -> None:
    jane.texts("+12065559999", words)
    assert Receipt.objects.get().outcome == "unroutable"
    assert not Consent.objects.exists() and jane.news() == []


def test_a_stop_to_a_line_that_is_switched_off(jane: Phone) -> None:
    line = make_line(active=False)
    jane.texts(line, "STOP")
    assert standing(line)[0] == "opted_out"
    assert jane.news() == [], "nothing leaves from it"


def test_any_text_to_a_line_that_is_switched_off(jane: Phone) -> None:
    line = make_line(active=False)
    jane.texts(line, "hello")
    assert jane.news() == []
    assert Message.objects.get(direction="in").status == "held_back"
    assert standing(line) == ("not_defined", "not_sent")


# ---- the fence ------------------------------------------------------------------------------------------------------


def test_until_it_is_settled_everything_to_that_number_waits(line: Line, jane: Phone, clock: Clock) -> None:
    other = make_line("+12065550102")
    ann = make_agent(line, other)
    for each in (line, other):
        jane.texts(each, "START")
    jane.news()
    queued = outbound.submit(line=other, to=JANE, body="queued", author=ann)
    text_in(JANE, line, "hmm")
    later = outbound.submit(line=line, to=JANE, body="later", author=ann)
    outbound.send_conversation(queued.conversation_id)
    outbound.send_conversation(later.conversation_id)
    assert jane.news() == []
    for text in (queued, later):
        text.refresh_from_db()
        assert (text.status, text.reason) == ("deferred", "inbound_unsettled")
    clock.passes(days=2)
    for conversation in (queued.conversation_id, later.conversation_id):
        outbound.send_conversation(conversation)
    assert jane.news() == [], "time alone does not lift the fence"
    work()
    assert jane.news() == ["ordinary", "ordinary"]


def test_other_numbers_do_not_wait(line: Line, ann: User, jane: Phone) -> None:
    text_in(OMAR, line, "hello")
    jane.texts(line, "START")
    assert write(ann, line).status == "sent"


def test_the_answer_to_the_first_waits_for_the_second(line: Line, jane: Phone) -> None:
    """What was written meanwhile may change whether the answer may leave at all."""
    text_in(JANE, line, "hello")
    text_in(JANE, line, "STOP")
    work()
    assert jane.news() == ["opt_out_confirmation"]


# ---- all or nothing -------------------------------------------------------------------------------------------------


def everything() -> dict[str, Any]:
    return {
        "entries": list(LedgerEntry.objects.order_by("pk").values_list("kind", "hash")),
        "contacts": list(Contact.objects.values_list("ledger_seq", "ledger_head")),
        "consents": list(Consent.objects.order_by("pk").values()),
        "texts": list(Message.objects.order_by("pk").values_list("pk", "status", "place")),
        "notices": Notice.objects.count(),
    }


BREAKS = {
    "the confirmation": "messaging.automatic.say",
    "the notice": "messaging.automatic.notify",
    "the release": "messaging.opt_in.release",
    "the entry": "consent.entries.write",
}


@pytest.mark.parametrize("where", BREAKS.values(), ids=BREAKS.keys())
def test_a_crash_in_the_middle_leaves_nothing_half_applied(
    line: Line, ann: User, jane: Phone, clock: Clock, where: str
) -> None:
    write(ann, line)
    jane.news()
    receipt = text_in(JANE, line, "YES")
    before = everything()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(where, broken)
        inbound.settle_number(JANE)
    assert everything() == before
    receipt.refresh_from_db()
    assert (receipt.settled_at, receipt.tries, receipt.needs_person) == (None, 1, False)
    assert "it broke" in receipt.error
    clock.passes(minutes=1)
    sweep()
    assert jane.news() == ["opt_in_confirmation", "ordinary"]
    assert standing(line) == ("opted_in", "accepted")
    receipt.refresh_from_db()
    assert receipt.settled_at and receipt.error == ""
    assert LedgerEntry.objects.filter(kind="opted_in").count() == 1
    assert notices_seen(ann, line).count("opted_in") == 1


def broken(*args: Any, **kwargs: Any) -> None:
    raise RuntimeError("it broke")


def test_settling_twice_applies_once(line: Line, jane: Phone) -> None:
    text_in(JANE, line, "STOP")
    for _ in range(3):
        inbound.settle_number(JANE)
        inbound.settle_waiting()
    work()
    assert LedgerEntry.objects.count() == 1
    assert jane.news() == ["opt_out_confirmation"]


# ---- a poison receipt before a STOP ---------------------------------------------------------------------------------


Cure = Callable[[], None]


@pytest.fixture
def poison(line: Line, ann: User, jane: Phone, monkeypatch: pytest.MonkeyPatch) -> Cure:
    """Jane, opted in, wrote something that can't be read, and behind it a STOP. Returns the cure."""
    make_opted_in(line)
    keep = inbound._keep

    def choke(receipt: Receipt, conversation: Any, text: Any, *rest: Any) -> None:
        if text.body == "poison":
            raise RuntimeError("it broke")
        keep(receipt, conversation, text, *rest)

    monkeypatch.setattr(inbound, "_keep", choke)
    text_in(JANE, line, "poison")
    return lambda: monkeypatch.setattr(inbound, "_keep", keep)


def test_the_stop_behind_it_is_applied_at_once(line: Line, ann: User, jane: Phone, poison: Cure) -> None:
    text_in(JANE, line, "hello")
    text_in(JANE, line, "STOP")
    inbound.settle_number(JANE)
    assert standing(line)[0] == "opted_out"
    assert texts_seen(ann, line) == [], "what is no opt-out waits its turn"
    assert Receipt.objects.unsettled().count() == 2


def test_a_stop_that_comes_later_is_applied_at_once_too(line: Line, jane: Phone, poison: Cure) -> None:
    work()
    assert standing(line)[0] == "opted_in"
    jane.texts(line, "STOP")
    assert standing(line)[0] == "opted_out"


def test_the_number_stays_fenced(line: Line, ann: User, jane: Phone, poison: Cure) -> None:
    text_in(JANE, line, "STOP")
    work()
    assert jane.news() == [], "not even the confirmation"
    assert outbound.submit(line=line, to=JANE, body="hi", author=ann).reason == "inbound_unsettled"


def test_others_are_served(line: Line, jane: Phone, poison: Cure, provider: FakeProvider) -> None:
    omar = Phone(provider, OMAR)
    omar.texts(line, "START")
    assert omar.news() == ["opt_in_confirmation"]


def test_sweeps_try_again_and_then_a_person_is_asked(
    line: Line, jane: Phone, clock: Clock, poison: Cure, settings: Any
) -> None:
    receipt = Receipt.objects.unsettled().get()
    for tries in range(1, settings.RECEIPT_TRIES + 1):
        sweep()
        receipt.refresh_from_db()
        assert receipt.tries == tries
        assert receipt.needs_person == (tries == settings.RECEIPT_TRIES)
        clock.passes(hours=1)
    sweep()
    receipt.refresh_from_db()
    assert receipt.tries == settings.RECEIPT_TRIES, "left to the person"
    jane.texts(line, "STOP")
    assert standing(line)[0] == "opted_out", "an opt-out never waits for a person"


def test_not_again_at_once(line: Line, jane: Phone, poison: Cure) -> None:
    receipt = Receipt.objects.unsettled().get()
    for _ in range(5):
        inbound.settle_waiting()
    receipt.refresh_from_db()
    assert receipt.tries == 1
    assert receipt.try_after > timezone.now()


def test_once_cured_everything_is_settled_in_order(
    line: Line, ann: User, jane: Phone, clock: Clock, poison: Cure
) -> None:
    text_in(JANE, line, "STOP")
    work()
    text_in(JANE, line, "and this")
    work()
    poison()
    clock.passes(minutes=2)
    sweep()
    assert not Receipt.objects.unsettled().exists()
    assert standing(line)[0] == "opted_out"
    assert jane.news() == ["opt_out_confirmation"], "still within five minutes"


def test_once_cured_too_late_for_a_confirmation(line: Line, jane: Phone, clock: Clock, poison: Cure) -> None:
    text_in(JANE, line, "STOP")
    work()
    poison()
    clock.passes(minutes=6)
    sweep()
    assert jane.news() == []
    assert standing(line)[0] == "opted_out"


def test_a_poisoned_start_does_not_undo_the_stop_behind_it(
    line: Line, jane: Phone, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("messaging.opt_in.accept", broken)
        jane.texts(line, "START")
        clock.passes(seconds=30)
        jane.texts(line, "STOP")
        assert standing(line)[0] == "opted_out"
    clock.passes(minutes=1)
    sweep()
    assert standing(line)[0] == "opted_out"
    assert "opt_in_confirmation" not in jane.news()


def test_expiry_does_not_beat_a_yes_in_the_house(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    write(ann, line)
    text_in(JANE, line, "YES")
    clock.passes(days=8)
    inbound.expire_requests()
    assert standing(line) == ("pending", "sent")
    work()
    assert standing(line) == ("opted_in", "accepted")


def test_the_providers_time_is_the_receipts_where_it_is_known() -> None:
    now = timezone.now()
    assert Receipt(received_at=now).at == now
    assert Receipt(received_at=now, occurred_at=now - dt.timedelta(hours=1)).at == now - dt.timedelta(hours=1)
