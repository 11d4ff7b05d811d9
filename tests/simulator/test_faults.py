"""Faults on request, each as often as asked for and only for whom it was asked."""

import threading

import pytest

from tests.simulator.conftest import LONG_CODE, MIA, SAM, Simulator

pytestmark = pytest.mark.urls("tests.simulator.urls")


def test_429_is_not_processed(simulator: Simulator) -> None:
    assert simulator.post("faults", fault="429", times=2).status_code == 201
    for _ in range(2):
        answer = simulator.create()
        assert (answer.status_code, answer.json()["code"]) == (429, 20429)
    assert simulator.create().status_code == 201
    assert [(entry["kind"], entry["fault"]) for entry in simulator.log()] == [
        ("create_refused", "429"),
        ("create_refused", "429"),
        ("create", ""),
    ]
    assert len(simulator.listed().json()["messages"]) == 1


def test_hang_takes_the_message_on_and_reports_it_before_it_answers(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = threading.Event()
    monkeypatch.setattr("messaging.simulator.rest._never", goes_on)
    simulator.post("faults", fault="hang", seconds=20)
    answers = []
    callback = simulator.receiver.url + "/twilio/status/"
    caller = threading.Thread(target=lambda: answers.append(simulator.create(StatusCallback=callback)))
    caller.start()
    simulator.receiver.wait_for(1)
    assert answers == []
    assert simulator.get("log")["entries"][0]["kind"] == "create"
    goes_on.set()
    caller.join()
    assert answers[0].status_code == 201
    assert [entry["fault"] for entry in simulator.log("create")] == ["hang"]


def test_21610_turns_the_next_one_down_and_blocks(simulator: Simulator) -> None:
    simulator.post("faults", fault="21610")
    assert simulator.create().json()["code"] == 21610
    assert simulator.create().json()["code"] == 21610
    assert simulator.create(to=SAM).status_code == 201
    simulator.text("START")
    assert simulator.create().status_code == 201


def test_an_undelivered_message_carries_its_error_code(simulator: Simulator) -> None:
    simulator.post("faults", fault="undelivered", code=30005)
    sid = simulator.create(StatusCallback=simulator.receiver.url + "/twilio/status/").json()["sid"]
    simulator.drain()
    sent, undelivered = simulator.receiver.forms("/twilio/status/")
    assert "ErrorCode" not in sent
    assert (undelivered["MessageStatus"], undelivered["ErrorCode"]) == ("undelivered", "30005")
    [message] = simulator.listed().json()["messages"]
    assert (message["sid"], message["status"], message["error_code"]) == (sid, "undelivered", 30005)
    assert simulator.get("phones")["phones"] == []


def test_duplicate_webhooks(simulator: Simulator) -> None:
    simulator.post("faults", fault="duplicate_webhooks")
    first, second = simulator.text("one"), simulator.text("two")
    assert [form["MessageSid"] for form in simulator.receiver.forms()] == [first, first, second]


def test_a_fault_for_one_contact_waits_for_that_contact(simulator: Simulator) -> None:
    simulator.post("faults", fault="429", to=SAM)
    assert simulator.create(to=MIA).status_code == 201
    assert simulator.create(to=SAM).status_code == 429


def test_a_call_that_is_wrong_anyway_uses_no_fault_up(simulator: Simulator) -> None:
    simulator.post("faults", fault="429")
    assert simulator.create(body="").json()["code"] == 21602
    assert len(simulator.get("faults")["faults"]) == 1


def test_faults_are_listed_and_cleared(simulator: Simulator) -> None:
    simulator.post("faults", fault="429", times=3)
    simulator.post("faults", fault="hang", to=SAM)
    simulator.create()
    assert simulator.get("faults")["faults"] == [
        {"fault": "429", "times": 2, "to": None, "seconds": None, "code": None},
        {"fault": "hang", "times": 1, "to": SAM, "seconds": 15.0, "code": None},
    ]
    assert simulator.client.delete("/simulator/api/faults/").json() == {"cleared": 2}
    assert simulator.get("faults")["faults"] == []


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "fault"),
        ({"fault": "500"}, "fault"),
        ({"fault": 429}, "fault"),
        ({"fault": "429", "times": 0}, "times"),
        ({"fault": "429", "times": True}, "times"),
        ({"fault": "429", "to": LONG_CODE[1:]}, "to"),
        ({"fault": "hang", "seconds": -1}, "seconds"),
        ({"fault": "429", "seconds": 1}, "seconds"),
        ({"fault": "429", "code": 30003}, "code"),
        ({"fault": "429", "tmes": 2}, "tmes"),
    ],
)
def test_bad_input_names_the_field(simulator: Simulator, fields: dict[str, object], field: str) -> None:
    answer = simulator.post("faults", **fields)
    assert answer.status_code == 400
    assert list(answer.json()) == [field]
    assert simulator.get("faults")["faults"] == []
