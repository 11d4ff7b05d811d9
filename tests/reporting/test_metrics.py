"""/metrics: what Prometheus reads, who may, and that nothing about contacts is in it."""

import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from consent.models import Line, User
from messaging import inbound
from messaging import metrics as webhooks
from messaging.models import Message, Receipt
from messaging.provider import ProviderError
from reporting import figures
from reporting import metrics as page
from reporting.models import ReportRun
from tests.make import JANE, OMAR, make_agent, make_contact, make_line, make_opted_in
from tests.world import Clock, Phone, post_webhook, text_in, work, write

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]
SECRET = "the blue umbrella"


@pytest.fixture(autouse=True)
def own_measurements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    return tmp_path


def here(host: str = "127.0.0.1", address: str = "127.0.0.1") -> Client:
    """Somebody who asks from this machine, by its name there."""
    return Client(SERVER_NAME=host, REMOTE_ADDR=address)


def scraped() -> dict[tuple[str, ...], float]:
    """Each sample under its name and the values of its labels."""
    answer = here().get("/metrics")
    assert answer.status_code == 200, answer.content
    return {
        (each.name.removeprefix("optline_"), *each.labels.values()): each.value
        for family in text_string_to_metric_families(answer.content.decode())
        for each in family.samples
    }


@pytest.fixture
def line(clock: Clock) -> Line:
    return make_line(name="Sales")


@pytest.fixture
def ann(line: Line) -> User:
    return make_agent(line, name="ann")


