"""The history in the consent modal: what happened in plain words, and evidence only for those who may see it."""

import re

import pytest
from django.test import Client
from django.utils import timezone

from consent import ledger
from consent.ledger import Authority, Proof
from consent.models import Contact, LedgerEntry, Line, User
from consent.vocabulary import Scope
from messaging.models import Message
from tests.fake_provider import FakeProvider
from tests.make import JANE, make_agent, make_contact, make_line, make_officer, make_supervisor
from tests.world import say, write

pytestmark = pytest.mark.django_db

SECRET = "meet me at the fountain"


@pytest.fixture
def line() -> Line:
    return make_line(name="Sales")


@pytest.fixture
def other() -> Line:
    return make_line("+12065550101", name="Billing")


def modal(client: Client, user: User, number: str = JANE) -> str:
    client.force_login(user)
    contact = Contact.objects.get(number=number)
    answer = client.get(f"/admin/consent/contact/{contact.pk}/consent/", headers={"X-Fragment": "1"})
    return re.sub(r"\s+", " ", answer.content.decode())


def revoked(line: Line, by: User, words: str, scope: Scope = Scope.CATEGORY) -> None:
    evidence = {"route": "letter", "words": words, "number": JANE, "line": line.number}
    proof = Proof("agent", evidence, actor=by, rule="route:letter")
    ledger.opt_out(make_contact(JANE), line, proof, occurred_at=timezone.now(), scope=scope)


def test_a_whole_story_newest_first_with_the_words_of_both(provider: FakeProvider, line: Line, client: Client) -> None:
    olive, ann = make_officer(), make_agent(line)
    write(ann, line)
    asked = Message.objects.get(purpose="request_ours").sent_body
    say(JANE, line, "yes")
    say(JANE, line, "STOP")
    shown = modal(client, olive)
    events = re.findall(r'<strong class="text-important">([^<]+)</strong>, <time', shown)
    assert events == ["Opted out", "Opted in", "Opt-in request sent"]
    assert "The text that was sent:" in shown and asked[:40] in shown, "the exact wording they were shown"
    assert "The whole text is YES" in shown and "The whole text is the keyword STOP." in shown
    assert '<blockquote dir="auto">yes</blockquote>' in shown
    assert "by <bdi>the contact</bdi>" in shown and f"by <bdi>{ann.username}</bdi>" in shown
    assert "Valid on every line of the same category." in shown
    assert "version 1." in shown


def test_officers_are_led_to_the_entry_and_its_evidence(line: Line, client: Client) -> None:
    olive = make_officer()
    revoked(line, olive, "no more")
    entry = LedgerEntry.objects.get()
    shown = modal(client, olive)
    links = re.findall(r'href="(/admin/consent/(?:ledgerentry|evidence)/\d+/change/)"', shown)
    assert links[0] == f"/admin/consent/ledgerentry/{entry.pk}/change/" and len(links) == 2
    for address in links:
        assert client.get(address).status_code == 200
    for user in (make_supervisor(), make_agent(line)):
        assert "/admin/consent/ledgerentry/" not in modal(client, user)
        assert "/admin/consent/evidence/" not in modal(client, user)


