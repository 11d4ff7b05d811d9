"""What can be done on a receipt's page: one verb on POST, for the role that may.

Verbs about a contact's consent are in the consent modal's own tests.
"""

import pytest
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from consent.models import Consent, LedgerEntry, Line
from messaging.models import Message, Receipt
from tests.fake_provider import FakeProvider
from tests.make import JANE, make_agent, make_integrator, make_line, make_officer, make_opted_in, make_supervisor
from tests.world import text_in, work

pytestmark = pytest.mark.django_db


@pytest.fixture
def stuck(provider: FakeProvider) -> Receipt:
    """A text of Jane's that waits for a person."""
    line = make_line(name="Sales")
    make_opted_in(line)
    stuck = text_in(JANE, line, "hello again")
    Receipt.objects.filter(pk=stuck.pk).update(needs_person=True, tries=5, try_after=timezone.now())
    return stuck


def said(answer: HttpResponse) -> str:
    return " ".join(map(str, get_messages(answer.wsgi_request)))  # type: ignore[attr-defined]


def test_try_again(stuck: Receipt, client: Client) -> None:
    client.force_login(make_officer())
    address = reverse("admin:messaging_receipt_try_again", args=[stuck.pk])
    assert "being tried again" in said(client.post(address))
    stuck.refresh_from_db()
    assert (stuck.needs_person, stuck.tries, stuck.try_after) == (False, 0, None)
    work()
    assert Message.objects.filter(receipt=stuck, status="received").exists()
    assert "settled already" in said(client.post(address))


def test_it_does_nothing_on_get_and_for_the_wrong_roles(stuck: Receipt, client: Client) -> None:
    address = reverse("admin:messaging_receipt_try_again", args=[stuck.pk])
    officer = make_officer()
    wrong = [make_agent(Line.objects.get()), make_supervisor(), make_integrator(Line.objects.get())]

    def state() -> list[object]:
        return [list(each.objects.order_by("pk").values()) for each in (Consent, LedgerEntry, Message, Receipt)]

    before = state()
    for user in wrong:
        client.force_login(user)
        assert client.get(address).status_code == 403, user
        assert client.post(address).status_code == 403, user
    client.force_login(officer)
    assert client.get(address).status_code == 200
    forged = Client(enforce_csrf_checks=True)
    forged.force_login(officer)
    assert forged.post(address).status_code == 403
    assert Client().post(address)["Location"].startswith("/admin/login/")
    assert state() == before
