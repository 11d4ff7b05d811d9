"""Who opens what in the admin (PRODUCT "The people"), page by page, and that audit data is read-only for everybody."""

import uuid
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import Model
from django.template.response import TemplateResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.authtoken.models import Token, TokenProxy

from consent import ledger
from consent.ledger import Proof
from consent.models import (
    Consent,
    Contact,
    ContactCap,
    DoNotContact,
    Evidence,
    Holiday,
    ImpliedConsentPeriod,
    LedgerEntry,
    Line,
    ListImport,
    OptInRequest,
    Organisation,
    ScrubResult,
    SendingHours,
    Tag,
    User,
)
from consent.vocabulary import Scope
from messaging import outbound, review
from messaging.models import (
    Conversation,
    FooterCountry,
    HeldBackRead,
    IdempotencyKey,
    ImportBatch,
    KeywordResponder,
    Message,
    Notice,
    PhoneMenu,
    PossibleAcceptance,
    Receipt,
    Review,
    SavedText,
    SignUp,
    Template,
    TemplateVersion,
    WebForm,
)
from messaging.models.review import Doubt
from reporting.models import ReportRun, Seal
from tests.make import (
    JANE,
    OMAR,
    make_agent,
    make_integrator,
    make_line,
    make_officer,
    make_supervisor,
)
from tests.world import text_in

pytestmark = pytest.mark.django_db

# What each may do: l(ist), v(iew one), a(dd), c(hange), d(elete). Whatever is not named here is refused.
LOOK, NOTHING = "lv", ""
ACCESS: dict[type[Model], dict[str, str]] = {
    Organisation: {"officer": "lvc", "supervisor": LOOK, "superuser": "lvc"},
    Line: {"officer": "lvac", "supervisor": LOOK, "superuser": "lvac"},
    Contact: {"officer": "lvac", "supervisor": LOOK, "agent": LOOK, "superuser": "lvac"},
    Consent: {"officer": LOOK, "supervisor": LOOK, "agent": LOOK, "superuser": LOOK},
    OptInRequest: {"officer": LOOK, "supervisor": LOOK, "superuser": LOOK},
    LedgerEntry: {"officer": LOOK, "superuser": LOOK},
    Evidence: {"officer": LOOK, "superuser": LOOK},
    DoNotContact: {"officer": "lvad", "supervisor": LOOK, "superuser": "lvad"},
    User: {"officer": "lvc", "superuser": "lvac"},
    Group: {"superuser": "lvacd"},
    TokenProxy: {"superuser": "lvad"},
    Template: {"officer": "lvac", "supervisor": LOOK, "superuser": "lvac"},
    SavedText: {"officer": "lvac", "supervisor": LOOK, "superuser": "lvac"},
    FooterCountry: {"officer": "lvacd", "supervisor": LOOK, "superuser": "lvacd"},
    Tag: {"officer": "lvacd", "supervisor": LOOK, "superuser": "lvacd"},
    TemplateVersion: {"officer": LOOK, "supervisor": LOOK, "superuser": LOOK},
    WebForm: {"officer": "lvac", "supervisor": LOOK, "superuser": "lvac"},
    PhoneMenu: {"officer": "lvac", "supervisor": LOOK, "superuser": "lvac"},
    SignUp: {"officer": LOOK, "supervisor": LOOK, "superuser": LOOK},
    KeywordResponder: {"officer": "lvacd", "supervisor": LOOK, "superuser": "lvacd"},
    # Adding a conversation is texting a number; what can be done to one are verbs with permissions of their own.
    Conversation: {"officer": "lva", "supervisor": "lva", "agent": "lva", "superuser": "lva"},
    Message: {"officer": LOOK, "supervisor": LOOK, "agent": LOOK, "superuser": LOOK},
    Notice: {"officer": LOOK, "supervisor": LOOK, "agent": LOOK, "superuser": LOOK},
    Receipt: {"officer": LOOK, "superuser": LOOK},
    IdempotencyKey: {"superuser": LOOK},
    SendingHours: {"officer": "lvacd", "supervisor": LOOK, "superuser": "lvacd"},
    ContactCap: {"officer": "lvacd", "supervisor": LOOK, "superuser": "lvacd"},
    Holiday: {"officer": "lvacd", "supervisor": LOOK, "superuser": "lvacd"},
    ImpliedConsentPeriod: {"officer": "lvacd", "supervisor": LOOK, "superuser": "lvacd"},
    ListImport: {"officer": LOOK, "supervisor": LOOK, "superuser": LOOK},
    ScrubResult: {"officer": LOOK, "supervisor": LOOK, "superuser": LOOK},
    Review: {"officer": LOOK, "supervisor": LOOK, "superuser": LOOK},
    PossibleAcceptance: {"officer": LOOK, "supervisor": LOOK, "superuser": LOOK},
    HeldBackRead: {"officer": LOOK, "superuser": LOOK},
    ImportBatch: {"officer": LOOK, "superuser": LOOK},
    ReportRun: {"officer": LOOK, "supervisor": LOOK, "superuser": LOOK},
    Seal: {"officer": LOOK, "superuser": LOOK},
}
AUDIT = [
    Consent,
    OptInRequest,
    LedgerEntry,
    Evidence,
    Message,
    Notice,
    Receipt,
    TemplateVersion,
    SignUp,
    Review,
    PossibleAcceptance,
    HeldBackRead,
    ReportRun,
    ListImport,
    ScrubResult,
    ImportBatch,
    Seal,
]


