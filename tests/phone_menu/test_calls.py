"""Calls to a line's phone menu: what callers hear, what a key does, and what is kept."""

import itertools
import xml.etree.ElementTree as ElementTree

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError
from django.http import HttpResponse

from consent.models import Contact, Evidence, LedgerEntry, Line, Organisation
from messaging import inbound, keypad
from messaging.keypad import Key
from messaging.models import PhoneMenu, Receipt, SignUp, Template
from messaging.voice import CLOSINGS
from messaging.wordings import Kind
from tests.make import JANE, make_contact, make_line, make_opted_in
from tests.world import Clock, Phone, post_webhook, standing, text_in, work

pytestmark = pytest.mark.django_db

_serial = itertools.count(1)


def make_menu(line: Line, **fields: str) -> PhoneMenu:
    menu = PhoneMenu(line=line, **fields)
    menu.full_clean()
    menu.save()
    return menu


@pytest.fixture
def line(jane: Phone) -> Line:
    line = make_line(name="Orders")
    make_menu(line)
    return line


class Call:
    """A call, as Twilio leads it through the webhooks."""

    def __init__(self, called: str = "+12065550100", caller: str = JANE, **fields: str) -> None:
        sid = f"CA{next(_serial):032x}"
        self.fields = {"CallSid": sid, "From": caller, "To": called, "Direction": "inbound", **fields}
        self.heard: list[str] = []
        self.action = ""
        self.take(post_webhook("/twilio/voice/", self.fields))

    def take(self, answer: HttpResponse) -> None:
        assert answer.status_code == 200 and answer["Content-Type"].startswith("text/xml")
        response = ElementTree.fromstring(answer.content)
        self.heard += [each.text or "" for each in response.iter("Say")]
        gather = response.find("Gather")
        self.action = gather.attrib["action"] if gather is not None else ""
        self.hung_up = response.find("Hangup") is not None
        assert bool(self.action) != self.hung_up

    def presses(self, digits: str) -> "Call":
        path = "/" + self.action.split("/", 3)[3]
        self.take(post_webhook(path, {**self.fields, "Digits": digits}))
        return self


def outcome() -> str:
    return SignUp.objects.latest("pk").outcome


def test_the_officers_words_are_read_out(line: Line) -> None:
    Organisation.objects.update(name="Harbor & <Sons>")
    call = Call()
    assert "This is Harbor & <Sons>." in call.heard[0] and "press 1" in call.heard[0]
    assert not Receipt.objects.exists() and not Contact.objects.exists(), "to listen changes nothing"


def test_press_1_to_agree(line: Line, jane: Phone) -> None:
    call = Call()
    call.presses("1")
    assert call.hung_up and call.heard[-1] == CLOSINGS["en"].agreed.format(line="1 2 0 6 5 5 5 0 1 0 0")
    work()
    assert standing(line)[0] == "opted_in" and jane.news() == ["opt_in_confirmation"] and outcome() == "recorded"
    entry = LedgerEntry.objects.get(kind="opted_in")
    kept = Evidence.objects.get(digest=entry.evidence_digest).data
    assert (entry.channel, entry.level, kept["digits"], kept["call"]) == ("ivr", "express", "1", call.fields["CallSid"])
    assert kept["prompt"] == call.heard[0] and kept["number"] == JANE and kept["called"] == line.number
    assert entry.wording == Template.objects.get(kind=Kind.PHONE_MENU).current.uuid


def test_with_double_opt_in_the_contacts_yes_counts(line: Line, jane: Phone) -> None:
    Line.objects.update(ivr_double_opt_in=True, web_form_double_opt_in=False)
    Call().presses("1")
    work()
    assert standing(line) == ("pending", "sent") and "our phone menu" in jane.last_words()
    jane.texts(line, "YES")
    assert standing(line) == ("opted_in", "accepted")


