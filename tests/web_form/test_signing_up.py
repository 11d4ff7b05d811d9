"""From the page to consent: what counts, what is kept, and what happens to those who may not be signed up."""

import pytest
from django.utils import timezone

from consent import ledger
from consent.ledger import Proof
from consent.models import Contact, Evidence, LedgerEntry, Line, OptInRequest, Organisation
from messaging.models import Message, Receipt, SignUp, Template, TemplateVersion
from messaging.wordings import Kind
from tests.fake_provider import FakeProvider
from tests.make import JANE, OMAR, make_line, make_opted_in
from tests.web_form.visitor import Visitor, make_form
from tests.world import Clock, Phone, standing, work

pytestmark = pytest.mark.django_db


@pytest.fixture
def line(jane: Phone) -> Line:
    line = make_line(name="Orders")
    make_form(line)
    return line


def outcome() -> str:
    return SignUp.objects.latest("pk").outcome


def test_who_signs_up_is_opted_in_and_told_so(line: Line, jane: Phone) -> None:
    answer = Visitor().signs_up()
    assert (answer.status_code, answer["Location"]) == (303, "/sign-up/harbor/en/done/")
    assert standing(line) == ("not_defined", "not_sent"), "the page itself changes nothing"
    work()
    assert standing(line)[0] == "opted_in" and outcome() == "recorded"
    assert jane.news() == ["opt_in_confirmation"]


def test_what_is_kept(line: Line) -> None:
    browser = {"User-Agent": "Firefox\x00 9", "Referer": "https://shop.example/checkout"}
    Visitor(**browser).signs_up("(206) 555-0142")
    work()
    entry = LedgerEntry.objects.get(kind="opted_in")
    kept = Evidence.objects.get(digest=entry.evidence_digest).data
    version = TemplateVersion.objects.get(template__kind=Kind.WEB_FORM)
    assert (entry.channel, entry.wording, entry.level) == ("web_form", version.uuid, "express")
    assert kept["number"] == JANE and kept["typed"] == "(206) 555-0142" and kept["country"] == "US"
    assert kept["address"] == "198.51.100.7" and kept["user_agent"] == "Firefox 9"
    assert kept["url"].endswith("/sign-up/harbor/en/") and kept["framed_in"] == "https://shop.example/checkout"
    for words in ("Get texts from Our company", "you agree to get texts", "[ ] I agree", "message frequency varies"):
        assert words in kept["page"]
    assert LedgerEntry.objects.get(kind="opted_in").occurred_at == Receipt.objects.get().received_at


def test_the_level_is_what_the_wording_declares(line: Line) -> None:
    Template.objects.create(kind=Kind.WEB_FORM, line=line).say("You agree to marketing texts.", level="written")
    Visitor().signs_up()
    work()
    assert Contact.objects.get(number=JANE).consents.get().level == "written"


def test_with_double_opt_in_the_contacts_yes_counts(line: Line, jane: Phone) -> None:
    Line.objects.update(web_form_double_opt_in=True)
    Visitor().signs_up()
    work()
    assert standing(line) == ("pending", "sent") and outcome() == "asked"
    assert jane.news() == ["confirm_sign_up"] and "our web form" in jane.last_words()
    assert OptInRequest.objects.get().channel == "web_form", "the funnel counts by it"
    jane.texts(line, "YES")
    assert standing(line) == ("opted_in", "accepted")


def test_who_is_in_already_is_not_asked_to_confirm(line: Line, jane: Phone) -> None:
    make_opted_in(line)
    Line.objects.update(web_form_double_opt_in=True)
    Visitor().signs_up()
    work()
    assert jane.news() == [] and outcome() == "already_in"


def test_an_opted_out_number_stays_out_and_gets_nothing(line: Line, jane: Phone, clock: Clock) -> None:
    for double in (False, True):
        Line.objects.update(web_form_double_opt_in=double)
        jane.texts(line, "STOP")
        jane.news()
        clock.passes(days=2)
        before = LedgerEntry.objects.count()
        Visitor().signs_up()
        work()
        assert standing(line)[0] == "opted_out" and jane.news() == []
        assert outcome() == "opted_out", "officers see that it was tried"
        assert LedgerEntry.objects.count() == before


