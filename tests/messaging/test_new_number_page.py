"""The page on which an officer copies a contact's opt-outs to their new number."""

import pytest
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from consent import ledger
from consent.ledger import Proof
from consent.models import Contact, LedgerEntry, Line
from consent.vocabulary import Scope
from tests.fake_provider import FakeProvider
from tests.make import JANE, ago, make_agent, make_contact, make_integrator, make_line, make_officer, make_supervisor
from tests.world import say, standing

pytestmark = pytest.mark.django_db
NEW = "+12065550170"
FIELDS = {"number": "+1 (206) 555-0170", "reason": "She called from it"}


@pytest.fixture
def line(provider: FakeProvider) -> Line:
    return make_line(name="Sales")


@pytest.fixture
def jane(line: Line) -> Contact:
    contact = make_contact(JANE, first_name="Jane")
    proof = Proof("keyword", {"text": "STOP"}, rule="keyword:STOP")
    ledger.opt_out(contact, line, proof, occurred_at=ago(hours=2), scope=Scope.LINE)
    return contact


def page(contact: Contact) -> str:
    return reverse("admin:consent_contact_new_number", args=[contact.pk])


def said(answer: HttpResponse) -> str:
    return " ".join(map(str, get_messages(answer.wsgi_request)))  # type: ignore[attr-defined]


def test_an_officer_copies_the_opt_outs_and_is_told_on_which_lines(jane: Contact, line: Line, client: Client) -> None:
    client.force_login(make_officer())
    assert "the opt-outs on Sales" in client.get(page(jane)).content.decode()
    answer = client.post(page(jane), FIELDS)
    new = Contact.objects.get(number=NEW)
    assert answer["Location"] == reverse("admin:consent_contact_change", args=[new.pk])
    assert f"Jane ({NEW}) is opted out on Sales now" in said(answer)
    assert standing(line, NEW)[0] == standing(line, JANE)[0] == "opted_out"


def test_who_opted_in_from_the_new_number_since_is_said_to_stay_in(jane: Contact, line: Line, client: Client) -> None:
    say(NEW, line, "START")
    client.force_login(make_officer())
    assert f"On Sales {NEW} stays in" in said(client.post(page(jane), {**FIELDS, "number": NEW}))
    assert standing(line, NEW)[0] == "opted_in"


def test_wrong_numbers_are_named_at_the_field(jane: Contact, line: Line, client: Client) -> None:
    client.force_login(make_officer())
    before = LedgerEntry.objects.count()
    for number, words in (("0142", "country code"), (JANE, "the same number"), (line.number, "our own lines")):
        answer = client.post(page(jane), {**FIELDS, "number": number})
        assert words in str(answer.context_data["form"].errors["number"])  # type: ignore[attr-defined]
    assert "reason" in client.post(page(jane), {"number": NEW}).context_data["form"].errors  # type: ignore[attr-defined]
    assert LedgerEntry.objects.count() == before
    assert not Contact.objects.filter(number=NEW).exists()


def test_there_may_be_nothing_to_copy(line: Line, client: Client) -> None:
    omar = make_contact("+12065550143")
    client.force_login(make_officer())
    for answer in (client.get(page(omar)), client.post(page(omar), FIELDS)):
        assert "nothing to copy" in said(answer)
    assert not Contact.objects.filter(number=NEW).exists()


def test_it_is_for_officers_and_changes_nothing_on_get(jane: Contact, line: Line, client: Client) -> None:
    button = "New number"
    for user, may in (
        (make_officer(), True),
        (make_supervisor(), False),
        (make_agent(line), False),
        (make_integrator(line), False),
    ):
        client.force_login(user)
        assert client.get(page(jane)).status_code == (200 if may else 403)
        if not may:
            assert client.post(page(jane), FIELDS).status_code == 403
        contact_page = client.get(reverse("admin:consent_contact_change", args=[jane.pk]))
        if contact_page.status_code == 200:
            assert (button in contact_page.content.decode()) == may
    forged = Client(enforce_csrf_checks=True)
    forged.force_login(make_officer())
    assert forged.post(page(jane), FIELDS).status_code == 403
    assert not Contact.objects.filter(number=NEW).exists()
