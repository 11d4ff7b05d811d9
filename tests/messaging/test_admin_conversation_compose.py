"""The box to write in: what is said beforehand, what is asked for, and that no words are lost."""

import uuid
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from consent.models import Contact, Line, OptInRequest, Tag, User
from messaging.models import Conversation, Message, SavedText
from tests.fake_provider import FakeProvider
from tests.make import JANE, OMAR, make_agent, make_contact, make_line, make_officer, make_opted_in, make_supervisor
from tests.world import Clock, Phone, say, work, write

pytestmark = pytest.mark.django_db
JSON = {"Accept": "application/json"}


@pytest.fixture
def line() -> Line:
    return make_line(name="Sales")


@pytest.fixture
def ann(line: Line, client: Client) -> User:
    user = make_agent(line, name="ann")
    client.force_login(user)
    return user


@pytest.fixture
def conversation(provider: FakeProvider, ann: User, line: Line) -> Conversation:
    """With Jane, who was never asked."""
    return Conversation.objects.create(contact=make_contact(JANE, first_name="Jane"), line=line)


def verb(conversation: Conversation, name: str) -> str:
    return reverse(f"admin:messaging_conversation_{name}", args=[conversation.pk])


def fields(body: str, **more: Any) -> dict[str, Any]:
    return {"body": body, "key": uuid.uuid4(), **more}


def said(answer: HttpResponse) -> str:
    return " ".join(map(str, get_messages(answer.wsgi_request)))  # type: ignore[attr-defined]


def box(answer: HttpResponse) -> dict[str, Any]:
    """What the fields of the page that came back hold."""
    form = answer.context_data["form"]  # type: ignore[attr-defined]
    return {name: form[name].value() for name in form.fields}


# ---- on what basis --------------------------------------------------------------------------------------------------


def test_before_the_first_text_a_basis_is_chosen(conversation: Conversation, client: Client) -> None:
    shown = client.get(reverse("admin:messaging_conversation_change", args=[conversation.pk]))
    assert shown.context_data["verdict"]["asks_first"]  # type: ignore[attr-defined]
    answer = client.post(verb(conversation, "send"), fields("Hello Jane"))
    assert answer.status_code == 200
    assert answer.context_data["form"].errors["basis"]  # type: ignore[attr-defined]
    assert box(answer)["body"] == "Hello Jane"
    assert not Message.objects.exists() and not OptInRequest.objects.exists()


@pytest.mark.parametrize(
    ("chosen", "kept"),
    [
        ({"basis": "asked us to"}, "asked us to"),
        ({"basis": "existing customer"}, "existing customer"),
        ({"basis": "agreed by phone"}, "agreed by phone"),
        ({"basis": "other", "basis_words": " met at the fair "}, "other: met at the fair"),
    ],
)
def test_the_basis_is_kept_with_the_request(
    conversation: Conversation, client: Client, chosen: dict[str, str], kept: str
) -> None:
    answer = client.post(verb(conversation, "send"), fields("Hello Jane", **chosen))
    assert said(answer).startswith("Held.")
    assert OptInRequest.objects.get().basis == kept


@pytest.mark.parametrize(
    "chosen", [{"basis": "because"}, {"basis": "other"}, {"basis": "other", "basis_words": "  "}, {"basis_words": "x"}]
)
def test_no_basis_no_text(conversation: Conversation, client: Client, chosen: dict[str, str]) -> None:
    assert client.post(verb(conversation, "send"), fields("Hello Jane", **chosen)).status_code == 200
    assert not Message.objects.exists()


def test_nobody_else_is_asked_for_one(conversation: Conversation, ann: User, line: Line, client: Client) -> None:
    client.post(verb(conversation, "send"), fields("Hello Jane", basis="asked us to"))
    assert client.post(verb(conversation, "send"), fields("And one more thing")).status_code == 302
    work()
    say(JANE, line, "YES")
    assert client.post(verb(conversation, "send"), fields("Thank you")).status_code == 302
    told = make_line("+12065550101", mode="disclaimer")
    ann.lines.add(told)
    other = Conversation.objects.create(contact=Contact.objects.get(number=JANE), line=told)
    assert client.post(verb(other, "send"), fields("Hello")).status_code == 302
    assert Message.objects.filter(purpose="ordinary").count() == 4


# ---- sending --------------------------------------------------------------------------------------------------------


def test_a_refused_text_keeps_the_words_and_says_why(conversation: Conversation, line: Line, client: Client) -> None:
    say(JANE, line, "STOP")
    sent = fields("Please come back")
    answer = client.post(verb(conversation, "send"), sent)
    assert answer.status_code == 200
    assert said(answer).startswith("Not sent. The contact opted out on")
    assert box(answer)["body"] == "Please come back"
    assert box(answer)["key"] != sent["key"], "the next try is a text of its own"
    assert Message.objects.get(body="Please come back").status == "refused"


