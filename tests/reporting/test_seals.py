"""The daily seal: whoever rewrites or cuts off entries can't fit it, however well they rewrite the chains."""

import datetime as dt
import hashlib
import io
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import connection
from django.urls import reverse

from consent import chain, ledger, triggers, verification
from consent.ledger import Proof
from consent.models import Contact, LedgerEntry, Line
from consent.models.ledger import AuditRowError
from consent.vocabulary import Channel, Scope
from reporting import figures, seals
from reporting.models import Mark, Seal, SealMailed
from tests.make import JANE, OMAR, ago, make_contact, make_line, make_officer, make_opted_in, make_supervisor

pytestmark = pytest.mark.django_db

TODAY = dt.date(2026, 12, 1)
NOON = dt.datetime(2026, 12, 1, 12, tzinfo=dt.UTC)


@pytest.fixture
def line() -> Line:
    return make_line()


@pytest.fixture
def chains(line: Line) -> list[Contact]:
    """Jane and Omar are in, Jane is out again."""
    people = [make_opted_in(line, JANE), make_opted_in(line, OMAR)]
    out(people[0], line)
    return people


def out(contact: Contact, line: Line) -> None:
    ledger.opt_out(contact, line, Proof(Channel.AGENT, {"words": "no"}), occurred_at=ago(seconds=1), scope=Scope.LINE)


def sealed(day: dt.date = TODAY) -> Seal:
    figures.count()
    figures.count()  # on PostgreSQL the first only looks
    Mark.objects.update(ledger=max(LedgerEntry.objects.values_list("pk", flat=True), default=0))
    seal = seals.take(day)
    assert seal
    return seal


def rewritten(contact: Contact, seq: int, **columns: Any) -> None:
    """What only the owner of the database can do: change an entry and fit everything after it, the head included."""
    triggers.lift(connection)
    previous = ""
    for entry in LedgerEntry.objects.filter(contact=contact).order_by("seq"):
        values = LedgerEntry.objects.filter(pk=entry.pk).values(*chain.READ).get()
        values |= columns if entry.seq == seq else {}
        values["previous_hash"] = previous
        changed = {name: value for name, value in values.items() if "__" not in name}
        previous = chain.entry_hash(values)
        super(type(LedgerEntry.objects.all()), LedgerEntry.objects.filter(pk=entry.pk)).update(**changed, hash=previous)
    Contact.objects.filter(pk=contact.pk).update(ledger_head=previous)
    triggers.install(connection)


def test_an_untouched_ledger_fits_every_seal(chains: list[Contact], line: Line) -> None:
    sealed()
    out(chains[1], line)
    sealed(TODAY + dt.timedelta(days=1))
    sealed(TODAY + dt.timedelta(days=2))
    assert list(seals.verify()) == []
    first, second, third = Seal.objects.order_by("number")
    assert (first.chains, first.entries) == (2, 3)
    assert (second.chains, second.entries, second.previous) == (1, 4, first.sha256)
    assert (third.chains, third.entries) == (0, 4)


def test_chains_that_grow_leave_earlier_seals_as_they_are(chains: list[Contact], line: Line) -> None:
    sealed()
    for _ in range(3):
        out(chains[0], line)
    assert list(seals.verify()) == []


def test_a_chain_rewritten_in_every_detail_is_found(chains: list[Contact]) -> None:
    sealed()
    rewritten(chains[0], 1, recorded_at=ago(days=400))
    assert verification.fault_of(chains[0].pk) is None, "the chain itself fits"
    (problem,) = seals.verify()
    assert problem.startswith("seal 1 ")


def test_a_cut_off_end_is_found(chains: list[Contact]) -> None:
    sealed()
    triggers.lift(connection)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM consent_consent WHERE contact_id = %s", [chains[0].pk])
        cursor.execute("DELETE FROM consent_ledgerentry WHERE contact_id = %s", [chains[0].pk])
    triggers.install(connection)
    Contact.objects.filter(pk=chains[0].pk).update(ledger_seq=0, ledger_head="")
    assert verification.fault_of(chains[0].pk) is None, "as if nothing had ever been written"
    assert len(list(seals.verify())) == 1


