"""Every file that leaves: who may take it, how it is made, and the record that stays (ReportRun).

A small one is streamed while it is read (``stream``). A large one is made by a worker (``make_waiting``), which writes
how far it is every second: so its progress can be watched and it can be cancelled, and when the worker dies another
one begins the file again. The file lies in ``DATA_DIR/reports`` for seven days; on several hosts that must be a folder
that all of them see.
"""

import datetime as dt
import hashlib
import logging
import os
import re
import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, Any, BinaryIO

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import StreamingHttpResponse
from django.utils import timezone

from consent.admin.numbers import hidden_from
from consent.models import User
from messaging import bell
from reporting import files, funnel, snapshot
from reporting.models import Download, ReportRun

log = logging.getLogger(__name__)

State, Report, Origin = ReportRun.State, ReportRun.Report, ReportRun.Origin
# A file that could not be made so often will not be made the next time either.
MOST_TRIES = 3
_PULSE_SECONDS = 1.0
_NAME = re.compile(r"[0-9a-f]{32}")
# Nobody takes so many seconds for one XLSX; a folder that old is that of a process that died.
_LONGEST_XLSX = dt.timedelta(days=1)


class ExportError(Exception):
    """There is no such file for this person now. The message says why and what to do."""


class Busy(ExportError):
    """As many files are being handed over as this process has room for."""


class Stopped(Exception):
    """The file is not wanted any more, or another worker makes it."""


# ---- who may --------------------------------------------------------------------------------------------------------


def may_export(user: Any) -> bool:
    return bool(user.has_perm("reporting.export_reports"))


def may_take(run: ReportRun, user: User) -> bool:
    """Its owner and officers may, as long as they may see all that is in it."""
    own = run.user_id == user.pk or user.has_perm("reporting.download_any_export")
    if not (own and may_export(user)) or (hidden_from(user) and not run.numbers_masked):
        return False
    wanted = set(run.filters.get("line", []))
    return wanted <= set(user.usable_lines().values_list("number", flat=True))


# ---- beginning ------------------------------------------------------------------------------------------------------


def begin(
    filters: snapshot.Filters | funnel.Filters,
    *,
    format: str,
    origin: str,
    user: User | None,
    by: str = "",
    expected_rows: int | None = None,
    in_background: bool = False,
) -> ReportRun:
    """Record that a file is asked for. Made in the background, a worker is called; else read ``stream`` to its end.

    ``by`` is what the funnel is broken down by.
    """
    now = timezone.now()
    is_snapshot = isinstance(filters, snapshot.Filters)
    run = ReportRun.objects.create(
        report=Report.SNAPSHOT if is_snapshot else Report.FUNNEL,
        format=format,
        origin=origin,
        user=user,
        filters=filters.as_json() | ({"by": by} if by else {}),
        numbers_masked=is_snapshot and filters.hidden,
        state=State.WAITING if in_background else State.RUNNING,
        in_background=in_background,
        created=now,
        started_at=None if in_background else now,
        expected_rows=expected_rows,
    )
    if in_background:
        bell.ring("reporting.tasks.make_reports")
    return run


def content_of(run: ReportRun) -> files.Content:
    """What stands in the file. People get words where machines get values."""
    words = run.origin == Origin.ADMIN
    if run.report == Report.SNAPSHOT:
        return snapshot.Content(snapshot.Filters.from_json(run.filters, hidden=run.numbers_masked), words)
    return funnel.Content.from_json(run.filters, words)


def file_name(run: ReportRun) -> str:
    stem = {
        Report.SNAPSHOT: "opt-in-and-out-snapshot",
        Report.FUNNEL: "double-opt-in-funnel",
        Report.EVIDENCE: "evidence-pack",
    }[Report(run.report)]
    return f"{stem}-{timezone.localtime(run.created):%Y-%m-%d-%H%M}.{files.ENDINGS[files.Format(run.format)]}"


# ---- streaming ------------------------------------------------------------------------------------------------------


def stream(run: ReportRun) -> Iterator[bytes]:
    """The file, block by block. With its last block the run ends; it also ends when the reader goes away.

    What fails in the middle can't become an error any more, since the answer has begun. So a file that breaks off ends
    with a line that says so, and the run is not done.
    """
    written, content = Written(), None
    give_up = time.monotonic() + settings.EXPORT_SECONDS
    state, problem = State.FAILED, "It could not be read to its end."
    try:
        content = content_of(run)
        with closing(_read(run, content)) as blocks:
            for block in blocks:
                if time.monotonic() > give_up:
                    problem = f"It was not taken within {settings.EXPORT_SECONDS:g} seconds."
                    raise ExportError(problem)
                written.add(block)
                yield block
        state, problem = State.DONE, ""
    except GeneratorExit:
        state, problem = State.CANCELLED, "The reader went away before its end."
        raise
    except Exception:  # whatever it was: the server would end the answer as if it were whole
        log.exception("export %s broke off", run.uuid)
        if run.format != ReportRun.Format.XLSX:
            yield f"\nINCOMPLETE: {problem} Export it again.\n".encode()
    finally:
        _end(ReportRun.objects.filter(pk=run.pk, state=State.RUNNING), run, content, written, state, problem)


