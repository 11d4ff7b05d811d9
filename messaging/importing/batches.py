"""An import from the upload to its end.

A worker goes through the file in chunks. Each is one transaction: its rows, what became of them and how far we are, or
nothing of it. So a worker that dies leaves whole chunks behind, another goes on with the next row, and nothing is
imported twice. Checking is the same without writing, and begins again where a worker dies.
"""

import datetime as dt
import logging
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from consent.models import Contact, Line, User
from messaging import bell, turns
from messaging.importing import chunks, kept, sheets
from messaging.importing.chunks import Outcome
from messaging.importing.plan import Column, Plan, What, faults, guess
from messaging.importing.rows import Kind, Reader, Wish
from messaging.importing.seen import Seen
from messaging.importing.sheets import Form, Row, SheetError
from messaging.models import ImportBatch, ImportChunk

log = logging.getLogger(__name__)

State = ImportBatch.State
# So often a chunk may fail in a row.
MOST_TRIES = 5
# Consents in one transaction. Their contacts are locked so long, and on SQLite nobody else writes.
TOGETHER = {"postgresql": 10_000, "sqlite": 2_000}
# Opt-outs, and people who are asked: each of them a few dozen statements.
ONE_BY_ONE = 200
_BEAT_SECONDS = 5.0
_REMEMBERED_BATCHES = 50


class NotNow(Exception):
    """This can't be done with the import now. The message says why and what to do."""


class Stopped(Exception):
    """The batch is not wanted any more, or another worker has it."""


class Ending(Exception):
    """This process is told to end; another goes on."""


# ---- beginning ------------------------------------------------------------------------------------------------------


def may_import(user: Any) -> bool:
    return bool(user.is_active and user.has_perm("messaging.import_consents"))


def begin(name: str, file_name: str, blocks: Iterable[bytes], *, user: User, origin: str) -> ImportBatch:
    """Keep a file and look at what its columns are called. Raises SheetError where it is none that can be imported.

    ``name`` is how reports call the batch; where it is taken, or empty, it becomes another one.
    """
    file = kept.keep(file_name, blocks)
    try:
        form = sheets.recognise(file.path)
        headings, has_headings = _headings(next(sheets.rows(file.path, form), None))
        return ImportBatch.objects.create(
            uuid=file.uuid,
            name=_free_name(name.strip() or file.name),
            origin=origin,
            user=user,
            file_name=file.name,
            size=file.size,
            sha256=file.sha256,
            form={**form.as_json(), "has_headings": has_headings},
            headings=headings,
            touched_at=timezone.now(),
        )
    except BaseException:
        file.forget()
        raise


def _headings(first: Row | None) -> tuple[list[str], bool]:
    """What the columns are called. A first row that holds a number is a row like any other."""
    if first is None or first.fault:
        raise SheetError(f"Its first row can't be read. {first.fault if first else 'There is none.'}")
    if any(sum(char.isdigit() for char in cell) >= 7 for cell in first.cells):
        return [f"Column {place}" for place in range(1, len(first.cells) + 1)], False
    found: list[str] = []
    for place, cell in enumerate(first.cells, 1):
        heading = " ".join("".join(char if char.isprintable() else " " for char in cell).split())[:60]
        heading = heading or f"Column {place}"
        found.append(heading if heading not in found else f"{heading} ({place})")
    return found, True


def _free_name(wanted: str) -> str:
    name = "".join(char for char in wanted if char.isprintable())[:70]
    taken = set(ImportBatch.objects.filter(name__startswith=name).values_list("name", flat=True))
    serial = 2
    while name in taken:
        name, serial = f"{wanted[:70]} ({serial})", serial + 1
    return name


def sample(batch: ImportBatch, count: int = 5) -> list[Row]:
    """The first rows, as they stand in the file. Raises SheetError."""
    return list(islice(rows(batch), count))


