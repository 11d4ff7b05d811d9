"""manage.py doctor: a sound deployment gets an ok for each check, and what is wrong with one is named with a remedy."""

import datetime as dt
import json
import socket
import threading
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator
from email.utils import format_datetime
from io import StringIO
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from celery import current_app
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from twilio.http.response import Response

from consent import clock, triggers
from consent.models import Line, Organisation
from messaging import doctor, provider
from messaging.models import KeywordResponder, Message, Receipt
from messaging.provider import ProviderError
from reporting import figures
from reporting.models import Mark
from tests.make import JANE, make_agent, make_line, make_officer, make_opted_in, make_toll_free
from tests.world import Phone, inbound_fields, text_in, write

pytestmark = pytest.mark.django_db

App = Callable[[dict[str, Any], Any], Iterable[bytes]]
ACCOUNT = "AC" + "1" * 32


class Quiet(WSGIRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[Callable[[App], str]]:
    """Serves a WSGI application on this machine; gives its address."""
    servers = []

    def start(app: App) -> str:
        server = make_server("127.0.0.1", 0, app, handler_class=Quiet)
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


class Twilio:
    """What Twilio's REST API says about an account and its numbers."""

    def __init__(self) -> None:
        self.status, self.clock = 200, dt.timedelta()
        self.numbers: list[dict[str, Any]] = []

    def has(self, line: Line, url: str, **more: Any) -> None:
        webhook = f"{url}/twilio/inbound/#rc=5&rp=all"
        given = {"sms_url": webhook, "sms_method": "POST", "sms_fallback_url": webhook}
        self.numbers.append({"phone_number": line.number, **given, **more})

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        now = format_datetime(dt.datetime.now(dt.UTC) + self.clock, usegmt=True)
        name = environ["PATH_INFO"].rpartition("/")[2]
        answer = {
            "IncomingPhoneNumbers.json": {"incoming_phone_numbers": self.numbers, "page": 0},
            "ShortCodes.json": {"short_codes": [], "page": 0},
        }.get(name, {"sid": ACCOUNT})
        start_response(f"{self.status} x", [("Content-Type", "application/json"), ("Date", now)])
        return [json.dumps(answer).encode()]


@pytest.fixture
def twilio(serve: Callable[[App], str], settings: Any) -> Twilio:
    twilio = Twilio()
    settings.TWILIO_BASE_URL = serve(twilio)
    return twilio


@pytest.fixture
def sound(serve: Callable[[App], str], twilio: Twilio, settings: Any) -> Line:
    """A deployment in which all is well."""
    settings.PUBLIC_URL = serve(get_wsgi_application())
    settings.SIMULATOR, settings.HAS_TWILIO = False, True
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKENS = ACCOUNT, ["new", "old"]
    settings.EMBEDDED = True
    settings.DATABASE_URL = settings.REDIS_URL = ""
    Organisation.objects.update(next_revocation_scope_on=None)
    line = make_line(name="Sales")
    twilio.has(line, settings.PUBLIC_URL)
    figures.count()
    return line


def examined() -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("doctor", stdout=out, no_color=True)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    return 0, out.getvalue()


def problems(level: str = "problem") -> list[str]:
    """The lines of this level; there is a problem exactly where the command ends with 1."""
    code, out = examined()
    lines = out.splitlines()
    assert code == any(line.startswith("problem") for line in lines), out
    return [line.removeprefix(level).strip() for line in lines if line.startswith(level)]


# What a test of http:// on this machine can't have.
NO_TLS = "messaging.W001"


def test_a_sound_deployment(sound: Line) -> None:
    code, out = examined()
    assert code == 0, out
    lines = out.splitlines()
    others = [line for line in lines if not line.startswith("ok ")]
    assert [line[:9].strip() for line in others] == ["warning", "note", "note"], out
    assert NO_TLS in others[0] and "lives inside the web process" in others[1] and "Messaging services" in others[2]
    assert len(lines) == len(doctor.CHECKS) + 1, "and whether worker and clock are alive"


def test_it_changes_nothing(sound: Line) -> None:
    def rows() -> list[Any]:
        return [list(model.objects.values()) for model in (Message, Receipt, Line, KeywordResponder)]

    before = rows()
    examined()
    assert rows() == before


# ---- settings, database, host ---------------------------------------------------------------------------------------


def test_settings_that_do_not_fit(sound: Line, settings: Any) -> None:
    settings.LOST_SECONDS = 1
    settings.REDIS_URL = "redis://127.0.0.1/0"
    settings.ALLOWED_HOSTS = ["sms.example.com"]
    found = " ".join(problems())
    for words in ("LOST_SECONDS", "Only one of DATABASE_URL and REDIS_URL", "Add 127.0.0.1 to ALLOWED_HOSTS"):
        assert words in found


def test_a_database_without_triggers(sound: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triggers, "missing", lambda connection: ["optline_entries_no_delete"])
    (problem,) = problems()
    assert "optline_entries_no_delete" in problem and "manage.py migrate" in problem


def test_a_line_that_nobody_can_leave(sound: Line) -> None:
    KeywordResponder.objects.filter(action="opt_out").update(active=False)
    (problem,) = problems()
    assert "Sales has no keyword by which contacts can opt out" in problem


@pytest.mark.parametrize("seconds", [-30, 30])
def test_a_clock_that_differs_from_the_databases(sound: Line, seconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "database_now", lambda: timezone.now() + dt.timedelta(seconds=seconds))
    (problem,) = problems()
    assert "This host's clock and the database's differ by 30 seconds" in problem or "29 seconds" in problem


@pytest.mark.parametrize(("megabytes", "level"), [(100, "problem"), (1000, "warning")])
def test_a_disk_that_is_nearly_full(sound: Line, megabytes: int, level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(megabytes << 20))
    assert any(f"has {megabytes:,} MB left" in line for line in problems(level))


def test_a_folder_that_is_gone(sound: Line, settings: Any, tmp_path: Path, client: Client) -> None:
    settings.DATA_DIR = tmp_path / "unmounted"
    (problem,) = problems()
    assert "DATA_DIR can't be looked at (FileNotFoundError)" in problem and "Mount" in problem
    client.force_login(make_officer())
    answer = client.get("/admin/alerts/")
    assert answer.status_code == 200
    assert "DATA_DIR can&#x27;t be looked at" in answer.content.decode()


def test_a_database_that_does_not_answer(sound: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("password=hunter2")

    monkeypatch.setattr(connection, "cursor", broken)
    code, out = examined()
    assert code == 1
    assert "problem  The database does not answer." in out
    assert "Could not be checked (OperationalError)" in out
    assert "ok       PUBLIC_URL leads here" in out, "the others go on"
    assert "hunter2" not in out


# ---- broker, workers, clock -----------------------------------------------------------------------------------------


@pytest.fixture
def production(sound: Line, settings: Any) -> None:
    settings.EMBEDDED = False
    settings.DATABASE_URL, settings.REDIS_URL = "postgres://db/optline", "redis://redis/0"


def test_no_broker(production: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"redis://127.0.0.1:{taken.getsockname()[1]}/0"
        connect = current_app.connection_for_write
        monkeypatch.setattr(current_app, "connection_for_write", lambda **more: connect(url, **more))
        (problem,) = problems()
    assert "Redis does not answer" in problem


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        (None, "No worker answers"),
        ({"one": ["settle", "send"]}, "No worker takes from optline.bulk and optline.reports"),
        ({"one": ["settle", "send"], "two": ["bulk", "reports"]}, ""),
    ],
)
def test_every_queue_needs_a_worker(
    production: None, answers: dict[str, list[str]] | None, words: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Inspect:
        def __init__(self, timeout: float) -> None:
            assert timeout < 5

        def active_queues(self) -> Any:
            named = {
                name: [{"name": f"optline.{queue}"} for queue in queues] for name, queues in (answers or {}).items()
            }
            return named or None

    settings.QUEUES = [f"optline.{queue}" for queue in ("settle", "send", "bulk", "reports")]
    monkeypatch.setattr(doctor, "broker", lambda: [])
    monkeypatch.setattr(current_app.control, "inspect", Inspect)
    found = [each.words for each in doctor.workers()]
    assert [words in each for each in found] == ([True] if words else [])


def test_nobody_counts(sound: Line) -> None:
    Mark.objects.update(counted_at=timezone.now() - dt.timedelta(minutes=10))
    (problem,) = problems()
    assert "Nothing was counted since" in problem and "Start the web process" in problem
    Mark.objects.all().delete()
    (problem,) = problems()
    assert "Nothing was counted yet" in problem


# ---- the way in -----------------------------------------------------------------------------------------------------


def test_a_proxy_that_changes_the_address(sound: Line, twilio: Twilio, serve: Any, settings: Any) -> None:
    optline = get_wsgi_application()

    def proxy(environ: dict[str, Any], start_response: Any) -> Any:
        return optline({**environ, "QUERY_STRING": "from=proxy"}, start_response)

    settings.PUBLIC_URL = serve(proxy)
    assert any("A webhook signed for PUBLIC_URL is turned down" in line for line in problems())


def test_somebody_else_answers_there(sound: Line, serve: Any, settings: Any) -> None:
    def stranger(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/html")])
        return [b"Welcome to nginx!"]

    settings.PUBLIC_URL = serve(stranger)
    assert any("not as Optline does" in line for line in problems())


def test_a_redirect_for_webhooks(sound: Line, serve: Any, settings: Any) -> None:
    optline = get_wsgi_application()

    def redirecting(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] == "GET":
            return optline(environ, start_response)
        start_response("301 Moved", [("Location", "https://elsewhere.example/")])
        return [b""]

    settings.PUBLIC_URL = serve(redirecting)
    assert any("is answered with 301" in line for line in problems())


def test_nobody_answers_there(sound: Line, twilio: Twilio, settings: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        settings.PUBLIC_URL = f"http://127.0.0.1:{taken.getsockname()[1]}"
        twilio.numbers.clear()
        twilio.has(sound, settings.PUBLIC_URL)
        assert not problems()
        assert any("PUBLIC_URL can't be reached from here" in line for line in problems("warning"))


def test_no_token_at_all(sound: Line, settings: Any) -> None:
    settings.TWILIO_AUTH_TOKENS = []
    assert any("TWILIO_AUTH_TOKEN is missing" in line for line in problems())


# ---- the provider ---------------------------------------------------------------------------------------------------


def test_wrong_credentials(sound: Line, twilio: Twilio) -> None:
    twilio.status = 401
    found = problems()
    assert "Twilio does not accept the credentials" in found[0]
    assert "It answers 401" in found[1]


@pytest.mark.parametrize("seconds", [-60, 60])
def test_a_clock_that_differs_from_the_providers(sound: Line, twilio: Twilio, seconds: int) -> None:
    twilio.clock = dt.timedelta(seconds=seconds)
    (problem,) = problems()
    assert "This host's clock and the provider's differ by" in problem


def test_a_provider_that_does_not_answer(sound: Line, settings: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        settings.TWILIO_BASE_URL = f"http://127.0.0.1:{taken.getsockname()[1]}"
        assert "The provider did not answer. Let this host reach" in problems()[0]


def test_a_stand_in_that_tells_nothing_about_numbers(sound: Line, twilio: Twilio) -> None:
    twilio.status = 404
    assert not problems()
    assert sum("does not tell about" in line for line in problems("note")) == 2


@pytest.mark.parametrize(
    ("settings_there", "level", "words"),
    [
        ({"sms_url": "https://elsewhere.example/"}, "problem", "its texts go to POST https://elsewhere.example/"),
        ({"sms_url": ""}, "problem", "its texts go to nowhere"),
        ({"sms_method": "GET"}, "problem", "its texts go to GET"),
        ({"sms_application_sid": "AP1"}, "problem", "a TwiML app"),
        ({"sms_fallback_url": ""}, "warning", "no fallback"),
    ],
)
def test_a_webhook_that_does_not_come_here(
    sound: Line, twilio: Twilio, settings_there: dict[str, str], level: str, words: str, settings: Any
) -> None:
    twilio.numbers.clear()
    twilio.has(sound, settings.PUBLIC_URL, **settings_there)
    found = [line for line in problems(level) if NO_TLS not in line]
    assert len(found) == 1 and words in found[0] and found[0].startswith("Sales: ")
    assert settings.PUBLIC_URL + "/twilio/inbound/" in found[0], "the remedy"


def test_a_webhook_that_is_not_repeated(sound: Line, twilio: Twilio, settings: Any) -> None:
    twilio.numbers.clear()
    twilio.has(sound, settings.PUBLIC_URL, sms_url=f"{settings.PUBLIC_URL}/twilio/inbound/")
    assert any("does not repeat a webhook" in line for line in problems("warning"))


def test_a_line_whose_number_is_not_ours(sound: Line) -> None:
    make_line("+12065550101", name="Care")
    make_line("+12065550102", name="Off", active=False)
    (problem,) = problems()
    assert problem.startswith("Care: its number is not one of this Twilio account")


def test_lines_that_share_a_messaging_service(sound: Line, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messaging services have a host of their own at Twilio, which no server of ours stands in for."""
    make_line("+12065550101", name="Care")
    make_line("+12065550102", name="Alone")
    make_line("72345", name="Short")
    webhook = f"{settings.PUBLIC_URL}/twilio/inbound/#rc=5&rp=all"
    elsewhere = {"sms_url": "https://elsewhere.example/", "sms_method": "POST", "sms_fallback_url": ""}
    by_service = {"inbound_request_url": webhook, "inbound_method": "POST", "fallback_url": webhook}
    answers = {
        "IncomingPhoneNumbers.json": {
            "incoming_phone_numbers": [{"phone_number": f"+1206555010{digit}", **elsewhere} for digit in range(3)]
        },
        "ShortCodes.json": {"short_codes": [{"short_code": "72345", **elsewhere, "sms_url": webhook}]},
        "Services": {
            "services": [
                {"sid": "MG1", "use_inbound_webhook_on_number": False, **by_service},
                {"sid": "MG2", "use_inbound_webhook_on_number": True, **by_service},
            ]
        },
        "MG1/PhoneNumbers": {"phone_numbers": [{"phone_number": f"+1206555010{digit}"} for digit in range(2)]},
        "MG2/PhoneNumbers": {"phone_numbers": [{"phone_number": "+12065550102"}]},
        "MG1/ShortCodes": {"short_codes": [{"short_code": "72345"}]},
        "MG2/ShortCodes": {"short_codes": []},
    }

    def request(client: Any, method: str, uri: str, **more: Any) -> Response:
        key = next(name for name in sorted(answers, key=len, reverse=True) if uri.partition("?")[0].endswith(name))
        return Response(200, json.dumps({"meta": {"key": next(iter(answers[key]))}, **answers[key]}))

    settings.TWILIO_BASE_URL = ""
    monkeypatch.setattr(provider._PooledClient, "request", request)
    alone, shared = (each.words for each in doctor.numbers())
    assert alone.startswith("Alone: its texts go to POST https://elsewhere.example/"), "its service leaves them to it"
    assert shared.startswith("Care, Sales, Short share a messaging service")


def test_twilio_answers_a_stop_too(sound: Line, jane: Phone) -> None:
    """What it says with the text (Advanced Opt-Out), and what it does with ours (21610)."""
    care = make_line("+12065550101", name="Care")
    free = make_toll_free(name="Free")
    text_in(JANE, sound, "STOP", OptOutType="STOP")
    text_in(JANE, free, "STOP", OptOutType="STOP")
    make_opted_in(care, JANE)
    jane.provider.errors.append(ProviderError("21610", "blocked", permanent=True, may_have_left=False))
    write(make_agent(care), care)
    found = [each.words for each in doctor.who_answers_stop()]
    assert [words.partition(":")[0] for words in found] == ["Sales", "Care"]
    Line.objects.update(opt_outs_answered_by_provider=True)
    assert not list(doctor.who_answers_stop())


def test_no_numbers_of_contacts_are_printed(sound: Line, jane: Phone) -> None:
    jane.texts(sound, "the blue umbrella")
    text_in(JANE, sound, "STOP", OptOutType="STOP")
    assert inbound_fields(JANE, sound, "x")["From"] == JANE
    _, out = examined()
    assert JANE[1:] not in out and "umbrella" not in out
