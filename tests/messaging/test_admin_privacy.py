"""What the admin must not show: full numbers where they are hidden, held-back words, words of others, live markup."""

from collections.abc import Iterator

import pytest
from django.template.response import TemplateResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from consent import ledger
from consent.ledger import Proof
from consent.models import Consent, Contact, Line, Organisation, User
from messaging import outbound
from messaging.models import Conversation, Message, Notice, Receipt
from tests.fake_provider import FakeProvider
from tests.make import JANE, OMAR, make_agent, make_contact, make_line, make_officer, make_supervisor
from tests.world import say, write

pytestmark = pytest.mark.django_db

SECRET = "meet me at the fountain"
HOSTILE = "<img src=x onerror=alert(1)>"
LISTS = ["consent_contact", "consent_consent", "messaging_conversation", "messaging_message", "messaging_notice"]


@pytest.fixture
def line() -> Line:
    return make_line(name="Sales")


@pytest.fixture
def ann(line: Line) -> User:
    return make_agent(line, name="ann")


def address(name: str, *args: object) -> str:
    return reverse(f"admin:{name}", args=args)


def html(client: Client, where: str, **query: str) -> str:
    answer = client.get(where, query, follow=True)
    assert answer.status_code == 200, (where, answer.status_code)
    return answer.content.decode()


def object_pages(*models: type) -> Iterator[str]:
    for model in models:
        for row in model._default_manager.all():
            for page in ("change", "history"):
                yield address(f"{model._meta.app_label}_{model._meta.model_name}_{page}", row.pk)


# ---- hidden numbers -------------------------------------------------------------------------------------------------


@pytest.fixture
def hidden(line: Line, ann: User) -> None:
    Organisation.objects.update(mask_numbers=True)
    make_contact(JANE, first_name="Jane", last_name="Doe")
    for number in (JANE, OMAR):
        outbound.submit(line=line, to=number, body="Your order is ready", author=ann)
        ledger.told(Contact.objects.get(number=number), line, Proof("agent", {"to": number}), at=timezone.now())


def test_an_agent_sees_no_full_number_anywhere(hidden: None, ann: User, client: Client) -> None:
    client.force_login(ann)
    pages = [
        "/admin/",
        *(address(f"{name}_changelist") for name in LISTS),
        *object_pages(Contact, Consent, Conversation),
        *(address("messaging_message_change", pk) for pk in Message.objects.values_list("pk", flat=True)),
        address("messaging_notice_change", Notice.objects.latest("pk").pk),
        *(address("consent_contact_consent", pk) for pk in Contact.objects.values_list("pk", flat=True)),
        *(
            address("consent_contact_consent_verb", contact, Line.objects.get().pk, verb)
            for contact in Contact.objects.values_list("pk", flat=True)
            for verb in ("revoke", "record")
        ),
    ]
    for page in pages:
        content = html(client, page)
        for number in (JANE, OMAR):
            assert number not in content and number[1:] not in content, page
    assert "•••• 0143" in html(client, address("consent_contact_changelist"))
    assert "•••• 0143" in html(client, address("messaging_conversation_changelist"))


def test_answers_to_an_agent_hold_no_full_number_either(hidden: None, ann: User, line: Line, client: Client) -> None:
    client.force_login(ann)
    omar = Contact.objects.get(number=OMAR)
    answer = client.post(
        address("consent_contact_consent_verb", omar.pk, line.pk, "revoke"),
        {"route": "call", "words": "Leave me alone", "occurred_at": "2026-01-02T10:00"},
        follow=True,
    )
    assert "•••• 0143" in answer.content.decode()
    assert OMAR not in answer.content.decode()
    assert Consent.objects.get(contact=omar).status == "opted_out"


def test_hidden_numbers_can_t_be_sounded_out_by_searching(
    hidden: None, ann: User, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TemplateResponse, "rendered_content", property(lambda response: ""))  # saves their drawing
    client.force_login(ann)
    terms = {"0143": 1, "Jane": 1}
    terms |= dict.fromkeys([OMAR, OMAR[1:], "2065550143", "550143", "143", "+1206", "20655"], 0)
    for term, found in terms.items():
        for name in LISTS[:2]:
            answer = client.get(address(f"{name}_changelist"), {"q": term})
            assert answer.context_data["cl"].result_count == found, (name, term)
        inbox = client.get(address("messaging_conversation_changelist"), {"q": term})
        assert len(inbox.context_data["rows"]) == found, term


def test_officers_and_supervisors_see_and_find_full_numbers(hidden: None, client: Client) -> None:
    for user in (make_officer(), make_supervisor()):
        client.force_login(user)
        for term in (OMAR, "206 555-0143", "50143", "(206) 555 0143"):
            content = html(client, address("consent_contact_changelist"), q=term)
            assert OMAR in content and JANE not in content, term


def test_columns_can_t_be_sounded_out_through_the_address(hidden: None, ann: User, client: Client) -> None:
    client.force_login(ann)
    questions = [
        ("consent_contact", "number", OMAR),
        ("consent_contact", "number__startswith", "+1206"),
        ("consent_contact", "conversations__messages__body__icontains", "fountain"),
        ("consent_consent", "contact__number__endswith", "50143"),
        ("messaging_message", "body__icontains", "fountain"),
        ("messaging_message", "conversation__contact__number__contains", "0143"),
        ("messaging_message", "receipt__raw__contains", "x"),
        ("messaging_notice", "to__password__startswith", "pbkdf2"),
    ]
    for name, lookup, value in questions:
        assert client.get(address(f"{name}_changelist"), {lookup: value}).status_code == 400, lookup


