"""The page "Try a text": who opens it, what it shows, and that a text of a contact's is hostile and private."""

from typing import Any

import pytest
from django.test import Client

from consent.models import Line, User
from messaging.models import KeywordResponder, Message, Receipt
from tests.make import make_agent, make_line, make_officer, make_supervisor, make_toll_free
from tests.messaging.test_trial import everything

pytestmark = pytest.mark.django_db
PAGE = "/admin/messaging/keywordresponder/try/"


@pytest.fixture
def sales(db: None) -> Line:
    return make_line(name="Sales")


@pytest.fixture
def olive(client: Client) -> User:
    user = make_officer("olive")
    client.force_login(user)
    return user


def attempt(client: Client, line: Line, text: str, **fields: str) -> Any:
    return client.post(PAGE, {"text": text, "line": line.pk, "standing": "not_defined", **fields})


def test_the_menu_and_the_list_lead_there(olive: User, sales: Line, client: Client) -> None:
    overview = client.get("/admin/messaging/keywordresponder/").content.decode()
    assert overview.count(f'href="{PAGE}"') >= 2
    shown = client.get(PAGE)
    assert shown.status_code == 200 and "Nothing is sent and nothing is stored" in shown.content.decode()


def test_what_a_text_leads_to(olive: User, sales: Line, client: Client) -> None:
    answer = attempt(client, sales, "stop please", standing="opted_in")
    shown = answer.content.decode()
    for words in (
        "stop please",
        "Opt out",
        "courtesy:STOP",
        "The contact is opted out on Sales.",
        "re out and get no more texts from us here",
        "1 segment",
        "✕ Opted out",
        answer.context["trial"].rules_version,
    ):
        assert words in shown, words
    stop = KeywordResponder.objects.get(keyword="STOP")
    assert f"/admin/messaging/keywordresponder/{stop.pk}/change/" in shown


def test_every_reading_can_be_shown(olive: User, sales: Line, client: Client) -> None:
    KeywordResponder(keyword="hours", action="reply", reply="Nine to five").enter()
    texts = ["STOP", "START", "HELP", "hours", "YES", "NO", "hello", "halt", "yes please", "Liked “Hello there”", "👍"]
    for standing in ("pending", "out", "opted_in"):
        meanings = {attempt(client, sales, text, standing=standing).context["trial"].reading.meaning for text in texts}
        assert len(meanings) >= 8, standing


def test_nothing_is_stored_by_the_page(olive: User, sales: Line, client: Client) -> None:
    client.get(PAGE)
    before = everything()
    for text in ("STOP", "START", "hello", "my name is Jane"):
        answer = attempt(client, sales, text)
        assert answer.status_code == 200 and "my name is Jane" not in str(answer.headers)
    assert everything() == before
    assert not Receipt.objects.exists() and not Message.objects.exists()


def test_a_text_in_the_address_is_not_tried(olive: User, sales: Line, client: Client) -> None:
    answer = client.get(PAGE, {"text": "STOP", "line": sales.pk, "standing": "opted_in"})
    assert answer.context["trial"] is None and "The contact is opted out" not in answer.content.decode()


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "{{ 7 }}{% now %}", "a\x00b", "\ud83d", "\u202eabc", "‮"])
def test_a_text_is_hostile(olive: User, sales: Line, client: Client, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        text = "\\ud83d"  # what can't be encoded, no browser sends
    answer = attempt(client, sales, text)
    assert answer.status_code == 200
    assert "<script>alert" not in answer.content.decode()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"text": ""}, "text"),
        ({"text": "x" * 1601}, "text"),
        ({"line": "0"}, "line"),
        ({"line": "x"}, "line"),
        ({"standing": "blissful"}, "standing"),
        ({"provider_said": "MAYBE"}, "provider_said"),
        ({"standing": "out", "under_review": "on"}, "under_review"),
    ],
)
def test_what_can_t_be_tried_says_why(
    olive: User, sales: Line, client: Client, fields: dict[str, str], field: str
) -> None:
    answer = client.post(PAGE, {"text": "hello", "line": sales.pk, "standing": "not_defined", **fields})
    assert answer.context["trial"] is None and field in answer.context["form"].errors


def test_what_the_network_answers_shows(olive: User, client: Client) -> None:
    shown = attempt(client, make_toll_free(name="Free"), "STOP", standing="opted_in").content.decode()
    assert "the network answers the contact itself" in shown
    said = attempt(client, make_line(name="Sales"), "hello", provider_said="HELP").content.decode()
    assert "The provider read it as HELP" in said and "the network answered" in said


def test_who_may_open_it(sales: Line, client: Client) -> None:
    assert client.get(PAGE).status_code == 302, "a stranger signs in first"
    client.force_login(make_agent(sales))
    assert client.get(PAGE).status_code == 403
    assert attempt(client, sales, "STOP").status_code == 403
    client.force_login(make_supervisor())
    assert client.get(PAGE).status_code == 200
    assert attempt(client, sales, "STOP").context["trial"] is not None


def test_it_works_before_there_is_a_line(olive: User, client: Client) -> None:
    assert client.get(PAGE).status_code == 200
    assert client.post(PAGE, {"text": "STOP", "standing": "opted_in"}).context["trial"] is None
