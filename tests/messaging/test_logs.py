"""The log: what contacts said and their full numbers are in no line of it, whatever fails; ids and codes are."""

import io
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.conf import settings as configured
from django.core.management import call_command
from django.db import IntegrityError, OperationalError
from django.test import Client

from config.logging import Json, Plain, without_numbers
from consent.models import Line, User
from messaging import inbound, outbound
from messaging.models import Conversation, Receipt
from messaging.provider import ProviderError
from tests.make import JANE, make_agent, make_line, make_officer, make_opted_in
from tests.world import Phone, callback, inbound_fields, post_webhook, sweep, text_in, write

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[2]
SECRET = "the blue umbrella"
ROW = f"null value in column x\nDETAIL:  Failing row contains (7, {JANE}, {SECRET}\nand more of it)."


class Log:
    def __init__(self) -> None:
        self.stream = io.StringIO()

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    def clean(self) -> None:
        for secret in (JANE, JANE[1:], JANE[2:], "umbrella", "and more of it"):
            assert secret not in self.text, self.text


@pytest.fixture(params=[Plain, Json])
def log(request: pytest.FixtureRequest) -> Iterator[Log]:
    """All that reaches the root, as the console gets it at the usual level."""
    root, log = logging.getLogger(), Log()
    handler, level = logging.StreamHandler(log.stream), root.level
    handler.setFormatter(request.param())
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield log
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def line() -> Line:
    return make_line()


@pytest.fixture
def ann(line: Line) -> User:
    return make_agent(line)


def raising(error: BaseException) -> Callable[..., Any]:
    def raises(*args: Any, **kwargs: Any) -> None:
        raise error

    return raises


def test_every_line_goes_through_one_handler_that_leaves_it_out() -> None:
    declared = configured.LOGGING
    assert {each["()"] for each in declared["formatters"].values()} == {"config.logging.Plain", "config.logging.Json"}
    assert list(declared["handlers"]) == ["console"] == declared["root"]["handlers"]
    for name in ("django", "django.server", "twilio.http_client", "celery", "urllib3"):
        logger = logging.getLogger(name)
        assert logger.propagate, name
        assert all(isinstance(each, logging.NullHandler) for each in logger.handlers), name


def test_the_main_flows(log: Log, line: Line, ann: User, jane: Phone) -> None:
    write(ann, line, SECRET)
    jane.texts(line, f"{SECRET}, call me at {JANE}")
    jane.texts(line, "YES")
    message = write(ann, line, SECRET)
    callback(message, "undelivered", "30007")
    jane.texts(line, f"stop texting me about {SECRET}")
    post_webhook("/twilio/inbound/", inbound_fields(JANE, line, SECRET), signature="wrong")
    sweep()
    logging.getLogger("messaging").info("it is read")
    assert "it is read" in log.text
    log.clean()


def test_what_the_provider_turns_away(log: Log, line: Line, ann: User, jane: Phone) -> None:
    make_opted_in(line)
    words = f"The 'To' number {JANE} is not valid: {SECRET}"
    jane.provider.errors += [
        ProviderError("30007", words, permanent=True, may_have_left=False),
        ProviderError("", words, permanent=False, may_have_left=True),
        ProviderError("20429", words, permanent=False, may_have_left=False),
    ]
    for _ in range(3):
        write(ann, line, SECRET)
    for code in ("30007", "none", "20429"):
        assert f"provider error {code}" in log.text
    log.clean()


def test_a_webhook_that_cannot_be_settled(log: Log, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbound, "_settle_inbound", raising(IntegrityError(ROW)))
    receipt = text_in(JANE, line, SECRET)
    inbound.settle_waiting()
    assert f"receipt {receipt.pk} can't be settled: IntegrityError" in log.text
    log.clean()


def test_a_webhook_that_cannot_be_stored(log: Log, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Receipt.objects, "keep", raising(IntegrityError(ROW)))
    monkeypatch.setattr(Client, "store_exc_info", lambda *args, **kwargs: None)  # or the test's client raises it
    answer = post_webhook("/twilio/inbound/", inbound_fields(JANE, line, SECRET))
    assert answer.status_code == 500
    assert "/twilio/inbound/" in log.text and "webhooks.py" in log.text and "IntegrityError" in log.text
    log.clean()
    assert "umbrella" not in answer.content.decode()