@pytest.fixture
def unrendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are decided on but not drawn, which takes most of their time. One test below draws each."""
    monkeypatch.setattr(TemplateResponse, "rendered_content", property(lambda response: ""))


@pytest.fixture
def people(db: None) -> dict[str, User]:
    """Somebody of every role, in an install where every kind of row exists on the agent's line."""
    line = make_line(name="Sales")
    agent = make_agent(line, name="ann")
    outbound.submit(line=line, to=JANE, body="Hello Jane", author=agent)
    officer = make_officer("olive")
    contact = Contact.objects.lock(JANE)
    ledger.opt_out(contact, line, Proof("agent", {"words": "no"}), occurred_at=timezone.now(), scope=Scope.LINE)
    now = timezone.now()
    Receipt.objects.create(
        kind="inbound",
        provider_id="SM1",
        number=JANE,
        raw=b"Body=hi",
        received_at=now,
        settled_at=now,
        outcome="settled",
    )
    ledger.add_do_not_contact(Contact.objects.lock(OMAR), Proof("agent", {"reason": "asked"}), reason="asked")
    batch = ListImport.objects.create(kind="litigator", as_of=now.date(), rows=1, listed=1, by=officer)
    ScrubResult.objects.create(kind="litigator", number=OMAR, listed=True, as_of=now.date(), batch=batch)
    Token.objects.create(user=officer)
    IdempotencyKey.objects.create(user=officer, key="k", body_hash="")
    KeywordResponder.objects.create(keyword="HOURS", action="reply", reply="Nine to five")
    SavedText.objects.create(name="Hours").say("Nine to five")
    Tag.objects.create(name="VIP")
    WebForm.objects.create(line=line, slug="sales")
    PhoneMenu.objects.create(line=line)
    wording = Template.objects.get(kind="phone_menu").current
    SignUp.objects.create(channel="ivr", reference="CA1", line=line, wording=wording, words="Press 1", created=now)
    supervisor = make_supervisor("sam")
    ReportRun.objects.create(
        report="snapshot",
        format="csv",
        origin="admin",
        user=supervisor,
        state="done",
        created=now,
        filters={"line": [line.number], "status": ["opted_in"]},
    )
    ImportBatch.objects.create(
        name="spring",
        origin="admin",
        user=officer,
        file_name="spring.csv",
        size=1,
        form={"kind": "csv", "encoding": "utf-8", "delimiter": ",", "has_headings": True},
        headings=["Mobile"],
        touched_at=now,
    )
    Seal.objects.create(number=1, day=now.date(), taken_at=now, up_to=0, chains=0, entries=0, sha256="0" * 64)
    _doubtful_texts(line, officer)
    return {
        "officer": officer,
        "supervisor": supervisor,
        "agent": agent,
        "integrator": make_integrator(line),
        "superuser": User.objects.create_superuser("root"),
    }


def _doubtful_texts(line: Line, officer: User) -> None:
    """One text that may be a revocation, one that may be an acceptance, and one that an officer read."""
    for number, body, doubt in (
        ("+12065550171", "wrong number", Doubt.REVOCATION),
        ("+12065550172", "yes please", Doubt.ACCEPTANCE),
    ):
        conversation = Conversation.objects.between(Contact.objects.lock(number), line)
        text = Message.objects.create(
            conversation=conversation, direction="in", status="held_back", body=body, created=timezone.now()
        )
        review.open_for(text, doubt, at=text.created)
        HeldBackRead.objects.create(message=text, reader=officer, reason="A complaint")