def test_what_waits_and_for_how_long(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    write(ann, line, SECRET)  # held, and Jane is asked
    jane.provider.errors.append(ProviderError("", "no answer", permanent=False, may_have_left=True))
    write(ann, line, SECRET, to=OMAR)  # the request is of unknown fate
    text_in(JANE, line, SECRET)
    stuck = text_in("+12065550161", line, SECRET)
    Receipt.objects.filter(pk=stuck.pk).update(needs_person=True, received_at=timezone.now() - dt.timedelta(hours=1))
    clock.passes(seconds=90)
    found = scraped()
    assert found["unsettled_receipts",] == 2
    assert found["receipts_for_a_person",] == 1
    assert found["oldest_unsettled_receipt_seconds",] == pytest.approx(3690, abs=5)
    assert found["queue_age_seconds", "settle"] == pytest.approx(90, abs=5), "nobody but a person can settle the other"
    assert found["texts_waiting", "held"] == 2
    assert found["texts_waiting", "unknown"] == 1
    work()
    assert scraped()["queue_age_seconds", "settle"] == 0


def test_the_queue_of_texts_ages_from_when_they_are_due(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    make_opted_in(line)
    message = write(ann, line)
    later = timezone.now() + dt.timedelta(hours=1)
    Message.objects.filter(pk=message.pk).update(status="deferred", not_before=later)
    clock.passes(minutes=30)
    assert scraped()["queue_age_seconds", "send"] == 0
    clock.passes(minutes=40)
    assert scraped()["queue_age_seconds", "send"] == pytest.approx(600, abs=5)


def test_files_that_nobody_makes(line: Line, clock: Clock) -> None:
    ReportRun.objects.create(
        report="snapshot",
        format="csv",
        origin="command",
        in_background=True,
        state="waiting",
        created=timezone.now() - dt.timedelta(minutes=5),
    )
    assert scraped()["queue_age_seconds", "reports"] == pytest.approx(300, abs=5)


def test_texts_by_what_became_of_them_and_refusals_by_reason(line: Line, ann: User, jane: Phone, clock: Clock) -> None:
    make_opted_in(line)
    write(ann, line)
    clock.passes(minutes=61)  # the first one is no longer recent
    write(ann, line)
    jane.texts(line, "STOP")
    write(ann, line)
    found = scraped()
    assert found["texts_written_last_hour", "sent"] == 2, "the second text and the confirmation"
    assert found["texts_written_last_hour", "refused"] == 1
    assert found["texts_written_last_hour", "failed"] == 0
    assert found["texts_refused_last_hour", "opted_out"] == 1


def test_how_long_a_stop_took(line: Line, jane: Phone, clock: Clock) -> None:
    make_opted_in(line)
    assert ("stop_to_suppression_seconds", "1") not in scraped(), "there was none"
    for seconds in (1, 2, 60):
        receipt = text_in(JANE, line, "STOP")
        clock.passes(seconds=seconds)
        inbound.settle_number(JANE)
        assert Receipt.objects.get(pk=receipt.pk).settled_at
    text_in(JANE, line, "hello")
    clock.passes(seconds=300)
    work()
    found = scraped()
    assert found["stops_last_hour",] == 3
    assert found["stop_to_suppression_seconds", "0.5"] == pytest.approx(2, abs=0.9)
    assert found["stop_to_suppression_seconds", "1"] == pytest.approx(60, abs=0.9)
    clock.passes(hours=1)
    assert scraped()["stops_last_hour",] == 0


def test_open_reviews_and_the_last_count(line: Line, jane: Phone, clock: Clock) -> None:
    assert ("last_count_age_seconds",) not in scraped(), "nobody counted yet"
    make_opted_in(line)
    jane.texts(line, "I don't know why you keep texting me")
    figures.count()
    clock.passes(seconds=45)
    found = scraped()
    assert found["open_reviews", "revocation"] == 1
    assert found["open_reviews", "acceptance"] == 0
    assert found["last_count_age_seconds",] == pytest.approx(45, abs=5)


@pytest.mark.parametrize(("share", "number"), [(0.5, 50), (0.99, 99), (1, 100)])
def test_a_share_of_the_numbers_is_not_above_its_quantile(share: float, number: int) -> None:
    assert page._quantile([float(each) for each in range(1, 101)], share) == number
    assert page._quantile([7.0], share) == 7


def test_nothing_about_contacts_or_people(line: Line, ann: User, jane: Phone) -> None:
    make_contact(JANE, first_name="Jane")
    write(ann, line, SECRET)
    jane.texts(line, SECRET)
    make_opted_in(line)
    jane.texts(line, "STOP")
    write(ann, line, SECRET)
    shown = here().get("/metrics").content.decode()
    for secret in (JANE[1:], JANE[-4:], "Jane", "umbrella", line.number[1:], "Sales", "ann"):
        assert secret not in shown, secret


def test_a_scrape_costs_the_same_few_queries_at_any_size(line: Line, ann: User, jane: Phone) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            scraped()
        return len(queries)

    before = cost()
    assert before <= 10
    for digit in range(5):
        write(ann, line, to=f"+1206555016{digit}")
        text_in(f"+1206555016{digit}", line, "STOP")
    assert cost() == before


def test_without_a_token_only_this_machine_may_read(settings: Any) -> None:
    settings.METRICS_TOKEN = ""
    for address in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
        assert here(address=address).get("/metrics").status_code == 200, address
    for address in ("10.0.0.7", ""):
        assert here(address=address).get("/metrics").status_code == 401, address


@pytest.mark.parametrize(
    "header",
    [
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "X-Forwarded-Anything",
        "X-Real-IP",
        "Forwarded",
        "Via",
    ],
)
def test_a_proxy_on_this_machine_may_not_without_a_token(settings: Any, header: str) -> None:
    settings.METRICS_TOKEN = ""
    assert here().get("/metrics", headers={header: "https"}).status_code == 401


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("127.0.0.2", 200),
        ("localhost", 200),
        ("LOCALHOST:8000", 200),
        ("[::1]:8000", 200),
        ("sms.example.com", 401),
        ("localhost.example.com", 401),
        ("10.0.0.7", 401),
        ("0.0.0.0", 401),
    ],
)
def test_without_a_token_it_is_asked_for_by_a_name_of_this_machine(settings: Any, host: str, status: int) -> None:
    """Another name came through a proxy, even one that adds no header."""
    settings.METRICS_TOKEN, settings.ALLOWED_HOSTS = "", ["*"]
    assert here().get("/metrics", headers={"Host": host}).status_code == status


