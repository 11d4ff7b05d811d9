"""Calls: each step is a signed webhook, and its answer is what the caller hears."""

from typing import Any

import pytest
from twilio.request_validator import RequestValidator

from tests.simulator.conftest import LONG_CODE, MIA, TOKENS, Simulator

pytestmark = pytest.mark.urls("tests.simulator.urls")

MENU = b'<Response><Gather action="/twilio/voice/key/?try=1"><Say>Press 1</Say></Gather></Response>'


def call(simulator: Simulator, **more: Any) -> Any:
    return simulator.post("call", **{"from": MIA, "to": LONG_CODE, **more})


def test_a_call_and_its_key(simulator: Simulator) -> None:
    simulator.receiver.answer = MENU
    began = call(simulator).json()
    assert began["says"] == ["Press 1"] and began["then"] == simulator.receiver.url + "/twilio/voice/key/?try=1"
    simulator.receiver.answer = b"<Response><Say>Thanks</Say><Hangup/></Response>"
    ended = call(simulator, sid=began["sid"], then=began["then"], digits="1").json()
    assert ended == {"sid": began["sid"], "says": ["Thanks"], "then": ""}
    first, second = simulator.receiver.webhooks
    assert first.path == "/twilio/voice/" and "Digits" not in first.form
    assert second.form["Digits"] == "1" and second.form["CallSid"] == first.form["CallSid"]
    for each in (first, second):
        expected = RequestValidator(TOKENS[0]).compute_signature(simulator.receiver.url + each.path, each.form)
        assert each.signature == expected and (each.form["From"], each.form["To"]) == (MIA, LONG_CODE)


def test_silence_and_a_withheld_number(simulator: Simulator) -> None:
    simulator.receiver.answer = MENU
    began = call(simulator, withheld=True).json()
    call(simulator, sid=began["sid"], then=began["then"], digits="")
    first, second = simulator.receiver.webhooks
    assert first.form["From"] == "anonymous" and second.form["Digits"] == ""


@pytest.mark.parametrize(("status", "answer"), [(500, b""), (403, MENU), (200, b"hello"), (200, b"")])
def test_what_a_caller_would_hear_as_an_error(simulator: Simulator, status: int, answer: bytes) -> None:
    simulator.receiver.status, simulator.receiver.answer = status, answer
    assert call(simulator).status_code == 502


@pytest.mark.parametrize(
    "fields",
    [{"from": "x"}, {"to": "x"}, {"then": "http://127.0.0.1/"}, {"digits": "1" * 21}, {"withheld": "yes"}, {"odd": 1}],
)
def test_bad_fields_are_named(simulator: Simulator, fields: dict[str, Any]) -> None:
    assert call(simulator, **fields).status_code == 400
    assert not simulator.receiver.webhooks


def test_only_this_machine_is_called(simulator: Simulator) -> None:
    assert call(simulator, sid="CA1", then="https://elsewhere.example/", digits="1").status_code == 502
    assert simulator.client.get("/simulator/api/call/").status_code == 405
    answer = simulator.client.post(
        "/simulator/api/call/", {}, content_type="application/json", REMOTE_ADDR="203.0.113.5"
    )
    assert answer.status_code == 403