def remembered(batch: ImportBatch) -> tuple[tuple[Column, ...], Plan | None]:
    """What the columns probably hold, and what was chosen for the last file with the same columns, if there was one."""
    known: dict[str, str] = {}
    last: Plan | None = None
    earlier = ImportBatch.objects.exclude(pk=batch.pk).exclude(plan={}).order_by("-pk")
    for other in earlier[:_REMEMBERED_BATCHES]:
        for heading, column in zip(other.headings, other.plan["columns"], strict=False):
            known.setdefault(heading, column)
        if last is None and other.headings == batch.headings:
            last = Plan.from_json(other.plan)
    if not batch.form["has_headings"]:
        return (last.columns if last else guess(batch.headings, {})), last
    return guess(batch.headings, known), last


def same_file(batch: ImportBatch) -> ImportBatch | None:
    """An earlier import of the very same file, of which something is in the ledger."""
    earlier = ImportBatch.objects.filter(sha256=batch.sha256, started_at__isnull=False).exclude(pk=batch.pk)
    return earlier.order_by("-pk").first()


def choose(batch: ImportBatch, plan: Plan) -> None:
    """Say what the columns mean, and have the file checked. Raises NotNow where it is being worked on."""
    assert not faults(plan)
    open_ones = ImportBatch.objects.filter(pk=batch.pk, started_at=None, file_removed_at=None)
    chosen = open_ones.filter(state__in=[State.DRAFT, State.CHECKED, State.FAILED, State.CANCELLED]).update(
        plan=plan.as_json(),
        state=State.TO_CHECK,
        done=0,
        tries=0,
        problem="",
        check_counts={},
        check_refusals={},
        checked_at=None,
        ended_at=None,
        touched_at=timezone.now(),
    )
    if not chosen:
        raise NotNow("Its columns can't be chosen any more. Upload the file again for another import.")
    ring()


def start(batch: ImportBatch) -> None:
    """Import what was checked. Raises NotNow where it was not, or is under way."""
    if not ImportBatch.objects.filter(pk=batch.pk, state=State.CHECKED, file_removed_at=None).update(
        state=State.WAITING, done=0, tries=0, started_at=timezone.now(), touched_at=timezone.now()
    ):
        raise NotNow("It can't be imported now: it is under way, or was not checked.")
    ring()


def go_on(batch: ImportBatch) -> None:
    """Go on behind the last chunk of one that was cancelled or failed. Raises NotNow."""
    stopped = ImportBatch.objects.filter(pk=batch.pk, state__in=[State.FAILED, State.CANCELLED], file_removed_at=None)
    if not stopped.filter(started_at__isnull=False).update(
        state=State.WAITING, tries=0, problem="", ended_at=None, touched_at=timezone.now()
    ):
        raise NotNow("There is nothing to go on with. Upload the file again for another import.")
    ring()


def cancel(batch: ImportBatch) -> bool:
    """Stop it. What is in the ledger stays there. False where it has ended already."""
    now = timezone.now()
    ended = [State.DONE, State.FAILED, State.CANCELLED]
    return bool(
        ImportBatch.objects.filter(pk=batch.pk)
        .exclude(state__in=ended)
        .update(state=State.CANCELLED, ended_at=now, touched_at=now)
    )


def ring() -> None:
    bell.ring("messaging.tasks.import_waiting")


# ---- working --------------------------------------------------------------------------------------------------------


def work() -> None:
    """Check and import what waits, one after the other, and tidy up. Any number of workers may do so at once."""
    while not turns.ending.is_set() and (batch := _claim(timezone.now())):
        work_on(batch)
    tidy(timezone.now())


def work_now(batch: ImportBatch) -> ImportBatch:
    """Check or import this batch in this process, if nobody else does; gives it as it is afterwards."""
    now = timezone.now()
    if claimed := _take(batch, now):
        work_on(claimed)
    batch.refresh_from_db()
    return batch


def _claim(now: dt.datetime) -> ImportBatch | None:
    for batch in ImportBatch.objects.to_do(now)[:10]:
        if claimed := _take(batch, now):
            return claimed
    return None


