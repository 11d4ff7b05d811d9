"""Saved texts: written by officers in versions, offered to agents by line and tag, filled for one contact. And tags."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from consent.models import Contact, Line, Organisation, Tag, User
from messaging import automatic
from messaging.models import KeywordResponder, SavedText
from messaging.rendering import WordingError
from tests.make import JANE, OMAR, make_agent, make_contact, make_line, make_officer, make_supervisor

pytestmark = pytest.mark.django_db
ADD = "admin:messaging_savedtext_add"


@pytest.fixture
def olive(client: Client) -> User:
    user = make_officer("olive")
    client.force_login(user)
    return user


@pytest.fixture
def line() -> Line:
    return make_line(name="Orders")


def make_saved(name: str, body: str = "Hello", **fields: Any) -> SavedText:
    saved = SavedText.objects.create(name=name, **fields)
    saved.say(body)
    return saved


def page(row: Any, verb: str = "change") -> str:
    return reverse(f"admin:{row._meta.label_lower.replace('.', '_')}_{verb}", args=[row.pk])


# ---- offered --------------------------------------------------------------------------------------------------------


def names(line: Line, contact: Contact) -> list[str]:
    return [saved.name for saved in SavedText.objects.offered(line, contact)]


def test_offered_by_line_and_tag(line: Line) -> None:
    vip, late = Tag.objects.create(name="VIP"), Tag.objects.create(name="late")
    other = make_line("+12065550101")
    jane, omar = make_contact(JANE), make_contact(OMAR)
    jane.tags.add(vip, late)
    make_saved("1 everywhere")
    make_saved("2 here and there").lines.add(line, other)
    make_saved("3 elsewhere").lines.add(other)
    make_saved("4 for VIPs").tags.add(vip, late)
    make_saved("5 for VIPs elsewhere").tags.add(vip)
    SavedText.objects.get(name="5 for VIPs elsewhere").lines.add(other)
    make_saved("6 switched off", active=False)
    SavedText.objects.create(name="7 without words")
    assert names(line, jane) == ["1 everywhere", "2 here and there", "4 for VIPs"], "each once"
    assert names(line, omar) == ["1 everywhere", "2 here and there"]
    assert names(other, jane) == [
        "1 everywhere",
        "2 here and there",
        "3 elsewhere",
        "4 for VIPs",
        "5 for VIPs elsewhere",
    ]
    with CaptureQueriesContext(connection) as queries:
        assert [saved.current.body for saved in SavedText.objects.offered(line, jane) if saved.current]
    assert len(queries) == 1


def test_filled_for_one_contact(line: Line) -> None:
    Organisation.objects.update(name="Acme")
    saved = make_saved("Ready", "Hi {contact_first_name}, it's ready. {agent_name}, {company_name} {terms_address}")
    version = saved.current
    ann = make_agent(line, shown_name="Ann")
    assert automatic.filled(version, line, make_contact(JANE, first_name="{agent_name}"), ann) == (
        "Hi {agent_name}, it's ready. Ann, Acme on request"
    )
    assert automatic.filled(version, line, make_contact(OMAR)) == "Hi there, it's ready. Orders, Acme on request"


# ---- versions -------------------------------------------------------------------------------------------------------


def test_saving_makes_a_version_and_the_same_words_none() -> None:
    saved = make_saved("Ready", "One")
    first = saved.current
    second = saved.say("Two")
    assert (second.number, saved.say("Two")) == (2, second)
    assert first and saved.versions.get(number=1).body == "One"


@pytest.mark.parametrize("body", ["", "  ", "{accept_word}", "{contact_name}", "{nobody}", "{", "{terms_address}" * 30])
def test_words_that_can_t_be_used(body: str) -> None:
    saved = SavedText.objects.create(name="Ready")
    with pytest.raises(WordingError):
        saved.say(body)
    assert saved.current is None and not saved.versions.exists()


# ---- the admin ------------------------------------------------------------------------------------------------------


def test_officers_write_them(olive: User, line: Line, client: Client) -> None:
    tag = Tag.objects.create(name="VIP")
    fields = {"name": "Ready", "body": "Hi {contact_first_name}\r\nIt's ready", "lines": [line.pk], "tags": [tag.pk]}
    assert client.post(reverse(ADD), {**fields, "body": "{nobody}"}).status_code == 200
    assert client.post(reverse(ADD), {**fields, "active": "on"}).status_code == 302
    saved = SavedText.objects.get()
    assert saved.current and (saved.current.body, saved.current.author) == (
        "Hi {contact_first_name}\nIt's ready",
        olive,
    )
    assert list(saved.lines.all()) == [line] and list(saved.tags.all()) == [tag] and saved.active
    assert client.post(page(saved), {**fields, "body": "Other words", "seen": 1}).status_code == 302
    saved.refresh_from_db()
    assert saved.current and saved.current.number == 2 and not saved.active
    answer = client.post(page(saved), {**fields, "body": "Mine", "seen": 1})
    assert answer.status_code == 200 and "olive saved version 2" in answer.content.decode()
    assert client.post(reverse(ADD), {**fields, "active": "on"}).status_code == 200, "one of each name"
    assert client.post(page(saved, "delete"), {"post": "yes"}).status_code == 403


def test_the_preview_counts_the_footer_in(olive: User, client: Client) -> None:
    address = reverse("admin:messaging_savedtext_preview")
    shown = client.post(address, {"body": "x" * 140}).content.decode()
    assert "Reply STOP to opt out." in shown and "<strong>2 segments</strong>" in shown
    assert "It takes 2 segments" in shown
    shown = client.post(address, {"body": "Reply STOP to end"}).content.decode()
    assert "opt out" not in shown


def test_supervisors_read_and_agents_find_nothing_here(client: Client) -> None:
    saved = make_saved("Ready", "Words to read")
    client.force_login(make_supervisor())
    assert "Words to read" in client.get(page(saved)).content.decode()
    assert client.post(page(saved), {"name": "Ready", "body": "Mine"}).status_code == 403
    client.force_login(make_agent())
    for answer in (
        client.get(page(saved)),
        client.post(page(saved, "preview_of"), {"body": "x"}),
        client.post(reverse("admin:messaging_savedtext_preview"), {"body": "x"}),
    ):
        assert answer.status_code == 403


# ---- tags -----------------------------------------------------------------------------------------------------------


def test_tags_are_counted_and_put_on_contacts(olive: User, client: Client) -> None:
    assert client.post(reverse("admin:consent_tag_add"), {"name": "VIP"}).status_code == 302
    assert client.post(reverse("admin:consent_tag_add"), {"name": "vip"}).status_code == 200
    tag, jane = Tag.objects.get(), make_contact(JANE)
    more = {
        f"{prefix}-{what}_FORMS": 0
        for prefix in ("consents", "requests", "entries", "conversations")
        for what in ("TOTAL", "INITIAL")
    }
    answer = client.post(page(jane), {"first_name": "Jane", "language": "es", "tags": [tag.pk], **more})
    assert answer.status_code == 302, answer.context_data["errors"]
    jane.refresh_from_db()
    assert (jane.language, list(jane.tags.all())) == ("es", [tag])
    shown = client.get(reverse("admin:consent_tag_changelist")).content.decode()
    assert '<td class="field-contact_count' in shown or ">1<" in shown


def test_a_tag_that_something_goes_by_stays(olive: User, client: Client) -> None:
    free, offered, put_on = (Tag.objects.create(name=name) for name in ("free", "offered", "put on"))
    make_contact(JANE).tags.add(free, offered, put_on)
    make_saved("Only for some").tags.add(offered)
    KeywordResponder.objects.create(keyword="VIP", action="reply", reply="x", tag=put_on)
    assert "saved text: Only for some" in client.get(page(offered, "delete")).content.decode()
    for tag in (free, offered, put_on):
        client.post(page(tag, "delete"), {"post": "yes"})
    assert set(Tag.objects.all()) == {offered, put_on}
    assert SavedText.objects.get().tags.exists()
