"""Erasing a contact on lawful request: nothing personal stays, everything verifies, the number stays out."""

import json
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from consent import kept_files, ledger, verification
from consent.ledger import Proof
from consent.models import Contact, DoNotContact, Evidence, KeptFile, LedgerEntry, Line, Tag, User
from consent.models.contact import suppression_digest
from consent.vocabulary import Channel, EntryKind, Level, Status
from messaging import capture, facts, outbound
from messaging.erasure import ErasureError
from messaging.models import Conversation, IdempotencyKey, Message, Receipt
from reporting import erasure
from reporting.models import ReportRun
from tests.fake_provider import FakeProvider
from tests.make import JANE, OMAR, ago, make_agent, make_contact, make_line, make_officer, make_supervisor
from tests.reporting.test_evidence_pack import checked, made, members, unpacked
from tests.world import say, text_in, work, write

SECRETS = ("Quixote", "Dulcinea", "98101-7777", "My dog Bolívar", "windmill", "Rocinante", JANE, JANE[1:], JANE[2:])


@pytest.fixture
def line(db: None) -> Line:
    return make_line(name="Sales")


@pytest.fixture
def olive(line: Line) -> User:
    return make_officer("olive")


@pytest.fixture
def jane(line: Line, olive: User, provider: FakeProvider, settings: Any, tmp_path: Any) -> Contact:
    """Jane, with words, a file, a tag and a search for her in every table that may hold any."""
    settings.DATA_DIR = tmp_path
    ann = make_agent(line, name="ann")
    write(ann, line, "Your windmill is ready", to=JANE, basis="She is a customer called Dulcinea")
    contact = make_contact(JANE)
    Contact.objects.filter(pk=contact.pk).update(
        first_name="Dulcinea", last_name="Quixote", postal_code="98101-7777", language="es", time_zone="Europe/Madrid"
    )
    contact.tags.add(Tag.objects.create(name="VIP"))
    say(JANE, line, "YES")
    say(JANE, line, "My dog Bolívar likes your texts, wrong number though")
    upload = SimpleUploadedFile("Quixote.txt", b"I am Dulcinea Quixote")
    with kept_files.keeping(kept_files.check(upload), contact, line, olive) as file:
        capture.record_revocation(
            JANE,
            line,
            by=olive,
            route="letter",
            words="Rocinante says stop",
            occurred_at=ago(seconds=1),
            evidence=kept_files.as_evidence(file),
        )
    text = Message.objects.filter(conversation__contact=contact, direction="out").first()
    assert text
    answer = {"id": str(text.uuid), "to": JANE, "body": "Your windmill is ready"}
    IdempotencyKey.objects.create(user=ann, key="k1", body_hash="f" * 64, answer=answer)
    ReportRun.objects.create(
        report="snapshot", format="csv", origin="admin", created=timezone.now(), state="done",
        filters={"line": [line.number], "search": "quixote"},
    )  # fmt: skip
    LogEntry.objects.log_actions(olive.pk, [Contact.objects.get(pk=contact.pk)], 2, single_object=True)
    return Contact.objects.get(pk=contact.pk)


def erased(contact: Contact, by: User, django_capture_on_commit_callbacks: Any) -> Contact:
    with django_capture_on_commit_callbacks(execute=True):
        erasure.erase(contact, by=by, reason="Request of 3 May")
    return Contact.objects.get(pk=contact.pk)


@pytest.fixture
def gone(jane: Contact, olive: User, django_capture_on_commit_callbacks: Any) -> Contact:
    return erased(jane, olive, django_capture_on_commit_callbacks)


