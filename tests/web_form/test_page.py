"""The page for everybody: what it shows, what it refuses, and that neither refusals nor answers tell about a number."""

import re
from html import unescape

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from consent import ledger
from consent.ledger import Proof
from consent.models import Contact, Line, Organisation
from consent.vocabulary import Scope
from messaging.models import Receipt, SignUp, SignUpTally, Template, WebForm
from messaging.web_form.words import countries, words
from messaging.wordings import Kind
from tests.make import JANE, OMAR, make_line, make_opted_in
from tests.web_form.visitor import Visitor, make_form, token_of
from tests.world import Clock, Phone, work

pytestmark = pytest.mark.django_db


@pytest.fixture
def line(db: None) -> Line:
    line = make_line(name="Orders")
    make_form(line)
    return line


def wrong(answer) -> str:
    """The first error of a page that was refused."""
    assert answer.status_code == 422, answer.status_code
    assert not Receipt.objects.exists()
    return unescape(re.findall(r'<p class="error"[^>]*>([^<]+)<', answer.content.decode())[0])


def test_the_box_is_not_ticked_beforehand(line: Line) -> None:
    page = Visitor().opens()
    assert 'type="checkbox"' in page and "checked" not in page
    assert '<option value="US" selected>United States (+1)</option>' in page
    assert "<script" not in page, "it works without"


def test_looking_changes_nothing(line: Line) -> None:
    for path in ("/sign-up/harbor/", "/sign-up/harbor/en/", "/sign-up/harbor/en/done/"):
        for answer in (Client().get(path), Client().head(path)):
            assert answer.status_code == 200
            assert "no-store" in answer["Cache-Control"] and not answer.cookies
    assert Client().put("/sign-up/harbor/").status_code == 405
    assert Client().post("/sign-up/harbor/en/done/").status_code == 405
    assert not Receipt.objects.exists() and not SignUpTally.objects.exists() and not Contact.objects.exists()


def test_without_the_tick_nothing_is_kept(line: Line) -> None:
    answer = Visitor().signs_up(agree=False)
    assert wrong(answer) == words("en").agree_missing
    assert 'value="+12065550142"' in answer.content.decode(), "what was typed is still there"


@pytest.mark.parametrize(
    "number",
    ["", "x", "12", "+", "+1206555", "٣" * 12, "9" * 400, "\x00", "2065550142\x00", "' OR 1=1", "+12065550142 ext. 5"],
)
def test_what_is_no_number_is_said_and_not_kept(line: Line, number: str) -> None:
    assert wrong(Visitor().signs_up(number))


@pytest.mark.parametrize("number", ["+18005550199", "+19005550123", "+442071838750", "+12065550100"])
def test_numbers_that_get_no_texts(line: Line, number: str) -> None:
    """Toll-free, premium, a landline by its plan, and a line of ours."""
    assert wrong(Visitor().signs_up(number)) == words("en").number_never_texted


@pytest.mark.parametrize(
    ("typed", "country", "number"),
    [
        ("206.555.0142", "US", JANE),
        ("1 206 555 0142", "US", JANE),
        ("+1 (206) 555-0142", "FR", JANE),
        ("２０６５５５０１４２", "US", JANE),
        ("06 12 34 56 78", "FR", "+33612345678"),
        ("0033612345678", "FR", "+33612345678"),
        ("07400 123456", "GB", "+447400123456"),
    ],
)
def test_numbers_as_people_write_them(line: Line, typed: str, country: str, number: str) -> None:
    assert Visitor().signs_up(typed, country=country).status_code == 303
    assert Receipt.objects.get().number == number


def test_only_the_countries_that_are_offered(line: Line) -> None:
    WebForm.objects.update(countries="FR US")
    page = Visitor().opens()
    assert len(re.findall("<option", page)) == 2 and '"FR" selected' in page
    assert wrong(Visitor().sends(page, "+447400123456")) == words("en").country_not_offered
    assert wrong(Visitor().sends(page, country="GB")) == words("en").country_missing
    assert Visitor().sends(page).status_code == 303