def test_an_agent_can_t_sort_by_hidden_numbers(hidden: None, ann: User, client: Client) -> None:
    client.force_login(ann)
    rows = {
        order: list(client.get(address("consent_contact_changelist"), {"o": order}).context_data["cl"].result_list)
        for order in ("2", "-2")
    }
    assert rows["2"] == rows["-2"]


# ---- held-back and keyword texts, notices to others -----------------------------------------------------------------


@pytest.fixture
def held_back(provider: FakeProvider, line: Line) -> Message:
    say(JANE, line, SECRET)
    return Message.objects.get(status="held_back")


def test_nobody_reads_held_back_words(held_back: Message, ann: User, client: Client) -> None:
    conversation, receipt = held_back.conversation, held_back.receipt
    assert receipt is not None
    readers = [make_officer(), make_supervisor(), User.objects.create_superuser("root"), ann]
    for user in readers:
        client.force_login(user)
        pages = [
            address("messaging_message_changelist"),
            address("messaging_message_change", held_back.pk),
            address("messaging_message_history", held_back.pk),
            address("messaging_conversation_change", conversation.pk),
            address("consent_contact_change", conversation.contact.pk),
            address("messaging_receipt_change", receipt.pk),
            address("messaging_receipt_changelist"),
            address("consent_evidence_changelist"),
        ]
        shown = [client.get(page, follow=True).content.decode() for page in pages]
        assert not any("fountain" in page for page in shown), user
        assert (
            client.get(address("messaging_message_changelist"), {"q": "fountain"}).context_data["cl"].result_count == 0
        )
        if user is not ann:
            assert "Held back until the contact agrees" in shown[0]
            assert "Held back until the contact agrees" in shown[1]
            assert "Held back until the contact agrees" in shown[3]


def test_the_words_appear_once_the_contact_agrees(held_back: Message, ann: User, line: Line, client: Client) -> None:
    say(JANE, line, "YES")
    client.force_login(ann)
    assert SECRET in html(client, address("messaging_conversation_change", held_back.conversation.pk))
    assert SECRET in html(client, address("messaging_message_change", held_back.pk))


def test_agents_see_neither_held_back_texts_nor_keywords(
    held_back: Message, ann: User, line: Line, client: Client
) -> None:
    say(OMAR, line, "STOP")
    hidden = Message.objects.filter(status__in=["held_back", "keyword"])
    assert hidden.count() == 2
    client.force_login(ann)
    listed = client.get(address("messaging_message_changelist")).context_data["cl"].result_list
    assert not set(hidden) & set(listed)
    for text in hidden:
        for page in ("change", "history"):
            assert client.get(address(f"messaging_message_{page}", text.pk)).status_code == 302


def test_agents_see_only_notices_to_themselves_and_to_everyone(
    provider: FakeProvider, ann: User, line: Line, client: Client
) -> None:
    write(ann, line)
    to_ann = Notice.objects.get(to=ann)
    say(JANE, line, "STOP")
    to_all = Notice.objects.get(to=None)
    bea = make_agent(line, name="bea")
    for user, sees in ((ann, {to_ann, to_all}), (bea, {to_all}), (make_officer(), {to_ann, to_all})):
        client.force_login(user)
        assert set(client.get(address("messaging_notice_changelist")).context_data["cl"].result_list) == sees
        answer = client.get(address("messaging_notice_change", to_ann.pk))
        assert answer.status_code == (200 if to_ann in sees else 302)
        page = html(client, address("messaging_conversation_change", to_ann.conversation.pk))
        assert (to_ann.text in page) == (to_ann in sees)


# ---- hostile input --------------------------------------------------------------------------------------------------


def test_hostile_words_and_names_are_text(provider: FakeProvider, ann: User, line: Line, client: Client) -> None:
    make_contact(JANE, first_name=HOSTILE, last_name="\"'><script>")
    write(ann, line, body=HOSTILE)
    say(JANE, line, "YES")
    say(JANE, line, HOSTILE)
    say(JANE, line, "STOP")
    contact = Contact.objects.get(number=JANE)
    contact.consents.get()
    Receipt.objects.update(error=HOSTILE)
    text = Message.objects.get(status="received")
    assert text.receipt is not None
    client.force_login(User.objects.create_superuser("root"))
    pages = [
        *(address(f"{name}_changelist") for name in [*LISTS, "consent_ledgerentry", "messaging_receipt"]),
        *object_pages(Contact, Conversation),
        *object_pages(Consent),
        address("messaging_message_change", text.pk),
        address("messaging_receipt_change", text.receipt.pk),
        address("consent_ledgerentry_change", contact.entries.latest("pk").pk),
        address("consent_evidence_changelist"),
        address("consent_contact_consent", contact.pk),
        address("consent_contact_consent_verb", contact.pk, line.pk, "lift"),
    ]
    for page in pages:
        content = html(client, page)
        assert "<img src=x" not in content, page
        assert "'><script>" not in content, page
    assert "&lt;img src=x" in html(client, address("messaging_conversation_changelist"))