def test_with_a_token_whoever_brings_it_may_read(settings: Any) -> None:
    settings.METRICS_TOKEN = "s3cret"
    elsewhere = Client(REMOTE_ADDR="10.0.0.7")
    assert elsewhere.get("/metrics", headers={"Authorization": "Bearer s3cret"}).status_code == 200
    for wrong in ("", "Bearer", "Bearer ", "Bearer s3cre", "Basic s3cret", "s3cret", "Bearer s3crét"):
        answer = elsewhere.get("/metrics", headers={"Authorization": wrong})
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer"), wrong
    assert here().get("/metrics").status_code == 401


def test_reading_only() -> None:
    assert Client().post("/metrics").status_code == 405


def test_a_database_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise DatabaseError("could not connect, password=hunter2")

    monkeypatch.setattr(Receipt.objects, "unsettled", broken)
    answer = here().get("/metrics")
    assert answer.status_code == 503
    assert b"hunter2" not in answer.content


# ---- webhooks -------------------------------------------------------------------------------------------------------

WEB_PROCESS = """
import json, sys
import django
django.setup()
from django.test import Client
for path in json.loads(sys.argv[1]):
    Client(SERVER_NAME="127.0.0.1").post(path)
print("answered", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def web_process(own_measurements: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts a web process that answers these requests and then lives on until its input is closed."""
    started = []

    def start(*paths: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", WEB_PROCESS, json.dumps(paths)],
            cwd=ROOT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", "LOG_LEVEL": "CRITICAL"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        started.append(process)
        assert process.stdout and process.stdout.readline() == b"answered\n"
        return process

    yield start
    for process in started:
        process.communicate(timeout=30)


def test_the_processes_of_a_host_add_up_their_webhooks(
    web_process: Callable[..., subprocess.Popen[bytes]], own_measurements: Path
) -> None:
    """Unsigned ones here, since those need no database. What is no webhook is not timed; made-up addresses are one."""
    one = web_process("/twilio/status/", "/twilio/inbound/", "/api/v1/messages/")
    two = web_process("/twilio/status/?m=x", "/twilio/+12065550142/", "/twilio/hello/")
    found = {key[1:]: number for key, number in scraped().items() if key[0] == "webhook_seconds_count"}
    assert found == {
        ("403", "twilio/status/"): 2,
        ("403", "twilio/inbound/"): 1,
        ("404", "unknown"): 2,
    }
    for process in (one, two):
        process.communicate(timeout=30)
    assert scraped()["webhook_seconds_count", "403", "twilio/status/"] == 2, "what ended processes measured stays"
    web_process("/twilio/status/")
    assert scraped()["webhook_seconds_count", "403", "twilio/status/"] == 1, "until all of them are new"
    assert len(list(own_measurements.iterdir())) == 1


def test_a_full_disk_keeps_no_webhook_from_its_answer(
    line: Line, monkeypatch: pytest.MonkeyPatch, own_measurements: Path
) -> None:
    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    monkeypatch.setattr(webhooks, "_measuring", {})
    assert text_in(JANE, line, "STOP")
    assert post_webhook("/twilio/status/", {}, signature="wrong").status_code == 403
    assert not [key for key in scraped() if key[0].startswith("webhook")]


def test_a_damaged_file_hides_the_webhooks_alone(
    web_process: Callable[..., subprocess.Popen[bytes]], own_measurements: Path, caplog: pytest.LogCaptureFixture
) -> None:
    web_process("/twilio/status/")
    file = own_measurements / "histogram_1.db"
    for damaged in (b"", b"x"):
        file.write_bytes(damaged)
        caplog.clear()
        found = scraped()
        assert found["unsettled_receipts",] == 0
        assert not [key for key in found if key[0].startswith("webhook")]
        assert "the times of webhooks can't be read" in caplog.text
    file.unlink()
    assert scraped()["webhook_seconds_count", "403", "twilio/status/"] == 1