def row_of(model: type[Model]) -> Any:
    if model is KeywordResponder:
        return KeywordResponder.objects.get(keyword="HOURS")
    if model in {Review, PossibleAcceptance}:
        return model.objects.get(doubt=Doubt.REVOCATION if model is Review else Doubt.ACCEPTANCE)
    if model is Message:
        return Message.objects.get(purpose="ordinary")
    return model._default_manager.order_by("pk")[0]


def pages(model: type[Model]) -> dict[str, str]:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    pk = row_of(model).pk
    return {
        "l": reverse(f"{name}_changelist"),
        "v": reverse(f"{name}_change", args=[pk]),
        "a": reverse(f"{name}_add"),
        "d": reverse(f"{name}_delete", args=[pk]),
    }


def opens(client: Client, address: str) -> bool:
    answer = client.get(address, follow=True)
    assert answer.status_code in {200, 403}, (address, answer.status_code)
    return answer.status_code == 200


def test_every_model_of_ours_has_its_page() -> None:
    ours = {each for each in admin.site._registry if each._meta.app_label in {"consent", "messaging", "reporting"}}
    assert ours | {Group, TokenProxy} == set(ACCESS)
    assert ours == {each for each in admin.site._registry} - {Group, TokenProxy}


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize("role", ["officer", "supervisor", "agent", "integrator", "superuser"])
def test_a_role_opens_what_it_may(role: str, people: dict[str, User], client: Client) -> None:
    client.force_login(people[role])
    for model, access in ACCESS.items():
        allowed = access.get(role, NOTHING)
        found = "".join(letter for letter, address in pages(model).items() if opens(client, address))
        assert set(found) == set(allowed) - {"c"}, (role, model.__name__)
        if "v" in allowed and model not in {Conversation, Review, PossibleAcceptance}:
            page = client.get(pages(model)["v"])
            assert page.context_data["has_change_permission"] == ("c" in allowed), (role, model.__name__)


def test_every_page_can_be_drawn(people: dict[str, User], client: Client) -> None:
    client.force_login(people["superuser"])
    for model, access in ACCESS.items():
        for letter, address in pages(model).items():
            if letter in access["superuser"]:
                assert b"Optline" in client.get(address, follow=True).content, address


@pytest.mark.parametrize("role", ["officer", "supervisor", "agent", "integrator"])
def test_a_role_changes_nothing_it_may_not(role: str, people: dict[str, User], client: Client) -> None:
    client.force_login(people[role])
    before = snapshot()
    for model, access in ACCESS.items():
        for letter, verb in {"c": "v", "a": "a", "d": "d"}.items():
            if letter not in access.get(role, NOTHING):
                answer = client.post(pages(model)[verb], {"post": "yes"})
                assert answer.status_code in {403, 405}, (role, model.__name__, verb)
    assert snapshot() == before


def test_strangers_are_asked_to_sign_in(people: dict[str, User], client: Client) -> None:
    for model in ACCESS:
        for address in pages(model).values():
            for answer in (client.get(address), client.post(address, {"post": "yes"})):
                assert answer.status_code == 302
                assert answer["Location"].startswith("/admin/login/")


def test_the_integrator_finds_nothing(people: dict[str, User], client: Client) -> None:
    client.force_login(people["integrator"])
    assert client.get("/admin/").context_data["app_list"] == []


@pytest.mark.parametrize("role", ["officer", "superuser"])
def test_audit_data_is_read_only_for_everybody(role: str, people: dict[str, User], client: Client) -> None:
    client.force_login(people[role])
    before = snapshot()
    for model in AUDIT:
        for letter in "avd":
            answer = client.post(pages(model)[letter], {"post": "yes", "status": "opted_in"})
            assert answer.status_code in {403, 405}, model
        # Neither Django's "delete selected" nor any other action on many rows.
        client.post(
            pages(model)["l"], {"action": "delete_selected", "_selected_action": [row_of(model).pk], "post": "yes"}
        )
    assert snapshot() == before


def snapshot() -> dict[str, list[Any]]:
    """Every row of every table with a page, as it stands."""
    return {model.__name__: list(model._default_manager.order_by("pk").values()) for model in ACCESS}


# ---- own lines ------------------------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(people: dict[str, User]) -> Line:
    """A line that is not the agent's, with a conversation of its own."""
    line = make_line("+12065550101", name="Billing")
    for number, words in ((OMAR, "For Ben's eyes"), ("+12065550144", "About the invoice")):
        outbound.submit(line=line, to=number, body=words, author=make_agent(line))
    return line


