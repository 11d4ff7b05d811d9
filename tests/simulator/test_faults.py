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


def test_500_is_not_processed_either(simulator: Simulator) -> None:
    simulator.post("faults", fault="500")
    answer = simulator.create()
    assert (answer.status_code, answer.json()["code"]) == (500, 20500)
    assert [(entry["kind"], entry["fault"]) for entry in simulator.log()] == [("create_refused", "500")]
    assert simulator.listed().json()["messages"] == []


def test_30034_turns_one_down_and_blocks_nothing(simulator: Simulator) -> None:
    simulator.post("faults", fault="30034")
    assert (simulator.create().status_code, simulator.create().status_code) == (400, 201)


def test_drop_takes_the_message_on_and_breaks_off_in_the_answer(simulator: Simulator) -> None:
    simulator.post("faults", fault="drop")
    answer = simulator.create(StatusCallback=simulator.receiver.url + "/twilio/status/")
    assert len(answer.content) < int(answer["Content-Length"])
    simulator.drain()
    [message] = simulator.listed().json()["messages"]
    assert message["status"] == "delivered"
    assert [form["MessageSid"] for form in simulator.receiver.forms("/twilio/status/")] == [message["sid"]] * 2
    assert [entry["fault"] for entry in simulator.log("create")] == ["drop"]


def reported(simulator: Simulator) -> list[str]:
    simulator.create(StatusCallback=simulator.receiver.url + "/twilio/status/")
    simulator.drain()
    return [form["MessageStatus"] for form in simulator.receiver.forms("/twilio/status/")]


def test_duplicate_callbacks(simulator: Simulator) -> None:
    simulator.post("faults", fault="duplicate_callbacks")
    assert reported(simulator) == ["sent", "sent", "delivered", "delivered"]


def test_reordered_callbacks(simulator: Simulator) -> None:
    simulator.post("faults", fault="reorder_callbacks")
    assert reported(simulator) == ["delivered", "sent"]
    assert reported(simulator)[2:] == ["sent", "delivered"], "only once"


def test_faults_of_callbacks_come_together_and_beside_that_of_the_call(simulator: Simulator) -> None:
    for fault in ("undelivered", "duplicate_callbacks", "reorder_callbacks"):
        simulator.post("faults", fault=fault)
    assert reported(simulator) == ["undelivered", "undelivered", "sent", "sent"]


def test_delayed_callbacks(simulator: Simulator) -> None:
    simulator.post("faults", fault="delay_callbacks", seconds=0.05)
    callback = simulator.receiver.url + "/twilio/status/"
    late = simulator.create(StatusCallback=callback).json()["sid"]
    prompt = simulator.create(StatusCallback=callback).json()["sid"]
    simulator.drain()
    told = [form["MessageSid"] for form in simulator.receiver.forms("/twilio/status/")]
    assert told == [prompt, prompt, late, late]


def test_a_delayed_webhook_is_overtaken(simulator: Simulator) -> None:
    simulator.post("faults", fault="delay_webhooks", seconds=0.2)
    for body in ("STOP", "START"):
        simulator.post("inbound", **{"from": MIA, "to": LONG_CODE, "body": body})
    simulator.drain()
    assert [form["Body"] for form in simulator.receiver.forms()] == ["START", "STOP"]


def test_a_text_without_a_webhook_is_only_listed(simulator: Simulator) -> None:
    simulator.post("faults", fault="no_webhook")
    sid = simulator.text("STOP")
    simulator.text("hello")
    assert [form["Body"] for form in simulator.receiver.forms()] == ["hello"]
    assert sid in [message["sid"] for message in simulator.listed(To=LONG_CODE).json()["messages"]]
    assert [entry["fault"] for entry in simulator.log("inbound")] == ["no_webhook", ""]


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
        ({"fault": "502"}, "fault"),
        ({"fault": 429}, "fault"),
        ({"fault": "429", "times": 0}, "times"),
        ({"fault": "429", "times": True}, "times"),
        ({"fault": "429", "to": LONG_CODE[1:]}, "to"),
        ({"fault": "hang", "seconds": -1}, "seconds"),
        ({"fault": "429", "seconds": 1}, "seconds"),
        ({"fault": "no_webhook", "seconds": 1}, "seconds"),
        ({"fault": "429", "code": 30003}, "code"),
        ({"fault": "429", "tmes": 2}, "tmes"),
    ],
)
def test_bad_input_names_the_field(simulator: Simulator, fields: dict[str, object], field: str) -> None:
    answer = simulator.post("faults", **fields)
    assert answer.status_code == 400
    assert list(answer.json()) == [field]
    assert simulator.get("faults")["faults"] == []
