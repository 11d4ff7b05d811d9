"""The consent modal shows, line by line, where a contact stands and what the gate says of it."""

import datetime as dt
import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.html import escape

from consent import ledger
from consent.ledger import Authority, Proof
from consent.models import Consent, Contact, LedgerEntry, Line, Organisation, User
from consent.vocabulary import Scope
from messaging import api, facts, review
from messaging.models import Conversation, Message, Review
from tests.fake_provider import FakeProvider
from tests.make import JANE, OMAR, make_agent, make_contact, make_line, make_officer, make_supervisor, make_toll_free
from tests.world import Clock, say, write

pytestmark = pytest.mark.django_db

# Session, user and their permissions.
SIGNING_IN = 4
PROOF = Proof("keyword", {"text": "x"})


@pytest.fixture
def line() -> Line:
    return make_line(name="Sales")


@pytest.fixture
def olive(client: Client) -> User:
    olive = make_officer("olive")
    client.force_login(olive)
    return olive


def modal_of(contact: Contact) -> str:
    return f"/admin/consent/contact/{contact.pk}/consent/"


def fragment(client: Client, contact: Contact) -> str:
    answer = client.get(modal_of(contact), headers={"X-Fragment": "1"})
    assert answer.status_code == 200
    return answer.content.decode()


def section(client: Client, contact: Contact, line: Line) -> str:
    """The part of the modal that is about one line, without its markup's spaces."""
    parts = fragment(client, contact).split('<section class="consent-line"')
    [found] = [part for part in parts if f'id="consent-line-{line.pk}"' in part]
    return re.sub(r"\s+", " ", found)


def jane() -> Contact:
    return make_contact(JANE, first_name="Jane", last_name="Doe")


# ---- every status ---------------------------------------------------------------------------------------------------


def test_nothing_on_record_is_not_defined(olive: User, line: Line, client: Client) -> None:
    shown = section(client, jane(), line)
    assert "Not Defined" in shown and "✕" not in shown
    assert "Not Sent" in shown
    assert "Can I text them now? Not yet." in shown
    assert "No history on this line" in shown
    assert not Consent.objects.exists() and not Conversation.objects.exists()


def test_told_how_to_stop(provider: FakeProvider, olive: User, client: Client) -> None:
    told = make_line("+12065550102", name="Reminders", mode="disclaimer")
    write(make_agent(told), told)
    shown = section(client, Contact.objects.get(number=JANE), told)
    assert "Not Defined, told how to stop" in shown
    assert "Can I text them now? Yes." in shown
    assert "Ask for consent" not in shown


def test_pending_opted_in_and_opted_out(provider: FakeProvider, olive: User, line: Line, client: Client) -> None:
    write(make_agent(line), line)
    contact = Contact.objects.get(number=JANE)
    shown = section(client, contact, line)
    assert "Opt-in requested" in shown and "<dd>Sent</dd>" in shown
    say(JANE, line, "YES")
    shown = section(client, contact, line)
    assert "Opted in" in shown and "<dd>Accepted</dd>" in shown and "<dd>Express</dd>" in shown
    assert "<dd>Text message</dd>" in shown
    assert "Can I text them now? Yes." in shown
    say(JANE, line, "STOP")
    shown = section(client, contact, line)
    assert "✕ Opted out" in shown
    assert "Can I text them now? No." in shown


def test_the_gate_s_own_words_are_shown_on_every_line(olive: User, line: Line, client: Client) -> None:
    contact = jane()
    make_line("+12065550101", name="Closed", opened=False)
    make_line("+12065550102", name="Unregistered", registration="pending")
    out = make_line("+12065550103", name="Out")
    ledger.opt_out(contact, out, Proof("agent", {}, rule="route:call"), occurred_at=timezone.now(), scope=Scope.LINE)
    for each in Line.objects.all():
        decision = api.check(each, JANE)
        assert escape(decision.text) in section(client, contact, each), each


def test_under_review_with_the_days_that_are_left(
    clock: Clock, provider: FakeProvider, olive: User, line: Line, client: Client
) -> None:
    say(JANE, line, "START")
    message = Message.objects.filter(direction="in").latest("pk")
    review.open_for(message, "revocation", at=timezone.now())  # type: ignore[arg-type]
    left = review.days_left(Review.objects.get(), timezone.localdate())
    shown = section(client, Contact.objects.get(number=JANE), line)
    assert "Under review" in shown
    assert f"{left} business days left to decide" in shown
    assert "Can I text them now? Not yet." in shown


