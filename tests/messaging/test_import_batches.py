"""An import from the upload to the ledger: counted beforehand, exactly once, all of a chunk or nothing of it."""

import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from consent import ledger, triggers
from consent.ledger import Proof
from consent.models import Consent, Contact, DoNotContact, Evidence, LedgerEntry, Line, OptInRequest, User
from consent.verification import verify
from consent.vocabulary import Channel, EntryKind, Level, Scope, Status
from messaging import capture, outbound, turns
from messaging.importing import batches, chunks, kept, refused
from messaging.importing.plan import Column, Plan, What
from messaging.models import Conversation, ImportBatch, ImportChunk, Message
from messaging.models.import_batch import SILENCE
from tests.make import JANE, OMAR, make_contact, make_line, make_officer, make_opted_in

pytestmark = pytest.mark.django_db

ROSA = "+12065550144"
State = ImportBatch.State


@pytest.fixture(autouse=True)
def files_of_their_own(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path


@pytest.fixture
def line() -> Line:
    return make_line(name="Sales")


@pytest.fixture
def olive() -> User:
    return make_officer("olive")


def uploaded(text: str | bytes, olive: User, name: str = "spring.csv") -> ImportBatch:
    content = text.encode() if isinstance(text, str) else text
    return batches.begin("", name, [content], user=olive, origin=ImportBatch.Origin.ADMIN)


def checked(batch: ImportBatch, line: Line | None = None, **chosen: Any) -> ImportBatch:
    columns, _ = batches.remembered(batch)
    lines = () if line is None or Column.LINE in columns else (line.number,)
    given = {"what": What.OPT_INS, "columns": columns, "lines": lines, "source": "Paper forms", "date": "2026-03-14"}
    batches.choose(batch, Plan(**{**given, **chosen}))
    batch.refresh_from_db()
    return batches.work_now(batch)


def imported(batch: ImportBatch, line: Line | None = None, **chosen: Any) -> ImportBatch:
    checked(batch, line, **chosen)
    assert batch.state == State.CHECKED, batch.problem
    batches.start(batch)
    batch.refresh_from_db()
    return batches.work_now(batch)


def everything() -> tuple[Any, ...]:
    """What an import leaves, without what differs from run to run (uuids, ids, times of recording, salts)."""
    entries = LedgerEntry.objects.order_by("contact__number", "seq").values_list(
        "contact__number", "line__number", "seq", "kind", "status_from", "status_to", "since", "source", "level",
        "channel", "rule", "occurred_at",
    )  # fmt: skip
    states = Consent.objects.order_by("contact__number", "line").values_list(
        "contact__number", "line__number", "status", "since", "level", "source", "opted_out_at"
    )
    evidence = sorted(str(each) for each in Evidence.objects.values_list("data", flat=True))
    return list(entries), list(states), evidence, list(Contact.objects.order_by("number").values_list("number"))


# ---- what becomes of rows -------------------------------------------------------------------------------------------


def test_new_changed_unchanged_and_refused_are_counted_before_and_after(line: Line, olive: User) -> None:
    ledger.opt_out(make_contact(OMAR), line, Proof(Channel.KEYWORD, {"text": "STOP"}), occurred_at=timezone.now(),
                   scope=Scope.LINE)  # fmt: skip
    make_opted_in(line, ROSA)
    batch = imported(
        uploaded(
            f"Mobile,Level\n{JANE},\n{JANE},\n{OMAR},written\n{ROSA},written\n{ROSA},express\nnonsense,\n{JANE},maybe\n",
            olive,
        ),
        line,
    )
    assert batch.state == State.DONE
    assert batch.check_counts == batch.counts == {"new": 1, "changed": 1, "unchanged": 2, "refused": 3}
    assert batch.check_refusals == batch.refusals == {"opted_out": 1, "number": 1, "level": 1}
    jane, rosa = Consent.objects.get(contact__number=JANE), Consent.objects.get(contact__number=ROSA)
    assert (jane.status, jane.level, jane.source) == (Status.OPTED_IN, Level.EXPRESS, Channel.IMPORT)
    assert (rosa.status, rosa.level) == (Status.OPTED_IN, Level.WRITTEN)
    assert Consent.objects.get(contact__number=OMAR).status == Status.OPTED_OUT
    assert not list(verify())


def test_the_dry_run_changes_nothing(line: Line, olive: User) -> None:
    batch = checked(uploaded(f"Mobile\n{JANE}\n", olive), line)
    assert (batch.state, batch.check_counts, batch.rows) == (State.CHECKED, {"new": 1}, 1)
    assert not Contact.objects.exists() and not LedgerEntry.objects.exists()


def test_nobody_is_texted(line: Line, olive: User) -> None:
    imported(uploaded(f"Mobile\n{JANE}\n", olive), line)
    assert not Message.objects.exists()


def test_evidence_proves_the_row_and_names_nobody_else(line: Line, olive: User) -> None:
    batch = imported(uploaded(f"Mobile,IP,First name\n{JANE},192.0.2.1,Jane\n{OMAR},192.0.2.2,Omar\n", olive), line)
    entry = LedgerEntry.objects.get(contact__number=JANE)
    data = Evidence.objects.get(digest=entry.evidence_digest).data
    assert data == {
        "number": JANE,
        "line": line.number,
        "import": "spring.csv",
        "file_name": "spring.csv",
        "sha256": batch.sha256,
        "row": "2",
        "source": "Paper forms",
        "rows": [{"row": 2, "lines": [line.number], "cells": {"Mobile": JANE, "IP": "192.0.2.1"}}],
    }
    assert (entry.actor, entry.channel, entry.rule) == (olive, Channel.IMPORT, "import")
    assert entry.occurred_at == dt.datetime(2026, 3, 14, tzinfo=dt.UTC)
    assert Contact.objects.get(number=JANE).first_name == "Jane"


def test_a_row_may_name_its_line_level_date_and_source(line: Line, olive: User) -> None:
    billing = make_line("+12065550101", name="Billing")
    text = f"Mobile;Line;Level;Date;Source\n(206) 555-0142;{billing.number};Written;03/01/2026 09:30;Fair\n"
    batch = imported(uploaded(text, olive), None, lines=(), date="", date_order="mdy", zone="America/Los_Angeles")
    assert batch.counts == {"new": 1}, batch.refusals
    entry = LedgerEntry.objects.get()
    assert (entry.line, entry.level) == (billing, Level.WRITTEN)
    assert entry.occurred_at == dt.datetime(2026, 3, 1, 17, 30, tzinfo=dt.UTC)
    assert Evidence.objects.get().data["source"] == "Fair"


def test_several_lines_count_several_times(line: Line, olive: User) -> None:
    other = make_line("+12065550101")
    batch = imported(uploaded(f"Mobile\n{JANE}\nnobody\n", olive), line, lines=(line.number, other.number))
    assert batch.counts == {"new": 2, "refused": 2}
    assert Evidence.objects.count() == 1 and LedgerEntry.objects.count() == 2


def test_a_held_text_leaves_once_consent_is_imported(line: Line, olive: User) -> None:
    """Who was in touch already goes the way that every consent goes, without a text that nobody expects."""
    outbound.submit(line=line, to=JANE, body="Your car is ready", author=olive)
    held = Message.objects.get(body="Your car is ready")
    assert held.status == "held"
    batch = imported(uploaded(f"Mobile\n{JANE}\n", olive), line)
    held.refresh_from_db()
    assert (batch.counts, held.status) == ({"changed": 1} if batch.counts.get("changed") else {"new": 1}, "queued")
    assert not Message.objects.filter(purpose="opt_in_confirmation").exists()
    assert not list(verify())


def test_under_review_is_refused(line: Line, olive: User) -> None:
    contact = make_opted_in(line, JANE)
    ledger.open_review(contact, line, Proof(Channel.KEYWORD, {"text": "leave me be"}), at=timezone.now())
    assert imported(uploaded(f"Mobile\n{JANE}\n", olive), line, level="written").refusals == {"under_review": 1}


def test_a_number_on_the_list_is_refused_and_an_erased_one_stays_unknown(line: Line, olive: User) -> None:
    capture.put_on_do_not_contact(make_contact(OMAR), Proof(Channel.AGENT, {"reason": "asked"}), reason="asked")
    DoNotContact.objects.create(number=None, digest=ledger.suppression_digest(JANE), reason="erased")
    batch = imported(uploaded(f"Mobile\n{JANE}\n{OMAR}\n", olive), line)
    assert batch.check_refusals == batch.refusals == {"listed": 2}
    assert not Contact.objects.filter(number=JANE).exists()


def test_implied_consent_is_imported_with_its_end_and_not_once_it_is_over(line: Line, olive: User) -> None:
    toronto = "+14165550142"
    at = timezone.now() - dt.timedelta(days=3)
    text = f"Mobile,Level,Date\n{toronto},implied,{at:%Y-%m-%dT%H:%M:%SZ}\n+14165550143,implied,2015-01-01\n"
    for expected in ({"new": 1, "refused": 1}, {"unchanged": 1, "refused": 1}):
        batch = imported(uploaded(text, olive), line, date="")
        assert batch.counts == expected and batch.refusals == {"not_recorded": 1}
    assert Consent.objects.get(contact__number=toronto).until is not None
    assert not list(verify())


def test_consent_that_ended_is_renewed_once(line: Line, olive: User) -> None:
    contact = make_contact(JANE)
    proof, begun = Proof(Channel.AGENT, {"words": "yes"}), timezone.now() - dt.timedelta(days=99)
    others = ledger.Authority.OTHERS
    until = begun + dt.timedelta(days=30)
    ledger.opt_in(contact, line, proof, occurred_at=begun, level=Level.EXPRESS, authority=others, until=until)
    text = f"Mobile\n{JANE}\n"
    day = f"{timezone.now() - dt.timedelta(days=9):%Y-%m-%d}"
    for expected in ({"changed": 1}, {"unchanged": 1}):
        batch = imported(uploaded(text, olive), line, date=day)
        assert batch.check_counts == batch.counts == expected
    assert Consent.objects.get(contact=contact).until is None
    assert not list(verify())


def test_what_a_former_owner_agreed_to_is_refused(line: Line, olive: User) -> None:
    make_contact(JANE)
    Contact.objects.filter(number=JANE).update(changed_hands_at=dt.datetime(2026, 6, 1, tzinfo=dt.UTC))
    batch = imported(uploaded(f"Mobile,Date\n{JANE},2026-03-01\n{JANE},2026-07-01\n", olive), line, date="")
    assert batch.check_counts == batch.counts == {"refused": 1, "new": 1}
    assert batch.check_refusals == batch.refusals == {"suspended": 1}


# ---- opt-outs and the do-not-contact list ---------------------------------------------------------------------------


def test_opt_outs_reach_as_far_as_the_policy_says_and_cancel_what_waits(line: Line, olive: User) -> None:
    other = make_line("+12065550101")  # of the same category
    make_opted_in(other, JANE)
    outbound.submit(line=other, to=JANE, body="See you at five", author=olive)
    text = f"Mobile\n{JANE}\n{OMAR}\n"
    batch = imported(uploaded(text, olive), line, what=What.OPT_OUTS, date=f"{timezone.now():%Y-%m-%d}")
    assert batch.check_counts == batch.counts == {"changed": 1, "new": 1}
    assert {each.status for each in Consent.objects.all()} == {Status.OPTED_OUT}
    assert Consent.objects.count() == 4
    assert not Conversation.objects.filter(contact__number=OMAR).exists(), "nobody was ever in touch"
    assert Message.objects.get(body="See you at five").status == "cancelled"
    entries = LedgerEntry.objects.count()
    again = imported(uploaded(text, olive), line, what=What.OPT_OUTS, date=f"{timezone.now():%Y-%m-%d}")
    assert (again.check_counts, again.counts) == ({"unchanged": 2}, {"unchanged": 2})
    assert LedgerEntry.objects.count() == entries
    assert not list(verify())


def test_an_opt_out_of_old_reaches_lines_to_come(line: Line, olive: User) -> None:
    """What is known here with a narrow reach says more when the policy reaches further."""
    at = dt.datetime(2026, 3, 15, 12, tzinfo=dt.UTC)
    ledger.opt_out(make_contact(JANE), line, Proof(Channel.KEYWORD, {"text": "STOP"}), occurred_at=at, scope=Scope.LINE)
    batch = imported(uploaded(f"Mobile\n{JANE}\n", olive), line, what=What.OPT_OUTS)
    assert batch.check_counts == batch.counts == {"changed": 1}
    later = make_line("+12065550101", opened=False)
    ledger.open_line(later.pk)
    assert Consent.objects.get(line=later).status == Status.OPTED_OUT


def test_a_later_opt_in_of_their_own_stays(line: Line, olive: User) -> None:
    make_opted_in(line, JANE)
    text = f"Mobile\n{JANE}\n"
    for expected in ({"changed": 1}, {"unchanged": 1}):
        batch = imported(uploaded(text, olive), line, what=What.OPT_OUTS)
        assert batch.check_counts == batch.counts == expected
    assert Consent.objects.get(line=line).status == Status.OPTED_IN


def test_the_do_not_contact_list_takes_numbers(olive: User) -> None:
    text = f"{JANE}\n{OMAR}\n{JANE}\n"
    batch = imported(uploaded(text, olive), None, what=What.DO_NOT_CONTACT, columns=(Column.NUMBER,), date="")
    assert batch.check_counts == batch.counts == {"new": 2, "unchanged": 1}
    assert set(DoNotContact.objects.values_list("number", flat=True)) == {JANE, OMAR}
    assert DoNotContact.objects.first().reason == "Paper forms"  # type: ignore[union-attr]
    entry = LedgerEntry.objects.filter(contact__number=JANE).get()
    assert (entry.kind, entry.channel) == (EntryKind.DO_NOT_CONTACT, Channel.IMPORT)
    assert not list(verify())


@pytest.mark.parametrize("order", [["in", "out"], ["out", "in"], ["in", "out", "in"]])
def test_where_a_file_contradicts_itself_the_opt_out_wins(order: list[str], line: Line, olive: User) -> None:
    rows = "".join(f"{JANE},{word},2026-03-{day:02}\n" for day, word in enumerate(order, 10))
    batch = imported(uploaded(f"Mobile,Status,Date\n{rows}", olive), line, what=What.BOTH)
    assert batch.check_counts == batch.counts == {"new": 1, "refused": order.count("in")}
    assert batch.check_refusals == batch.refusals == {"opted_out": order.count("in")}
    assert Consent.objects.get().status == Status.OPTED_OUT
    assert [number for number, _ in refused._reasons(batch)] == [
        place for place, word in enumerate(order, 2) if word == "in"
    ]


# ---- double opt-in --------------------------------------------------------------------------------------------------


def test_double_opt_in_asks_once_and_names_the_batch(line: Line, olive: User) -> None:
    text = f"Mobile\n{JANE}\n"
    batch = imported(uploaded(text, olive), line, double_opt_in=True)
    assert batch.counts == {"new": 1}
    request = OptInRequest.objects.get()
    assert (request.batch, request.channel, request.kind) == (batch.name, Channel.IMPORT, "confirm_sign_up")
    assert Consent.objects.get().status == Status.PENDING
    again = imported(uploaded(text, olive), line, double_opt_in=True)
    assert again.check_counts == again.counts == {"unchanged": 1}
    assert OptInRequest.objects.count() == 1
    assert not list(verify())


# ---- exactly once ---------------------------------------------------------------------------------------------------

FILE = "Mobile,Status,Line\n" + "".join(
    f"+1206555{serial:04},{'out' if serial % 5 == 0 else 'in'},+1206555010{serial % 2}\n" for serial in range(110, 130)
)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "TOGETHER", {"postgresql": 3, "sqlite": 3})
    monkeypatch.setattr(batches, "ONE_BY_ONE", 3)


