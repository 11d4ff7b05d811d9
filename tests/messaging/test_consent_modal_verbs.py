"""What can be done in the consent modal: by whom, on which lines, and what follows. What is refused changes nothing."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from consent import ledger
from consent.ledger import Authority, Proof
from consent.models import Consent, Contact, Evidence, KeptFile, LedgerEntry, Line, OptInRequest, Organisation, User
from consent.vocabulary import Scope
from messaging.models import Conversation, Message, Notice
from tests.fake_provider import FakeProvider
from tests.make import (
    JANE,
    ago,
    make_agent,
    make_contact,
    make_integrator,
    make_line,
    make_officer,
    make_opted_in,
    make_supervisor,
    make_toll_free,
)
from tests.world import say, standing, work, write

pytestmark = pytest.mark.django_db

VERBS = ["record", "revoke", "lift", "ask", "talk"]
MAY = {
    "officer": {"record", "revoke", "lift", "ask", "talk"},
    "supervisor": {"revoke", "ask", "talk"},
    "agent": {"record", "revoke", "ask", "talk"},
    "agent of another line": set(),
    "integrator": set(),
    "superuser": {"record", "revoke", "lift", "ask", "talk"},
}


@pytest.fixture
def line() -> Line:
    return make_line(name="Sales")


@pytest.fixture
def olive(client: Client) -> User:
    olive = make_officer("olive")
    client.force_login(olive)
    return olive


def now() -> str:
    return f"{timezone.localtime():%Y-%m-%dT%H:%M}"


def given(verb: str, **more: Any) -> dict[str, Any]:
    """A form of this verb, filled in."""
    told = {"route": "voicemail", "occurred_at": now(), "words": "Please take me off your list"}
    forms: dict[str, dict[str, Any]] = {
        "record": {**told, "words": "Yes, text me", "level": "express", "double": "on"},
        "revoke": told,
        "lift": {"reason": "Opted out by mistake", "route": "e-mail", "proof": "Her e-mail of 3 May"},
        "ask": {"basis": "customer"},
        "talk": {},
    }
    return {**forms[verb], **more}


def address(contact: Contact, line: Line, verb: str) -> str:
    return f"/admin/consent/contact/{contact.pk}/consent/{line.pk}/{verb}/"


def posts(client: Client, contact: Contact, line: Line, verb: str, **more: Any) -> HttpResponse:
    """The form as the script sends it."""
    return client.post(address(contact, line, verb), given(verb, **more), headers={"X-Fragment": "1"})


def snapshot() -> list[Any]:
    tables = (Consent, LedgerEntry, Evidence, OptInRequest, Conversation, Message, Notice, KeptFile)
    return [list(table._default_manager.order_by("pk").values()) for table in tables]


# ---- who may --------------------------------------------------------------------------------------------------------


@pytest.fixture
def people(line: Line) -> dict[str, User]:
    other = make_line("+12065550101", name="Billing")
    return {
        "officer": make_officer(),
        "supervisor": make_supervisor(),
        "agent": make_agent(line),
        "agent of another line": make_agent(other),
        "integrator": make_integrator(line),
        "superuser": User.objects.create_superuser("root"),
    }


def prepared(verb: str, line: Line) -> Contact:
    """A contact for whom this verb would change something."""
    contact = make_contact(JANE)
    if verb == "lift":
        ledger.opt_out(contact, line, Proof("keyword", {}), occurred_at=ago(days=1), scope=Scope.LINE)
    return contact


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("role", list(MAY))
def test_role_and_verb(
    role: str, verb: str, people: dict[str, User], line: Line, provider: FakeProvider, client: Client
) -> None:
    contact = prepared(verb, line)
    client.force_login(people[role])
    before = snapshot()
    looked = client.get(address(contact, line, verb))
    assert snapshot() == before, "nothing changes on GET"
    did = posts(client, contact, line, verb)
    if verb in MAY[role]:
        assert looked.status_code == (405 if verb == "talk" else 200)
        assert did.status_code == (302 if verb == "talk" else 200)
        assert snapshot() != before
    else:
        assert (looked.status_code, did.status_code) == (403, 403)
        assert snapshot() == before


@pytest.mark.parametrize("verb", VERBS)
def test_strangers_and_forged_forms_change_nothing(verb: str, olive: User, line: Line) -> None:
    contact = prepared(verb, line)
    before = snapshot()
    assert posts(Client(), contact, line, verb)["Location"].startswith("/admin/login/")  # type: ignore[index]
    forged = Client(enforce_csrf_checks=True)
    forged.force_login(olive)
    assert posts(forged, contact, line, verb).status_code == 403
    assert snapshot() == before


def buttons(client: Client, contact: Contact) -> dict[str, bool]:
    """Which verbs the modal offers on the only line, and whether each can be used."""
    page = client.get(f"/admin/consent/contact/{contact.pk}/consent/")
    [(row, _)] = page.context_data["rows"]  # type: ignore[attr-defined]
    return {action.verb: not action.why_not for action in row.actions}


def test_only_what_one_may_do_is_offered(line: Line, client: Client) -> None:
    contact = make_contact(JANE)
    offered = {}
    for user in (make_officer("o"), make_supervisor("s"), make_agent(line, name="a")):
        client.force_login(user)
        offered[user.username] = buttons(client, contact)
    assert offered == {
        "o": {"talk": True, "ask": True, "record": True, "revoke": True},
        "s": {"talk": True, "ask": True, "revoke": True},
        "a": {"talk": True, "ask": True, "record": True, "revoke": True},
    }
    ledger.opt_out(contact, line, Proof("keyword", {}), occurred_at=timezone.now(), scope=Scope.LINE)
    assert buttons(client, contact) == {"talk": True, "ask": False, "revoke": True}
    client.force_login(User.objects.get(username="o"))
    assert buttons(client, contact) == {"talk": True, "ask": False, "revoke": True, "lift": True}


def test_a_form_that_is_of_no_use_leads_back_with_the_reason(olive: User, line: Line, client: Client) -> None:
    contact = make_opted_in(line)
    for verb in ("lift", "ask"):
        page = client.get(address(contact, line, verb)).content.decode()
        assert "There is nothing to do here" in page and "<textarea" not in page, verb


# ---- recording consent ----------------------------------------------------------------------------------------------


def test_an_agent_s_word_counts_with_the_contact_s_yes(line: Line, provider: FakeProvider, client: Client) -> None:
    contact, ann = make_contact(JANE), make_agent(line, name="ann")
    client.force_login(ann)
    # Neither can be switched off or raised by sending what the form does not offer.
    answer = posts(client, contact, line, "record", double="", level="written")
    assert "They are asked by text to confirm it." in answer.content.decode()
    work()
    assert standing(line) == ("pending", "sent")
    assert "you signed up for our texts through a voicemail" in provider.to(JANE)[-1]
    entry = LedgerEntry.objects.get(kind="captured")
    assert (entry.channel, entry.actor, entry.level) == ("agent", ann, "express")
    assert Evidence.objects.get(digest=entry.evidence_digest).data == {
        "route": "voicemail",
        "words": "Yes, text me",
        "number": JANE,
        "line": line.number,
    }
    say(JANE, line, "YES")
    assert standing(line) == ("opted_in", "accepted")


def test_an_officer_may_do_without_the_confirmation(
    olive: User, line: Line, provider: FakeProvider, client: Client
) -> None:
    contact = make_contact(JANE)
    answer = posts(client, contact, line, "record", double="", level="written", route="paper")
    assert "They are opted in on Sales." in answer.content.decode()
    assert standing(line)[0] == "opted_in"
    consent = Consent.objects.get()
    assert (consent.level, consent.source) == ("written", "agent")
    work()
    assert "you're in" in provider.to(JANE)[-1]


def test_double_opt_in_is_on_by_default(olive: User, line: Line, client: Client) -> None:
    page = client.get(address(make_contact(JANE), line, "record"))
    form = page.context_data["form"]  # type: ignore[attr-defined]
    assert form["double"].value() is True
    assert form["level"].value() == "express"
    assert abs(form["occurred_at"].value() - timezone.make_naive(timezone.now())) < dt.timedelta(minutes=2)


def test_consent_is_not_recorded_over_an_opt_out(line: Line, client: Client) -> None:
    contact = make_contact(JANE)
    ledger.opt_out(contact, line, Proof("keyword", {}), occurred_at=ago(days=2), scope=Scope.LINE)
    for user in (make_officer(), make_agent(line)):
        client.force_login(user)
        before = snapshot()
        answer = posts(client, contact, line, "record", double="").content.decode()
        assert f"they can text START to {line.number}" in answer
        assert "Yes, text me" in answer, "what was typed is still there"
        assert snapshot() == before


def test_consent_from_before_an_opt_out_is_said_not_to_count(olive: User, line: Line, client: Client) -> None:
    contact = make_contact(JANE)
    ledger.opt_out(contact, line, Proof("keyword", {}), occurred_at=ago(days=2), scope=Scope.LINE)
    ledger.opt_in(
        contact, line, Proof("keyword", {}), occurred_at=ago(days=1), level="implied", authority=Authority.CONTACT
    )
    answer = posts(client, contact, line, "record", double="", occurred_at="2025-01-02T10:00", level="written")
    assert Consent.objects.get().level == "implied"
    assert LedgerEntry.objects.latest("pk").kind == "opt_in_too_late"
    assert "a later opt-out overrules it" in answer.content.decode()


def test_nobody_is_asked_twice_or_while_under_review(line: Line, provider: FakeProvider, client: Client) -> None:
    contact, ann = make_contact(JANE), make_agent(line)
    client.force_login(ann)
    posts(client, contact, line, "record")
    for verb in ("record", "ask"):
        before = snapshot()
        assert "being asked already" in posts(client, contact, line, verb).content.decode()
        assert snapshot() == before
    assert buttons(client, contact) == {"talk": True, "ask": False, "record": False, "revoke": True}
    ledger.open_review(contact, line, Proof("keyword", {}), at=timezone.now())
    client.force_login(make_officer())
    assert "may have asked us to stop" in posts(client, contact, line, "record", double="").content.decode()
    assert standing(line)[0] == "pending"


# ---- recording a revocation -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["officer", "supervisor", "agent"])
def test_a_revocation_is_recorded_without_a_confirmation(
    role: str, people: dict[str, User], line: Line, provider: FakeProvider, client: Client
) -> None:
    contact = make_opted_in(line)
    waiting = write(people["agent"], line)
    client.force_login(people[role])
    Message.objects.filter(pk=waiting.pk).update(status="queued")
    sent = len(provider.sent)
    answer = posts(client, contact, line, "revoke", words="Please take me off your list", scope="")
    assert "They are opted out on Sales, Billing; what waited there is cancelled." in answer.content.decode()
    work()
    assert standing(line)[0] == "opted_out"
    assert len(provider.sent) == sent
    waiting.refresh_from_db()
    assert waiting.status == "cancelled"
    entry = LedgerEntry.objects.filter(line=line).latest("pk")
    assert (entry.kind, entry.channel, entry.actor, entry.rule) == (
        "opted_out",
        "agent",
        people[role],
        "route:voicemail",
    )
    assert Evidence.objects.get(digest=entry.evidence_digest).data == {
        "route": "voicemail",
        "words": "Please take me off your list",
        "number": JANE,
        "line": line.number,
    }


def test_it_reaches_as_far_as_the_policy_says_or_further(olive: User, line: Line, client: Client) -> None:
    make_line("+12065550101", name="Billing")
    marketing = make_line("+12065550102", name="Offers", category="marketing")
    contact = make_contact(JANE)
    form = client.get(address(contact, line, "revoke")).content.decode()
    assert "On every line of the same category, by your organisation" in form
    assert "Sales, Billing" in form and "They get no confirmation text" in form
    posts(client, contact, line, "revoke", scope="line")  # narrower than the policy: not offered
    assert not Consent.objects.exists()
    posts(client, contact, line, "revoke")
    assert set(Consent.objects.values_list("line__name", flat=True)) == {"Sales", "Billing"}
    posts(client, contact, line, "revoke", scope="all")
    assert standing(marketing)[0] == "opted_out"
    Organisation.objects.update(revocation_scope="all", next_revocation_scope="", next_revocation_scope_on=None)
    form = client.get(address(contact, line, "revoke")).content.decode()
    assert "it is valid on every line" in form and 'name="scope"' not in form


def test_in_the_minute_of_the_opt_in_doubt_says_out(olive: User, line: Line, client: Client) -> None:
    contact = make_contact(JANE)
    at = ago(hours=1).replace(second=40, microsecond=0)
    ledger.opt_in(contact, line, Proof("keyword", {}), occurred_at=at, level="express", authority=Authority.CONTACT)
    earlier = posts(client, contact, line, "revoke", occurred_at="2025-01-02T10:00")
    assert "they opted in themselves after the moment you gave" in earlier.content.decode()
    assert standing(line)[0] == "opted_in"
    posts(client, contact, line, "revoke", occurred_at=f"{timezone.localtime(at):%Y-%m-%dT%H:%M}")
    assert standing(line)[0] == "opted_out"


@pytest.mark.parametrize("verb", ["record", "revoke"])
def test_moments_are_given_and_not_in_the_future(verb: str, olive: User, line: Line, client: Client) -> None:
    contact = make_contact(JANE)
    before = snapshot()
    tomorrow = timezone.localtime() + dt.timedelta(days=1)
    for wrong, why in (
        (f"{tomorrow:%Y-%m-%dT%H:%M}", "lies in the future"),
        ("", "Give the date and the time."),
        ("yesterday", "Give a date and a time."),
    ):
        answer = posts(client, contact, line, verb, occurred_at=wrong, words="kept <words>")
        shown = answer.content.decode()
        assert why in shown and "kept &lt;words&gt;" in shown, wrong
        field = answer.context_data["form"]["occurred_at"]  # type: ignore[attr-defined]
        assert field.errors and 'aria-invalid="true"' in str(field)
        assert 'aria-describedby="consent_occurred_at_helptext consent_occurred_at_error"' in shown
    assert posts(client, contact, line, verb, words=" ").context_data["form"]["words"].errors  # type: ignore[attr-defined]
    assert snapshot() == before


def test_times_are_read_in_the_zone_that_is_named(olive: User, line: Line, client: Client, settings: Any) -> None:
    settings.TIME_ZONE = "America/New_York"
    contact = make_contact(JANE)
    assert "time zone America/New_York" in client.get(address(contact, line, "revoke")).content.decode()
    posts(client, contact, line, "record", double="", occurred_at="2026-01-15T10:00")
    assert LedgerEntry.objects.get(kind="opted_in").occurred_at == dt.datetime(2026, 1, 15, 15, tzinfo=dt.UTC)


# ---- lifting an opt-out ---------------------------------------------------------------------------------------------


def test_an_officer_lifts_an_opt_out(olive: User, line: Line, provider: FakeProvider, client: Client) -> None:
    say(JANE, line, "STOP")
    contact = Contact.objects.get(number=JANE)
    for missing in ("reason", "proof", "route"):
        answer = posts(client, contact, line, "lift", **{missing: ""})
        assert answer.context_data["form"][missing].errors  # type: ignore[attr-defined]
        assert standing(line)[0] == "opted_out"
    answer = posts(client, contact, line, "lift")
    assert "opted in on Sales again and get a text that says so" in answer.content.decode()
    work()
    assert standing(line)[0] == "opted_in"
    assert "you're in" in provider.to(JANE)[-1]
    entry = LedgerEntry.objects.latest("pk")
    assert (entry.kind, entry.actor) == ("opted_in", olive)
    kept = Evidence.objects.get(digest=entry.evidence_digest).data
    assert (kept["reason"], kept["proof"], kept["route"]) == ("Opted out by mistake", "Her e-mail of 3 May", "e-mail")


def test_where_the_provider_blocks_them_start_is_still_needed(
    olive: User, provider: FakeProvider, client: Client
) -> None:
    free = make_toll_free(name="Care")
    say(JANE, free, "STOP")
    contact = Contact.objects.get(number=JANE)
    assert f"until they text START to {free.number} nothing reaches them" in client.get(
        address(contact, free, "lift")
    ).content.decode().replace("\n", " ")
    shown = posts(client, contact, free, "lift").content.decode()
    assert "The provider still blocks them: they must text START" in shown
    assert f"Blocked at the provider until they text START to {free.number}" in shown


def test_there_is_nothing_to_lift_where_nobody_opted_out(olive: User, line: Line, client: Client) -> None:
    contact = make_opted_in(line)
    before = snapshot()
    assert "There is nothing to lift" in posts(client, contact, line, "lift").content.decode()
    assert snapshot() == before


# ---- asking ---------------------------------------------------------------------------------------------------------


def test_asking_needs_a_basis_which_is_kept(line: Line, provider: FakeProvider, client: Client) -> None:
    contact, ann = make_contact(JANE), make_agent(line, name="ann")
    client.force_login(ann)
    for wrong, field in (({"basis": ""}, "basis"), ({"basis": "other"}, "basis_words"), ({"basis": "x"}, "basis")):
        answer = posts(client, contact, line, "ask", **wrong)
        assert answer.context_data["form"][field].errors  # type: ignore[attr-defined]
    assert not OptInRequest.objects.exists()
    answer = posts(client, contact, line, "ask", basis="other", basis_words="Met at the <fair>")
    assert "They are being asked on Sales." in answer.content.decode()
    request = OptInRequest.objects.get()
    assert (request.kind, request.channel, request.asked_by, request.basis) == (
        "ours",
        "agent",
        ann,
        "Met at the <fair>",
    )
    work()
    assert standing(line) == ("pending", "sent")
    assert "Ann at Our company would like to text you" in provider.to(JANE)[-1]
    assert Message.objects.filter(purpose="ordinary").count() == 0


def test_the_gate_says_why_not(line: Line, provider: FakeProvider, client: Client) -> None:
    """Beyond the limit, after an opt-out, on the do-not-contact list: refused in the gate's words, nothing sent."""
    told = make_line("+12065550102", name="Reminders", mode="disclaimer")
    contact, ann = make_contact(JANE), make_agent(line, told)
    client.force_login(ann)
    assert "told how to stop" in posts(client, contact, told, "ask").content.decode()
    posts(client, contact, line, "ask")
    work()
    request = OptInRequest.objects.get()
    ledger.request_expired(request, Proof("agent", {}), at=timezone.now())
    before = snapshot()
    limit = posts(client, contact, line, "ask").content.decode()
    assert "They can be asked again from" in limit
    ledger.add_do_not_contact(contact, Proof("agent", {"reason": "x"}), reason="x")
    after = snapshot()
    assert "on the do-not-contact list" in posts(client, contact, line, "ask").content.decode()
    assert before[3:6] == after[3:6] == snapshot()[3:6]
    assert len(provider.sent) == 1