def test_an_error_page(log: Log, line: Line, ann: User, jane: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    make_opted_in(line)
    jane.texts(line, SECRET)
    client = Client(raise_request_exception=False)
    client.force_login(make_officer())
    monkeypatch.setattr(outbound, "submit", raising(ValueError(f"{SECRET} to {JANE}")))
    conversation = Conversation.objects.get()
    answer = client.post(f"/admin/messaging/conversation/{conversation.pk}/send/?q={JANE}", {"body": SECRET})
    assert answer.status_code == 500
    assert "ValueError" in log.text and "raise error" in log.text, "type and place"
    log.clean()
    shown = answer.content.decode()
    assert "umbrella" not in shown and JANE not in shown


def test_addresses_that_do_not_exist(log: Log) -> None:
    Client().get(f"/api/v1/nothing/{JANE}/?phone={JANE[1:]}")
    assert "Not Found: /api/v1/nothing/…0142/" in log.text
    log.clean()


@pytest.mark.parametrize(
    "written",
    ["(206)555-0142", "206-555-0142", "1 206 555 0142", "x%2B12065550142", "%2B1%20206%20555%200142", "1.206.555.0142"],
)
def test_addresses_with_a_number_however_it_is_written(log: Log, written: str) -> None:
    Client().get(f"/api/v1/contacts/{written}/consents/")
    assert "/api/v1/contacts/" in log.text and "…0142" in log.text
    assert not re.search(r"206\D{0,9}555", log.text), log.text


def test_a_thread_that_dies() -> None:
    """Python itself would print the exception with all that it says."""
    program = f"""
import threading, django
django.setup()
def dies():
    raise ValueError({SECRET!r})
def ends():
    raise SystemExit({SECRET!r})
for what in (dies, ends):
    thread = threading.Thread(target=what, name="worker-7")
    thread.start()
    thread.join()
"""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", "LOG_LEVEL": "INFO"}
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.returncode == 0
    assert "CRITICAL config.logging: thread worker-7 died" in run.stderr, run.stderr
    assert "in dies" in run.stderr and "ValueError" in run.stderr, "type and place"
    assert "umbrella" not in run.stderr and "in ends" not in run.stderr


def test_a_task_that_raises(log: Log) -> None:
    @current_app.task(name=f"test_logs.{id(log)}")
    def stumbles(words: str) -> None:
        raise ValueError(f"can't read {words}")

    stumbles.apply(args=[f"{SECRET} {JANE}"])
    assert "raised unexpected: ValueError" in log.text and "in stumbles" in log.text
    log.clean()


def test_a_step_of_the_sweep_that_raises(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "drop_late", raising(IntegrityError(ROW)))
    sweep()
    assert "a step of the sweep failed" in log.text and "tasks.py" in log.text
    log.clean()


def test_of_a_chain_of_exceptions_each_has_its_place(log: Log) -> None:
    try:
        try:
            {}[SECRET]
        except KeyError as error:
            raise ValueError(SECRET) from error
    except ValueError as error:
        logging.getLogger("x").exception("failed with %s, that is %r", error, error)
    assert log.text.index("KeyError") < log.text.index("ValueError", log.text.index("Traceback"))
    assert log.text.count("Traceback") == 2
    assert "failed with ValueError, that is ValueError" in log.text
    log.clean()


def test_why_a_server_cannot_be_reached_is_said(log: Log) -> None:
    for error in (ConnectionRefusedError("no one listens on 6379"), OperationalError("no host db.internal\nDETAIL: x")):
        try:
            raise error
        except Exception:
            logging.getLogger("x").exception("failed")
    assert "ConnectionRefusedError: no one listens on 6379" in log.text
    assert "OperationalError: no host db.internal" in log.text
    assert "DETAIL" not in log.text


def test_at_the_level_debug_everything_is_written(log: Log) -> None:
    logging.getLogger().setLevel(logging.DEBUG)
    try:
        raise ValueError(SECRET)
    except ValueError as error:
        logging.getLogger("x").exception("failed with %s", error)
    assert log.text.count(SECRET) == 2


def test_json_has_one_object_a_line_and_no_attributes_of_libraries(line: Line) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Json())
    logger = logging.getLogger("test_logs.json")
    logger.addHandler(handler)
    try:
        logger.warning("two\nlines for %s", JANE, extra={"request": SECRET, "data": {"body": SECRET}})
        try:
            raise RuntimeError(SECRET)
        except RuntimeError:
            logger.exception("failed")
    finally:
        logger.removeHandler(handler)
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert set(first) == {"time", "level", "logger", "message"}
    assert first["message"] == "two\nlines for …0142"
    assert (first["level"], first["logger"]) == ("WARNING", "test_logs.json")
    assert second["exception"].endswith("RuntimeError")