def test_a_form_that_is_not_there_or_closed(line: Line) -> None:
    for path in ("/sign-up/nothing/", "/sign-up/harbor/fr/", "/sign-up/harbor/xx/", "/sign-up/harbor/en/x/"):
        assert Client().get(path).status_code == 404
    page = Visitor().opens()
    WebForm.objects.update(active=False)
    assert Visitor().sends(page).status_code == 404
    WebForm.objects.update(active=True)
    Line.objects.update(active=False)
    assert Visitor().sends(page).status_code == 404
    assert not Receipt.objects.exists()


def test_files_are_not_even_read(line: Line) -> None:
    answer = Client().post(
        "/sign-up/harbor/en/", {"token": token_of(Visitor().opens()), "number": JANE, "agree": "yes"}
    )
    assert answer.status_code == 415 and not Receipt.objects.exists()  # multipart, as the test client sends it


def test_all_of_a_page_is_in_one_language(line: Line) -> None:
    """There is no French wording, so the English one speaks, and the page around it too."""
    Line.objects.update(language="fr")
    page = Visitor().opens()
    assert '<html lang="en">' in page and "I agree to get texts" in page
    assert Visitor().sends(page).status_code == 303
    assert Client().get("/sign-up/harbor/fr/").status_code == 404
    Template.objects.create(kind=Kind.WEB_FORM, language="fr").say("Vous acceptez.")
    assert '<html lang="fr">' in Visitor().opens()


# ---- what was shown is what is agreed to ----------------------------------------------------------------------------


def test_words_that_changed_meanwhile_are_read_again(line: Line, clock: Clock) -> None:
    page = Visitor().opens()
    Template.objects.create(kind=Kind.WEB_FORM, line=line).say("You agree to something else.")
    answer = Visitor().sends(page)
    assert wrong(answer) == words("en").read_again
    again = answer.content.decode()
    assert "something else" in again and "checked" not in again and JANE in again
    Organisation.objects.update(name="Renamed")  # the box names it
    assert wrong(Visitor().sends(again)) == words("en").read_again


def test_a_page_that_was_open_for_too_long_is_read_again(line: Line, clock: Clock) -> None:
    page = Visitor().opens()
    clock.passes(hours=25)
    assert wrong(Visitor().sends(page)) == words("en").read_again


@pytest.mark.parametrize("token", ["", "x", "x" * 100_000, "eyJhIjoxfQ:x:y", "\x00", "é"])
def test_a_token_of_nobodys_making(line: Line, token: str) -> None:
    assert wrong(Visitor().sends(Visitor().opens(), token=token)) == words("en").read_again


def test_a_token_of_another_form_or_language(line: Line) -> None:
    other = make_line("+12065550101", name="Billing")
    make_form(other, "billing", heading="Bills")
    foreign = token_of(Visitor(page="/sign-up/billing/").opens())
    assert wrong(Visitor().sends(Visitor().opens(), token=foreign)) == words("en").read_again


# ---- in other sites -------------------------------------------------------------------------------------------------


def test_who_may_frame_it(line: Line) -> None:
    for path in ("/sign-up/harbor/", "/sign-up/harbor/en/done/"):
        WebForm.objects.update(framed_by="")
        answer = Client().get(path)
        assert answer["Content-Security-Policy"].endswith("; frame-ancestors 'self'")
        assert "X-Frame-Options" not in answer
        WebForm.objects.update(framed_by="https://a.example\nhttps://*.b.example")
        policy = Client().get(path)["Content-Security-Policy"]
        assert policy.endswith("frame-ancestors 'self' https://a.example https://*.b.example")
        assert "default-src 'none'" in policy and "script-src" not in policy


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:9"])
def test_another_sites_page_can_not_send_it(line: Line, origin: str) -> None:
    answer = Visitor(Origin=origin).signs_up()
    assert answer.status_code == 403 and not Receipt.objects.exists()
    assert 'href="/sign-up/harbor/en/"' in answer.content.decode(), "the way to the form itself"


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8000", "http://testserver"])
def test_our_own_page_sends_it(line: Line, settings, origin: str) -> None:
    settings.PUBLIC_URL, settings.ALLOWED_HOSTS = "http://127.0.0.1:8000", ["testserver"]
    assert Visitor(Origin=origin).signs_up().status_code == 303