def response(run: ReportRun) -> StreamingHttpResponse:
    """The file for a program, which can check it afterwards. Raises Busy."""
    try:
        return handed_over(run, stream(run))
    except Busy as error:
        ReportRun.objects.filter(pk=run.pk).update(state=State.FAILED, problem=str(error), ended_at=timezone.now())
        raise


def whole(run: ReportRun) -> StreamingHttpResponse:
    """A small file for a person, who checks nothing: it is made as a whole before the answer begins.

    Raises ExportError where that fails, and Busy.
    """
    file = tempfile.TemporaryFile(dir=files.unfinished())  # noqa: SIM115  (closed with its last block)
    file.writelines(stream(run))
    run.refresh_from_db()
    if run.state != State.DONE:
        file.close()
        raise ExportError(f"The file could not be made. {run.problem} Export it again.")
    file.seek(0)
    return handed_over(run, blocks_of(file), size=run.size)


def blocks_of(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while block := file.read(files.BLOCK):
            yield block


def handed_over(run: ReportRun, blocks: Iterator[bytes], size: int | None = None) -> StreamingHttpResponse:
    answer = StreamingHttpResponse(_Handing(blocks), content_type=files.CONTENT_TYPES[files.Format(run.format)])
    if size is not None:
        answer["Content-Length"] = str(size)
    return _as_download(answer, run)


_places = threading.BoundedSemaphore(settings.EXPORT_STREAMS)


class _Handing:
    """A file on its way to a reader.

    One who reads slowly, or not at all, holds a thread of the server all the while. So a process hands over only a few
    at a time, or webhooks would find none left. Raises Busy.
    """

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._place = _places.acquire(blocking=False)
        if not self._place:
            raise Busy("Other files are being fetched just now. Try again in a minute.")

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._blocks)

    def close(self) -> None:
        """Called when the answer ends, however it does."""
        if self._place:
            self._place = False
            try:
                self._blocks.close()  # type: ignore[attr-defined]
            finally:
                _places.release()


def _as_download(answer: Any, run: ReportRun) -> Any:
    answer["Content-Disposition"] = f'attachment; filename="{file_name(run)}"'
    answer["Cache-Control"] = "private, no-store"
    answer["Report-Run"] = str(run.uuid)
    return answer


def _read(run: ReportRun, content: files.Content) -> Iterator[bytes]:
    with snapshot.one_moment() as moment:
        given = run.filters.get("as_of")
        run.as_of = dt.datetime.fromisoformat(given) if given else moment
        about = {"report": run.report, "run": str(run.uuid), "as_of": run.as_of.isoformat()}
        yield from files.blocks(content, run.format, about)


class Written:
    """What a file's bytes come to."""

    def __init__(self) -> None:
        self.size, self._digest = 0, hashlib.sha256()

    def add(self, block: bytes) -> None:
        self.size += len(block)
        self._digest.update(block)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def _end(runs: Any, run: ReportRun, content: files.Content, written: Written, state: str, problem: str = "") -> bool:
    """Write down how it ended. False where the run is no longer ours."""
    done = state == State.DONE
    ended = {
        "state": state,
        "problem": problem,
        "as_of": run.as_of,
        "rows": content.rows if content else 0,
        "size": written.size if done else None,
        "sha256": written.sha256 if done else "",
        "ended_at": timezone.now(),
    }
    return bool(runs.update(**ended))


# ---- in the background ----------------------------------------------------------------------------------------------


def make_waiting() -> None:
    """Make the files that wait, one after the other, and tidy up. Any number of workers may do so at once."""
    while run := _claim(timezone.now()):
        _make(run)
    tidy(timezone.now())


def _claim(now: dt.datetime) -> ReportRun | None:
    for run in ReportRun.objects.to_make(now)[:10]:
        if run.tries >= MOST_TRIES:
            _give_up(ReportRun.objects.to_make(now).order_by().filter(pk=run.pk), run)
            continue
        claimed = ReportRun.objects.to_make(now).order_by().filter(pk=run.pk, claim=run.claim)
        begun = {"state": State.RUNNING, "started_at": now, "heartbeat_at": now, "rows": 0}
        if claimed.update(claim=uuid.uuid4(), tries=run.tries + 1, **begun):
            run.refresh_from_db()
            return run
    return None