def test_blocked_at_the_provider(provider: FakeProvider, olive: User, client: Client) -> None:
    free = make_toll_free(name="Care")
    say(JANE, free, "STOP")
    shown = section(client, Contact.objects.get(number=JANE), free)
    assert f"Blocked at the provider until they text START to {free.number}" in shown


def test_do_not_contact_stands_above_everything(olive: User, line: Line, client: Client) -> None:
    contact = jane()
    ledger.add_do_not_contact(contact, Proof("agent", {"reason": "x"}), reason="Her lawyer <b>asked</b>")
    shown = fragment(client, contact)
    assert "✕ Do not contact." in shown and "Her lawyer &lt;b&gt;asked" in shown
    assert "on the do-not-contact list" in section(client, contact, line)
    client.force_login(make_agent(line))
    shown = fragment(client, contact)
    assert "✕ Do not contact." in shown and "lawyer" not in shown


def test_a_line_that_is_switched_off_shows_only_where_something_is_on_record(
    olive: User, line: Line, client: Client
) -> None:
    contact = jane()
    make_line("+12065550104", name="Never used", active=False)
    old = make_line("+12065550105", name="Old line")
    ledger.opt_out(contact, old, PROOF, occurred_at=timezone.now(), scope=Scope.LINE)
    Line.objects.filter(pk=old.pk).update(active=False)
    shown = fragment(client, contact)
    assert "Never used" not in shown
    assert "Line switched off" in section(client, contact, old)


# ---- how it comes ---------------------------------------------------------------------------------------------------


def test_the_same_address_is_a_fragment_and_a_page(olive: User, line: Line, client: Client) -> None:
    contact = jane()
    page = client.get(modal_of(contact))
    assert "<html" in page.content.decode() and "X-Fragment" not in page.headers
    part = client.get(modal_of(contact), headers={"X-Fragment": "1"})
    assert "<html" not in part.content.decode() and part.headers["X-Fragment"] == "1"
    for answer in (page, part):
        assert "X-Fragment" in answer.headers["Vary"]
        assert answer.content.decode().count('id="consent-title"') == 1
        assert "Consent: <bdi>Jane Doe</bdi>" in answer.content.decode()


def test_nobody_strange_gets_it(olive: User, line: Line, client: Client) -> None:
    contact = jane()
    assert Client().get(modal_of(contact))["Location"].startswith("/admin/login/")
    for missing in (
        "/admin/consent/contact/999/consent/",
        f"{modal_of(contact)}{line.pk}/nonsense/",
        f"{modal_of(contact)}999/revoke/",
        f"{modal_of(contact)}file/{contact.uuid}/",
    ):
        assert client.get(missing).status_code == 404, missing


def test_the_list_and_the_page_of_a_contact_open_it(olive: User, line: Line, client: Client) -> None:
    contact = jane()
    for page in ("/admin/consent/contact/", f"/admin/consent/contact/{contact.pk}/change/"):
        shown = client.get(page).content.decode()
        link = re.search(rf'<a[^>]*href="{modal_of(contact)}"[^>]*>', shown)
        assert link and "data-consent-modal" in link.group(), page
        assert "optline/consent_modal.js" in shown and "optline/consent_modal.css" in shown


def test_ten_lines_cost_hardly_more_than_one(clock: Clock, line: Line, client: Client) -> None:
    contact = make_contact(JANE)
    client.force_login(make_agent(line))

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            fragment(client, contact)
        return len(queries)

    def add(first: int, count: int) -> None:
        for i in range(first, first + count):
            each = make_line(f"+1206555020{i}")
            if i % 3 == 0:
                ledger.opt_out(contact, each, PROOF, occurred_at=timezone.now(), scope=Scope.LINE)
            elif i % 3 == 1:
                ledger.opt_in(
                    contact, each, PROOF, occurred_at=timezone.now(), level="express", authority=Authority.CONTACT
                )
            Conversation.objects.create(contact=contact, line=each)

    add(0, 4)
    User.objects.get(groups__name="Agent").lines.set(Line.objects.all())
    cost()
    with_five = cost()
    assert with_five - SIGNING_IN <= 15
    add(4, 5)
    User.objects.get(groups__name="Agent").lines.set(Line.objects.all())
    assert cost() == with_five