def test_evidence_is_for_officers_and_for_agents_of_the_line_it_was_said_on(
    line: Line, other: Line, client: Client
) -> None:
    revoked(line, make_officer("boss"), "leave me alone")  # valid on both lines
    seen = {
        "officer": modal(client, make_officer("olive")),
        "supervisor": modal(client, make_supervisor("sam")),
        "agent here": modal(client, make_agent(line, name="ann")),
        "agent there": modal(client, make_agent(other, name="ben")),
        "agent of both": modal(client, make_agent(line, other, name="cem")),
        "agent of none": modal(client, make_agent(name="dan")),
    }
    words = {who: shown.count("leave me alone") for who, shown in seen.items()}
    assert words == {
        "officer": 2,
        "supervisor": 0,
        "agent here": 1,
        "agent there": 0,
        "agent of both": 2,
        "agent of none": 0,
    }
    events = {who: shown.count('class="consent-history"') for who, shown in seen.items()}
    assert events == {
        "officer": 2,
        "supervisor": 2,
        "agent here": 1,
        "agent there": 1,
        "agent of both": 2,
        "agent of none": 0,
    }
    assert "What proves it is for compliance officers." in seen["supervisor"]
    assert "They told us by letter." in seen["supervisor"] and "<bdi>boss</bdi>" in seen["supervisor"]
    assert "It was said on another line, so its words are not shown." in seen["agent there"]
    assert all(shown.count("✕ Opted out") == 2 for shown in seen.values()), "everybody sees every status"


def test_words_that_are_held_back_are_shown_to_nobody(provider: FakeProvider, line: Line, client: Client) -> None:
    """They are evidence of a review that is open. Officers read them where reading is put on record."""
    say(JANE, line, SECRET)
    held = Message.objects.get(status="held_back")
    evidence = {"text": SECRET, "from": JANE, "to": line.number, "provider_id": held.provider_id}
    ledger.open_review(Contact.objects.get(), line, Proof("keyword", evidence, rule="x"), at=timezone.now())
    for user in (make_officer(), make_agent(line), User.objects.create_superuser("root")):
        shown = modal(client, user)
        assert "Put under review" in shown and "fountain" not in shown, user
        assert "Held back until the contact agrees." in shown
    Message.objects.update(status="received")
    assert SECRET in modal(client, make_agent(line))


def test_erased_evidence_is_said_to_be_erased(line: Line, client: Client) -> None:
    olive = make_officer()
    revoked(line, olive, "forget me")
    [digest] = LedgerEntry.objects.values_list("evidence_digest", flat=True)
    ledger.erase_evidence(Contact.objects.get(), digest, Proof("agent", {}, actor=olive))
    shown = modal(client, olive)
    assert "Its evidence was erased lawfully." in shown and "forget me" not in shown
    assert "On no single line" in shown and "Evidence erased" in shown
    assert "On no single line" not in modal(client, make_agent(line))


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("keyword:STOPALL", "The whole text is the keyword STOPALL."),
        ("courtesy:STOP", "Around STOP there is nothing but courtesy."),
        ("route:voicemail", "They told us by voicemail."),
        ("route:fax", "They told us by another way: fax."),
        ("provider:STOP", "The provider read it as STOP."),
        ("provider:21610", "The provider refused a text: code 21610."),
        ("reaches later lines", "It was said on another line, and is valid on this later one too."),
        ("en.take_me_off", "It reads like “take me off” (English rule)."),
    ],
)
def test_rules_are_said_in_plain_words(rule: str, words: str, line: Line, client: Client) -> None:
    proof = Proof("keyword", {"text": "x", "to": line.number}, rule=rule)
    ledger.opt_out(make_contact(JANE), line, proof, occurred_at=timezone.now(), scope=Scope.LINE)
    assert words in modal(client, make_agent(line))


def test_evidence_of_any_kind_is_shown_as_it_is(line: Line, client: Client) -> None:
    """A client's own words for what it keeps; nested data stays on the evidence's page."""
    evidence = {"form": "example.com/book", "box_ticked": "by <the> visitor", "line": line.number, "deep": {"a": 1}}
    ledger.opt_in(
        make_contact(JANE),
        line,
        Proof("web_form", evidence),
        occurred_at=timezone.now(),
        level="written",
        authority=Authority.OTHERS,
    )
    shown = modal(client, make_agent(line))
    assert "Form: <bdi>example.com/book</bdi>" in shown
    assert "Box ticked: <bdi>by &lt;the&gt; visitor</bdi>" in shown
    assert "Web form, by <bdi>Optline</bdi>" in shown and "Level: written." in shown
    assert "deep" not in shown
