"""Keyword responders in the admin: lines, tag and language, many at once, deleting, and what the history keeps."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from consent.models import Line, Tag, User
from messaging.keywords import SHIPPED
from messaging.models import KeywordResponder
from tests.make import make_agent, make_line, make_officer, make_supervisor

pytestmark = pytest.mark.django_db
OVERVIEW = "/admin/messaging/keywordresponder/"
LANGUAGE = "/admin/messaging/keywordresponder/switch-on-language/"
HOURS: dict[str, Any] = {
    "keyword": "opening hours",
    "action": "reply",
    "reply": "Nine to five",
    "active": "on",
    "every_line": "on",
    "language": "en",
}


@pytest.fixture
def olive(client: Client) -> User:
    user = make_officer("olive")
    client.force_login(user)
    return user


@pytest.fixture
def sales(db: None) -> Line:
    return make_line(name="Sales")


def page(row: KeywordResponder, verb: str = "change") -> str:
    return reverse(f"admin:messaging_keywordresponder_{verb}", args=[row.pk])


def add(client: Client, **change: Any) -> dict[str, list[str]]:
    """What the form says against it; nothing where it was saved."""
    fields = {name: value for name, value in {**HOURS, **change}.items() if value is not None}
    answer = client.post(f"{OVERVIEW}add/", fields)
    return {} if answer.status_code == 302 else dict(answer.context_data["adminform"].form.errors)


def told(answer: Any) -> list[str]:
    return [str(message) for message in answer.context["messages"]]


def run(client: Client, action: str, *words: str) -> list[str]:
    rows = KeywordResponder.objects.filter(keyword__in=words)
    fields = {"action": action, "_selected_action": [row.pk for row in rows]}
    return told(client.post(OVERVIEW, fields, follow=True))


def history(row: KeywordResponder) -> list[tuple[str, str]]:
    entries = LogEntry.objects.filter(content_type__model="keywordresponder", object_id=str(row.pk)).order_by("pk")
    return [(entry.user.username, str(entry.get_change_message())) for entry in entries]


def test_a_responder_with_everything(olive: User, sales: Line, client: Client) -> None:
    vip = Tag.objects.create(name="asked for hours")
    assert not add(client, every_line=None, lines=[sales.pk], tag=vip.pk, language="es")
    hours = KeywordResponder.objects.get(keyword="OPENING HOURS")
    assert (list(hours.lines.all()), hours.every_line, hours.tag, hours.language) == ([sales], False, vip, "es")
    assert history(hours)[0][0] == "olive"
    listed = client.get(OVERVIEW).content.decode()
    assert "OPENING HOURS" in listed and "asked for hours" in listed and "Nine to five" in listed


def test_no_line_and_not_every_line_is_refused_by_name(olive: User, sales: Line, client: Client) -> None:
    assert "at least one line" in add(client, every_line=None)["lines"][0]
    assert not add(client, lines=[sales.pk])
    assert KeywordResponder.objects.get(keyword="OPENING HOURS").lines.count() == 0, "every line it is"


def test_the_form_names_the_other_responder_and_the_line(olive: User, sales: Line, client: Client) -> None:
    assert not add(client, every_line=None, lines=[sales.pk])
    found = add(client, keyword="Opening... HOURS!", action="help")["keyword"][0]
    assert "OPENING HOURS" in found and "Sales" in found
    assert "built in" in add(client, keyword="stop")["keyword"][0]
    assert KeywordResponder.objects.filter(keyword="OPENING HOURS").count() == 1


def test_a_reply_is_checked(olive: User, client: Client) -> None:
    assert "reply" in add(client, reply="Ask {nobody}")
    assert "reply" in add(client, reply="x" * 501)
    assert "reply" in add(client, reply="  ")
    assert not add(client, reply="Ask {support_contact},\r\nplease")
    assert KeywordResponder.objects.get(keyword="OPENING HOURS").reply == "Ask {support_contact},\nplease"


def test_the_last_of_its_kind_on_a_line_stays(olive: User, sales: Line, client: Client) -> None:
    KeywordResponder.objects.filter(action="opt_out").delete()
    assert not add(client, keyword="genug", action="opt_out", reply="")
    last = KeywordResponder.objects.get(keyword="GENUG")
    fields = {**HOURS, "keyword": "genug", "action": "opt_out", "reply": ""}
    for change, field in (({"active": ""}, "active"), ({"action": "help"}, "action")):
        answer = client.post(page(last), {**fields, **change})
        assert "Sales" in answer.context_data["adminform"].form.errors[field][0]
    for answer in (client.get(page(last, "delete"), follow=True), client.post(page(last, "delete"), {"post": "yes"})):
        assert answer.status_code in {200, 302}
    assert any("Sales" in text for text in told(client.get(page(last))))
    assert KeywordResponder.objects.filter(pk=last.pk, active=True).exists()
    assert "GENUG is not switched off" in run(client, "switch_off", "GENUG")[0]


def test_own_ones_are_deleted_after_a_question(olive: User, client: Client) -> None:
    assert not add(client)
    hours = KeywordResponder.objects.get(keyword="OPENING HOURS")
    assert "Are you sure" in client.get(page(hours, "delete")).content.decode()
    assert KeywordResponder.objects.filter(pk=hours.pk).exists()
    client.post(page(hours, "delete"), {"post": "yes"})
    assert not KeywordResponder.objects.filter(pk=hours.pk).exists()
    assert LogEntry.objects.filter(object_id=str(hours.pk), action_flag=3, user=olive).exists()


def test_many_are_switched_on_and_off_and_it_is_kept_who_did(olive: User, client: Client) -> None:
    assert run(client, "switch_on", "BAJA", "ALTO") == ["Switched on: ALTO, BAJA."]
    baja = KeywordResponder.objects.get(keyword="BAJA")
    assert baja.active and history(baja) == [("olive", "Switched on.")]
    assert run(client, "switch_on", "BAJA") == ["Already on: BAJA."]
    assert run(client, "switch_off", "BAJA", "STOP")[0] == "Switched off: BAJA."
    assert history(baja)[-1] == ("olive", "Switched off.")
    assert KeywordResponder.objects.get(keyword="STOP").active


def test_what_is_in_conflict_is_named_and_keeps_nobody(olive: User, sales: Line, client: Client) -> None:
    assert not add(client, keyword="baja", every_line=None, lines=[sales.pk])
    client.get(OVERVIEW)  # where the message about that is read
    texts = told(client.post(LANGUAGE, {"language": "es"}, follow=True))
    assert len(texts) == 2
    assert texts[0].startswith("Switched on: ALTO, ") and "BAJA" not in texts[0]
    assert texts[1].startswith("BAJA is not switched on. ") and "Sales" in texts[1]
    on = KeywordResponder.objects.filter(language="es", active=True)
    assert set(on.values_list("keyword", flat=True)) == set(SHIPPED["es"]) - {"BAJA"}


def test_a_language_is_switched_on_after_a_question(olive: User, client: Client) -> None:
    shown = client.get(LANGUAGE).content.decode()
    assert "DESABONNER" in shown
    assert not KeywordResponder.objects.filter(language="fr", active=True).exists(), "nothing changes on GET"
    answer = client.post(LANGUAGE, {"language": "fr"}, follow=True)
    assert "Switched on: " in told(answer)[0]
    assert not KeywordResponder.objects.filter(language="fr", active=False).exists()
    assert client.post(LANGUAGE, {"language": "xx"}).status_code == 200
    KeywordResponder.objects.filter(language="fr").delete()
    assert told(client.post(LANGUAGE, {"language": "fr"}, follow=True)) == ["There are no such words."]


def test_who_only_looks_switches_and_deletes_nothing(sales: Line, client: Client) -> None:
    KeywordResponder.objects.create(keyword="HOURS", action="reply", reply="x")
    before = list(KeywordResponder.objects.order_by("pk").values())
    for user in (make_supervisor(), make_agent(sales)):
        client.force_login(user)
        for action in ("switch_on", "switch_off", "delete_selected"):
            rows = KeywordResponder.objects.filter(keyword__in=["BAJA", "HOURS"]).values_list("pk", flat=True)
            client.post(OVERVIEW, {"action": action, "_selected_action": list(rows), "post": "yes"})
        assert client.post(LANGUAGE, {"language": "es"}).status_code == 403
        assert client.get(LANGUAGE).status_code == 403
    assert list(KeywordResponder.objects.order_by("pk").values()) == before


def test_nothing_is_deleted_many_at_a_time(olive: User, client: Client) -> None:
    assert not add(client)
    run(client, "delete_selected", "OPENING HOURS")
    assert KeywordResponder.objects.filter(keyword="OPENING HOURS").exists()


def test_the_responders_of_a_line_are_found(olive: User, sales: Line, client: Client) -> None:
    other = make_line("+12065550102", name="Care")
    assert not add(client, every_line=None, lines=[other.pk])
    words = {row.keyword for row in client.get(OVERVIEW, {"on": sales.pk}).context["cl"].queryset}
    assert "STOP" in words and "OPENING HOURS" not in words and "BAJA" not in words
    words = {row.keyword for row in client.get(OVERVIEW, {"on": other.pk}).context["cl"].queryset}
    assert "OPENING HOURS" in words
    for odd in ("0", "x", "9" * 30, "-1", "²"):
        assert client.get(OVERVIEW, {"on": odd}, follow=True).status_code == 200


def test_a_supervisor_reads_them(sales: Line, client: Client) -> None:
    hours = KeywordResponder.objects.create(keyword="HOURS", action="reply", reply="x", every_line=False)
    hours.lines.add(sales)
    client.force_login(make_supervisor())
    assert "Sales" in client.get(page(hours)).content.decode()
    assert "Switch on a language" not in client.get(OVERVIEW).content.decode()