def _take(batch: ImportBatch, now: dt.datetime) -> ImportBatch | None:
    still = ImportBatch.objects.to_do(now).order_by().filter(pk=batch.pk, claim=batch.claim)
    if batch.tries >= MOST_TRIES:
        _fail(still, f"It failed {batch.tries} times. Ask whoever runs this install to look into the log.")
        return None
    doing = State.RUNNING if batch.importing else State.CHECKING
    if not still.update(claim=uuid.uuid4(), tries=batch.tries + 1, state=doing, heartbeat_at=now):
        return None
    batch.refresh_from_db()
    return batch


def work_on(batch: ImportBatch) -> None:
    """Check or import a claimed batch. What fails is tried again by whoever comes next, a few times."""
    ours = ImportBatch.objects.filter(pk=batch.pk, claim=batch.claim, state=batch.state)
    try:
        plan = Plan.from_json(batch.plan)
        if not may_import(batch.user):
            raise SheetError(f"{batch.user} may not import any more. Somebody who may has to upload the file.")
        kept.checked(batch)
        if batch.importing:
            _Import(batch, plan, ours).go()
        else:
            _Check(batch, plan, ours).go()
    except Stopped:
        pass
    except Ending:
        ours.update(state=State.WAITING if batch.importing else State.TO_CHECK, tries=0)
    except SheetError as error:
        _fail(ours, str(error))
    except Exception:  # tried again when it looks abandoned; one file must not keep the others from being imported
        log.exception("import %s did not get on", batch.uuid)
        if batch.tries >= MOST_TRIES:
            _fail(ours, f"It failed {batch.tries} times. Ask whoever runs this install to look into the log.")


def _fail(batches: Any, problem: str) -> None:
    now = timezone.now()
    batches.update(state=State.FAILED, problem=problem, ended_at=now, touched_at=now)


def rows(batch: ImportBatch) -> Iterator[Row]:
    """The rows of its file, without the one that names the columns. Raises SheetError."""
    form = Form(**{name: batch.form[name] for name in ("kind", "encoding", "delimiter")})
    path = kept.path_of(batch.uuid)
    if not path.exists():
        raise SheetError("The file is no longer where it was kept. Upload it again.")
    found = sheets.rows(path, form)
    return islice(found, 1 if batch.form["has_headings"] else 0, None)