# ---- nobody learns anything -----------------------------------------------------------------------------------------


def test_everybody_is_answered_alike(line: Line) -> None:
    """Words, headers and work: the number of queries is the same, so the time is."""
    make_opted_in(line, "+12065550111")
    out = Contact.objects.lock("+12065550112")
    ledger.opt_out(out, line, Proof("agent", {"words": "no"}), occurred_at=timezone.now(), scope=Scope.ALL)
    listed = Contact.objects.lock("+12065550113")
    ledger.add_do_not_contact(listed, Proof("agent", {"reason": "asked"}), reason="asked")
    answers = []
    page = Visitor().opens()
    for last in "0123":  # unknown, opted in, opted out, on the list
        with CaptureQueriesContext(connection) as work_done:
            answer = Visitor().sends(page, f"+1206555011{last}")
        headers = {name: value for name, value in answer.headers.items() if name not in {"Expires", "Last-Modified"}}
        statements = [re.split("WHERE|VALUES|SAVEPOINT", each["sql"])[0] for each in work_done.captured_queries]
        answers.append((answer.status_code, answer.content, headers, statements))
    assert answers.count(answers[0]) == 4
    assert not any("consent_contact" in each or "consent_consent" in each for each in answers[0][3])


def test_beyond_the_limit_of_a_number_the_answer_is_the_same(line: Line, jane: Phone, settings) -> None:
    settings.WEB_FORM_PER_NUMBER = 2
    answers = {Visitor(f"198.51.100.{each}").signs_up().status_code for each in range(4)}
    assert answers == {303}
    work()
    assert [each.outcome for each in SignUp.objects.order_by("pk")] == [
        "recorded",
        "already_in",
        "too_many",
        "too_many",
    ]
    assert jane.news() == ["opt_in_confirmation"]


def test_beyond_the_limit_of_an_address_whatever_the_number(line: Line, settings, clock: Clock) -> None:
    settings.WEB_FORM_PER_ADDRESS = 2
    numbers = [JANE, OMAR, "+12065550150"]
    assert [Visitor().signs_up(number).status_code for number in numbers] == [303, 303, 429]
    assert Receipt.objects.count() == 2
    assert Visitor("198.51.100.8").signs_up(numbers[2]).status_code == 303
    clock.passes(hours=1)
    assert Visitor().signs_up(numbers[2]).status_code == 303


# ---- the words ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "es", "fr", "pt"])
def test_every_language_says_everything(language: str) -> None:
    own, english = words(language), words("en")
    for name, text in vars(own).items():
        assert text and re.findall(r"\{\w+\}", text) == re.findall(r"\{\w+\}", vars(english)[name]), name
    assert len(countries(language)) == 245


def test_the_languages_lead_to_each_other(line: Line) -> None:
    Template.objects.create(kind=Kind.WEB_FORM, line=line, language="fr").say("Vous acceptez.")
    Template.objects.create(kind=Kind.WEB_FORM, language="pt").say("Você concorda.")
    page = Visitor().opens()
    assert re.findall(r'<a href="([^"]+)" lang', page) == ["/sign-up/harbor/fr/", "/sign-up/harbor/pt/"]
    french = Visitor(page="/sign-up/harbor/fr/").opens()
    assert '<html lang="fr">' in french and "Vous acceptez." in french and "J’accepte" in french
