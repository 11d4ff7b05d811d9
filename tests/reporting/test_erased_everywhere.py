"""An erased contact in the rooms around: the web form, calls, imports, lists, reports. Nothing of them stays there, a
STOP of theirs holds all the same, and every page still opens."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from consent import ledger, verification
from consent.ledger import Proof
from consent.models import Contact, Line, ScrubResult, User
from consent.vocabulary import Channel, NumberList, Status
from messaging import number_files, reassigned, scrubbing
from messaging.importing import batches
from messaging.models import ImportBatch, ImportChunk, Receipt, SignUp
from reporting import erasure
from reporting.models import ReportRun
from tests.fake_provider import FakeProvider
from tests.make import JANE, OMAR, make_line, make_officer
from tests.messaging.test_import_batches import imported, uploaded
from tests.phone_menu.test_calls import Call, make_menu
from tests.reporting.test_erasure import everything_stored
from tests.reporting.test_evidence_pack import made, members
from tests.web_form.visitor import Visitor, make_form
from tests.world import Phone, say, standing, work

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def files_of_their_own(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path


@pytest.fixture
def line(jane: Phone) -> Line:
    line = make_line(name="Sales")
    make_form(line)
    make_menu(line)
    return line


@pytest.fixture
def olive() -> User:
    return make_officer("olive")


def erase(olive: User, run_on_commit: Any, number: str = JANE) -> Contact:
    contact = Contact.objects.get(number=number)
    with run_on_commit(execute=True):
        erasure.erase(contact, by=olive, reason="Request of 3 May")
    return Contact.objects.get(pk=contact.pk)


def take_off_the_list(olive: User, number: str = JANE) -> Contact:
    contact = Contact.objects.lock(number)
    ledger.lift_do_not_contact(contact, Proof(Channel.AGENT, {"reason": "by mistake"}, actor=olive))
    return contact


def test_what_came_in_by_every_way_is_gone_and_its_pages_open(
    line: Line, olive: User, client: Any, django_capture_on_commit_callbacks: Any
) -> None:
    Visitor(Referer="https://shop.example/?phone=%2B12065550142").signs_up("(206) 555-0142")
    work()
    Call().presses("1")
    work()
    imported(uploaded(f"Mobile,Source\n{JANE},Fair\n{OMAR},Fair\n", olive), line)
    answers = number_files.read(b"number,date,answer\n2065550142,2020-01-01,yes\n", answers=True)
    reassigned.take_answers(answers, as_of=dt.date(2020, 1, 2), name="answers.csv", by=olive)
    gone = erase(olive, django_capture_on_commit_callbacks)
    stored = everything_stored()
    for secret in (JANE, "555-0142", "%2B12065550142", "12065550142"):
        assert secret not in stored, secret
    assert list(verification.verify()) == []
    client.force_login(olive)
    sign_ups, receipts = list(SignUp.objects.all()), list(Receipt.objects.all())
    assert len(sign_ups) == 2 and len(receipts) == 2
    pages = [("signup", each.pk) for each in sign_ups] + [("receipt", each.pk) for each in receipts]
    for name, pk in pages:
        assert client.get(reverse(f"admin:messaging_{name}_change", args=[pk])).status_code == 200, name
    assert client.get(reverse("admin:consent_contact_change", args=[gone.pk])).status_code == 200


def test_their_opt_out_outlives_the_list(line: Line, olive: User, django_capture_on_commit_callbacks: Any) -> None:
    say(JANE, line, "START")
    say(JANE, line, "STOP")
    erase(olive, django_capture_on_commit_callbacks)
    take_off_the_list(olive)
    assert standing(line)[0] == Status.OPTED_OUT
    batch = imported(uploaded(f"Mobile\n{JANE}\n", olive), line)
    Visitor().signs_up()
    work()
    Call().presses("1")
    work()
    assert batch.counts == {"refused": 1} and standing(line)[0] == Status.OPTED_OUT
    assert list(verification.verify()) == []
    say(JANE, line, "START")
    assert standing(line)[0] == Status.OPTED_IN, "their own text leads out, as ever"


def test_others_opt_outs_are_not_theirs(line: Line, olive: User, django_capture_on_commit_callbacks: Any) -> None:
    say(OMAR, line, "STOP")
    erase(olive, django_capture_on_commit_callbacks, OMAR)
    say(JANE, line, "START")
    erase(olive, django_capture_on_commit_callbacks)
    take_off_the_list(olive)
    assert standing(line)[0] == Status.NOT_DEFINED


def test_a_line_that_is_made_after_an_erasure(
    line: Line, olive: User, provider: FakeProvider, django_capture_on_commit_callbacks: Any
) -> None:
    say(JANE, line, "STOPALL")
    gone = erase(olive, django_capture_on_commit_callbacks)
    later = make_line("+12065550107", opened=False, name="Later")
    ledger.open_line(later.pk)
    assert gone.consents.get(line=later).status == Status.OPTED_OUT
    assert list(verification.verify()) == []
    take_off_the_list(olive)
    assert standing(later)[0] == Status.OPTED_OUT
    assert list(verification.verify()) == []


def test_lists_do_not_bring_the_number_back(line: Line, olive: User, django_capture_on_commit_callbacks: Any) -> None:
    say(JANE, line, "Hello")
    erase(olive, django_capture_on_commit_callbacks)
    file = number_files.read(f"{JANE}\n{OMAR}\n".encode(), answers=False)
    scrubbing.take(file, NumberList.DO_NOT_CALL, as_of=dt.date(2026, 1, 1), name="list.csv", by=olive)
    assert list(ScrubResult.objects.values_list("number", flat=True)) == [OMAR]
    imported(uploaded(f"Mobile\n{JANE}\n{OMAR}\n", olive), line)
    assert JANE not in everything_stored()


def test_why_packs_were_made_and_what_was_searched_for(
    line: Line, olive: User, django_capture_on_commit_callbacks: Any
) -> None:
    say(JANE, line, "Hello")
    contact = Contact.objects.get(number=JANE)
    Contact.objects.filter(pk=contact.pk).update(first_name="Dulcinea", last_name="Quixote")
    run, _ = made(contact)
    ReportRun.objects.filter(pk=run.pk).update(filters={**run.filters, "reason": "Complaint of Mrs. Quixote"})
    for searched in ("dulci", "Quixote ", "Mrs. Quixote", "Harbor"):
        ReportRun.objects.create(
            report="snapshot", format="csv", origin="admin", created=run.created, state="done",
            filters={"search": searched},
        )  # fmt: skip
    erase(olive, django_capture_on_commit_callbacks)
    stored = everything_stored().casefold()
    assert "quixote" not in stored and "dulci" not in stored and "harbor" in stored


def test_refused_rows_are_forgotten_with_their_file(line: Line, olive: User) -> None:
    batch = imported(uploaded(f"Mobile,Status\n{OMAR},{JANE}\n", olive), line, what="both")
    assert JANE in str(list(ImportChunk.objects.values_list("refused", flat=True)))
    ImportBatch.objects.update(touched_at=batch.touched_at - dt.timedelta(days=8))
    batches.tidy(batch.touched_at)
    batch.refresh_from_db()
    assert batch.file_removed_at and batch.refusals == {"status": 1}, "how many, and why, stays"
    assert JANE not in str(list(ImportChunk.objects.values_list("refused", flat=True)))


def test_a_pack_tells_what_proves_a_sign_up(line: Line) -> None:
    Visitor(**{"User-Agent": "Firefox 9"}).signs_up()
    work()
    files = members(made(Contact.objects.get(number=JANE))[1])
    [entry] = [event for event in json.loads(files["pack.json"])["events"] if event.get("entry") == "opted_in"]
    assert "IP address 198.51.100.7" in entry["where"] and "/sign-up/harbor/" in entry["where"]
    assert "[ ] I agree" in entry["words"]
