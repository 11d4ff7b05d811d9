"""What can be done on a contact's and on a receipt's page: a form on GET, one verb on POST, for the roles that may."""

from collections.abc import Callable

import pytest
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from consent import ledger
from consent.ledger import Authority, Proof
from consent.models import Consent, Contact, Evidence, LedgerEntry, Line, User
from messaging.models import Conversation, Message, Receipt
from tests.fake_provider import FakeProvider
from tests.make import JANE, ago, make_agent, make_contact, make_integrator, make_line, make_officer, make_supervisor
from tests.world import say, standing, text_in, work

pytestmark = pytest.mark.django_db


@pytest.fixture
def line() -> Line:
    return make_line(name="Sales")


@pytest.fixture
def jane(provider: FakeProvider, line: Line) -> Contact:
    """She opted in an hour ago."""
    contact = make_contact(JANE)
    Conversation.objects.create(contact=contact, line=line)
    ledger.opt_in(
        contact,
        line,
        Proof("keyword", {}),
        occurred_at=ago(hours=1),
        level="express",
        authority=Authority.CONTACT,
    )
    return contact


def revocation(line: Line, **more: str) -> dict[str, object]:
    return {"line": line.pk, "route": "voicemail", "words": "Please take me off your list", **more}


def at(day: str, time: str) -> dict[str, str]:
    return {"occurred_at_0": day, "occurred_at_1": time}


def lift(line: Line) -> dict[str, object]:
    return {"line": line.pk, "reason": "Opted out by mistake", "proof": "Her e-mail of 3 May"}


def said(answer: HttpResponse) -> str:
    return " ".join(map(str, get_messages(answer.wsgi_request)))  # type: ignore[attr-defined]


@pytest.mark.parametrize("who", [make_officer, make_supervisor, make_agent])
def test_a_revocation_is_recorded(
    who: Callable[..., User], jane: Contact, line: Line, client: Client, provider: FakeProvider
) -> None:
    user = who(line) if who is make_agent else who()
    client.force_login(user)
    sent = len(provider.sent)
    answer = client.post(reverse("admin:consent_contact_revocation", args=[jane.pk]), revocation(line))
    assert answer.status_code == 302
    assert "is opted out on Sales" in said(answer)
    work()
    assert standing(line)[0] == "opted_out"
    assert len(provider.sent) == sent
    entry = LedgerEntry.objects.latest("pk")
    assert (entry.kind, entry.channel, entry.actor) == ("opted_out", "agent", user)
    kept = Evidence.objects.get(digest=entry.evidence_digest).data
    assert kept == {
        "route": "voicemail",
        "words": "Please take me off your list",
        "number": JANE,
        "line": line.number,
    }


def test_a_revocation_lies_in_the_past_and_on_a_line_of_ones_own(jane: Contact, line: Line, client: Client) -> None:
    foreign = make_line("+12065550101")
    client.force_login(make_agent(line))
    address = reverse("admin:consent_contact_revocation", args=[jane.pk])
    for wrong in (revocation(foreign), revocation(line, **at("2999-01-01", "10:00")), revocation(line, words=" ")):
        assert client.post(address, wrong).status_code == 200
    assert standing(line)[0] == "opted_in"


def test_a_revocation_of_the_minute_of_the_opt_in_counts_and_an_older_one_does_not(
    jane: Contact, line: Line, client: Client
) -> None:
    client.force_login(make_officer())
    address = reverse("admin:consent_contact_revocation", args=[jane.pk])
    opted_in = Consent.objects.get(contact=jane).own_opt_in_at
    assert opted_in
    day, minute = f"{opted_in:%Y-%m-%d}", f"{opted_in:%H:%M}"
    answer = client.post(address, revocation(line, **at("2025-01-02", "10:00")))
    assert "they stay in: they opted in themselves after the moment you gave" in said(answer)
    assert standing(line)[0] == "opted_in"
    client.post(address, revocation(line, **at(day, minute)))
    assert standing(line)[0] == "opted_out"


