"""The editor of wordings in the admin: what is refused and where, the preview, two people at once, the check of all."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from consent.models import Organisation, User
from messaging.models import SavedText, Template
from messaging.wordings import DEFAULTS, Kind
from tests.make import make_agent, make_line, make_officer, make_supervisor, make_toll_free

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


def save(client: Client, template: Template, body: str, **more: Any) -> Any:
    return client.post(page(template), {"body": body, "level": "express", "in_use": "on", **more})


def errors(answer: Any) -> str:
    assert answer.status_code == 200
    found = answer.context_data["adminform"].form.errors
    return " ".join(message for messages in found.values() for message in messages)


# ---- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("Hello {agent_nam}: YES?", ["“{agent_nam}” at character 7", "Did you mean {agent_name}?"]),
        ("YES? {", ["“{” at character 6", "no partner"]),
        ("} YES? {zzz}", ["“}” at character 1", "“{zzz}” at character 8", "Possible are: "]),
        ("", ["can't be empty"]),
        ("YES" + "x" * 998, ["1001", "character 1001"]),
        ("YES " + "{terms_address}" * 30, ["more than 1,600 characters", "from character 350 on, “{terms_address}"]),
        ("Hello, this is {agent_name}.", ["Nobody could answer", "{accept_word}"]),
    ],
)
def test_the_place_and_the_bit_are_named(
    body: str, said: list[str], olive: User, template: Template, client: Client
) -> None:
    answer = save(client, template, body)
    for each in said:
        assert each in errors(answer)
    assert template.versions.count() == 1


@pytest.mark.parametrize("word", ["{accept_word}", "YES", "yes", "START", "UNSTOP"])
def test_a_request_that_can_be_answered_is_saved(word: str, olive: User, template: Template, client: Client) -> None:
    assert save(client, template, f"Hi. Reply {word}").status_code == 302, "warnings block nothing"


def test_line_breaks_count_once(olive: User, template: Template, client: Client) -> None:
    assert save(client, template, "YES" + "\r\n" * 498 + "x").status_code == 302
    template.refresh_from_db()
    assert template.current and "\r" not in template.current.body and len(template.current.body) == 502


def test_the_last_resort_can_t_be_switched_off(olive: User, template: Template, client: Client) -> None:
    answer = client.post(page(template), {"body": DEFAULTS[Kind.REQUEST_OURS], "level": "express"})
    assert "stays in use" in errors(answer) and "add a wording" in errors(answer)
    own = Template.objects.create(kind=Kind.HELP_REPLY, line=make_line())
    own.say("Call us")
    assert client.post(page(own), {"body": "Call us"}).status_code == 302
    own.refresh_from_db()
    assert not own.in_use


# ---- two people at once ---------------------------------------------------------------------------------------------


def test_who_saves_second_is_told_and_keeps_their_words(olive: User, template: Template, client: Client) -> None:
    opened = client.get(page(template)).context_data["adminform"].form["seen"].value()
    template.say("Theirs: {accept_word}", author=make_officer("omar"))
    mine = {"body": "Mine: {accept_word}", "seen": opened}
    answer = save(client, template, **mine)
    assert "omar saved version 2 while you were writing" in errors(answer)
    shown = answer.content.decode()
    assert "Mine: {accept_word}</textarea>" in shown, "their words are kept"
    assert "<del>Theirs</del><ins>Mine</ins>" in shown
    assert template.versions.count() == 2
    seen = answer.context_data["adminform"].form["seen"].value()
    assert save(client, template, "Mine: {accept_word}", seen=seen).status_code == 302, "now they know"
    template.refresh_from_db()
    assert template.current and (template.current.number, template.current.body) == (3, "Mine: {accept_word}")


def test_the_same_words_are_no_conflict(olive: User, template: Template, client: Client) -> None:
    template.say("Both: {accept_word}", author=make_officer("omar"))
    assert save(client, template, "Both: {accept_word}", seen=1).status_code == 302
    assert template.versions.count() == 2
    template.say("Both: {accept_word}", level="written")
    assert "saved version 3" in errors(save(client, template, "Both: {accept_word}", seen=2)), "but another level is"


# ---- preview --------------------------------------------------------------------------------------------------------


def preview(client: Client, address: str, **fields: Any) -> str:
    answer = client.post(address, fields)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_preview_shows_likely_and_long_values(olive: User, template: Template, client: Client) -> None:
    Organisation.objects.update(name="Acme & Sons", frequency="4 a month")
    shown = preview(client, page(template, "preview_of"), body="{company_name}: {agent_name}, {frequency}. YES?")
    assert "Acme &amp; Sons: Ann, 4 a month. YES?" in shown
    assert "Acme &amp; Sons: Maria Fernanda Villanueva-Rodriguez, 4 a month. YES?" in shown
    assert "<strong>1 segment</strong>" in shown and "GSM-7" in shown and "127 left in it" in shown
    assert template.versions.count() == 1, "nothing is saved"


def test_the_preview_names_characters_and_offers_plain_ones(olive: User, template: Template, client: Client) -> None:
    shown = preview(client, page(template, "preview_of"), body="YES – it’s “here” á")
    assert "UCS-2" in shown
    for name in ("en dash", "right single quotation mark", "latin small letter a with acute, at character 19"):
        assert name in shown
    assert 'data-from="–" data-to="-"' in shown and 'data-from="á"' not in shown
    assert "data-replace-all" in shown


def test_the_preview_of_a_line_takes_its_values(olive: User, client: Client) -> None:
    line = make_toll_free(name="Orders <1>")
    address = reverse("admin:messaging_template_preview")
    fields = {"kind": Kind.REQUEST_OURS, "line": line.pk, "language": "en", "body": "{line_name}: {accept_word}?"}
    assert "Orders &lt;1&gt;: START?" in preview(client, address, **fields)
    assert "Front desk: YES?" in preview(client, address, **{**fields, "line": ""})


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"kind": "nonsense", "line": "٣", "language": "xx", "body": "x"},
        {"kind": "footer", "line": "9" * 30, "body": "\x00"},
        {"kind": "footer", "line": "-1", "body": "x" * 5000},
        {"kind": "footer", "body": "{" * 900},
        {"kind": "footer", "body": "<script>alert(1)</script>"},
    ],
)
def test_an_odd_preview_is_no_crash(fields: dict[str, str], olive: User, client: Client) -> None:
    shown = preview(client, reverse("admin:messaging_template_preview"), **fields)
    assert "<script>" not in shown


def test_who_may_see_a_preview(template: Template) -> None:
    address = page(template, "preview_of")
    for user, status in ((make_supervisor(), 200), (make_agent(), 403)):
        client = Client()
        client.force_login(user)
        assert client.post(address, {"body": "YES"}).status_code == status
        assert client.get(address).status_code == 405
    assert Client().post(address, {"body": "YES"}).status_code == 302
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(make_officer())
    assert strict.post(address, {"body": "YES"}).status_code == 403


def test_what_is_saved_is_shown_at_once(olive: User, template: Template, client: Client) -> None:
    shown = client.get(page(template)).content.decode()
    assert "wording-bubble" in shown and 'data-insert="agent_name"' in shown
    assert "Where it is missing: “our team”" in shown and 'data-insert="contact_name"' not in shown
    notice = Template.objects.get(kind=Kind.NOTICE_ASKED)
    shown = client.get(page(notice)).content.decode()
    assert 'data-insert="contact_name"' in shown and "wording-bubble" not in shown, "a notice is no text"


# ---- the list and the check of all ----------------------------------------------------------------------------------


def test_the_list_counts_warnings_and_leads_to_the_check(olive: User, template: Template, client: Client) -> None:
    template.say("{accept_word} or bit.ly/x")
    listed = client.get(reverse("admin:messaging_template_changelist")).content.decode()
    assert "9 warnings" in listed and reverse("admin:messaging_template_check") in listed


def test_the_check_lists_every_wording_with_its_warnings(olive: User, template: Template, client: Client) -> None:
    address = reverse("admin:messaging_template_check")
    assert "None of the" in client.get(address).content.decode()
    template.say("{accept_word} or bit.ly/x")
    SavedText.objects.create(name="Way <in>").say("See tinyurl.com/x")
    shown = client.get(address).content.decode()
    assert "2 of " in shown and "It links through bit.ly" in shown and "CTIA" in shown
    assert "Way &lt;in&gt;" in shown and page(template) in shown
    with CaptureQueriesContext(connection) as before:
        client.get(address)
    for number in range(100, 105):
        Template.objects.create(kind=Kind.FOOTER, line=make_line(f"+12065550{number}")).say("Bye")
        SavedText.objects.create(name=str(number)).say("Bye")
    with CaptureQueriesContext(connection) as after:
        client.get(address)
    assert len(after) == len(before)


def test_who_may_see_the_check() -> None:
    for user, status in ((make_supervisor(), 200), (make_agent(), 403)):
        client = Client()
        client.force_login(user)
        assert client.get(reverse("admin:messaging_template_check")).status_code == status


def test_a_supervisor_reads_but_has_no_editor(template: Template, client: Client) -> None:
    client.force_login(make_supervisor())
    shown = client.get(page(template)).content.decode()
    assert "Automatic message: {agent_name}" in shown and "data-wording" not in shown
    assert client.post(page(template), {"body": "YES"}).status_code == 403
