"""Webhooks and status callbacks: signed, over real HTTP, in order, tried again only where no connection came about."""

import sqlite3
import time

import pytest
from twilio.request_validator import RequestValidator

from messaging.simulator import delivery, store
from messaging.simulator.signing import sign
from messaging.simulator.store import LogKind
from tests.simulator.conftest import ACCOUNT, LONG_CODE, MIA, SHORT_CODE, TOKENS, Simulator

pytestmark = pytest.mark.urls("tests.simulator.urls")


def test_the_signature_is_the_one_that_the_official_validator_expects() -> None:
    form = {"To": LONG_CODE, "Body": "Olá & café = ✓\x00", "FromCity": "", "a": "1", "A": "2"}
    url = "https://example.com:8443/twilio/status/?m=1&x=%20a"
    assert sign("token", url, form) == RequestValidator("token").compute_signature(url, form)


def test_an_inbound_text_reaches_the_webhook(simulator: Simulator) -> None:
    sid = simulator.text("Hi ✓ & more", media=1)
    [webhook] = simulator.receiver.webhooks
    form = webhook.form
    assert form["MessageSid"] == form["SmsSid"] == form["SmsMessageSid"] == sid
    assert (form["From"], form["To"], form["Body"]) == (MIA, LONG_CODE, "Hi ✓ & more")
    assert (form["AccountSid"], form["ApiVersion"], form["SmsStatus"]) == (ACCOUNT, "2010-04-01", "received")
    assert (form["NumMedia"], form["NumSegments"], form["MediaContentType0"]) == ("1", "1", "image/jpeg")
    assert (form["FromCountry"], form["ToCountry"]) == ("US", "US")
    validator = RequestValidator(TOKENS[0])
    assert webhook.signature == validator.compute_signature(simulator.receiver.url + "/twilio/inbound/", form)
    [entry] = simulator.log("webhook")
    assert (entry["sid"], entry["http_status"], entry["error"]) == (sid, 200, "")


def test_countries_of_both_sides(simulator: Simulator) -> None:
    simulator.text("Hi", from_="+447700900123", to=SHORT_CODE)
    [form] = simulator.receiver.forms()
    assert (form["FromCountry"], form["ToCountry"]) == ("GB", "US")


def test_a_message_is_reported_sent_and_then_delivered(simulator: Simulator) -> None:
    callback = simulator.receiver.url + "/twilio/status/?m=17&x=a%20b"
    sid = simulator.create(StatusCallback=callback).json()["sid"]
    simulator.drain()
    sent, delivered = simulator.receiver.webhooks
    assert sent.path == "/twilio/status/?m=17&x=a%20b"
    assert sent.signature == RequestValidator(TOKENS[0]).compute_signature(callback, sent.form)
    assert sent.form == {
        "MessageSid": sid,
        "SmsSid": sid,
        "MessageStatus": "sent",
        "SmsStatus": "sent",
        "To": MIA,
        "From": LONG_CODE,
        "AccountSid": ACCOUNT,
        "ApiVersion": "2010-04-01",
    }
    assert delivered.form["MessageStatus"] == "delivered"
    assert [entry["status"] for entry in simulator.log("callback")] == ["sent", "delivered"]


def test_without_a_callback_the_message_is_delivered_all_the_same(simulator: Simulator) -> None:
    simulator.create()
    simulator.drain()
    assert simulator.receiver.webhooks == []
    assert simulator.listed().json()["messages"][0]["status"] == "delivered"


def test_texts_of_one_contact_arrive_in_order(simulator: Simulator) -> None:
    for number in range(20):
        simulator.post("inbound", **{"from": MIA, "to": LONG_CODE, "body": str(number)})
    simulator.drain()
    assert [form["Body"] for form in simulator.receiver.forms()] == [str(number) for number in range(20)]


def test_an_error_is_kept_and_not_tried_again(simulator: Simulator) -> None:
    simulator.receiver.status = 500
    simulator.text("Hi")
    assert len(simulator.receiver.webhooks) == 1
    assert [entry["http_status"] for entry in simulator.log("webhook")] == [500]


def test_no_connection_is_tried_once_more(simulator: Simulator, settings: object) -> None:
    settings.PUBLIC_URL = "http://127.0.0.1:9"  # type: ignore[attr-defined]
    simulator.text("Hi")
    tries = [(entry["http_status"], entry["error"]) for entry in simulator.log("webhook")]
    assert tries == [(None, "no connection")] * 2


def test_no_answer_in_time_is_not_tried_again(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "WAIT_SECONDS", 0.05)
    simulator.receiver.gate.clear()
    simulator.text("Hi")
    assert [(entry["http_status"], entry["error"]) for entry in simulator.log("webhook")] == [
        (None, "no answer in time")
    ]


def test_a_webhook_can_be_repeated(simulator: Simulator) -> None:
    sid = simulator.text("Hi", repeat=3)
    assert [form["MessageSid"] for form in simulator.receiver.forms()] == [sid] * 3
    assert len(simulator.log("inbound")) == 1


def test_a_file_of_an_earlier_version_goes_on(simulator: Simulator) -> None:
    old = sqlite3.connect(store.path())
    schema = store._SCHEMA.replace("PRAGMA user_version = 1;", "")
    schema = schema.replace(", not_before REAL NOT NULL DEFAULT 0, backwards INTEGER NOT NULL DEFAULT 0", "")
    old.executescript(
        schema.replace(",\n    not_before REAL NOT NULL DEFAULT 0, backwards INTEGER NOT NULL DEFAULT 0", "")
    )
    assert "not_before" not in str(old.execute("SELECT sql FROM sqlite_master").fetchall())
    old.close()
    simulator.text("Hi")
    assert [form["Body"] for form in simulator.receiver.forms()] == ["Hi"]


def test_what_a_dead_process_owed_is_delivered_by_the_next(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "HEARTBEAT_SECONDS", 0.01)
    url, gone = simulator.receiver.url + "/twilio/inbound/", time.time() - 1
    with store.writing() as db:
        for owner, lease_until in (("gone", gone), ("alive", time.time() + 60)):
            store.add_delivery(
                db,
                LogKind.WEBHOOK,
                sid="SM1",
                contact=MIA,
                url=url,
                form={"From": MIA, "To": LONG_CODE, "Body": owner},
                copies=1,
                owner=owner,
                lease_until=lease_until,
            )
    simulator.get("log")  # the first request wakes the couriers
    simulator.receiver.wait_for(1)
    simulator.drain()
    assert simulator.get("log")["pending"] == 1
    assert [form["Body"] for form in simulator.receiver.forms()] == ["gone"]
