"""Exports: the same bytes that were recorded, by whom and when; made by workers that may die; kept for seven days."""

import csv
import datetime as dt
import hashlib
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet
from django.test import Client
from django.utils import timezone
from rest_framework.authtoken.models import Token

from consent.models import Consent, Contact, Line, Organisation, User
from consent.models.ledger import AuditRowError
from consent.vocabulary import Status
from reporting import exports, files, snapshot
from reporting.models import ReportRun
from reporting.models.report_run import KEPT_FOR, SILENCE
from reporting.snapshot import Filters
from tests.make import (
    make_agent,
    make_contact,
    make_integrator,
    make_line,
    make_officer,
    make_opted_in,
    make_supervisor,
)

State, Format, Origin = ReportRun.State, ReportRun.Format, ReportRun.Origin

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folder(settings: LazySettings, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path
    return tmp_path / "reports"


@pytest.fixture
def line() -> Line:
    line = make_line(name="Orders")
    with transaction.atomic():
        for digit in range(3):
            make_opted_in(line, f"+1206555014{digit}")
    return line


@pytest.fixture
def sue() -> User:
    return make_supervisor("sue")


def asked_for(line: Line, user: User | None, format: str = Format.CSV, **options: Any) -> ReportRun:
    options.setdefault("origin", Origin.ADMIN)
    return exports.begin(Filters((line,)), format=format, user=user, **options)


def in_background(line: Line, user: User, format: str = Format.CSV) -> ReportRun:
    return asked_for(line, user, format, in_background=True, expected_rows=3)


def made(line: Line, user: User, format: str = Format.CSV) -> ReportRun:
    run = in_background(line, user, format)
    exports.make_waiting()
    run.refresh_from_db()
    assert run.state == State.DONE
    return run


# ---- streamed -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", Format.values)
def test_what_was_streamed_is_what_was_recorded(line: Line, sue: User, format: str) -> None:
    run = asked_for(line, sue, format)
    content = b"".join(exports.stream(run))
    run.refresh_from_db()
    assert (run.state, run.rows, run.size) == (State.DONE, 3, len(content))
    assert run.sha256 == hashlib.sha256(content).hexdigest()
    assert run.user == sue and run.as_of and run.seconds is not None and run.seconds >= 0
    assert run.filters["line"] == [line.number]


def test_who_goes_away_before_the_end_is_on_record_too(line: Line, sue: User) -> None:
    run = asked_for(line, sue)
    stream = exports.stream(run)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    run.refresh_from_db()
    assert (run.state, run.sha256, run.size) == (State.CANCELLED, "", None)
    assert run.problem


def breaking_off(self: Any) -> Iterator[bytes]:
    yield b"a row\n"
    raise RuntimeError("the disk")


def test_a_file_that_breaks_off_says_so_itself(line: Line, sue: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer has begun with 200, and the server would end it like a whole one."""
    monkeypatch.setattr(snapshot.Content, "csv", breaking_off)
    run = asked_for(line, sue)
    last = b"".join(exports.stream(run)).splitlines()[-1]
    assert last.startswith(b"INCOMPLETE")
    run.refresh_from_db()
    assert (run.state, run.sha256) == (State.FAILED, "")


def test_a_person_gets_a_whole_file_or_none(line: Line, sue: User, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = exports.whole(asked_for(line, sue))
    content = b"".join(answer.streaming_content)  # type: ignore[arg-type]
    assert answer["Content-Length"] == str(len(content))
    monkeypatch.setattr(snapshot.Content, "csv", breaking_off)
    browser = Client()
    browser.force_login(sue)
    asked = {"lines": "all", "statuses": ["opted_in", "opted_out"], "format": "csv"}
    answer = browser.post("/admin/reporting/reportrun/snapshot/export/", asked, follow=True)
    assert answer.status_code == 200 and "could not be made" in answer.content.decode()


def test_a_reader_who_takes_for_ever_is_cut_off(line: Line, sue: User, settings: LazySettings) -> None:
    settings.EXPORT_SECONDS = -1
    run = asked_for(line, sue)
    assert b"INCOMPLETE" in b"".join(exports.stream(run))
    run.refresh_from_db()
    assert run.state == State.FAILED


def test_slow_readers_leave_room_for_webhooks(line: Line, sue: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "_places", threading.BoundedSemaphore(1))
    slow = api(sue).get(URL, {"as": "csv"})
    busy = api(sue).get(URL, {"as": "csv"})
    assert busy.status_code == 503 and busy["Retry-After"]
    assert ReportRun.objects.filter(state=State.FAILED).count() == 1
    assert got(slow), "which ends it"
    assert got(api(sue).get(URL, {"as": "csv"}))
    assert ReportRun.objects.filter(state=State.DONE).count() == 2


def test_without_lines_there_is_an_empty_file() -> None:
    nobody = make_supervisor()
    run = api(nobody).get(URL, {"as": "csv"})
    assert b"".join(run.streaming_content).count(b"\n") == 1
    assert ReportRun.objects.get().state == State.DONE


def test_a_download_whose_server_died_does_not_run_for_ever(line: Line, sue: User, settings: LazySettings) -> None:
    run = asked_for(line, sue)
    now = timezone.now()
    exports.tidy(now + dt.timedelta(seconds=settings.EXPORT_SECONDS))
    run.refresh_from_db()
    assert run.state == State.RUNNING
    exports.tidy(now + dt.timedelta(seconds=settings.EXPORT_SECONDS + 60))
    run.refresh_from_db()
    assert run.state == State.FAILED and run.problem


# ---- in the background ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", Format.values)
def test_the_file_is_the_one_that_was_recorded(line: Line, sue: User, format: str) -> None:
    run = made(line, sue, format)
    content = exports.opened(run).read()
    assert (run.rows, run.size, run.sha256) == (3, len(content), hashlib.sha256(content).hexdigest())
    assert run.kept_until and run.kept_until - run.ended_at == KEPT_FOR  # type: ignore[operator]


def test_a_file_is_for_the_install_alone(line: Line, sue: User, folder: Path) -> None:
    made(line, sue)
    (file,) = folder.iterdir()
    assert file.stat().st_mode & 0o077 == 0 and folder.stat().st_mode & 0o077 == 0


def test_it_is_kept_for_seven_days(line: Line, sue: User, folder: Path) -> None:
    run = made(line, sue)
    exports.tidy(run.ended_at + KEPT_FOR - dt.timedelta(minutes=1))  # type: ignore[operator]
    run.refresh_from_db()
    assert exports.opened(run)
    exports.tidy(run.ended_at + KEPT_FOR + dt.timedelta(minutes=1))  # type: ignore[operator]
    run.refresh_from_db()
    assert list(folder.iterdir()) == [] and run.kept_until is None
    with pytest.raises(exports.ExportError):
        exports.opened(run)
    assert run.sha256, "the record stays"


def test_a_file_that_was_touched_is_not_handed_out(line: Line, sue: User, folder: Path) -> None:
    run = made(line, sue)
    (file,) = folder.iterdir()
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(exports.ExportError, match="SHA-256"):
        exports.opened(run)


def test_after_seven_days_nothing_is_handed_out_whoever_tidied(line: Line, sue: User) -> None:
    run = made(line, sue)
    ReportRun.objects.filter(pk=run.pk).update(ended_at=timezone.now() - KEPT_FOR)
    run.refresh_from_db()
    with pytest.raises(exports.ExportError):
        exports.opened(run)


def test_what_else_lies_in_the_folder_stays_and_stops_nothing(line: Line, sue: User, folder: Path) -> None:
    (folder / "lost+found").mkdir(parents=True)
    (folder / "notes.txt").write_text("ours")
    (folder / ("0" * 32)).write_text("an orphan")
    (folder / ("1" * 32)).mkdir()
    made(line, sue)
    names = {path.name for path in folder.iterdir()}
    assert {"lost+found", "notes.txt"} <= names and "0" * 32 not in names


def test_cancelled_while_it_waits(line: Line, sue: User, folder: Path) -> None:
    run = in_background(line, sue)
    assert exports.cancel(run)
    exports.make_waiting()
    run.refresh_from_db()
    assert run.state == State.CANCELLED and not list(folder.iterdir())
    assert not exports.cancel(run), "it has ended"


def test_a_finished_one_is_not_cancelled(line: Line, sue: User) -> None:
    run = made(line, sue)
    assert not exports.cancel(run)


def interrupted(monkeypatch: pytest.MonkeyPatch, doing: Any) -> None:
    """``doing`` happens in the middle of the next file."""
    whole = snapshot.Content.csv

    def csv_of(self: Any) -> Iterator[bytes]:
        yield b""
        monkeypatch.setattr(snapshot.Content, "csv", whole)
        doing()
        yield from whole(self)

    monkeypatch.setattr(snapshot.Content, "csv", csv_of)


@pytest.mark.django_db(transaction=True)
def test_cancelled_in_the_middle(line: Line, sue: User, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pulse notices, and the half of a file goes."""
    run = in_background(line, sue)
    lost = threading.Event()
    check = exports._Pulse.check

    def watched(self: exports._Pulse) -> None:
        if lost.is_set():
            assert self._lost.wait(10), "the pulse does not notice"
        check(self)

    def cancelled() -> None:
        other = threading.Thread(target=_cancel_elsewhere, args=[run])
        other.start()
        other.join()
        lost.set()

    monkeypatch.setattr(exports._Pulse, "check", watched)
    interrupted(monkeypatch, cancelled)
    exports.make_waiting()
    run.refresh_from_db()
    assert run.state == State.CANCELLED and list(folder.iterdir()) == []


def _cancel_elsewhere(run: ReportRun) -> None:
    try:
        assert exports.cancel(run)
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_cancelled_in_the_very_last_moment(
    line: Line, sue: User, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = in_background(line, sue)
    end = exports._end

    def late(*args: Any) -> bool:
        exports.cancel(run)
        return end(*args)

    monkeypatch.setattr(exports, "_end", late)
    exports.make_waiting()
    run.refresh_from_db()
    assert run.state == State.CANCELLED and list(folder.iterdir()) == []


def test_a_dead_workers_file_is_made_by_the_next(line: Line, sue: User, folder: Path) -> None:
    run = in_background(line, sue)
    dead = exports._claim(timezone.now())
    assert dead is not None
    folder.mkdir()
    (folder / dead.claim.hex).write_bytes(b"half a file")
    exports.make_waiting()
    run.refresh_from_db()
    assert run.state == State.RUNNING, "it may only be slow"
    ReportRun.objects.filter(pk=run.pk).update(heartbeat_at=timezone.now() - SILENCE - dt.timedelta(seconds=1))
    exports.make_waiting()
    run.refresh_from_db()
    assert (run.state, run.tries) == (State.DONE, 2)
    exports.tidy(timezone.now())
    assert [path.name for path in folder.iterdir()] == [run.claim.hex]
    # Taken for dead, it was only slow: what it still does spoils nothing.
    exports._make(dead)
    run.refresh_from_db()
    assert exports.opened(run).read().count(b"\n") == 4


_DIES = """
import sys
import django
django.setup()
from reporting import exports, snapshot
def csv(self):
    yield b"half a file"
    print("in the middle", flush=True)
    sys.stdin.read()
snapshot.Content.csv = csv
exports.make_waiting()
"""


@pytest.mark.django_db(transaction=True)
def test_a_worker_is_killed_in_the_middle(line: Line, sue: User, folder: Path) -> None:
    """A process of its own, kill -9. The next worker's file is that of an undisturbed run."""
    run = in_background(line, sue)
    name = connection.settings_dict["NAME"]
    url = f"sqlite:///{name}" if connection.vendor == "sqlite" else _url_of(str(name))
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": url,
        "REDIS_URL": "redis://127.0.0.1:1/0",  # no worker of its own inside; nobody listens there
        "SIMULATOR": "true",
        "DATA_DIR": str(folder.parent),
    }
    worker = subprocess.Popen(
        [sys.executable, "-c", _DIES], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert worker.stdin and worker.stdout
    assert worker.stdout.readline() == b"in the middle\n"
    worker.kill()
    worker.wait(10)
    run.refresh_from_db()
    assert run.state == State.RUNNING and len(list(folder.iterdir())) == 1
    ReportRun.objects.filter(pk=run.pk).update(heartbeat_at=timezone.now() - SILENCE - dt.timedelta(seconds=1))
    exports.make_waiting()
    run.refresh_from_db()
    undisturbed = b"".join(exports.stream(asked_for(line, sue)))
    assert (run.state, run.rows) == (State.DONE, 3)
    assert exports.opened(run).read() == undisturbed
    exports.tidy(timezone.now())
    assert len(list(folder.iterdir())) == 1, "the half of a file is gone"


def _url_of(name: str) -> str:
    given = connection.settings_dict
    login = f"{given['USER']}:{given['PASSWORD']}".rstrip(":")
    return f"postgres://{login}@{given['HOST']}:{given['PORT']}/{name}"


def test_what_fails_is_tried_again_after_a_while_and_then_given_up(
    line: Line, sue: User, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot.Content, "csv", breaking_off)
    run = in_background(line, sue)
    for tries in range(1, exports.MOST_TRIES + 1):
        exports.make_waiting()
        exports.make_waiting()  # not at once
        run.refresh_from_db()
        assert run.tries == tries
        ReportRun.objects.filter(pk=run.pk).update(heartbeat_at=timezone.now() - SILENCE - dt.timedelta(seconds=1))
    assert run.state == State.FAILED
    assert run.problem and list(folder.iterdir()) == []


def test_a_file_that_kills_its_worker_is_given_up_too(line: Line, sue: User) -> None:
    run = in_background(line, sue)
    for _ in range(exports.MOST_TRIES):
        assert exports._claim(timezone.now())
        ReportRun.objects.filter(pk=run.pk).update(heartbeat_at=timezone.now() - SILENCE - dt.timedelta(seconds=1))
    assert exports._claim(timezone.now()) is None
    run.refresh_from_db()
    assert run.state == State.FAILED and run.problem


@pytest.mark.django_db(transaction=True)
def test_the_pulse_outlives_a_hiccup_of_the_database(line: Line, sue: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "_PULSE_SECONDS", 0.01)
    in_background(line, sue)
    failed, beat, update = threading.Event(), threading.Event(), QuerySet.update

    def hiccup(runs: Any, /, **columns: Any) -> int:
        if columns.keys() == {"heartbeat_at", "rows"}:
            if not failed.is_set():
                failed.set()
                raise OperationalError("the connection is closed")
            beat.set()
        return update(runs, **columns)

    monkeypatch.setattr(QuerySet, "update", hiccup)
    interrupted(monkeypatch, lambda: beat.wait(10))
    exports.make_waiting()
    assert failed.is_set() and beat.is_set()


@pytest.mark.django_db(transaction=True)
def test_two_workers_make_one_file(line: Line, sue: User, folder: Path) -> None:
    run = in_background(line, sue)
    start = threading.Barrier(4)

    def work() -> None:
        try:
            start.wait(10)
            exports.make_waiting()
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for each in workers:
        each.start()
    for each in workers:
        each.join(30)
    run.refresh_from_db()
    assert (run.state, run.tries) == (State.DONE, 1)
    assert len(list(folder.iterdir())) == 1


@pytest.mark.django_db(transaction=True)
def test_progress_is_written_while_it_is_made(line: Line, sue: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "_PULSE_SECONDS", 0.01)
    run = in_background(line, sue)
    beat, update = threading.Event(), QuerySet.update

    def watched(runs: Any, /, **columns: Any) -> int:
        found = update(runs, **columns)
        if columns.keys() == {"heartbeat_at", "rows"} and found:
            beat.set()
        return found

    monkeypatch.setattr(QuerySet, "update", watched)
    interrupted(monkeypatch, lambda: beat.wait(10))
    exports.make_waiting()
    assert beat.is_set(), "nobody said how far it is"
    run.refresh_from_db()
    assert run.state == State.DONE


# ---- who may --------------------------------------------------------------------------------------------------------


def test_a_file_is_for_its_owner_and_for_officers(line: Line, sue: User) -> None:
    run = made(line, sue)
    assert exports.may_take(run, sue)
    assert exports.may_take(run, make_officer())
    for other in (make_supervisor(), make_agent(line), make_integrator(line)):
        assert not exports.may_take(run, other)
    sue.groups.clear()
    assert not exports.may_take(run, User.objects.get(pk=sue.pk)), "who may no longer export gets nothing"


def test_who_fetched_a_file_is_on_record(line: Line, sue: User) -> None:
    run, olivia = made(line, sue), make_officer("olivia")
    for user in (sue, olivia):
        browser = Client()
        browser.force_login(user)
        assert b"".join(browser.get(f"/admin/reporting/reportrun/{run.uuid}/download/").streaming_content)
    assert [each.user for each in run.downloads.all()] == [sue, olivia]
    assert "olivia" in browser.get(f"/admin/reporting/reportrun/{run.pk}/change/").content.decode()
    with pytest.raises(AuditRowError):
        run.downloads.get(user=olivia).delete()


def test_the_record_stays(line: Line, sue: User) -> None:
    run = made(line, sue)
    with pytest.raises(AuditRowError):
        run.delete()
    with pytest.raises(AuditRowError):
        ReportRun.objects.all().delete()


# ---- REST -----------------------------------------------------------------------------------------------------------

URL = "/api/v1/reports/snapshot/"


def api(user: User) -> Client:
    return Client(headers={"Authorization": f"Token {Token.objects.get_or_create(user=user)[0].key}"})


def got(answer: Any) -> bytes:
    assert answer.status_code == 200, answer.content
    return b"".join(answer.streaming_content)


def test_rest_gives_csv_and_json_and_a_run_to_check_them_by(line: Line, sue: User) -> None:
    for format in ("csv", "json"):
        answer = api(sue).get(URL, {"line": line.number, "as": format})
        content = got(answer)
        run = api(sue).get(f"/api/v1/reports/runs/{answer['Report-Run']}/").json()
        assert (run["state"], run["rows"], run["bytes"]) == ("done", 3, len(content))
        assert run["sha256"] == hashlib.sha256(content).hexdigest()
    rows = json.loads(content)
    assert rows["count"] == 3 and rows["rows"][0]["status"] == "opted_in"
    assert ReportRun.objects.filter(origin=Origin.API, user=sue).count() == 2


def test_rest_filters(line: Line, sue: User) -> None:
    other = make_line("+12065550101", name="Clinic")
    make_opted_in(other)
    make_contact("+12065550199")

    def numbers(**query: Any) -> list[str]:
        rows = csv.DictReader(io.StringIO(got(api(sue).get(URL, {"as": "csv", **query})).decode()))
        return [f"{row['line_number'][-3:]} {row['mobile_number'][-4:]}" for row in rows]

    assert numbers() == ["101 0142", "100 0140", "100 0141", "100 0142"]
    assert numbers(line=[line.number, other.number]) == numbers()
    assert numbers(line=other.number) == ["101 0142"]
    assert numbers(line=" 12065550101") == ["101 0142"], "a + that arrived as a space"
    assert numbers(search="0141") == ["100 0141"]
    assert numbers(status="opted_out") == []
    assert numbers(status=["not_defined", "opted_in"], line=other.number) == [
        "101 0140", "101 0141", "101 0142", "101 0199",
    ]  # fmt: skip
    assert numbers(source="paper") == []
    assert numbers(as_of="2020-01-01T00:00:00Z") == []
    assert numbers(as_of=timezone.now().isoformat().replace("+", " ")) == numbers()
    assert numbers(since_from="2020-01-01T00:00:00Z", since_until="2020-01-02T00:00:00Z") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"line": "+12065550177"}, "line"),
        ({"line": "abc"}, "line"),
        ({"status": "in"}, "status"),
        ({"source": "fax"}, "source"),
        ({"as_of": "yesterday"}, "as_of"),
        ({"as_of": "2999-01-01T00:00:00Z"}, "as_of"),
        ({"since_from": "2026-02-01T00:00:00Z", "since_until": "2026-02-01T00:00:00Z"}, "since_until"),
        ({"as": "pdf"}, "as"),
        ({"as_of": "0001-01-01T00:00:00"}, "as_of"),
        ({"since_from": "0001-01-01T00:00:00+09:00"}, "since_from"),
        ({"since_until": "9999-12-31T23:59:59"}, "since_until"),
        ({"lines": "+12065550100"}, "lines"),
        ({"search": "x" * 101}, "search"),
    ],
)
def test_rest_names_what_is_wrong(line: Line, sue: User, query: dict[str, str], field: str) -> None:
    answer = api(sue).get(URL, query)
    assert answer.status_code == 400 and list(answer.json()) == [field]
    assert not ReportRun.objects.exists(), "nothing was exported"


