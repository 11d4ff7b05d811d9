"""Files as evidence: recognised by what they hold, kept out of reach, given only to those who may see the evidence."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError
from django.http import HttpResponse
from django.test import Client

from consent import kept_files
from consent.models import Contact, Evidence, KeptFile, LedgerEntry, Line, User
from messaging import capture
from tests.make import JANE, OMAR, make_agent, make_contact, make_line, make_officer, make_supervisor
from tests.messaging.test_consent_modal_verbs import address, posts

pytestmark = pytest.mark.django_db

PDF = b"%PDF-1.7\n1 0 obj\n%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 20
JPEG = b"\xff\xd8\xff\xe0" + b"\x00" * 20
TEXT = "Sí, envíenme mensajes.\r\n".encode()


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path
    return tmp_path / "evidence"


@pytest.fixture
def line() -> Line:
    return make_line(name="Sales")


@pytest.fixture
def jane() -> Contact:
    return make_contact(JANE)


def file(content: bytes, name: str = "form.pdf", kind: str = "application/pdf") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content, content_type=kind)


def recorded(client: Client, jane: Contact, line: Line, upload: SimpleUploadedFile) -> HttpResponse:
    return posts(client, jane, line, "record", file=upload)


@pytest.mark.parametrize(
    ("content", "name", "kind", "kept_as"),
    [
        (PDF, "form.pdf", "application/pdf", "form.pdf"),
        (PNG, "scan.PNG", "image/png", "scan.png"),
        (JPEG, "photo.jpeg", "image/jpeg", "photo.jpg"),
        (TEXT, "mail.txt", "text/plain", "mail.txt"),
        (PDF, "../../etc/pass\u202ewd.exe", "application/pdf", "passwd.pdf"),
        (TEXT, "page.html", "text/plain", "page.txt"),
        (PNG, ".png", "image/png", "png.png"),
    ],
)
def test_the_content_says_what_a_file_is(
    content: bytes, name: str, kind: str, kept_as: str, jane: Contact, line: Line, folder: Path, client: Client
) -> None:
    ann = make_agent(line)
    client.force_login(ann)
    assert "It is recorded" in recorded(client, jane, line, file(content, name, "application/x-evil")).content.decode()
    kept = KeptFile.objects.get()
    assert (kept.kind, kept.name, kept.size, kept.kept_by) == (kind, kept_as, len(content), ann)
    [stored] = folder.iterdir()
    assert stored.name == kept.uuid.hex and stored.read_bytes() == content
    assert stored.stat().st_mode & 0o077 == 0 and folder.stat().st_mode & 0o077 == 0
    evidence = Evidence.objects.get(digest=LedgerEntry.objects.get(kind="captured").evidence_digest).data
    assert evidence["file"] == {
        "uuid": str(kept.uuid),
        "name": kept_as,
        "kind": kind,
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


@pytest.mark.parametrize(
    ("content", "name", "why"),
    [
        (b"MZ\x90\x00\x03", "form.pdf", "not a PDF, PNG, JPEG or text"),
        (b"GIF89a\x00\x01", "scan.png", "not a PDF, PNG, JPEG or text"),
        (b"PK\x03\x04", "letter.docx", "not a PDF, PNG, JPEG or text"),
        (b"\xff\xfe<\x00s\x00", "page.txt", "not a PDF, PNG, JPEG or text"),
        (b"hello\x00world", "mail.txt", "not a PDF, PNG, JPEG or text"),
        (b" %PDF-1.7\x01", "form.pdf", "not a PDF, PNG, JPEG or text"),
        (PDF + b"0" * kept_files.LARGEST, "form.pdf", "larger than 5 MB"),
        (b"", "form.pdf", "empty"),
    ],
)
def test_other_files_are_refused_at_their_field(
    content: bytes, name: str, why: str, jane: Contact, line: Line, folder: Path, client: Client
) -> None:
    client.force_login(make_officer())
    answer = recorded(client, jane, line, file(content, name))
    assert why in " ".join(answer.context_data["form"]["file"].errors)  # type: ignore[attr-defined]
    assert "Yes, text me" in answer.content.decode(), "what was typed is still there"
    assert not KeptFile.objects.exists() and not LedgerEntry.objects.exists()
    assert not folder.exists()


def test_what_fails_leaves_no_file_behind(
    jane: Contact, line: Line, folder: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.force_login(make_officer())
    recorded(client, jane, line, file(PDF))
    answer = recorded(client, jane, line, file(PNG))  # they are being asked already
    assert "being asked already" in answer.content.decode()

    def broken(*args: Any, **kwargs: Any) -> None:
        raise DatabaseError("gone")

    monkeypatch.setattr(capture, "record_consent", broken)
    with pytest.raises(DatabaseError):
        recorded(client, jane, line, file(PNG))
    assert KeptFile.objects.count() == 1 and len(list(folder.iterdir())) == 1


def test_a_lift_keeps_its_file_too(jane: Contact, line: Line, client: Client) -> None:
    client.force_login(make_officer())
    posts(client, jane, line, "revoke")
    posts(client, jane, line, "lift", file=file(PDF))
    evidence = Evidence.objects.get(digest=LedgerEntry.objects.latest("pk").evidence_digest).data
    assert evidence["file"]["sha256"] == hashlib.sha256(PDF).hexdigest()


# ---- giving it back -------------------------------------------------------------------------------------------------


@pytest.fixture
def kept(jane: Contact, line: Line, client: Client) -> KeptFile:
    client.force_login(make_agent(line, name="ann"))
    recorded(client, jane, line, file(PDF, "Jane's form.pdf"))
    return KeptFile.objects.get()


def link(kept: KeptFile) -> str:
    return f"/admin/consent/contact/{kept.contact.pk}/consent/file/{kept.uuid}/"


def test_it_is_given_to_be_saved_and_never_to_be_shown(kept: KeptFile, client: Client) -> None:
    answer = client.get(link(kept))
    assert b"".join(answer.streaming_content) == PDF  # type: ignore[attr-defined]
    assert answer["Content-Disposition"] == f'attachment; filename="evidence-{kept.uuid.hex[:8]}.pdf"'
    assert answer["Content-Type"] == "application/pdf"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert "no-store" in answer["Cache-Control"] and "private" in answer["Cache-Control"]
    modal = client.get(f"/admin/consent/contact/{kept.contact.pk}/consent/").content.decode()
    assert f'href="{link(kept)}"' in modal and "Jane&#x27;s form.pdf" in modal and kept.sha256[:12] in modal


def test_only_those_get_it_who_may_see_the_evidence(kept: KeptFile, line: Line, client: Client) -> None:
    other = make_line("+12065550101")
    expected = {
        make_officer(): 200,
        User.objects.create_superuser("root"): 200,
        User.objects.get(username="ann"): 200,
        make_agent(line): 200,
        make_agent(other): 403,
        make_agent(): 403,
        make_supervisor(): 403,
    }
    for user, status in expected.items():
        client.force_login(user)
        assert client.get(link(kept)).status_code == status, user
    assert Client().get(link(kept))["Location"].startswith("/admin/login/")


def test_it_is_found_only_under_its_own_contact(kept: KeptFile, client: Client) -> None:
    client.force_login(make_officer())
    omar = make_contact(OMAR)
    assert client.get(link(kept).replace(f"/{kept.contact.pk}/", f"/{omar.pk}/")).status_code == 404


def test_no_address_of_static_files_leads_to_it(kept: KeptFile, client: Client) -> None:
    for path in (f"/static/evidence/{kept.uuid.hex}", f"/static/../evidence/{kept.uuid.hex}", f"/{kept.uuid.hex}"):
        assert client.get(path).status_code == 404


def test_what_was_changed_or_lost_on_disk_is_not_given(kept: KeptFile, folder: Path, client: Client) -> None:
    stored = folder / kept.uuid.hex
    stored.chmod(0o600)
    stored.write_bytes(PDF + b"more")
    answer = client.get(link(kept))
    assert answer.status_code == 410 and b"no longer what was kept" in answer.content
    stored.unlink()
    answer = client.get(link(kept))
    assert answer.status_code == 410 and b"no longer where it was kept" in answer.content


def test_forms_without_a_file_field_take_none(jane: Contact, line: Line, folder: Path, client: Client) -> None:
    client.force_login(make_agent(line))
    assert 'type="file"' not in client.get(address(jane, line, "revoke")).content.decode()
    posts(client, jane, line, "revoke", file=file(PDF))
    assert LedgerEntry.objects.exists() and not folder.exists()