def test_the_box_is_switched_off_while_they_are_out(conversation: Conversation, line: Line, client: Client) -> None:
    make_opted_in(line)
    page = reverse("admin:messaging_conversation_change", args=[conversation.pk])
    assert "data-send disabled" not in client.get(page).content.decode()
    say(JANE, line, "STOP")
    shown = client.get(page).content.decode()
    assert "data-send disabled" in shown
    assert "they texted STOP" in shown and f"text START to {line.number}" in shown


def test_the_script_gets_its_answer_in_place(conversation: Conversation, line: Line, client: Client) -> None:
    send = verb(conversation, "send")
    answer = client.post(send, fields(""), headers=JSON).json()
    assert answer == {"done": False, "errors": {"body": ["Write what is to be sent."]}}
    answer = client.post(send, fields("Hello"), headers=JSON).json()
    assert answer["errors"]["basis"]
    taken = fields("Hello", basis="asked us to")
    answer = client.post(send, taken, headers=JSON).json()
    assert (answer["done"], answer["level"], answer["said"][:5]) == (True, "warning", "Held.")
    assert uuid.UUID(answer["key"]) != taken["key"]
    again = client.post(send, taken, headers=JSON).json()
    assert (again["done"], again["said"]) == (True, "This text was taken already. It is not sent twice.")
    assert Message.objects.filter(body="Hello").count() == 1
    say(JANE, line, "STOP")
    refused = client.post(send, fields("Hello?"), headers=JSON).json()
    assert (refused["done"], refused["level"]) == (False, "error")
    assert refused["said"].startswith("Not sent.")
    assert not list(get_messages(client.get("/admin/").wsgi_request)), "nothing is said twice"


def test_a_text_too_long_with_its_footer_is_kept_to_be_shortened(
    conversation: Conversation, line: Line, client: Client
) -> None:
    make_opted_in(line)
    answer = client.post(verb(conversation, "send"), fields("x" * 1590))
    assert answer.status_code == 200
    assert "Shorten it" in answer.content.decode()
    assert box(answer)["body"] == "x" * 1590
    assert not Message.objects.exists()


def test_verbs_answer_the_script_in_place_too(jane: Phone, ann: User, line: Line, client: Client, clock: Clock) -> None:
    text = write(ann, line)
    clock.passes(days=2)
    jane.texts(line, "YES")
    confirm, withdraw = (verb(text.conversation, name) for name in ("confirm", "withdraw"))
    answer = client.post(confirm, {"text": text.uuid}, headers=JSON).json()
    assert (answer["done"], answer["said"], answer["level"]) == (True, "Your text is on its way.", "success")
    answer = client.post(confirm, {"text": text.uuid}, headers=JSON).json()
    assert answer["level"] == "error" and "does not wait for your word" in answer["said"]
    work()
    answer = client.post(withdraw, {"text": text.uuid}, headers=JSON).json()
    assert answer["level"] == "error" and "too late" in answer["said"]


def test_confirming_without_a_script(jane: Phone, ann: User, line: Line, client: Client, clock: Clock) -> None:
    text = write(ann, line)
    clock.passes(days=2)
    jane.texts(line, "YES")
    address = verb(text.conversation, "confirm")
    assert client.get(address).status_code == 405
    client.force_login(make_officer())
    assert "Only its author" in said(client.post(address, {"text": text.uuid}))
    client.force_login(ann)
    assert "on its way" in said(client.post(address, {"text": text.uuid}))
    assert client.post(address, {"text": uuid.uuid4()}).status_code == 404
    text.refresh_from_db()
    assert text.status == "queued"


# ---- beforehand -----------------------------------------------------------------------------------------------------


def size(client: Client, conversation: Conversation, body: str) -> str:
    answer = client.post(verb(conversation, "preview"), {"body": body})
    return " ".join(answer.json()["parts"]["size"].split())


def test_the_size_counts_the_footer_while_it_is_put_on(conversation: Conversation, line: Line, client: Client) -> None:
    footer = len("\nReply STOP to opt out.")
    assert size(client, conversation, "x" * 100).startswith(f"{100 + footer} characters, 1 segment (GSM-7)")
    assert "It ends with “<bdi>Reply STOP to opt out.</bdi>”." in size(client, conversation, "x")
    assert size(client, conversation, "x" * 140).startswith(f"{140 + footer} characters, 2 segments")
    Line.objects.update(footer_frequency="never")
    assert size(client, conversation, "x" * 160).startswith("160 characters, 1 segment (GSM-7), 0 left")
    assert "ends with" not in size(client, conversation, "x")
    assert size(client, conversation, "one\r\ntwo").startswith("7 characters")