def test_rest_takes_no_offence_at_what_a_client_accepts(line: Line, sue: User) -> None:
    assert got(api(sue).get(URL, {"as": "csv"}, headers={"Accept": "text/csv"}))


def test_what_was_looked_for_is_hidden_from_whom_numbers_are(line: Line, sue: User) -> None:
    run = exports.begin(Filters((line,), search="+12065550142"), format=Format.CSV, origin=Origin.ADMIN, user=sue)
    list(exports.stream(run))
    Organisation.objects.update(mask_numbers=True)
    clerk = make_agent(line)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=["export_reports", "view_reportrun"]))
    answer = api(clerk).get(f"/api/v1/reports/runs/{run.uuid}/")
    assert answer.status_code == 200 and "12065550142" not in answer.content.decode()
    assert "12065550142" in api(sue).get(f"/api/v1/reports/runs/{run.uuid}/").content.decode()


def test_rest_is_for_those_who_may_export(line: Line, sue: User) -> None:
    run = made(line, sue)
    for user in (make_agent(line), make_integrator(line)):
        assert api(user).get(URL).status_code == 403
        assert api(user).get(f"/api/v1/reports/runs/{run.uuid}/").status_code == 403
    assert Client().get(URL).status_code == 401
    assert api(sue).head(URL).status_code == 405 and api(sue).post(URL).status_code == 405
    assert ReportRun.objects.count() == 1