class _Work:
    """Going through the file of a claimed batch."""

    counts, refusals, checking = "counts", "refusals", False

    def __init__(self, batch: ImportBatch, plan: Plan, ours: Any) -> None:
        self.batch, self.plan, self._ours = batch, plan, ours
        self._beaten = time.monotonic()
        lines = dict(Line.objects.values_list("number", "pk"))
        if gone := set(plan.lines) - set(lines):
            raise SheetError(f"There is no line {', '.join(sorted(gone))} any more. Choose the lines again.")
        self._reader = Reader(plan, batch.headings, lines, timezone.now())

    def go(self) -> None:
        """Go through all that is not done yet, and end the batch."""
        place = 0
        for turn in range(self.plan.passes):
            wanted = self._wanted(turn)
            size = self._size(wanted)
            found, begun = rows(self.batch), place
            for row in found:
                self._beat()
                place += 1
                if place <= self.batch.done:
                    continue  # that was done by somebody before us
                some = [row, *self._beating(islice(found, size - 1))]
                self._do(some, wanted)
                place += len(some) - 1
            self.batch.rows = place - begun
        self._end()

    def _wanted(self, turn: int) -> set[Kind | None]:
        """What is done in this pass. What can't be read counts for the first."""
        if self.plan.passes == 1:
            return {Kind.IN, Kind.OUT, Kind.NEVER, None}
        return {Kind.OUT, None} if turn == 0 else {Kind.IN}

    def _size(self, wanted: set[Kind | None]) -> int:
        """Rows of a chunk."""
        single = self.plan.double_opt_in or self.plan.what != What.OPT_INS
        if Kind.IN in wanted and not self.plan.double_opt_in and (self.plan.passes == 2 or not single):
            return max(1, TOGETHER[connection.vendor] // max(1, len(self.plan.lines)))
        return max(1, ONE_BY_ONE // max(1, len(self.plan.lines)))

    def _beating(self, rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            self._beat()
            yield row

    def _beat(self) -> None:
        """Say that we are alive, where a chunk does not say it. Raises Stopped and Ending."""
        if time.monotonic() - self._beaten < _BEAT_SECONDS:
            return
        self._save()
        self._beaten = time.monotonic()

    def _save(self, **columns: Any) -> None:
        if turns.ending.is_set():
            raise Ending
        if not self._ours.update(heartbeat_at=timezone.now(), **columns):
            raise Stopped

    def _do(self, rows: list[Row], wanted: set[Kind | None]) -> None:
        outcome, wishes = Outcome(), []
        for found in map(self._reader.read, rows):
            if found.kind not in wanted:
                continue
            if isinstance(found, Wish):
                wishes.append(found)
            else:
                outcome.refuse_unreadable(found, self.plan)
        self._follow(wishes, outcome, len(rows))

    def _follow(self, wishes: list[Wish], outcome: Outcome, rows: int) -> None:
        raise NotImplementedError

    def _record(self, outcome: Outcome, rows: int) -> None:
        """What became of a chunk, and how far we are; where it is no longer ours, its transaction must not commit."""
        batch = self.batch
        ImportChunk.objects.create(
            batch=batch,
            checking=self.checking,
            first=batch.done,
            rows=rows,
            counts=outcome.counts,
            refused=outcome.refused,
        )
        total = {
            self.counts: dict(Counter(getattr(batch, self.counts)) + outcome.counts),
            self.refusals: dict(Counter(getattr(batch, self.refusals)) + outcome.refusals),
        }
        self._save(done=batch.done + rows, tries=0, **total)
        for name, value in total.items():
            setattr(batch, name, value)
        batch.done += rows
        self._beaten = time.monotonic()

    def _end(self) -> None:
        raise NotImplementedError


class _Check(_Work):
    counts, refusals, checking = "check_counts", "check_refusals", True

    def go(self) -> None:
        self.batch.done, self.batch.check_counts, self.batch.check_refusals = 0, {}, {}
        with transaction.atomic():
            self._save(done=0, check_counts={}, check_refusals={})
            ImportChunk.objects.filter(batch=self.batch, checking=True).delete()
        with Seen() as self._seen:
            super().go()

    def _follow(self, wishes: list[Wish], outcome: Outcome, rows: int) -> None:
        if wishes:
            chunks.check(wishes, self.plan, self._seen, outcome)
        with transaction.atomic():
            self._record(outcome, rows)

    def _end(self) -> None:
        now = timezone.now()
        self._save(state=State.CHECKED, rows=self.batch.rows, checked_at=now, touched_at=now)


class _Import(_Work):
    def _follow(self, wishes: list[Wish], outcome: Outcome, rows: int) -> None:
        if wishes:
            chunks.add_contacts(wishes)
        with transaction.atomic(durable=True):
            if wishes:
                Contact.objects.lock_numbers({wish.number for wish in wishes})
                chunks.write(wishes, self.plan, self.batch, outcome)
            self._record(outcome, rows)
            bell.ring_send()

    def _end(self) -> None:
        now = timezone.now()
        self._save(state=State.DONE, rows=self.batch.rows, ended_at=now, touched_at=now)


# ---- tidying --------------------------------------------------------------------------------------------------------


def tidy(now: dt.datetime) -> None:
    """Remove files that were kept for long enough or are nobody's."""
    over = list(ImportBatch.objects.to_remove(now).values_list("pk", flat=True))
    # Its reasons quote what stood in the cells; how many rows were refused for which reason stays with the batch.
    ImportChunk.objects.filter(batch__in=over).exclude(refused=[]).update(refused=[])
    ImportBatch.objects.to_remove(now).filter(pk__in=over).update(file_removed_at=now)
    there = ImportBatch.objects.filter(file_removed_at=None).values_list("uuid", flat=True)
    kept.tidy({each.hex for each in there})
