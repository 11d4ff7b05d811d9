"""An officer at work: upload, columns, dry run, import, refused rows. Nobody else, and nothing on GET."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from consent.models import Consent, LedgerEntry, Line, User
from messaging.importing import batches
from messaging.models import ImportBatch
from tests.make import JANE, OMAR, make_agent, make_line, make_officer, make_supervisor

pytestmark = pytest.mark.django_db

State = ImportBatch.State


@pytest.fixture(autouse=True)
def files_of_their_own(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path


@pytest.fixture
def line() -> Line:
    return make_line(name="Sales")


@pytest.fixture
def olive(line: Line) -> User:
    return make_officer("olive")


@pytest.fixture
def at_work(client: Client, olive: User) -> Client:
    client.force_login(olive)
    return client


def upload(client: Client, text: str | bytes, name: str = "spring.csv", **more: Any) -> HttpResponse:
    content = text.encode() if isinstance(text, str) else text
    given = {"file": SimpleUploadedFile(name, content), **more}
    return client.post(reverse("admin:messaging_importbatch_new_import"), given)


def page(name: str, batch: ImportBatch) -> str:
    return reverse(f"admin:messaging_import{name}", args=[batch.uuid])


PLAN = {
    "what": "opt_ins",
    "source": "Spring fair",
    "level": "express",
    "date": "2026-03-14",
    "date_order": "iso",
    "zone": "UTC",
    "region": "US",
}


def test_from_the_file_to_the_ledger(at_work: Client, line: Line) -> None:
    answer = upload(at_work, f"Mobile,Note\n{JANE},hello\n555,<b>no</b>\n")
    batch = ImportBatch.objects.get()
    assert answer["Location"] == page("_columns", batch)
    form = at_work.get(answer["Location"]).content.decode()
    assert "+12065550142</strong>" in form and "&lt;b&gt;no&lt;/b&gt;" in form and "<b>no</b>" not in form
    assert re.search(r'value="number" selected', form)
    answer = at_work.post(
        page("_columns", batch), {**PLAN, "lines": [line.number], "column_0": "number", "column_1": ""}
    )
    assert answer["Location"] == page("", batch)
    assert "Waiting for a worker" in at_work.get(page("", batch)).content.decode()
    batches.work()
    checked = at_work.get(page("", batch)).content.decode()
    assert "nothing is changed yet" in checked and "Not a phone number" in checked
    assert not LedgerEntry.objects.exists()
    at_work.post(page("_start", batch))
    assert "hx-get" in at_work.get(page("_state", batch)).content.decode()
    batches.work()
    ended = at_work.get(page("_state", batch))
    assert ended["HX-Retarget"] == "#report-run" and "Imported." in ended.content.decode()
    refused = b"".join(at_work.get(page("_refused", batch)).streaming_content).decode()  # type: ignore[attr-defined]
    assert refused.splitlines()[1].startswith("3,This")
    assert Consent.objects.get().contact.number == JANE
    record = at_work.get(reverse("admin:messaging_importbatch_change", args=[ImportBatch.objects.get().pk]))
    assert "Spring fair" in record.content.decode()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"column_0": ""}, "Say which column holds the mobile numbers."),
        ({"column_1": "number"}, "Two columns are “Mobile number”."),
        ({"lines": []}, "Choose at least one line"),
        ({"source": ""}, "Say where this list comes from."),
        ({"date": ""}, "Say when they said it"),
        ({"date": "2999-01-01"}, "lies in the future"),
        ({"date": "0202-01-01"}, "from 1990 on"),
        ({"what": "both"}, "who is in and who is out"),
        ({"zone": "Mars/Olympus"}, "Select a valid choice"),
        ({"lines": ["+12065559999"]}, "Select a valid choice"),
        ({"what": "opt_outs", "double_opt_in": "on"}, ""),
    ],
)
def test_what_is_missing_is_named(change: dict[str, Any], why: str, at_work: Client, line: Line) -> None:
    upload(at_work, f"Mobile,Note\n{JANE},hello\n")
    batch = ImportBatch.objects.get()
    given = {**PLAN, "lines": [line.number], "column_0": "number", "column_1": "", **change}
    answer = at_work.post(page("_columns", batch), given)
    batch.refresh_from_db()
    if not why:
        assert answer.status_code == 302 and batch.plan["double_opt_in"] is False
        return
    assert why in answer.content.decode() and batch.state == State.DRAFT


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"", "empty"), (b"%PDF-1", "neither CSV nor XLSX"), (b"a,b\n\0,1", "not a text file"), (b"\n\n", "first row")],
)
def test_what_can_t_be_read_leaves_nothing_behind(content: bytes, why: str, at_work: Client, tmp_path: Path) -> None:
    assert why in upload(at_work, content).content.decode()
    assert not ImportBatch.objects.exists() and not list((tmp_path / "imports").glob("*"))


def test_a_file_that_is_too_large_is_refused(at_work: Client, settings: Any, tmp_path: Path) -> None:
    settings.IMPORT_BYTES = 10
    assert "larger than" in upload(at_work, f"Mobile\n{JANE}\n").content.decode()
    assert not ImportBatch.objects.exists()


def test_get_changes_nothing(at_work: Client, line: Line) -> None:
    upload(at_work, f"Mobile\n{JANE}\n")
    batch = ImportBatch.objects.get()
    for name in ("_start", "_cancel", "_go_on"):
        assert at_work.get(page(name, batch)).status_code == 405
    before = ImportBatch.objects.values().get()
    for name in ("", "_state", "_columns", "_refused"):
        at_work.get(page(name, batch))
    assert ImportBatch.objects.values().get() == before


@pytest.mark.parametrize("make", [make_agent, make_supervisor])
def test_others_have_no_access(make: Any, olive: User, client: Client) -> None:
    batch = batches.begin("", "a.csv", [f"Mobile\n{JANE}\n".encode()], user=olive, origin="admin")
    client.force_login(make())
    assert upload(client, f"Mobile\n{OMAR}\n").status_code in {302, 403}
    for name in ("", "_state", "_columns", "_start", "_cancel", "_go_on", "_refused"):
        address = page(name, batch)
        assert {client.get(address).status_code, client.post(address).status_code} <= {403, 405}, name
    assert client.get(reverse("admin:messaging_importbatch_changelist")).status_code == 403
    assert ImportBatch.objects.count() == 1
    assert ImportBatch.objects.get().state == State.DRAFT


def test_it_is_imported_once_however_often_the_button_is_pressed(at_work: Client, line: Line) -> None:
    upload(at_work, f"Mobile\n{JANE}\n")
    batch = ImportBatch.objects.get()
    at_work.post(page("_start", batch))  # nothing was checked yet
    assert ImportBatch.objects.get().state == State.DRAFT
    at_work.post(page("_columns", batch), {**PLAN, "lines": [line.number], "column_0": "number"})
    batches.work()
    for _ in range(2):
        at_work.post(page("_start", batch))
        batches.work()
    assert LedgerEntry.objects.count() == 1
    answer = at_work.post(page("_columns", batch), {**PLAN, "lines": [line.number], "column_0": "number"}, follow=True)
    assert "can&#x27;t be chosen any more" in answer.content.decode()


def test_discarded_nothing_is_imported(at_work: Client, line: Line) -> None:
    upload(at_work, f"Mobile\n{JANE}\n")
    batch = ImportBatch.objects.get()
    at_work.post(page("_cancel", batch))
    assert "Nothing was imported" in at_work.get(page("", batch)).content.decode()
    at_work.post(page("_start", batch))
    at_work.post(page("_go_on", batch))
    batches.work()
    assert not LedgerEntry.objects.exists()
