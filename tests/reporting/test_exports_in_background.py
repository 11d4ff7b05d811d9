"""Exports made by workers, which may die; kept for seven days."""

import datetime as dt
import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.models import QuerySet
from django.utils import timezone

from consent.models import Line, User
from reporting import exports, files, snapshot
from reporting.models import ReportRun
from reporting.models.report_run import KEPT_FOR, SILENCE
from tests.reporting.exporting import asked_for, breaking_off, in_background, made

State, Format, Origin = ReportRun.State, ReportRun.Format, ReportRun.Origin

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("folder")]


# ---- in the background ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", files.TABLES)
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
