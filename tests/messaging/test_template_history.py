"""The versions of a wording: what changed word by word, by whom, restoring; and that nothing sent ever changes."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from consent.models import Evidence, LedgerEntry, User
from messaging.models import Message, Notice, SavedText, Template
from messaging.models.template import OvertakenError
from messaging.text import Piece, differences
from messaging.wordings import DEFAULTS, Kind
from tests.make import make_agent, make_line, make_officer, make_supervisor
from tests.world import Phone, write


@pytest.fixture
def olive(db: None, client: Client) -> User:
    user = make_officer("olive")
    client.force_login(user)
    return user


@pytest.fixture
def template(db: None) -> Template:
    return Template.objects.get(kind=Kind.HELP_REPLY, line=None)


def history(row: Any, **query: Any) -> str:
    address = reverse(f"admin:messaging_{row._meta.model_name}_history", args=[row.pk])
    return address + ("?" + "&".join(f"{name}={value}" for name, value in query.items()) if query else "")


def restore(row: Any, number: int) -> str:
    return reverse(f"admin:messaging_{row._meta.model_name}_restore", args=[row.pk, number])


# ---- differences ----------------------------------------------------------------------------------------------------


def test_words_and_variables_are_compared_whole() -> None:
    assert differences("Hi {agent_name}, call us.", "Hi {company_name}, text us!") == [
        Piece("Hi "),
        Piece("{agent_name}", "removed"),
        Piece("{company_name}", "added"),
        Piece(", "),
        Piece("call", "removed"),
        Piece("text", "added"),
        Piece(" us"),
        Piece(".", "removed"),
        Piece("!", "added"),
    ]


@given(st.text(max_size=80), st.text(max_size=80))
@hypothesis_settings(deadline=None)
def test_both_wordings_can_be_read_from_their_difference(old: str, new: str) -> None:
    pieces = differences(old, new)
    assert "".join(piece.words for piece in pieces if piece.change != "added") == old
    assert "".join(piece.words for piece in pieces if piece.change != "removed") == new


# ---- the page -------------------------------------------------------------------------------------------------------


def test_neighbours_and_any_other_version_are_compared(olive: User, template: Template, client: Client) -> None:
    template.say("Call us now.", author=olive)
    template.say("Call us <later>.", author=olive)
    shown = client.get(history(template)).content.decode()
    assert "<del>now</del><ins>&lt;later&gt;</ins>" in shown
    assert "by olive" in shown and "shipped with Optline" in shown
    template.say("Text us <later>.", author=olive)
    shown = client.get(history(template, against=2)).content.decode()
    assert "<del>Call</del><ins>Text</ins> us <del>now</del><ins>&lt;later&gt;</ins>." in shown


@pytest.mark.parametrize("against", ["0", "99", "-1", "x", "9" * 40, "٣", ""])
def test_an_odd_version_in_the_address_is_no_crash(
    against: str, olive: User, template: Template, client: Client
) -> None:
    assert client.get(history(template, against=against, before=against)).status_code == 200


def test_old_versions_are_on_further_pages(olive: User, template: Template, client: Client) -> None:
    for number in range(30):
        template.say(f"Call {number}.")
    first = client.get(history(template))
    assert [each["version"].number for each in first.context_data["entries"]] == list(range(31, 6, -1))
    assert "Older versions" in first.content.decode()
    second = client.get(history(template, before=first.context_data["older"]))
    assert [each["version"].number for each in second.context_data["entries"]] == list(range(6, 0, -1))


# ---- restoring ------------------------------------------------------------------------------------------------------


def test_an_old_version_comes_back_as_a_new_one(olive: User, template: Template, client: Client) -> None:
    first = template.current
    template.say("Call us now.", author=make_officer("omar"))
    asked = client.get(restore(template, 1))
    assert asked.status_code == 200 and template.versions.count() == 2, "nothing happens before it is confirmed"
    assert client.post(restore(template, 1), {"seen": 2}).status_code == 302
    template.refresh_from_db()
    new = template.current
    assert new and first and (new.number, new.body, new.author) == (3, first.body, olive)
    assert new.restored_from == first
    assert "restored from version 1" in client.get(history(template)).content.decode()


def test_a_restored_request_gives_the_consent_it_gave(db: None) -> None:
    request = Template.objects.get(kind=Kind.REQUEST_OURS, line=None)
    request.say("Sign: {accept_word}", level="written")
    request.say("Agree: {accept_word}", level="express")
    assert request.restore(request.versions.get(number=2), author=None).level == "written"


def test_what_somebody_saved_meanwhile_is_not_replaced_unseen(olive: User, template: Template, client: Client) -> None:
    template.say("Call us now.")
    template.say("Call us later.", author=make_officer("omar"))
    answer = client.post(restore(template, 1), {"seen": 2}, follow=True)
    assert "omar saved version 3 meanwhile" in answer.content.decode()
    assert template.versions.count() == 3
    with pytest.raises(OvertakenError):
        template.say("Call nobody.", seen=2)


def test_the_words_in_use_are_not_restored_again(olive: User, template: Template, client: Client) -> None:
    answer = client.post(restore(template, 1), {"seen": 1}, follow=True)
    assert "in use already" in answer.content.decode() and template.versions.count() == 1


def test_a_version_that_could_not_be_saved_today_is_refused(olive: User, client: Client) -> None:
    request = Template.objects.get(kind=Kind.REQUEST_OURS, line=None)
    request.versions.create(number=2, body="Nobody can answer this.")
    answer = client.post(restore(request, 2), {"seen": 1}, follow=True)
    assert "Nothing was restored" in answer.content.decode() and request.versions.count() == 2


def test_restoring_is_for_those_who_may_change(template: Template, client: Client) -> None:
    template.say("Call us now.")
    for user in (make_supervisor(), make_agent()):
        client.force_login(user)
        assert client.get(restore(template, 1)).status_code == 403
        assert client.post(restore(template, 1), {"seen": 2}).status_code == 403
    assert template.versions.count() == 2
    client.force_login(make_supervisor())
    assert "Use version" not in client.get(history(template)).content.decode()
    client.force_login(make_agent())
    assert client.get(history(template)).status_code == 403
    client.force_login(make_officer())
    assert client.post(restore(template, 99), {"seen": 2}).status_code == 404


def test_saved_texts_have_the_same_history(olive: User, client: Client) -> None:
    saved = SavedText.objects.create(name="Directions")
    first = saved.say("Turn left.", author=olive)
    saved.say("Turn right.", author=olive)
    assert "<del>left</del><ins>right</ins>" in client.get(history(saved)).content.decode()
    assert client.post(restore(saved, 1), {"seen": 2}).status_code == 302
    saved.refresh_from_db()
    assert saved.current and (saved.current.number, saved.current.restored_from) == (3, first)


# ---- what was sent --------------------------------------------------------------------------------------------------


def test_editing_later_changes_nothing_that_was_sent(jane: Phone) -> None:
    line = make_line()
    ann = make_agent(line)
    write(ann, line)
    jane.texts(line, "YES")
    jane.texts(line, "HELP")
    write(ann, line, "Anything else?")
    jane.texts(line, "STOP")

    def kept() -> list[Any]:
        return [
            list(Message.objects.order_by("pk").values_list("body", "sent_body", "wording", "wording__body")),
            list(Notice.objects.order_by("pk").values_list("text", "wording", "wording__body")),
            list(LedgerEntry.objects.order_by("pk").values_list("wording", "hash")),
            list(Evidence.objects.order_by("pk").values()),
        ]

    before = kept()
    assert sum(1 for row in before[0] if row[2]) >= 5, "sent texts point to their version"
    for template in Template.objects.all():
        template.say(f"Something else, YES. Press 1. {template.pk}")
        template.say(DEFAULTS[Kind(template.kind)])
        template.restore(template.versions.get(number=2), author=None)
    assert kept() == before