def test_press_2_to_refuse_revokes_nothing(line: Line, jane: Phone) -> None:
    make_opted_in(line)
    call = Call().presses("2")
    assert call.heard[-1] == CLOSINGS["en"].refused
    work()
    assert standing(line)[0] == "opted_in" and outcome() == "refused" and jane.news() == []
    assert SignUp.objects.get().receipt is not None and SignUp.objects.get().words == call.heard[0]


def test_press_9_to_stop_all_texts(line: Line, jane: Phone) -> None:
    other = make_line("+12065550101", category="marketing")
    for each in (line, other):
        make_opted_in(each)
    call = Call().presses("9")
    assert call.heard[-1] == CLOSINGS["en"].stopped
    work()
    assert standing(line)[0] == standing(other)[0] == "opted_out"
    assert outcome() == "revoked" and jane.news() == [], "no confirmation: they did not text"
    entry = LedgerEntry.objects.filter(kind="opted_out").latest("pk")
    assert (entry.channel, entry.rule, entry.scope) == ("ivr", "key:9", "all")


def test_a_9_that_nobody_offered_is_a_slip(line: Line, jane: Phone) -> None:
    make_opted_in(line)
    Template.objects.create(kind=Kind.PHONE_MENU, line=line).say("Press 1 to agree, 2 to refuse. Open from 9:30.")
    call = Call()
    for _ in range(3):
        call.presses("9")
    work()
    assert call.hung_up and standing(line)[0] == "opted_in" and outcome() == "silent"


def test_an_opted_out_caller_stays_out_and_hears_the_same(line: Line, jane: Phone, clock: Clock) -> None:
    heard = Call(caller="+12065550177").presses("1").heard
    jane.texts(line, "STOP")
    jane.news()
    clock.passes(days=2)
    for double in (False, True):
        Line.objects.update(ivr_double_opt_in=double)
        before = LedgerEntry.objects.filter(contact__number=JANE).count()
        assert Call().presses("1").heard == heard
        work()
        assert standing(line)[0] == "opted_out" and jane.news() == [] and outcome() == "opted_out"
        assert LedgerEntry.objects.filter(contact__number=JANE).count() == before


@pytest.mark.parametrize("digits", ["", "5", "#", "12", "x" * 500, "\x00"])
def test_wrong_keys_and_silence(line: Line, digits: str) -> None:
    call = Call()
    call.presses(digits)
    assert call.heard[1:] == [CLOSINGS["en"].wrong_key, call.heard[0]] and not Receipt.objects.exists()
    call.presses(digits)
    call.presses(digits)
    assert call.hung_up and call.heard[-1] == CLOSINGS["en"].silent
    assert outcome() == "silent" and not LedgerEntry.objects.exists() and not Contact.objects.exists()
    if digits == "":
        call.action = "http://x/twilio/voice/key/?try=nonsense"
        assert call.presses(digits).hung_up


def test_a_second_try_may_succeed(line: Line) -> None:
    Call().presses("").presses("4").presses("1")
    work()
    assert standing(line)[0] == "opted_in"


@pytest.mark.parametrize(
    "caller", ["anonymous", "Restricted", "+266696687", "+7378742833", "", "+12065550100", "sip:jane@x.example"]
)
def test_callers_without_a_number(line: Line, caller: str) -> None:
    call = Call(caller=caller)
    assert call.hung_up and call.heard == [CLOSINGS["en"].hidden.format(line="1 2 0 6 5 5 5 0 1 0 0")]
    assert not SignUp.objects.exists()


def test_a_number_without_a_menu(line: Line) -> None:
    make_line("+12065550101", name="Billing")
    for called in ("+12065550101", "+12065550199", "nonsense", ""):
        assert Call(called).heard == [CLOSINGS["en"].closed]
    PhoneMenu.objects.update(active=False)
    assert Call().heard == [CLOSINGS["en"].closed]