def _make(run: ReportRun) -> None:
    """Write the file of a claimed run. What fails is tried again by whoever comes next, a few times."""
    ours = ReportRun.objects.filter(pk=run.pk, claim=run.claim, state=State.RUNNING)
    written, path, kept = Written(), _path(run), False
    try:
        content = content_of(run)
        with (
            os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file,
            _Pulse(ours, content) as pulse,
            closing(_read(run, content)) as blocks,
        ):
            for block in blocks:
                pulse.check()
                file.write(block)
                written.add(block)
            file.flush()
            os.fsync(file.fileno())
        kept = _end(ours, run, content, written, State.DONE)  # unless it was cancelled in this very moment
    except Stopped:
        pass
    except Exception:  # tried again, and given up in the end: one file must not keep the others from being made
        log.exception("export %s could not be made", run.uuid)
        if run.tries >= MOST_TRIES:
            _give_up(ours, run)
        # else it looks abandoned in a while, and is begun again: what is wrong has so long to pass
    if not kept:
        _remove(path)


def _give_up(runs: Any, run: ReportRun) -> None:
    problem = f"It failed {run.tries} times. Ask whoever runs this install to look into the log."
    runs.update(state=State.FAILED, problem=problem, ended_at=timezone.now())


class _Pulse:
    """Says every second that the file is being made and how far it is, from a thread: the reading one is inside a
    transaction that can't write. Where the run is no longer ours ``check`` raises Stopped."""

    def __init__(self, ours: Any, content: files.Content) -> None:
        self._ours, self._content = ours, content
        self._ended, self._lost = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._beat, name="export", daemon=True)

    def __enter__(self) -> "_Pulse":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def check(self) -> None:
        if self._lost.is_set():
            raise Stopped

    def _beat(self) -> None:
        try:
            while not self._ended.wait(_PULSE_SECONDS):
                try:
                    still_ours = self._ours.all().update(heartbeat_at=timezone.now(), rows=self._content.rows)
                except DatabaseError:
                    log.exception("the progress of an export could not be written")
                    connection.close()  # the next beat tries a new one
                    continue
                if not still_ours:
                    self._lost.set()
                    return
        finally:
            connection.close()


def cancel(run: ReportRun) -> bool:
    """Stop a file that waits or is being made. False where it has ended already."""
    open_ones = ReportRun.objects.filter(pk=run.pk, in_background=True, state__in=[State.WAITING, State.RUNNING])
    return bool(open_ones.update(state=State.CANCELLED, ended_at=timezone.now()))


# ---- files ----------------------------------------------------------------------------------------------------------


def opened(run: ReportRun) -> BinaryIO:
    """The bytes of a finished file. Raises ExportError where they are gone or are no longer what was recorded."""
    if run.kept_until is None:
        raise ExportError("This file is no longer kept. Export it again.")
    try:
        file = _path(run).open("rb")
    except OSError as error:
        raise ExportError("This file is no longer where it was kept. Export it again.") from error
    if hashlib.file_digest(file, "sha256").hexdigest() != run.sha256:
        file.close()
        raise ExportError("This file is no longer what was exported: its SHA-256 differs from the recorded one.")
    file.seek(0)
    return file


def download(run: ReportRun, user: User) -> StreamingHttpResponse:
    """A finished file, once more; that this person fetched it goes on record. Raises as ``opened``, and Busy."""
    answer = handed_over(run, blocks_of(opened(run)), size=run.size)
    Download.objects.create(run=run, user=user)
    return answer


def tidy(now: dt.datetime) -> None:
    """Remove files that were kept for long enough or are nobody's, and end downloads whose server is gone."""
    ReportRun.objects.to_remove(now).update(file_removed_at=now)
    ReportRun.objects.cut_off(now).update(
        state=State.FAILED, ended_at=now, problem="It broke off: whoever served it stopped."
    )
    there = list(files.unfinished().iterdir())
    wanted = ReportRun.objects.filter(in_background=True, state__in=[State.RUNNING, State.DONE], file_removed_at=None)
    names = {claim.hex for claim in wanted.values_list("claim", flat=True) if claim}
    for path in there:
        if _NAME.fullmatch(path.name) and path.name not in names:
            _remove(path)
        elif path.name.startswith(files.PREFIX) and _older(path, now - _LONGEST_XLSX):
            shutil.rmtree(path, ignore_errors=True)


def _older(path: Path, moment: dt.datetime) -> bool:
    try:
        return path.stat().st_mtime < moment.timestamp()
    except OSError:
        return False  # it has gone meanwhile


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        log.exception("a file of an export could not be removed")


def _path(run: ReportRun) -> Path:
    """Each try has a file of its own, so that a worker that was taken for dead can't spoil the one of another."""
    assert run.claim is not None  # whoever makes it took it first
    return files.unfinished() / run.claim.hex
