"""Looking a number up, putting it on the do-not-contact list and taking it off (PRODUCT "Do Not Contact list")."""

from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from consent.models import Contact, DoNotContact, Evidence, LedgerEntry, Line, OptInRequest, User
from consent.models.contact import suppression_digest
from consent.verification import verify
from messaging import outbound
from messaging.models import Message
from tests.fake_provider import FakeProvider
from tests.make import JANE, OMAR, make_agent, make_line, make_officer, make_opted_in, make_supervisor
from tests.world import say, standing, work, write

pytestmark = pytest.mark.django_db
LOOK_UP = "/admin/consent/donotcontact/look-up/"
ADD = "/admin/consent/donotcontact/add/"


@pytest.fixture
def line(provider: FakeProvider) -> Line:
    return make_line(name="Sales")


@pytest.fixture
def olive(client: Client) -> User:
    user = make_officer("olive")
    client.force_login(user)
    return user


def found(client: Client, number: str) -> dict[str, Any]:
    answer = client.get(LOOK_UP, {"number": number})
    assert answer.status_code == 200
    return answer.context_data  # type: ignore[attr-defined, no-any-return]


def said(answer: HttpResponse) -> str:
    return " ".join(map(str, get_messages(answer.wsgi_request)))  # type: ignore[attr-defined]


def put(client: Client, number: str = JANE) -> HttpResponse:
    return client.post(ADD, {"number": number, "reason": "Their lawyer"})  # type: ignore[return-value]


def lift(client: Client, **query: str) -> HttpResponse:
    address = reverse("admin:consent_donotcontact_delete", args=[DoNotContact.objects.get().pk])
    return client.post(f"{address}?number={query.get('number', '')}", {"reason": "They asked"})  # type: ignore[return-value]


# ---- looking up -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "notation", [JANE, "(206) 555-0142", "206.555.0142", " 1 206 555 0142", "001 206 555 0142", "+1-206-555-0142 "]
)
def test_a_number_is_found_in_any_notation(olive: User, line: Line, client: Client, notation: str) -> None:
    assert found(client, notation)["number"] == JANE


@pytest.mark.parametrize("bad", ["0142", "hello", "+1206555", "<b>1</b>", "", "٣٣٣", "+" + "9" * 30])
def test_a_bad_number_is_named(olive: User, line: Line, client: Client, bad: str) -> None:
    page = client.get(LOOK_UP, {"number": bad})
    [error] = page.context_data["form"].errors["number"]  # type: ignore[attr-defined]
    assert not bad or f"“{bad}”" in error
    assert "number" not in page.context_data  # type: ignore[attr-defined]
    assert "<b>1</b>" not in page.content.decode()


def test_an_unknown_number_is_not_defined_everywhere(olive: User, line: Line, client: Client) -> None:
    make_line("+12065550101", name="Billing")
    page = found(client, JANE)
    assert (page["listed"], page["contact"]) == (None, None)
    assert [(row["line"].name, row["consent"].status, row["request"]) for row in page["rows"]] == [
        ("Billing", "not_defined", "Not Sent"),
        ("Sales", "not_defined", "Not Sent"),
    ]
    content = client.get(LOOK_UP, {"number": JANE}).content.decode()
    assert "Not on the do-not-contact list" in content and "never heard of this number" in content
    assert not Contact.objects.exists()


def test_every_line_shows_status_and_request(olive: User, line: Line, client: Client) -> None:
    write(make_agent(line), line)
    row = found(client, JANE)["rows"][0]
    assert (row["consent"].status, row["request"]) == ("pending", "Sent")
    say(JANE, line, "STOP")
    content = client.get(LOOK_UP, {"number": JANE}).content.decode()
    assert "✕ Opted out" in content and "Rejected" in content


def test_an_erased_number_is_recognised_and_can_be_taken_off_by_who_knows_it(
    olive: User, line: Line, client: Client
) -> None:
    DoNotContact.objects.create(number=None, digest=suppression_digest(JANE), reason="Erased on request")
    assert found(client, JANE)["listed"].reason == "Erased on request"
    assert found(client, OMAR)["listed"] is None
    assert "stays on the list" in said(lift(client, number=OMAR))
    assert "stays on the list" in said(lift(client, number="nonsense"))
    assert DoNotContact.objects.exists()
    lift(client, number="%2B12065550142")
    assert not DoNotContact.objects.exists()