def test_an_officer_lifts_an_opt_out(jane: Contact, line: Line, client: Client, provider: FakeProvider) -> None:
    say(JANE, line, "STOP")
    olive = make_officer()
    client.force_login(olive)
    address = reverse("admin:consent_contact_lift", args=[jane.pk])
    assert client.post(address, {**lift(line), "reason": ""}).status_code == 200
    assert standing(line)[0] == "opted_out"
    answer = client.post(address, lift(line))
    assert "opted in on Sales again" in said(answer)
    work()
    assert standing(line)[0] == "opted_in"
    assert "you're in" in provider.to(JANE)[-1]
    entry = LedgerEntry.objects.latest("pk")
    assert (entry.kind, entry.actor) == ("opted_in", olive)
    kept = Evidence.objects.get(digest=entry.evidence_digest).data
    assert (kept["reason"], kept["proof"]) == ("Opted out by mistake", "Her e-mail of 3 May")


def test_there_is_nothing_to_lift_where_nobody_opted_out(jane: Contact, line: Line, client: Client) -> None:
    elsewhere = make_line("+12065550101")
    client.force_login(make_officer())
    address = reverse("admin:consent_contact_lift", args=[jane.pk])
    for each in (line, elsewhere):
        before = LedgerEntry.objects.count()
        assert "nothing to lift" in said(client.post(address, lift(each)))
        assert LedgerEntry.objects.count() == before
    assert "nothing to lift" in said(client.get(address))


def test_try_again(jane: Contact, line: Line, client: Client) -> None:
    stuck = text_in(JANE, line, "hello again")
    Receipt.objects.filter(pk=stuck.pk).update(needs_person=True, tries=5, try_after=timezone.now())
    client.force_login(make_officer())
    address = reverse("admin:messaging_receipt_try_again", args=[stuck.pk])
    assert "being tried again" in said(client.post(address))
    stuck.refresh_from_db()
    assert (stuck.needs_person, stuck.tries, stuck.try_after) == (False, 0, None)
    work()
    assert Message.objects.filter(receipt=stuck, status="received").exists()
    assert "settled already" in said(client.post(address))


def test_verbs_do_nothing_on_get_and_for_the_wrong_roles(jane: Contact, line: Line, client: Client) -> None:
    say(JANE, line, "STOP")
    stuck = text_in(JANE, line, "hello again")
    Receipt.objects.filter(pk=stuck.pk).update(needs_person=True)
    agent, supervisor, officer, integrator = (
        make_agent(line),
        make_supervisor(),
        make_officer(),
        make_integrator(line),
    )
    verbs = {
        reverse("admin:consent_contact_revocation", args=[jane.pk]): (revocation(line), {agent, supervisor, officer}),
        reverse("admin:consent_contact_lift", args=[jane.pk]): (lift(line), {officer}),
        reverse("admin:messaging_receipt_try_again", args=[stuck.pk]): ({}, {officer}),
    }

    def state() -> list[object]:
        return [list(each.objects.order_by("pk").values()) for each in (Consent, LedgerEntry, Message, Receipt)]

    before = state()
    for address, (fields, allowed) in verbs.items():
        for user in (agent, supervisor, officer, integrator):
            client.force_login(user)
            assert client.get(address).status_code == (200 if user in allowed else 403), (address, user)
            if user not in allowed:
                assert client.post(address, fields).status_code == 403, (address, user)
        forged = Client(enforce_csrf_checks=True)
        forged.force_login(officer)
        assert forged.post(address, fields).status_code == 403
        assert Client().post(address, fields)["Location"].startswith("/admin/login/")
    assert state() == before


def test_buttons_are_offered_to_those_who_may(jane: Contact, line: Line, client: Client) -> None:
    address = reverse("admin:consent_contact_change", args=[jane.pk])
    for user, offered in (
        (make_agent(line), ["Record a revocation"]),
        (make_officer(), ["Record a revocation", "Lift an opt-out"]),
    ):
        client.force_login(user)
        actions = [action["title"] for action in client.get(address).context_data["actions_detail"]]  # type: ignore[attr-defined]
        assert actions == offered
