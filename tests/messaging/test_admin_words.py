"""Templates and keyword responders in the admin: every saved wording is a version, built-in words are locked."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from consent.models import Line, User
from messaging.models import KeywordResponder, Template
from messaging.wordings import Kind
from tests.make import make_line, make_officer

pytestmark = pytest.mark.django_db


@pytest.fixture
def olive(client: Client) -> User:
    user = make_officer("olive")
    client.force_login(user)
    return user


@pytest.fixture
def template() -> Template:
    return Template.objects.get(kind=Kind.REQUEST_OURS, line=None)


def page(row: Any, verb: str = "change") -> str:
    return reverse(f"admin:messaging_{row._meta.model_name}_{verb}", args=[row.pk])


def save(client: Client, template: Template, body: str, level: str = "express", **more: Any) -> Any:
    return client.post(page(template), {"body": body, "level": level, "in_use": "on", **more})


def test_a_saved_wording_is_a_new_version(olive: User, template: Template, client: Client) -> None:
    old = template.current
    assert save(client, template, "Automatic: {agent_name}?\r\nReply {accept_word}", "written").status_code == 302
    template.refresh_from_db()
    new = template.current
    assert new and old and new != old
    assert (new.number, new.body, new.level, new.author) == (
        2,
        "Automatic: {agent_name}?\nReply {accept_word}",
        "written",
        olive,
    )
    old.refresh_from_db()
    assert old.body.startswith("Automatic message: {agent_name}")
    shown = client.get(page(template, "history")).content.decode()
    assert "by olive" in shown and "Automatic" in shown


def test_the_same_words_make_no_version(olive: User, template: Template, client: Client) -> None:
    assert template.current
    assert save(client, template, template.current.body).status_code == 302
    assert template.versions.count() == 1


@pytest.mark.parametrize("body", ["Hello {agent}", "Hello {agent_name", "", "x" * 1001])
def test_a_wording_that_can_t_be_used_is_refused(body: str, olive: User, template: Template, client: Client) -> None:
    answer = save(client, template, body)
    assert answer.status_code == 200
    assert "body" in answer.context_data["adminform"].form.errors
    assert template.versions.count() == 1


def test_kind_and_line_of_a_template_stay(olive: User, template: Template, client: Client) -> None:
    line = make_line()
    save(client, template, "Changed", kind=Kind.FOOTER, line=line.pk)
    template.refresh_from_db()
    assert (template.kind, template.line) == (Kind.REQUEST_OURS, None)
    assert client.post(page(template, "delete"), {"post": "yes"}).status_code == 403


def test_a_line_gets_its_own_wording_once(olive: User, client: Client) -> None:
    line = make_line()
    address = reverse("admin:messaging_template_add")
    fields = {
        "kind": Kind.HELP_REPLY,
        "line": line.pk,
        "language": "en",
        "body": "Call {support_contact}",
        "level": "express",
    }
    assert client.post(address, {**fields, "body": "Call {nobody}"}).status_code == 200
    assert not Template.objects.filter(line=line).exists()
    assert client.post(address, fields).status_code == 302
    own = Template.objects.get(line=line)
    assert own.current and own.current.number == 1 and own.current.author == olive
    assert Template.objects.for_line(Kind.HELP_REPLY, line) == own
    for again, there in (
        (fields, own),
        ({**fields, "line": ""}, Template.objects.get(kind=Kind.HELP_REPLY, line=None)),
    ):
        refused = client.post(address, again)
        assert refused.status_code == 200 and "There is a wording of" in refused.content.decode()
        assert page(there) in refused.content.decode(), "says where the first one is"
    assert client.post(address, {**fields, "language": "es"}).status_code == 302
    assert client.post(address, {**fields, "line": "", "language": "es"}).status_code == 302


# ---- keyword responders ---------------------------------------------------------------------------------------------


def test_of_a_built_in_keyword_only_the_reply_is_edited(olive: User, client: Client) -> None:
    stop = KeywordResponder.objects.get(keyword="STOP")
    line = make_line()
    attack = {"keyword": "HALT", "action": "reply", "active": "", "every_line": "", "lines": [line.pk]}
    attack |= {"reply": "You're out.\r\nBye", "language": "en"}
    assert client.post(page(stop), attack).status_code == 302
    stop.refresh_from_db()
    assert (stop.keyword, stop.action, stop.active, stop.built_in) == ("STOP", "opt_out", True, True)
    assert stop.every_line and not stop.lines.exists()
    assert stop.reply == "You're out.\nBye"
    assert client.post(page(stop, "delete"), {"post": "yes"}).status_code == 403
    client.post(
        reverse("admin:messaging_keywordresponder_changelist"),
        {"action": "delete_selected", "_selected_action": [stop.pk], "post": "yes"},
    )
    assert KeywordResponder.objects.filter(pk=stop.pk).exists()


def test_own_keywords_come_and_go(olive: User, client: Client) -> None:
    address = reverse("admin:messaging_keywordresponder_add")
    fields: dict[str, Any] = {"keyword": "opening hours!", "action": "reply", "reply": "Nine to five", "active": "on"}
    fields["language"] = "en"
    line: Line = make_line()
    assert client.post(address, {**fields, "lines": [line.pk]}).status_code == 302
    own = KeywordResponder.objects.get(keyword="OPENING HOURS")
    assert list(own.lines.all()) == [line] and not own.built_in
    for wrong in ({"keyword": "Yes"}, {"keyword": "stop"}, {"reply": ""}, {"reply": "{nonsense}"}):
        assert client.post(address, {**fields, **wrong}).status_code == 200, wrong
    assert client.post(page(own, "delete"), {"post": "yes"}).status_code == 302
    assert not KeywordResponder.objects.filter(pk=own.pk).exists()