@pytest.mark.parametrize(
    ("written", "logged"),
    [
        ("to +12065550142.", "to …0142."),
        ("/contacts/%2B12065550142/consents/", "/contacts/…0142/consents/"),
        ("/contacts/12065550142/", "/contacts/…0142/"),
        ("?phone=+12065550142&line=%2b12065550100", "?phone=…0142&line=…0100"),
        ("tel:+1 (206) 555-0142 or", "tel:…0142 or"),
        ("+49.30.123.4567", "…4567"),
        ("('+12065550142', '+12065550143')", "('…0142', '…0143')"),
        ("/contacts/(206)555-0142/consents/", "/contacts/(…0142/consents/"),
        ("/contacts/206-555-0142/consents/", "/contacts/…0142/consents/"),
        ("/contacts/1 206 555 0142/consents/", "/contacts/…0142/consents/"),
        ("/contacts/x%2B12065550142/consents/", "/contacts/x…0142/consents/"),
        ("Jane%20%2B12065550142", "Jane%20…0142"),
        ("%252B12065550142", "…0142"),
        ("%25%32%42+12065550142", "%25%32%42…0142"),
        ("+1+206+555+0142", "…0142"),
        ("%2B1%20206%20555%200142", "…0142"),
        ("%2B1%C2%A0206%c2%a0555%C2%A00142", "…0142"),
        ("+1\u00a0206\u202f555\u20110142", "…0142"),
        ("\u202a+1 206 555 0142\u202c", "\u202a…0142\u202c"),
        (repr("+1\u00a0206\u00a0555\u00a00142"), "'…0142'"),
        (repr("+1\u00a0206\u00a0555\u00a00142".encode()), "b'…0142'"),
        ("+1 - 206 - 555 - 0142", "…0142"),
        ("tel-12065550142", "tel-…0142"),
        ("number_12065550142", "number_…0142"),
        ("12065550142_x", "…0142_x"),
        (r"\u002B12065550142", "…0142"),
        ("%31%32%30%36%35%35%35%30%31%34%32", "…0142"),
        ("%12065550142%", "%…0142%"),
        ("%2512065550142", "%…0142"),
        ("12065550142 12065550143", "…0142 …0143"),
        ("+1 206 555 0142 +1 206 555 0143", "…0143"),
        ("12065550142 200 2026-11-22", "…0142 200 2026-11-22"),
        ("206 555 0142 2026-11-22 07:03:20", "…0142 2026-11-22 07:03:20"),
        ("+1999-12-31-2345", "…2345"),
    ],
)
def test_numbers_keep_their_last_four_digits(written: str, logged: str) -> None:
    assert without_numbers(written) == logged


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-22 05:34:39,123 +0000",
        "2026-11-22 07:03:20,123 INFO messaging.inbound: it is read",
        "2026-11-22T07:03:20.123456+00:00",
        "2026-11-22T07:03:20Z",
        "at 07:03:20.123456+00:00",
        "?created__gte=2026-11-22+00%3A00%3A00%2B00%3A00&created__lt=2026-11-23",
        "consents-2026-11-22-070320.csv",
        "from 2026-11-22 to 2026-11-23",
        "2026-11-22/2026-11-23",
        "line 3 2026-11-22 07:03",
        '[22/Nov/2026 07:03:20] "GET /healthz HTTP/1.1" 200 15',
        "text 0c7a1d6e-58a4-4f8e-9c0e-123456789012: error 30007",
        "export 7 12345678-1234-4123-8123-123456789012 broke off",
        "/exports/12345678-1234-4123-8123-123456789012/",
        "next=%2Fexports%2F12345678-1234-4123-8123-123456789012%2F",
        "next=%252Fexports%252F12345678-1234-4123-8123-123456789012",
        "12345678123441238123123456789012",
        "6dcd4ce23d88e2ee9568ba546c007c63d9131c1b1206555014212065550142ab",
        "sha256:6dcd4ce23d88e2ee9568ba546c007c63d9131c1b1206555014212065550142ab",
        "SM00000000000000000000000000000142",
        "/Messages/SM0a1206555014200000000000000000ff.json",
        "<Line object at 0x7f1206555014>",
        "receipt 1234567 after 0.1234567890123 s",
        "succeeded in 12.345678901234567s",
        "from 72345",
        "at 192.168.100.200:8000",
        "%2Fadmin%2F?q=caf%C3%A9 100%",
        "123456789",
        "1234567890123456",
        "a\\u000ab%0Ac",
    ],
)
def test_what_is_no_number_stays_as_it_is(written: str) -> None:
    assert without_numbers(written) == written


def test_check_says_nothing_about_contacts(log: Log, line: Line, jane: Phone) -> None:
    jane.texts(line, SECRET)
    call_command("check", databases=["default"], stdout=log.stream, stderr=log.stream)
    log.clean()