# ---- conversations --------------------------------------------------------------------------------------------------


def test_a_conversation_is_opened_or_begun(line: Line, client: Client) -> None:
    contact, ann = make_contact(JANE), make_agent(line)
    client.force_login(ann)
    begun = posts(client, contact, line, "talk")
    conversation = Conversation.objects.get(contact=contact, line=line)
    assert begun["Location"] == f"/admin/messaging/conversation/{conversation.pk}/change/"
    assert begun["Location"] in client.get(f"/admin/consent/contact/{contact.pk}/consent/").content.decode()
    posts(client, contact, line, "talk")
    assert Conversation.objects.count() == 1


# ---- without a script -----------------------------------------------------------------------------------------------


@pytest.fixture
def said(client: Client) -> Iterator[Any]:
    yield lambda answer: " ".join(map(str, get_messages(answer.wsgi_request)))


def test_without_a_script_a_form_is_a_page_that_leads_back(olive: User, line: Line, client: Client, said: Any) -> None:
    contact = make_contact(JANE)
    page = client.get(address(contact, line, "revoke")).content.decode()
    assert "<html" in page and f'action="{address(contact, line, "revoke")}"' in page
    wrong = client.post(address(contact, line, "revoke"), given("revoke", words=""))
    assert wrong.status_code == 200 and "<html" in wrong.content.decode()
    right = client.post(address(contact, line, "revoke"), given("revoke"))
    assert right["Location"] == f"/admin/consent/contact/{contact.pk}/consent/"
    assert "They are opted out on Sales" in said(right)