# ---- the command ----------------------------------------------------------------------------------------------------


def test_the_command_writes_a_file_and_says_its_hash(line: Line, tmp_path: Path) -> None:
    said, file = io.StringIO(), tmp_path / "snapshot.csv"
    call_command("snapshot", "--line", line.number, "--format", "csv", "--output", str(file), stderr=said)
    assert file.read_bytes().count(b"\n") == 4
    assert hashlib.sha256(file.read_bytes()).hexdigest() in said.getvalue()
    run = ReportRun.objects.get()
    assert (run.origin, run.user, run.rows, run.state) == (Origin.COMMAND, None, 3, State.DONE)


@pytest.mark.parametrize(
    "wrong",
    [
        ["--as-of", "0001-01-01T00:00:00+09:00"],
        ["--as-of", "2999-01-01T00:00:00Z"],
        ["--as-of", "then"],
        ["--line", "+12065550177"],
        ["--line", "abc"],
        ["--format", "pdf"],
        ["--output", "/nowhere/at/all.csv"],
    ],
)
def test_the_command_names_what_is_wrong(line: Line, wrong: list[str]) -> None:
    with pytest.raises(CommandError, match=wrong[0]):
        call_command("snapshot", *wrong)
    assert not ReportRun.objects.exists()


def test_the_command_leaves_no_half_file(line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot.Content, "csv", breaking_off)
    file = tmp_path / "snapshot.csv"
    with pytest.raises(CommandError, match="could not be written"):
        call_command("snapshot", "--output", str(file))
    assert not file.exists()