def test_facts_for_many_lines_are_those_of_each(
    clock: Clock, provider: FakeProvider, line: Line, client: Client
) -> None:
    """One batch says what single questions say, whatever has happened on the lines."""
    told = make_line("+12065550102", mode="disclaimer", category="informational")
    free, busy, new = make_toll_free(), make_line("+12065550103", category="marketing"), make_line("+12065550104")
    ann = make_agent(line, told, free, busy)
    write(ann, line)
    say(JANE, line, "NO")
    write(ann, told)
    say(JANE, free, "STOP")
    write(ann, busy)
    clock.passes(hours=25)
    say(JANE, line, "Is it ready?")
    say(JANE, told, "STOP")
    clock.passes(hours=25)
    say(JANE, told, "And now?")
    now = timezone.now()
    lines = [line, told, free, busy, new]
    together = facts.gather_for(lines, JANE, now=now)
    assert together == {each.pk: facts.gather(each, JANE, now=now) for each in lines}
    assert together[line.pk].last_theirs_at and together[told.pk].last_way_back_at
    assert together[busy.pk].request_open and not together[new.pk].last_request_at
    assert together[told.pk].opted_out_by == "they texted STOP" and together[busy.pk].opted_out_by == ""


# ---- who sees what --------------------------------------------------------------------------------------------------


def test_an_agent_sees_every_line_s_status_and_acts_on_their_own(line: Line, client: Client) -> None:
    other, contact = make_line("+12065550101", name="Billing"), jane()
    for each in (line, other):
        ledger.opt_out(contact, each, PROOF, occurred_at=timezone.now(), scope=Scope.LINE)
    client.force_login(make_agent(line))
    own, foreign = section(client, contact, line), section(client, contact, other)
    assert "✕ Opted out" in own and "✕ Opted out" in foreign
    assert "Record a revocation" in own and "History (1)" in own
    assert "href=" not in foreign and "<form" not in foreign and "History (" not in foreign
    for user in (make_supervisor(), make_officer()):
        client.force_login(user)
        assert "History (1)" in section(client, contact, other)


def test_hidden_numbers_stay_hidden(line: Line, client: Client) -> None:
    Organisation.objects.update(mask_numbers=True)
    contact = make_contact(OMAR)
    evidence = {"words": f"call me on {OMAR} or {OMAR[1:]}", "line": line.number, "number": OMAR, "client": OMAR}
    ledger.opt_out(contact, line, Proof("agent", evidence), occurred_at=timezone.now(), scope=Scope.LINE)
    client.force_login(make_agent(line))
    for page in (modal_of(contact), f"{modal_of(contact)}{line.pk}/revoke/"):
        for headers in ({}, {"X-Fragment": "1"}):
            shown = client.get(page, headers=headers).content.decode()
            assert "•••• 0143" in shown
            assert OMAR not in shown and OMAR[1:] not in shown, page
    client.force_login(make_supervisor())
    assert OMAR in fragment(client, contact)


def test_hostile_names_and_words_are_text(olive: User, client: Client) -> None:
    markup = "<script>alert(1)</script>"
    line = make_line(name=f"<b>L</b>{markup}"[:40])
    contact = make_contact(JANE, first_name=markup, last_name="\u202egnp.exe\u200b" + "W" * 40)
    said: dict[str, Any] = {"text": f"{markup} \u202eSTOP", "to": line.number, "odd <i>key": markup}
    ledger.opt_out(
        contact, line, Proof("keyword", said, rule=f"x:{markup}"), occurred_at=timezone.now(), scope=Scope.ALL
    )
    for shown in (fragment(client, contact), client.get(f"{modal_of(contact)}{line.pk}/lift/").content.decode()):
        assert markup not in shown and "<b>L" not in shown and "<i>key" not in shown
        assert "&lt;script&gt;alert(1)" in shown
        # What turns the direction of writing ends with the name.
        assert re.search(r"<bdi>&lt;script&gt;[^<]*\u202e[^<]*</bdi>", shown)


def test_times_are_given_with_what_happened(olive: User, line: Line, client: Client) -> None:
    contact, then = jane(), timezone.now() - dt.timedelta(days=3)
    ledger.opt_out(
        contact,
        line,
        Proof("agent", {"words": "no"}, actor=olive, rule="route:call"),
        occurred_at=then,
        scope=Scope.LINE,
    )
    shown = section(client, contact, line)
    assert "They told us in a call." in shown and "by <bdi>olive</bdi>" in shown
    assert "(recorded " in shown
    assert LedgerEntry.objects.get().occurred_at == then
