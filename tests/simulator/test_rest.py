"""Twilio's REST calls: who may, what is taken on, what is turned down, how messages are listed."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest

from tests.simulator.conftest import ACCOUNT, LONG_CODE, MESSAGES, MIA, SAM, Simulator, basic

pytestmark = pytest.mark.urls("tests.simulator.urls")


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer first-token",
        "Basic not-base64!",
        "Basic " + "é",
        basic(password="wrong"),
        basic(password=""),
        basic(user="AC" + "2" * 32),
    ],
)
def test_wrong_credentials_are_turned_down_and_nothing_is_stored(simulator: Simulator, authorization: str) -> None:
    answer = simulator.client.post(
        MESSAGES, {"To": MIA, "From": LONG_CODE, "Body": "Hello"}, headers={"Authorization": authorization}
    )
    assert answer.status_code == 401
    assert answer.json()["code"] == 20003
    assert set(answer.json()) == {"code", "message", "more_info", "status"}
    assert simulator.log() == []


def test_every_token_of_the_account_may(simulator: Simulator) -> None:
    for token in ("first-token", "second-token"):
        authorization = basic(password=token)
        assert simulator.client.get(MESSAGES, headers={"Authorization": authorization}).status_code == 200


def test_another_account_in_the_path_is_turned_down(simulator: Simulator) -> None:
    path = MESSAGES.replace(ACCOUNT, "AC" + "2" * 32)
    assert simulator.client.get(path, headers={"Authorization": basic()}).status_code == 401


def test_a_created_message_has_the_shape_of_twilios(simulator: Simulator) -> None:
    answer = simulator.create(body="Grüße [1]")
    assert answer.status_code == 201
    message = answer.json()
    assert message["sid"].startswith("SM") and len(message["sid"]) == 34
    assert (message["to"], message["from"], message["body"]) == (MIA, LONG_CODE, "Grüße [1]")
    assert message["status"] == "queued"
    assert message["direction"] == "outbound-api"
    assert message["num_segments"] == "1" and message["num_media"] == "0"
    assert message["error_code"] is None and message["error_message"] is None and message["price"] is None
    assert message["account_sid"] == ACCOUNT and message["api_version"] == "2010-04-01"
    assert message["uri"] == f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{message['sid']}.json"
    assert message["date_sent"] is None
    age = datetime.now(UTC) - parsedate_to_datetime(message["date_created"])
    assert timedelta() <= age < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"to": ""}, 21211),
        ({"to": "4155550123"}, 21211),
        ({"to": "+1415555012x"}, 21211),
        ({"to": "+١٤١٥٥٥٥٠١٢٣"}, 21211),
        ({"from_": ""}, 21603),
        ({"from_": "nobody"}, 21212),
        ({"from_": "", "MessagingServiceSid": "MG" + "1" * 32}, 21703),
        ({"body": ""}, 21602),
        ({"body": "x" * 1601}, 21617),
        ({"StatusCallback": "ftp://127.0.0.1/"}, 21609),
        ({"StatusCallback": "https://example.com/status/"}, 21609),
        ({"StatusCallback": "http://127.0.0.1@example.com/"}, 21609),
    ],
)
def test_what_twilio_turns_down(simulator: Simulator, form: dict[str, str], code: int) -> None:
    answer = simulator.create(**form)
    assert (answer.status_code, answer.json()["code"], answer.json()["status"]) == (400, code, 400)
    [refused] = simulator.log()
    assert (refused["kind"], refused["code"], refused["http_status"]) == ("create_refused", code, 400)
    assert simulator.listed().json()["messages"] == []


def test_a_body_of_1600_characters_is_taken_on(simulator: Simulator) -> None:
    answer = simulator.create(body="x" * 1600)
    assert answer.status_code == 201
    assert answer.json()["num_segments"] == "11"


def test_a_messaging_service_sends_from_one_of_its_lines(simulator: Simulator) -> None:
    service = "MG" + "1" * 32
    simulator.post("lines", line=LONG_CODE, service=service)
    message = simulator.create(from_="", MessagingServiceSid=service).json()
    assert (message["from"], message["messaging_service_sid"]) == (LONG_CODE, service)


def test_fetching_one_message(simulator: Simulator) -> None:
    sid = simulator.create().json()["sid"]
    simulator.drain()
    path = MESSAGES.replace(".json", f"/{sid}.json")
    message = simulator.client.get(path, headers={"Authorization": basic()}).json()
    assert message["status"] == "delivered"
    assert message["date_sent"] is not None
    unknown = simulator.client.get(MESSAGES.replace(".json", "/SMnone.json"), headers={"Authorization": basic()})
    assert (unknown.status_code, unknown.json()["code"]) == (404, 20404)


def test_other_calls_of_twilio_are_unknown_here(simulator: Simulator) -> None:
    answer = simulator.client.post("/simulator/twilio/v1/Consents/Bulk", headers={"Authorization": basic()})
    assert (answer.status_code, answer.json()["code"]) == (404, 20404)


def test_the_list_has_both_directions_newest_first(simulator: Simulator) -> None:
    first = simulator.create(body="one").json()["sid"]
    second = simulator.text("two")
    simulator.create(to=SAM, body="three")
    messages = simulator.listed().json()["messages"]
    assert [message["body"] for message in messages] == ["three", "two", "one"]
    assert messages[1]["direction"] == "inbound" and messages[1]["status"] == "received"
    assert [message["sid"] for message in simulator.listed(To=MIA).json()["messages"]] == [first]
    assert [message["sid"] for message in simulator.listed(From=MIA, To=LONG_CODE).json()["messages"]] == [second]
    assert [message["body"] for message in simulator.listed(From=LONG_CODE).json()["messages"]] == ["three", "one"]


def test_the_answer_of_the_network_is_no_message_of_the_account(simulator: Simulator) -> None:
    simulator.text("STOP", to="+18885550102")
    assert [message["body"] for message in simulator.listed().json()["messages"]] == ["STOP"]
    [network] = simulator.log("network")
    path = MESSAGES.replace(".json", f"/{network['sid']}.json")
    assert simulator.client.get(path, headers={"Authorization": basic()}).status_code == 404


def test_date_sent_filters(simulator: Simulator) -> None:
    simulator.create()
    simulator.drain()
    now = datetime.now(UTC)
    today, hour = now.date(), timedelta(hours=1)
    tomorrow, yesterday = today + timedelta(days=1), today - timedelta(days=1)
    exact = "%Y-%m-%dT%H:%M:%SZ"

    def count(**query: str) -> int:
        return len(simulator.listed(**query).json()["messages"])

    assert count(**{"DateSent": str(today)}) == 1
    assert count(**{"DateSent": str(yesterday)}) == 0
    assert count(**{"DateSent>": str(today)}) == 1
    assert count(**{"DateSent>": str(tomorrow)}) == 0
    assert count(**{"DateSent<": str(today)}) == 1
    assert count(**{"DateSent<": str(yesterday)}) == 0
    assert count(**{"DateSent>": (now - hour).strftime(exact), "DateSent<": (now + hour).strftime(exact)}) == 1
    assert count(**{"DateSent>": (now + hour).strftime(exact)}) == 0
    assert count(**{"DateSent<": (now - hour).strftime(exact)}) == 0


@pytest.mark.parametrize("query", [{"PageSize": "many"}, {"DateSent": "soon"}, {"PageToken": "PAx"}])
def test_a_list_that_cannot_be_read_is_400(simulator: Simulator, query: dict[str, str]) -> None:
    assert simulator.listed(**query).status_code == 400


def test_pages_stay_put_while_messages_arrive(simulator: Simulator) -> None:
    for number in range(5):
        simulator.create(body=str(number))
    page = simulator.listed(PageSize="2").json()
    assert [message["body"] for message in page["messages"]] == ["4", "3"]
    simulator.create(body="late")
    bodies = []
    while uri := page["next_page_uri"]:
        assert uri.startswith("/2010-04-01/")
        page = simulator.client.get("/simulator/twilio" + uri, headers={"Authorization": basic()}).json()
        bodies += [message["body"] for message in page["messages"]]
    assert bodies == ["2", "1", "0"]
