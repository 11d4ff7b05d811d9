"""Texting as a contact, the log, the phones, and who may."""

from typing import Any

import pytest
from django.test import Client

from tests.simulator.conftest import LONG_CODE, MESSAGES, MIA, SAM, TOLL_FREE, Simulator, basic

pytestmark = pytest.mark.urls("tests.simulator.urls")

OURS = ["/simulator/", *(f"/simulator/api/{name}/" for name in ("inbound", "log", "faults", "lines", "phones"))]


@pytest.mark.parametrize("path", [*OURS, MESSAGES, MESSAGES.replace(".json", "/SM1.json"), "/simulator/twilio/x"])
def test_nothing_is_there_while_the_simulator_is_off(simulator: Simulator, settings: Any, path: str) -> None:
    settings.SIMULATOR = False
    assert simulator.client.get(path, headers={"Authorization": basic()}).status_code == 404
    assert simulator.client.post(path, headers={"Authorization": basic()}).status_code == 404


@pytest.mark.parametrize("path", OURS)
@pytest.mark.parametrize(
    "meta", [{"REMOTE_ADDR": "192.0.2.1"}, {"REMOTE_ADDR": ""}, {"HTTP_X_FORWARDED_FOR": "192.0.2.1"}]
)
def test_only_this_machine_may(simulator: Simulator, path: str, meta: dict[str, str]) -> None:
    assert Client(**meta).get(path).status_code == 403
    assert Client(**meta).post(path, {}, content_type="application/json").status_code == 403


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_every_loopback_address_may(simulator: Simulator, address: str) -> None:
    assert Client(REMOTE_ADDR=address).get("/simulator/api/log/").status_code == 200


@pytest.mark.parametrize("name", ["inbound", "faults", "lines"])
def test_a_form_of_another_site_changes_nothing(simulator: Simulator, name: str) -> None:
    answer = Client(enforce_csrf_checks=True).post(f"/simulator/api/{name}/", {"from": MIA})
    assert answer.status_code == 400
    assert list(answer.json()) == ["request"]


@pytest.mark.parametrize("name", ["inbound"])
def test_nothing_changes_on_get(simulator: Simulator, name: str) -> None:
    assert simulator.client.get(f"/simulator/api/{name}/", {"from": MIA, "to": LONG_CODE}).status_code == 405
    assert simulator.log() == []


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        ({}, {"from", "to", "body"}),
        ({"from": "Mia"}, {"from"}),
        ({"to": LONG_CODE + "٣"}, {"to"}),
        ({"from": 14155550123}, {"from"}),
        ({"body": None}, {"body"}),
        ({"body": ["STOP"]}, {"body"}),
        ({"body": "x" * 1601}, {"body"}),
        ({"body": "half \ud83d"}, {"body"}),
        ({"media": -1}, {"media"}),
        ({"repeat": 1.5}, {"repeat"}),
        ({"subject": "Hi"}, {"subject"}),
    ],
)
def test_bad_input_names_every_field(simulator: Simulator, fields: dict[str, Any], bad: set[str]) -> None:
    good = {"from": MIA, "to": LONG_CODE, "body": "Hi"} if fields else {}
    answer = simulator.post("inbound", **{**good, **fields})
    assert answer.status_code == 400
    assert set(answer.json()) == bad
    assert all(isinstance(problem, str) for problems in answer.json().values() for problem in problems)
    assert simulator.log() == []


@pytest.mark.parametrize("content", ["", "[]", "null", "{", '"STOP"'])
def test_what_is_no_json_object_is_400(simulator: Simulator, content: str) -> None:
    answer = simulator.client.post("/simulator/api/inbound/", content, content_type="application/json")
    assert answer.status_code == 400
    assert list(answer.json()) == ["request"]


@pytest.mark.parametrize("body", ["", "\x00 nul", "<b>&'\"", "x" * 1600, "👍🏽"])
def test_whatever_a_phone_can_write_arrives_unchanged(simulator: Simulator, body: str) -> None:
    simulator.text(body)
    assert simulator.receiver.forms()[0]["Body"] == body
    [phone] = simulator.get("phones")["phones"]
    assert phone["threads"][0]["messages"][0]["body"] == body


def test_the_log_in_order_since_and_by_contact(simulator: Simulator) -> None:
    simulator.create(body="one")
    simulator.text("two", from_=SAM)
    entries = simulator.log()
    assert [(entry["kind"], entry["body"]) for entry in entries] == [
        ("create", "one"),
        ("inbound", "two"),
        ("webhook", "two"),
    ]
    assert [entry["id"] for entry in entries] == sorted(entry["id"] for entry in entries)
    assert simulator.log(since=entries[0]["id"]) == entries[1:]
    assert [entry["body"] for entry in simulator.log(number=MIA)] == ["one"]
    plus_as_space = simulator.client.get(f"/simulator/api/log/?number={MIA}").json()
    assert [entry["body"] for entry in plus_as_space["entries"]] == ["one"]
    assert simulator.get("log")["pending"] == 0
    assert simulator.client.get("/simulator/api/log/?since=x").status_code == 400


def test_the_phones_with_their_threads(simulator: Simulator) -> None:
    simulator.post("lines", line=TOLL_FREE, name="Offers")
    simulator.create(body="Hello", from_=TOLL_FREE)
    simulator.drain()
    simulator.text("STOP", to=TOLL_FREE)
    simulator.text("Hi", from_=SAM)
    answer = simulator.get("phones")
    assert [phone["number"] for phone in answer["phones"]] == answer["numbers"] == [SAM, MIA]
    [thread] = answer["phones"][1]["threads"]
    assert (thread["line"], thread["blocked"]) == (TOLL_FREE, True)
    assert [message["direction"] for message in thread["messages"]] == ["outbound", "inbound", "network"]
    assert [(line["line"], line["name"]) for line in answer["lines"]] == [(LONG_CODE, ""), (TOLL_FREE, "Offers")]
    assert [phone["number"] for phone in simulator.get("phones", number=[MIA])["phones"]] == [MIA]
    assert simulator.get("phones", number="")["phones"] == []


def test_the_page_loads_nothing_from_elsewhere(simulator: Simulator) -> None:
    answer = simulator.client.get("/simulator/")
    assert answer.status_code == 200
    assert "Nothing here leaves this machine." in answer.content.decode()
    assert "http://" not in answer.content.decode() and "https://" not in answer.content.decode()
    assert answer["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
    assert simulator.client.post("/simulator/").status_code == 405
