"""Make a pack and record it: who, when, of whom, why, bytes and SHA-256 (ReportRun)."""

import hashlib
import logging
import tempfile
from collections.abc import Sequence
from typing import IO, Any

from django.utils import timezone

from consent.models import Contact, Line, User
from messaging import review
from reporting import files, snapshot
from reporting.evidence_pack import archive, paper
from reporting.evidence_pack.gathered import gather
from reporting.models import ReportRun

log = logging.getLogger(__name__)

Format, State = ReportRun.Format, ReportRun.State
FORMATS = (Format.PDF, Format.ZIP)


class PackError(Exception):
    """The pack could not be made. The message says what to do."""


def may_make(user: Any) -> bool:
    return bool(user.has_perm("reporting.make_evidence_pack"))


def make(
    contact: Contact, lines: Sequence[Line] | None, *, format: str, origin: str, user: User | None, reason: str
) -> tuple[ReportRun, IO[bytes]]:
    """The finished file, from its beginning, and its record. ``lines``: None for every line.

    The record is there before the first byte is read, and stays whatever happens. That the words of held-back texts
    are in it goes on record as their reading does (flow 8). Raises PackError.
    """
    now = timezone.now()
    chosen = {"line": [line.number for line in lines]} if lines is not None else {}
    run = ReportRun.objects.create(
        report=ReportRun.Report.EVIDENCE,
        format=format,
        origin=origin,
        user=user,
        filters={"contact": str(contact.uuid), **chosen, "reason": reason},
        state=State.RUNNING,
        created=now,
        started_at=now,
    )
    file = tempfile.TemporaryFile(dir=files.unfinished())  # noqa: SIM115  (the caller closes it)
    try:
        with snapshot.one_moment() as moment:
            pack = gather(contact.pk, None if lines is None else [line.pk for line in lines], run, moment)
        if user:
            review.read_in_a_pack(pack.held_back, user, f"Evidence pack {run.uuid}")
        (paper if format == Format.PDF else archive).write(pack, file)
    except Exception as error:  # whatever it was, the record must say that no pack came of it
        file.close()
        log.exception("evidence pack %s could not be made", run.uuid)
        problem = "It could not be made. Ask whoever runs this install to look into the log."
        ReportRun.objects.filter(pk=run.pk).update(state=State.FAILED, problem=problem, ended_at=timezone.now())
        raise PackError(problem) from error
    size = file.tell()
    file.seek(0)
    ReportRun.objects.filter(pk=run.pk).update(
        state=State.DONE,
        as_of=moment,
        rows=len(pack.events),
        size=size,
        sha256=hashlib.file_digest(file, "sha256").hexdigest(),
        ended_at=timezone.now(),
    )
    file.seek(0)
    run.refresh_from_db()
    return run, file