def test_who_may_look_and_who_may_change(line: Line, client: Client) -> None:
    client.force_login(make_officer())
    put(client)
    offers = {make_officer(): (True, True), make_supervisor(): (False, False)}
    for user, (add, take_off) in offers.items():
        client.force_login(user)
        assert bool(found(client, OMAR)["add_url"]) == add
        assert bool(found(client, JANE)["lift_url"]) == take_off
    assert put(client, OMAR).status_code == 403
    assert lift(client).status_code == 403
    client.force_login(make_agent(line))
    assert client.get(LOOK_UP, {"number": JANE}).status_code == 403
    client.logout()
    assert client.get(LOOK_UP, {"number": JANE}).status_code == 302


def test_looking_up_changes_nothing(olive: User, line: Line, client: Client) -> None:
    client.post(f"{LOOK_UP}?number={JANE}", {"number": JANE})
    client.get(LOOK_UP, {"number": JANE})
    assert not Contact.objects.exists() and not LedgerEntry.objects.exists()


# ---- on the list and off --------------------------------------------------------------------------------------------


def test_it_is_put_on_the_list_from_the_look_up(olive: User, line: Line, client: Client) -> None:
    form = client.get(found(client, "(206) 555-0142")["add_url"])
    assert f'value="{JANE}"' in form.content.decode()
    answer = put(client)
    assert answer["Location"].startswith(LOOK_UP)
    assert "Nothing goes to it, from any line" in said(answer)
    assert found(client, JANE)["listed"].added_by == olive
    again = put(client)
    assert "on the list already" in str(again.context_data["adminform"].form.errors["number"])  # type: ignore[attr-defined]


def test_all_that_waits_is_cancelled_and_nothing_leaves(
    olive: User, line: Line, client: Client, provider: FakeProvider
) -> None:
    ann = make_agent(line)
    held = write(ann, line, body="Held")
    arrived = len(provider.sent)
    other = make_line("+12065550101")
    make_opted_in(other)
    queued = outbound.submit(line=other, to=JANE, body="Queued", author=ann)
    answer = put(client)
    assert "2 texts that waited for it were cancelled" in said(answer)
    work()
    for text in (held, queued):
        text.refresh_from_db()
        assert (text.status, text.reason) == ("cancelled", "do_not_contact")
    say(JANE, line, "YES")
    work()
    assert len(provider.sent) == arrived
    assert write(ann, line).status == "refused"


def test_a_request_that_has_not_left_does_not_stay_open(olive: User, line: Line, client: Client) -> None:
    outbound.submit(line=line, to=JANE, body="Hello", author=make_agent(line))
    assert OptInRequest.objects.open().count() == 1
    put(client)
    work()
    assert OptInRequest.objects.get().outcome == "withdrawn"
    assert standing(line) == ("not_defined", "not_sent")


def test_what_slipped_in_is_refused_when_it_is_claimed(
    olive: User, line: Line, client: Client, provider: FakeProvider
) -> None:
    """The list is read again at the claim, so that a text queued by whatever way does not leave."""
    make_opted_in(line)
    text = outbound.submit(line=line, to=JANE, body="Hello", author=make_agent(line))
    put(client)
    Message.objects.filter(pk=text.pk).update(status="queued", reason="")
    work()
    text.refresh_from_db()
    assert (text.status, text.reason, provider.sent) == ("refused", "do_not_contact", [])


def test_taken_off_the_list_opt_outs_and_cancelled_texts_stay(
    olive: User, line: Line, client: Client, provider: FakeProvider
) -> None:
    say(JANE, line, "STOP")
    other = make_line("+12065550101", category="informational")
    make_opted_in(other)
    text = outbound.submit(line=other, to=JANE, body="Hello", author=make_agent(other))
    put(client)
    arrived = len(provider.sent)
    answer = lift(client)
    assert "What it opted out of stays opted out" in said(answer)
    assert answer["Location"].startswith(LOOK_UP)
    work()
    text.refresh_from_db()
    assert (text.status, standing(line)[0], len(provider.sent)) == ("cancelled", "opted_out", arrived)
    entry = LedgerEntry.objects.latest("pk")
    assert (entry.kind, entry.actor) == ("do_not_contact_lifted", olive)
    assert Evidence.objects.get(digest=entry.evidence_digest).data["reason"] == "They asked"
    assert not list(verify())