def test_a_number_nothing_may_go_to_is_not_signed_up(line: Line, jane: Phone) -> None:
    contact = Contact.objects.lock(JANE)
    ledger.add_do_not_contact(contact, Proof("agent", {"reason": "asked"}), reason="asked")
    before = LedgerEntry.objects.count()
    Visitor().signs_up()
    work()
    assert (outcome(), jane.news(), LedgerEntry.objects.count()) == ("do_not_contact", [], before)


def test_who_may_have_asked_us_to_stop_is_left_to_a_person(line: Line, jane: Phone) -> None:
    contact = make_opted_in(line)
    ledger.open_review(Contact.objects.lock(JANE), line, Proof("keyword", {"text": "leave me"}), at=timezone.now())
    for double in (False, True):
        Line.objects.update(web_form_double_opt_in=double, required_level="written")
        Template.objects.get(kind=Kind.WEB_FORM, line=None).say("You agree.", level="written")
        Visitor().signs_up()
        work()
        assert outcome() == "not_now" and "officer" in SignUp.objects.latest("pk").reason.lower()
        assert contact.consents.get().review_since and jane.news() == []


def test_a_stop_that_came_first_or_last_wins(line: Line, jane: Phone, clock: Clock) -> None:
    Visitor().signs_up()
    clock.passes(seconds=1)
    jane.texts(line, "STOP")  # settles both, in the order in which they came
    assert standing(line)[0] == "opted_out"


def test_the_same_page_sent_twice_is_one_sign_up(line: Line, jane: Phone) -> None:
    ann = Visitor()
    page = ann.opens()
    assert ann.sends(page).status_code == ann.sends(page).status_code == 303
    assert ann.sends(page, OMAR).status_code == 303, "another number from the same page is another one"
    work()
    assert SignUp.objects.count() == 2 and jane.news() == ["opt_in_confirmation"]


def test_requests_keep_to_their_limit(line: Line, jane: Phone, clock: Clock) -> None:
    Line.objects.update(web_form_double_opt_in=True)
    for _ in range(4):
        Visitor().signs_up()
        work()
        clock.passes(hours=25)
    assert jane.news() == ["confirm_sign_up"], "one is open"
    assert outcome() == "not_now" and "being asked already" in SignUp.objects.latest("pk").reason
    assert Message.objects.filter(purpose="confirm_sign_up").count() == 1, "what can't be asked leaves no text behind"


def test_another_language_is_spoken_from_then_on(line: Line, jane: Phone) -> None:
    Template.objects.create(kind=Kind.WEB_FORM, line=line, language="es").say("Usted acepta recibir mensajes.")
    Line.objects.update(web_form_double_opt_in=True)
    answer = Visitor(page="/sign-up/harbor/es/").signs_up()
    assert answer["Location"] == "/sign-up/harbor/es/done/"
    work()
    assert Contact.objects.get(number=JANE).language == "es"
    assert "nuestro formulario web" in jane.last_words()
    assert "Marque" not in SignUp.objects.get().words and "Usted acepta" in SignUp.objects.get().words


def test_nobodys_words_run(line: Line, provider: FakeProvider) -> None:
    Organisation.objects.update(name="<b>Harbor</b> {line_name} {0}")
    Template.objects.create(kind=Kind.WEB_FORM, line=line).say("From {company_name}: https://x.example/?a=1&b=<i>")
    page = Visitor().opens()
    assert "&lt;b&gt;Harbor&lt;/b&gt; {line_name} {0}" in page and "<b>Harbor" not in page and "<i>" not in page
    answer = Visitor().signs_up("<script>alert(1)</script>")
    assert answer.status_code == 422 and b"<script>" not in answer.content