def test_the_commands_file_is_for_its_owner_alone(line: Line, tmp_path: Path) -> None:
    call_command("snapshot", "--output", str(tmp_path / "snapshot.csv"), stderr=io.StringIO())
    assert (tmp_path / "snapshot.csv").stat().st_mode & 0o077 == 0


def test_the_command_overwrites_nothing(line: Line, tmp_path: Path) -> None:
    file = tmp_path / "kept.csv"
    file.write_text("precious")
    with pytest.raises(CommandError):
        call_command("snapshot", "--output", str(file))
    assert file.read_text() == "precious"


# ---- XLSX -----------------------------------------------------------------------------------------------------------


def test_more_rows_than_a_sheet_holds_go_on_in_the_next(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    import openpyxl

    monkeypatch.setattr(files, "ROWS_OF_A_SHEET", 2)
    content = b"".join(files.blocks(snapshot.Content(Filters((line,))), Format.XLSX, {}))
    book = openpyxl.load_workbook(io.BytesIO(content))
    heights = [sheet.max_row for sheet in book.worksheets]
    assert heights == [3, 2]
    assert {sheet["A1"].value for sheet in book.worksheets} == {"line_name"}


def test_a_name_in_xlsx_is_a_text_whatever_it_looks_like(line: Line) -> None:
    import openpyxl

    contact = Contact.objects.create(number="+12065550199", first_name="=1+1", last_name="http://x.example")
    Consent.objects.create(contact=contact, line=line, status=Status.OPTED_OUT)
    content = b"".join(files.blocks(snapshot.Content(Filters((line,))), Format.XLSX, {}))
    sheet = openpyxl.load_workbook(io.BytesIO(content)).worksheets[0]
    cell = sheet["C5"]
    assert (cell.value, cell.data_type, cell.hyperlink) == ("=1+1 http://x.example", "s", None)