def test_an_agent_sees_nothing_of_other_lines(people: dict[str, User], elsewhere: Line, client: Client) -> None:
    client.force_login(people["agent"])
    for model in (Conversation, Message, Notice):
        name = f"admin:messaging_{model._meta.model_name}"
        path = "line" if model is Conversation else "conversation__line"
        foreign = model._default_manager.filter(**{path: elsewhere})
        assert foreign.exists()
        assert "invoice" not in client.get(reverse(f"{name}_changelist")).content.decode()
        for row in foreign:
            for page in ("change", "history", "delete"):
                answer = client.get(reverse(f"{name}_{page}", args=[row.pk]))
                assert answer.status_code in {302, 403, 404}, (name, page)
                assert "Billing" not in answer.content.decode()


def test_an_agent_does_nothing_on_other_lines(people: dict[str, User], elsewhere: Line, client: Client) -> None:
    client.force_login(people["agent"])
    conversation = Conversation.objects.filter(line=elsewhere).first()
    text = Message.objects.filter(conversation=conversation, purpose="ordinary").first()
    assert conversation and text
    before = snapshot()
    verbs = ["send", "insert", "preview", "withdraw", "confirm", "read", "close", "reopen"]
    for verb in verbs:
        answer = client.post(
            reverse(f"admin:messaging_conversation_{verb}", args=[conversation.pk]),
            {
                "body": "Hello",
                "key": uuid.uuid4(),
                "text": text.uuid,
                "seen": conversation.last_activity.isoformat(),
            },
        )
        assert answer.status_code == 404, verb
    assert client.get(reverse("admin:messaging_conversation_news", args=[conversation.pk])).status_code == 404
    assert snapshot() == before


def test_a_contact_page_shows_an_agent_only_their_conversations(
    people: dict[str, User], elsewhere: Line, client: Client
) -> None:
    omar = Contact.objects.get(number=OMAR)
    theirs = Conversation.objects.get(contact=omar, line=elsewhere)
    address = reverse("admin:consent_contact_change", args=[omar.pk])
    link = reverse("admin:messaging_conversation_change", args=[theirs.pk])
    for role, sees in {"agent": False, "supervisor": True, "officer": True}.items():
        client.force_login(people[role])
        assert (link in client.get(address).content.decode()) == sees, role


@pytest.mark.usefixtures("unrendered")
def test_the_menu_offers_what_opens(people: dict[str, User], client: Client) -> None:
    """No link in the menu leads to a refusal, and what a role may open is in it."""
    expected = {
        "agent": {"Overview", "Contacts", "Conversations", "Status per line", "Texts", "Notices", "Refused texts"},
        "integrator": {"Overview"},
    }
    for role, user in people.items():
        client.force_login(user)
        groups = client.get("/admin/").context_data["sidebar_navigation"]
        offered = {
            item["title"]: str(item["link"])
            for group in groups
            for item in group["items"]
            if item["has_permission"] and group["title"] != "Simulator"
        }
        if role in expected:
            assert set(offered) == expected[role]
        for title, link in offered.items():
            assert client.get(link, follow=True).status_code == 200, (role, title)


@pytest.mark.parametrize("line", ["9" * 23, "0", "-1", "٣", "nonsense", ""])
@pytest.mark.parametrize("page", ["conversation", "message", "notice"])
def test_an_odd_line_in_the_address_is_no_crash(people: dict[str, User], client: Client, page: str, line: str) -> None:
    client.force_login(people["agent"])
    answer = client.get(reverse(f"admin:messaging_{page}_changelist"), {"on": line}, follow=True)
    assert answer.status_code == 200


def test_a_receipt_that_waits_for_a_person_is_found_by_the_filter(people: dict[str, User], client: Client) -> None:
    stuck = text_in("+12065550149", Line.objects.get(name="Sales"), "hello")
    Receipt.objects.filter(pk=stuck.pk).update(needs_person=True, tries=5, error="ValueError: <b>odd</b>")
    client.force_login(people["officer"])
    overview = reverse("admin:messaging_receipt_changelist")
    for state, rows in {"unsettled": 1, "needs_person": 1, "unroutable": 0}.items():
        page = client.get(overview, {"state": state})
        assert page.context["cl"].result_count == rows, state
    assert "&lt;b&gt;odd&lt;/b&gt;" in client.get(overview, {"state": "needs_person"}).content.decode()