def ready(olive: User) -> ImportBatch:
    make_line("+12065550100"), make_line("+12065550101")
    batch = checked(uploaded(FILE, olive), None, what=What.BOTH)
    batches.start(batch)
    batch.refresh_from_db()
    return batch


class Killed(BaseException):
    """The process is gone: nothing of ours runs any more."""


@pytest.mark.parametrize("chunk", [1, 5, 9, 13])
def test_a_worker_that_dies_is_followed_by_another(
    chunk: int, olive: User, small_chunks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = ready(olive)
    undisturbed = batches.work_now(batch)
    expected, counts = everything(), undisturbed.counts
    assert (undisturbed.state, undisturbed.done) == (State.DONE, 40)
    # Once more from the beginning, in an empty house, with somebody who dies in the middle of a chunk.
    triggers.lift(connection)
    for model in (Consent, LedgerEntry, Evidence, Contact):
        model.objects.all()._raw_delete("default")  # type: ignore[attr-defined]
    ImportChunk.objects.filter(checking=False).delete()
    triggers.install(connection)
    ImportBatch.objects.update(state=State.WAITING, done=0, counts={}, refusals={}, ended_at=None, claim=None)
    batch.refresh_from_db()
    written = iter(range(1, 100))
    real = batches._Work._record

    def dies(self: Any, outcome: Any, rows: int) -> None:
        if next(written) == chunk:
            raise Killed  # all was written, nothing is committed
        real(self, outcome, rows)

    with monkeypatch.context() as patched:
        patched.setattr(batches._Work, "_record", dies)
        with pytest.raises(Killed):
            batches.work_now(batch)
    batch.refresh_from_db()
    assert batch.done == sum(ImportChunk.objects.filter(checking=False).values_list("rows", flat=True)) < 40
    assert batches._claim(timezone.now()) is None  # it may be alive
    now = timezone.now() + SILENCE + dt.timedelta(seconds=1)
    taken = batches._claim(now)
    assert taken is not None
    batches.work_on(taken)
    batch.refresh_from_db()
    assert (batch.state, batch.done, batch.counts) == (State.DONE, 40, counts)
    assert everything() == expected
    assert not list(verify())


def test_who_was_taken_for_dead_writes_nothing_more(olive: User, small_chunks: None) -> None:
    batch = ready(olive)
    slow = batches._take(batch, timezone.now())
    assert slow is not None
    other = batches._claim(timezone.now() + SILENCE + dt.timedelta(seconds=1))
    assert other is not None and other.claim != slow.claim
    slow.claim = None  # what it held is not what stands there
    batches.work_on(slow)
    assert not LedgerEntry.objects.exists() and not ImportChunk.objects.filter(checking=False).exists()
    batches.work_on(other)
    batch.refresh_from_db()
    assert batch.state == State.DONE


def test_the_same_file_twice_changes_nothing(olive: User) -> None:
    batch = ready(olive)
    first = batches.work_now(batch)
    before = everything()
    again = imported(uploaded(FILE, olive), None, what=What.BOTH)
    assert everything() == before
    assert again.counts == {"unchanged": first.counts["new"]}
    assert again.name == "spring.csv (2)"
    assert batches.same_file(again) == first


def test_cancelled_it_stops_and_can_go_on(olive: User, small_chunks: None, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = ready(olive)
    real, calls = chunks.add_contacts, iter(range(100))

    def cancels(*args: Any) -> None:
        real(*args)
        if next(calls) == 2:
            assert batches.cancel(batch)

    with monkeypatch.context() as patched:
        patched.setattr(chunks, "add_contacts", cancels)
        batches.work_now(batch)
    assert batch.state == State.CANCELLED and 0 < batch.done < 40
    assert not list(verify())
    batches.go_on(batch)
    batch.refresh_from_db()
    assert batches.work_now(batch).state == State.DONE
    assert sum(batch.counts.values()) == 20


def test_a_process_that_is_told_to_end_leaves_the_rest_to_others(
    olive: User, small_chunks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = ready(olive)
    monkeypatch.setattr(turns.ending, "is_set", lambda: True)
    assert batches.work_now(batch).state == State.WAITING
    monkeypatch.undo()
    assert batches.work_now(batch).state == State.DONE


def test_what_fails_again_and_again_is_given_up(olive: User, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = ready(olive)

    def fails(*args: Any) -> Iterator[Any]:
        raise ValueError("a fault of ours")

    with monkeypatch.context() as patched:
        patched.setattr(chunks, "write", fails)
        now = timezone.now()
        for _ in range(batches.MOST_TRIES):
            now += SILENCE + dt.timedelta(seconds=1)
            claimed = batches._claim(now)
            assert claimed is not None
            batches.work_on(claimed)
    batch.refresh_from_db()
    assert batch.state == State.FAILED and "log" in batch.problem
    batches.go_on(batch)
    batch.refresh_from_db()
    assert batches.work_now(batch).state == State.DONE


# ---- files ----------------------------------------------------------------------------------------------------------


def test_the_file_is_private_and_goes_after_a_week(line: Line, olive: User) -> None:
    batch = imported(uploaded(f"Mobile\n{JANE}\n", olive), line)
    path = kept.path_of(batch.uuid)
    assert path.stat().st_mode & 0o777 == 0o600
    batches.tidy(timezone.now())
    assert path.exists()
    later = timezone.now() + dt.timedelta(days=8)
    ImportBatch.objects.update(touched_at=timezone.now() - dt.timedelta(days=8))
    os.utime(path, (0, 0))
    batches.tidy(later)
    assert not path.exists()
    batch.refresh_from_db()
    assert batch.file_removed_at and batch.sha256
    assert not refused.there_are(batch)


def test_a_file_that_was_changed_is_not_imported(line: Line, olive: User) -> None:
    batch = checked(uploaded(f"Mobile\n{JANE}\n", olive), line)
    kept.path_of(batch.uuid).write_text(f"Mobile\n{OMAR}\n")
    batches.start(batch)
    batch.refresh_from_db()
    assert batches.work_now(batch).state == State.FAILED
    assert "SHA-256" in batch.problem and not LedgerEntry.objects.exists()


def test_refused_rows_come_back_with_reasons_and_can_be_imported_again(line: Line, olive: User) -> None:
    batch = imported(uploaded(f'Mobile,Note\n=1+1,"=HYPERLINK(1)"\n{JANE},ok\n555,-\n', olive), line)
    text = b"".join(refused.blocks(batch)).decode("utf-8-sig")
    rows = [line_.split(",") for line_ in text.splitlines()]
    assert rows[0] == ["Row in the file", "Why it was refused", "Mobile", "Note"]
    assert [row[0] for row in rows[1:]] == ["2", "4"]
    assert "'=1+1" in text and "'=HYPERLINK(1)" in text
    again = uploaded(text, olive, "refused.csv")
    columns, _ = batches.remembered(again)
    assert columns == (Column.IGNORE, Column.IGNORE, Column.NUMBER, Column.IGNORE)


def test_columns_are_remembered(line: Line, olive: User) -> None:
    checked(uploaded(f"Fon,Wann\n{JANE},2026-03-01\n", olive), line, columns=(Column.NUMBER, Column.DATE), date="")
    columns, last = batches.remembered(uploaded(f"Fon,Wann\n{OMAR},2026-03-02\n", olive))
    assert columns == (Column.NUMBER, Column.DATE)
    assert last is not None and last.source == "Paper forms" and last.lines == (line.number,)


def test_who_may_no_longer_import_imports_nothing(line: Line, olive: User) -> None:
    batch = checked(uploaded(f"Mobile\n{JANE}\n", olive), line)
    batches.start(batch)
    olive.groups.clear()
    batch = ImportBatch.objects.get(pk=batch.pk)
    assert batches.work_now(batch).state == State.FAILED
    assert not LedgerEntry.objects.exists()