def test_a_short_code_has_a_number_to_be_called(jane: Phone) -> None:
    line = make_line("72345", name="Offers")
    with pytest.raises(ValidationError, match="can't be called"):
        make_menu(line)
    make_menu(line, number="+1 206 555 0188")
    with pytest.raises(ValidationError, match="answers this number"):
        make_menu(make_line("+12065550188"))
    Call("+12065550188").presses("1")
    work()
    assert standing(line)[0] == "opted_in"


def test_a_call_of_ours_counts_for_who_was_called(line: Line) -> None:
    Call(called=JANE, caller=line.number, Direction="outbound-api").presses("1")
    work()
    assert standing(line)[0] == "opted_in"


def test_repeated_webhooks_change_nothing(line: Line, jane: Phone) -> None:
    call = Call()
    again = Call(CallSid=call.fields["CallSid"])
    assert again.heard == call.heard and SignUp.objects.count() == 1
    again.presses("1")
    call.presses("2")  # the same step told otherwise: what came first stands
    assert call.heard[-1] == again.heard[-1] == CLOSINGS["en"].agreed.format(line="1 2 0 6 5 5 5 0 1 0 0")
    work()
    call.action = again.action = "http://x/twilio/voice/key/?try=1"
    call.presses("2")
    work()
    assert Receipt.objects.count() == 1 and standing(line)[0] == "opted_in"
    assert jane.news() == ["opt_in_confirmation"]


def test_a_key_answers_the_words_that_were_heard(line: Line) -> None:
    call = Call()
    Template.objects.create(kind=Kind.PHONE_MENU, line=line).say("Now press 1 for something else.")
    call.presses("1")
    work()
    assert "something else" not in SignUp.objects.get().words
    assert (
        LedgerEntry.objects.get(kind="opted_in").wording
        == Template.objects.get(kind=Kind.PHONE_MENU, line=None).current.uuid
    )


def test_contacts_hear_their_language(line: Line) -> None:
    make_contact(JANE, language="es")
    Template.objects.create(kind=Kind.PHONE_MENU, language="es").say("Pulse 1 para aceptar.")
    call = Call()
    assert call.heard == ["Pulse 1 para aceptar."]
    assert call.presses("1").heard[-1].startswith("Gracias")
    assert Call(caller="+12065550177").heard[0].startswith("This is")


def test_a_key_without_its_call(line: Line) -> None:
    call = Call()
    SignUp.objects.all().delete()
    assert call.presses("1").heard[-1] == CLOSINGS["en"].closed
    assert not Receipt.objects.exists()


def test_a_key_that_can_not_be_stored_is_no_goodbye(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    call = Call()

    def full(*args: object, **kwargs: object) -> None:
        raise DatabaseError

    monkeypatch.setattr("messaging.models.Receipt.objects.bulk_create", full)
    with pytest.raises(DatabaseError):  # a 500 for Twilio, which tries again
        call.presses("9")


def test_the_number_is_fenced_until_the_key_is_settled(line: Line, jane: Phone) -> None:
    make_opted_in(line)
    Call().presses("9")
    assert Receipt.objects.unsettled().filter(number=JANE).exists()


def test_a_9_is_applied_at_once_behind_what_can_not_be_settled(
    line: Line, jane: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_opted_in(line)
    text_in(JANE, line, "hello")
    Call().presses("9")

    def fails(*args: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("messaging.inbound._settle_inbound", fails)
    inbound.settle_number(JANE)
    assert standing(line)[0] == "opted_out"
    assert Receipt.objects.unsettled().get().kind == "inbound"


def test_which_keys_a_wording_offers() -> None:
    assert keypad.offered("Press 1.") == {Key.AGREE}
    assert keypad.offered("1 yes, 2 no, 9 stop") == set(Key)
    assert keypad.offered("«1»") == {Key.AGREE}
    for none in ("+1 206", "1st", "9:30", "1.5", "$2", "2%", "12", "911", "room-9", "one", ""):
        assert keypad.offered(none) == frozenset(), none