def test_the_size_names_what_makes_a_text_dear(conversation: Conversation, client: Client) -> None:
    Line.objects.update(footer_frequency="never")
    shown = size(client, conversation, "It’s <b>")
    assert "(UCS-2)" in shown and "<bdi>’</bdi> (write <bdi>&#x27;</bdi>)" in shown
    assert size(client, conversation, "😀" * 36).startswith("36 characters, 2 segments (UCS-2)")


def test_the_size_says_when_it_is_too_much(conversation: Conversation, client: Client) -> None:
    assert "characters too many" not in size(client, conversation, "x" * 1577)
    assert "1 character too many" in size(client, conversation, "x" * 1578)
    assert size(client, conversation, "  ") == ""


def test_a_preview_stores_nothing(conversation: Conversation, client: Client) -> None:
    before = list(Conversation.objects.values())
    size(client, conversation, "Hello")
    assert list(Conversation.objects.values()) == before
    assert not Message.objects.exists()


# ---- saved texts ----------------------------------------------------------------------------------------------------


@pytest.fixture
def greeting() -> SavedText:
    saved = SavedText.objects.create(name="Greeting")
    saved.say("Hello {contact_first_name}, it is {agent_name}.")
    return saved


def insert(client: Client, conversation: Conversation, saved: SavedText) -> dict[str, Any]:
    return client.post(verb(conversation, "insert"), {"saved": saved.pk}, headers=JSON).json()  # type: ignore[no-any-return]


def test_those_that_fit_are_offered_and_filled(
    conversation: Conversation, line: Line, client: Client, greeting: SavedText
) -> None:
    elsewhere = SavedText.objects.create(name="Elsewhere")
    elsewhere.say("Not here")
    elsewhere.lines.add(make_line("+12065550101"))
    off = SavedText.objects.create(name="Off", active=False)
    off.say("Not any more")
    patients = SavedText.objects.create(name="Patients")
    patients.say("See you soon")
    patients.tags.add(Tag.objects.create(name="patient"))
    page = client.get(reverse("admin:messaging_conversation_change", args=[conversation.pk]))
    assert page.context_data["saved_texts"] == [(greeting.pk, "Greeting")]  # type: ignore[attr-defined]
    assert insert(client, conversation, greeting)["words"] == "Hello Jane, it is Ann."
    for other in (elsewhere, off, patients):
        assert not insert(client, conversation, other)["done"]
    conversation.contact.tags.set(Tag.objects.all())
    assert insert(client, conversation, patients)["words"] == "See you soon"


@pytest.mark.parametrize("chosen", ["", "nonsense", "٣", "9" * 30, "-1"])
def test_an_odd_choice_inserts_nothing(conversation: Conversation, client: Client, chosen: str) -> None:
    assert not client.post(verb(conversation, "insert"), {"saved": chosen}, headers=JSON).json()["done"]
    answer = client.post(verb(conversation, "insert"), fields("My words", saved=chosen))
    assert box(answer)["body"] == "My words"


def test_without_a_script_the_words_are_in_the_box_of_the_next_page(
    conversation: Conversation, client: Client, greeting: SavedText
) -> None:
    answer = client.post(verb(conversation, "insert"), fields("Dear Jane!", saved=greeting.pk))
    assert box(answer)["body"] == "Dear Jane! Hello Jane, it is Ann."
    assert box(answer)["saved_text"] == greeting.current.pk
    assert not Message.objects.exists()


@pytest.mark.parametrize(
    ("written", "from_it"),
    [
        ("Hello Jane, it is Ann.", True),
        ("Hello Jane, it is Ann. Your car is ready.", True),
        ("Hello Jane, it is Bea.", False),
        ("Something else", False),
    ],
)
def test_a_text_points_to_the_saved_one_while_it_holds_its_words(
    conversation: Conversation, line: Line, client: Client, greeting: SavedText, written: str, from_it: bool
) -> None:
    make_opted_in(line)
    version = insert(client, conversation, greeting)["version"]
    client.post(verb(conversation, "send"), fields(written, saved_text=version))
    assert Message.objects.get().saved_text == (greeting.current if from_it else None)


def test_a_version_that_is_not_offered_is_not_recorded(
    conversation: Conversation, line: Line, client: Client, greeting: SavedText
) -> None:
    make_opted_in(line)
    greeting.lines.add(make_line("+12065550101"))
    client.post(verb(conversation, "send"), fields("Hello Jane, it is Ann.", saved_text=greeting.current.pk))
    client.post(verb(conversation, "send"), fields("Hello", saved_text=2**63 - 1))
    assert set(Message.objects.values_list("saved_text", flat=True)) == {None}