@pytest.mark.parametrize(
    ("sql", "count"),
    [
        ("UPDATE reporting_seal SET sha256 = 'abc' WHERE number = 1", 2),
        ("UPDATE reporting_seal SET up_to = up_to - 1 WHERE number = 1", 2),
        ("UPDATE reporting_seal SET day = '2026-11-30' WHERE number = 2", 1),
        ("UPDATE reporting_seal SET entries = 1 WHERE number = 1", 1),
        ("DELETE FROM reporting_seal WHERE number = 1", 2),
    ],
)
def test_a_tampered_seal_is_found(chains: list[Contact], line: Line, sql: str, count: int) -> None:
    sealed()
    out(chains[1], line)
    sealed(TODAY + dt.timedelta(days=1))
    with connection.cursor() as cursor:
        cursor.execute(sql)
    assert 1 <= len(list(seals.verify())) <= count


def test_the_command_tells(chains: list[Contact]) -> None:
    sealed()
    call_command("verify_ledger", jobs=1, stdout=io.StringIO())
    Seal.objects.filter().order_by()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE reporting_seal SET sha256 = 'abc'")
    told = io.StringIO()
    with pytest.raises(CommandError, match="1 broken seal") as error:
        call_command("verify_ledger", jobs=1, stdout=told)
    assert error.value.returncode == 1 and told.getvalue().startswith("seal 1 of 2026-12-01")


def test_a_seal_is_never_changed(chains: list[Contact]) -> None:
    seal = sealed()
    with pytest.raises(AuditRowError):
        seal.save()
    with pytest.raises(AuditRowError):
        Seal.objects.all().delete()


# ---- when it is taken -----------------------------------------------------------------------------------------------


def test_one_a_day_and_catching_up(chains: list[Contact]) -> None:
    figures.count()
    with time_machine.travel(NOON, tick=False):
        assert seals.take_if_due(NOON)
        assert seals.take_if_due(NOON) is None
    days_later = NOON + dt.timedelta(days=9)
    with time_machine.travel(days_later, tick=False):
        assert seals.take_if_due(days_later)
    assert [seal.day for seal in Seal.objects.order_by("number")] == [TODAY, TODAY + dt.timedelta(days=9)]
    assert list(seals.verify()) == []


def test_not_before_the_day_has_begun_well(chains: list[Contact]) -> None:
    figures.count()
    assert seals.take_if_due(NOON.replace(hour=0, minute=29)) is None


def test_of_two_at_once_one_is_taken(chains: list[Contact], monkeypatch: pytest.MonkeyPatch) -> None:
    sealed()
    assert seals.take(TODAY) is None
    assert Seal.objects.count() == 1


# ---- taken away -----------------------------------------------------------------------------------------------------


def test_it_is_mailed_once_where_an_address_is_set(chains: list[Contact], settings: Any) -> None:
    seal = sealed()
    seals.mail_waiting()
    assert mail.outbox == []
    settings.SEAL_MAIL_TO = "notary@example.com"
    seals.mail_waiting()
    seals.mail_waiting()
    (sent,) = mail.outbox
    assert sent.to == ["notary@example.com"] and seal.sha256 in sent.body and JANE not in sent.body
    assert SealMailed.objects.get().seal == seal


def test_what_can_t_be_mailed_is_tried_again(chains: list[Contact], settings: Any, monkeypatch: Any) -> None:
    sealed()
    settings.SEAL_MAIL_TO = "notary@example.com"
    with monkeypatch.context() as broken:
        broken.setattr("django.core.mail.EmailMessage.send", lambda mail: (_ for _ in ()).throw(ConnectionError()))
        seals.mail_waiting()
    assert not SealMailed.objects.exists()
    seals.mail_waiting()
    assert len(mail.outbox) == 1


def test_the_download_is_what_was_hashed(chains: list[Contact], client: Any) -> None:
    seal = sealed()
    client.force_login(make_officer())
    address = reverse("admin:reporting_seal_download", args=[seal.number])
    answer = client.get(address)
    content = b"".join(answer.streaming_content)
    assert hashlib.sha256(content).hexdigest() == seal.sha256
    head = make_contact(JANE).ledger_head
    assert f"{chains[0].uuid} 2 {head}".encode() in content and JANE.encode() not in content
    page = client.get(reverse("admin:reporting_seal_change", args=[seal.pk])).content.decode()
    assert seal.sha256 in page and address in page
    assert client.get(reverse("admin:reporting_seal_changelist")).status_code == 200
    client.force_login(make_supervisor())
    assert client.get(address).status_code == 403


def test_an_empty_ledger_has_a_seal_too() -> None:
    sealed()
    assert list(seals.verify()) == []