def everything_stored() -> str:
    """Every value of every column of every table of the database."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            for row in cursor.fetchall():
                for cell in row:
                    if isinstance(cell, memoryview | bytes):
                        cell = bytes(cell).decode("utf-8", "replace")
                    found.append(cell if isinstance(cell, str) else json.dumps(cell, default=str, ensure_ascii=False))
    return "\n".join(found)


def test_the_story_really_is_everywhere_before(jane: Contact) -> None:
    stored = everything_stored()
    assert all(secret in stored for secret in SECRETS)


def test_nothing_personal_is_left_in_any_table(gone: Contact, tmp_path: Any) -> None:
    stored = everything_stored()
    for secret in SECRETS:
        assert secret not in stored, secret
    assert [path for path in (tmp_path / "evidence").iterdir()] == []


def test_the_entries_stay_and_verify(jane: Contact, olive: User, django_capture_on_commit_callbacks: Any) -> None:
    before = list(LedgerEntry.objects.filter(contact=jane).order_by("seq").values_list("hash", flat=True))
    gone = erased(jane, olive, django_capture_on_commit_callbacks)
    after = list(LedgerEntry.objects.filter(contact=gone).order_by("seq"))
    assert [entry.hash for entry in after[: len(before)]] == before
    assert after[-1].kind == EntryKind.ERASED and after[-1].actor == olive
    assert list(verification.verify()) == []
    named = {entry.evidence_digest for entry in after[: len(before)]} - {""}
    assert named and not Evidence.objects.filter(digest__in=named).exists()
    said = {entry.evidence_digest for entry in after if entry.kind == EntryKind.EVIDENCE_ERASED}
    assert said == named, "each piece has an entry that tells that it was erased"


def test_the_number_stays_out_as_a_keyed_hash(gone: Contact, line: Line, provider: FakeProvider) -> None:
    listed = DoNotContact.objects.get(digest=suppression_digest(JANE))
    assert listed.number is None and JANE not in listed.reason
    assert not Contact.objects.filter(number=JANE).exists() and "+" not in gone.number
    before = len(provider.sent)
    text = outbound.submit(line=line, to=JANE, body="Come back", author=make_agent(line))
    work()
    text.refresh_from_db()
    assert (text.status, text.reason) == ("refused", "do_not_contact") and len(provider.sent) == before
    with pytest.raises(ledger.ConsentError):
        capture.record_consent(
            JANE, line, channel=Channel.WEB_FORM, evidence={}, occurred_at=ago(seconds=1), level=Level.WRITTEN
        )


def test_nothing_can_be_sent_to_what_stands_in_its_place(gone: Contact, line: Line) -> None:
    decision = facts.gather(line, gone.number)
    assert decision.do_not_contact


@pytest.mark.parametrize("body", ["Do you remember me?", "STOP", "START", "HELP", "YES"])
def test_a_later_text_is_forgotten_and_answered_with_nothing(
    gone: Contact, line: Line, provider: FakeProvider, body: str
) -> None:
    sent, texts, entries = len(provider.sent), Message.objects.count(), LedgerEntry.objects.count()
    receipt = text_in(JANE, line, body)
    work()
    receipt.refresh_from_db()
    assert receipt.settled_at and (receipt.number, bytes(receipt.raw)) == ("", b"")
    assert (len(provider.sent), Message.objects.count(), LedgerEntry.objects.count()) == (sent, texts, entries)
    stored = everything_stored()
    assert JANE not in stored and (body not in {"Do you remember me?"} or body not in stored)
    assert list(verification.verify()) == []


def test_who_is_taken_off_the_list_begins_anew(gone: Contact, line: Line, olive: User, provider: FakeProvider) -> None:
    ledger.lift_do_not_contact(Contact.objects.lock(JANE), Proof(Channel.AGENT, {"reason": "asked"}, actor=olive))
    say(JANE, line, "START")
    contact = Contact.objects.get(number=JANE)
    assert contact.pk != gone.pk and contact.consents.get(line=line).status == Status.OPTED_IN
    assert list(verification.verify()) == []


def test_one_who_came_back_can_be_erased_again(
    gone: Contact, line: Line, olive: User, provider: FakeProvider, django_capture_on_commit_callbacks: Any
) -> None:
    ledger.lift_do_not_contact(Contact.objects.lock(JANE), Proof(Channel.AGENT, {"reason": "asked"}, actor=olive))
    say(JANE, line, "START")
    erased(Contact.objects.get(number=JANE), olive, django_capture_on_commit_callbacks)
    assert JANE not in everything_stored() and list(verification.verify()) == []


def test_others_lose_nothing(jane: Contact, line: Line, olive: User, django_capture_on_commit_callbacks: Any) -> None:
    say(OMAR, line, "START")
    mine = set(LedgerEntry.objects.filter(contact__number=OMAR).values_list("evidence_digest", flat=True))
    erased(jane, olive, django_capture_on_commit_callbacks)
    assert mine and Evidence.objects.filter(digest__in=mine).count() == len(mine)
    assert Message.objects.filter(conversation__contact__number=OMAR, body="START").exists()


def test_it_is_in_the_evidence_pack(gone: Contact, tmp_path: Any) -> None:
    content = made(gone)[1]
    told = json.loads(members(content)["pack.json"])
    last = [event for event in told["events"] if event["kind"] == "entry"][-1]
    assert last["entry"] == "erased" and last["who"] == "olive" and "Request of 3 May" in last["why"]
    assert checked(unpacked(content, tmp_path / "pack"))[0] == 0
    for name, inside in members(content).items():
        for secret in SECRETS:
            assert secret.encode() not in inside, (name, secret)


def test_not_while_a_webhook_is_unsettled(jane: Contact, line: Line, olive: User) -> None:
    text_in(JANE, line, "One more thing")
    with pytest.raises(ErasureError, match="not settled"):
        erasure.erase(jane, by=olive, reason="x")
    assert Contact.objects.get(pk=jane.pk).number == JANE


def test_not_twice(gone: Contact, olive: User) -> None:
    with pytest.raises(ErasureError, match="already"):
        erasure.erase(gone, by=olive, reason="x")


def test_what_fails_half_way_has_erased_nothing(
    jane: Contact, olive: User, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(ledger, "record_erasure", lambda *given: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        erasure.erase(jane, by=olive, reason="x")
    stored = everything_stored()
    assert all(secret in stored for secret in SECRETS)
    assert len(list((tmp_path / "evidence").iterdir())) == KeptFile.objects.count() == 1


# ---- the page -------------------------------------------------------------------------------------------------------


def test_the_page(jane: Contact, olive: User, client: Any, django_capture_on_commit_callbacks: Any) -> None:
    client.force_login(olive)
    address = reverse("admin:consent_contact_erase", args=[jane.pk])
    assert client.get(address).status_code == 200 and Contact.objects.filter(number=JANE).exists()
    for wrong in (
        {"number": OMAR, "reason": "Request"},
        {"number": JANE, "reason": ""},
        {"number": JANE, "reason": "of +1 206 555 0142"},
    ):
        assert client.post(address, wrong).status_code == 200
    assert Contact.objects.filter(number=JANE).exists()
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(address, {"number": "+1 (206) 555-0142", "reason": "Request of 3 May"}, follow=True)
    assert b"The contact is erased" in answer.content and b"Erased contact" in answer.content
    for name in ("consent_contact_changelist", "consent_donotcontact_changelist", "messaging_conversation_changelist"):
        assert client.get(reverse(f"admin:{name}")).status_code == 200
    page = reverse("admin:consent_contact_change", args=[jane.pk])
    assert client.post(page, {"first_name": "Dulcinea"}).status_code == 403, "nothing is written again"
    conversation = Conversation.objects.get(contact=jane)
    assert client.get(reverse("admin:messaging_conversation_change", args=[conversation.pk])).status_code == 200
    assert client.get(reverse("admin:consent_contact_consent", args=[jane.pk])).status_code == 200
    receipt = Receipt.objects.filter(number="").first()
    assert receipt
    assert client.get(reverse("admin:messaging_receipt_change", args=[receipt.pk])).status_code == 200


def test_only_officers(jane: Contact, line: Line, client: Any) -> None:
    for user in (make_supervisor("sam"), make_agent(line, name="ben")):
        client.force_login(user)
        given = {"number": JANE, "reason": "Request"}
        assert client.post(reverse("admin:consent_contact_erase", args=[jane.pk]), given).status_code == 403
    assert Contact.objects.filter(number=JANE).exists()