# ---- the first text to a number -------------------------------------------------------------------------------------

START = "admin:messaging_conversation_add"


def start_preview(client: Client, **data: Any) -> dict[str, Any]:
    return client.post(reverse("admin:messaging_conversation_start_preview"), data).json()  # type: ignore[no-any-return]


def test_a_number_of_the_lines_country_needs_no_country_code(
    provider: FakeProvider, ann: User, line: Line, client: Client
) -> None:
    answer = client.post(reverse(START), fields("Hello", line=line.pk, to="(206) 555-0143", basis="existing customer"))
    assert answer.status_code == 302
    assert OptInRequest.objects.get().contact.number == OMAR


@pytest.mark.parametrize("to", ["", "0143", "call me", "+1206555014", "+12065550100", "+1 206 555 01 43 0000000"])
def test_an_unreadable_number_is_explained_and_the_words_kept(ann: User, line: Line, client: Client, to: str) -> None:
    answer = client.post(reverse(START), fields("Hello", line=line.pk, to=to, basis="asked us to"))
    assert answer.status_code == 200
    assert answer.context_data["form"].errors["to"]  # type: ignore[attr-defined]
    assert (box(answer)["body"], box(answer)["to"]) == ("Hello", to)
    assert not Message.objects.exists()


def test_a_refused_first_text_keeps_the_words(provider: FakeProvider, ann: User, line: Line, client: Client) -> None:
    say(JANE, line, "STOP")
    answer = client.post(reverse(START), fields("Hello", line=line.pk, to=JANE))
    assert answer.status_code == 200
    assert said(answer).startswith("Not sent. The contact opted out on")
    assert (box(answer)["body"], box(answer)["to"]) == ("Hello", JANE)


def test_the_gate_is_asked_while_the_number_is_typed(
    provider: FakeProvider, ann: User, line: Line, client: Client
) -> None:
    assert start_preview(client, line=line.pk, to="20655")["verdict"] == ""
    new = start_preview(client, line=line.pk, to="206 555 0143", body="Hello")
    assert (new["verdict"], new["asks_first"], new["refused"]) == ("hold", True, False)
    assert "they are asked first" in new["parts"]["outlook"]
    assert "28 characters" in new["parts"]["size"]
    say(OMAR, line, "STOP")
    out = start_preview(client, line=line.pk, to=OMAR)
    assert (out["verdict"], out["refused"]) == ("refuse", True)
    there = reverse("admin:messaging_conversation_change", args=[Conversation.objects.get().pk])
    assert there in out["parts"]["outlook"]
    assert Contact.objects.count() == 1, "nothing is stored by looking"


@pytest.mark.parametrize("line_given", ["", "٣", "9" * 30, "0", "none"])
def test_an_odd_line_is_previewed_as_none(ann: User, client: Client, line_given: str) -> None:
    assert start_preview(client, line=line_given, to=JANE, body="x")["verdict"] == ""


def test_another_line_is_neither_previewed_nor_used(ann: User, client: Client) -> None:
    other = make_line("+12065550101")
    assert start_preview(client, line=other.pk, to=JANE)["verdict"] == ""
    answer = client.post(reverse(START), fields("Hello", line=other.pk, to=JANE, basis="asked us to"))
    assert answer.context_data["form"].errors["line"]  # type: ignore[attr-defined]


def test_it_can_begin_with_a_contact_whose_number_is_hidden(
    provider: FakeProvider, ann: User, line: Line, client: Client
) -> None:
    from consent.models import Organisation

    Organisation.objects.update(mask_numbers=True)
    jane = make_contact(JANE)
    shown = client.get(reverse(START), {"contact": jane.pk, "line": line.pk})
    assert shown.context_data["known"] == "•••• 0142"  # type: ignore[attr-defined]
    assert JANE not in shown.content.decode()
    preview = start_preview(client, line=line.pk, contact=jane.pk)
    assert preview["asks_first"]
    answer = client.post(reverse(START), fields("Hello", line=line.pk, contact=jane.pk, basis="agreed by phone"))
    assert answer.status_code == 302
    assert Message.objects.get(purpose="ordinary").conversation.contact == jane
    assert client.get(reverse(START), {"contact": "9" * 40, "line": "x"}).status_code == 200


def test_who_may_not_send_starts_nothing(line: Line, client: Client) -> None:
    sam = make_supervisor()
    group = sam.groups.get()
    group.permissions.remove(*group.permissions.filter(codename="send_text"))
    client.force_login(sam)
    for address in (reverse(START), reverse("admin:messaging_conversation_start_preview")):
        assert client.post(address, fields("Hello", line=line.pk, to=JANE)).status_code == 403
    assert client.get(reverse("admin:messaging_conversation_start_preview")).status_code == 405
