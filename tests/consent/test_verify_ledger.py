"""``manage.py verify_ledger`` finds what was changed behind the triggers, and says where (ARCHITECTURE)."""

import datetime as dt
import io
from collections.abc import Callable

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from consent import ledger, triggers
from consent.ledger import Authority, Proof
from consent.models import Contact, DoNotContact, Evidence, LedgerEntry
from consent.models.contact import suppression_digest
from consent.verification import verify
from consent.vocabulary import Channel, Level, Scope
from tests.make import ago, make_contact, make_line

pytestmark = pytest.mark.django_db

NOON = dt.datetime(2026, 12, 1, 12, tzinfo=dt.UTC)


@pytest.fixture
def jane() -> Contact:
    """Jane with four entries on two lines, between two contacts with chains of their own."""
    line, other = make_line(), make_line("+12065550101")
    people = [make_contact(f"+1206555014{digit}") for digit in (1, 2, 3)]
    for person in (people[0], people[2]):
        ledger.told(person, line, Proof(Channel.KEYWORD, {"text": "told"}), at=NOON)
    person = people[1]
    proof = Proof(Channel.KEYWORD, {"text": "START", "from": person.number})
    for minute, each in ((0, line), (1, other)):
        ledger.opt_in(
            person,
            each,
            proof,
            occurred_at=NOON + dt.timedelta(minutes=minute),
            level=Level.EXPRESS,
            authority=Authority.CONTACT,
        )
    stop = Proof(Channel.KEYWORD, {"text": "STOP", "from": person.number})
    ledger.opt_out(person, line, stop, occurred_at=NOON + dt.timedelta(minutes=2), scope=Scope.LINE)
    ledger.told(person, other, proof, at=NOON + dt.timedelta(minutes=3))
    return Contact.objects.get(pk=person.pk)


def verified() -> tuple[int, list[str]]:
    """Exit code and lines of the command."""
    out = io.StringIO()
    try:
        call_command("verify_ledger", stdout=out)
    except CommandError as error:
        return error.returncode, out.getvalue().splitlines()
    return 0, out.getvalue().splitlines()


def behind_the_triggers(sql: str, *values: object) -> None:
    triggers.lift(connection)
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        assert cursor.rowcount > 0, "the tampering did not happen"
    triggers.install(connection)


def test_untouched() -> None:
    assert verified()[0] == 0


def test_untouched_with_entries(jane: Contact) -> None:
    code, lines = verified()
    assert code == 0 and len(lines) == 1


def assert_found(jane: Contact, seq: int) -> None:
    code, lines = verified()
    assert code == 1
    (line,) = [line for line in lines if str(jane.uuid) in line]
    uuid, where, what = line.split(" ", 2)
    assert (uuid, where) == (str(jane.uuid), str(seq))
    assert what.strip()
    assert len(lines) == 1, "the other chains hold"


COLUMNS = [
    ("kind", "'opted_out'"),
    ("status_from", "'pending'"),
    ("status_to", "'pending'"),
    ("since", "'2026-11-01 12:00:00+00:00'"),
    ("source", "'paper'"),
    ("request_state", "'accepted'"),
    ("level", "'written'"),
    ("channel", "'paper'"),
    ("scope", "'all'"),
    ("scope_category", "'marketing'"),
    ("rule", "'keyword:HELP'"),
    ("occurred_at", "'2026-11-01 12:00:00+00:00'"),
    ("recorded_at", "'2026-11-01 12:00:00+00:00'"),
    ("evidence_digest", "'abc'"),
    ("previous_hash", "'abc'"),
    ("hash", "'abc'"),
    ("wording", "'33333333333343338333333333333333'"),
    ("line_id", "(SELECT max(id) FROM consent_line)"),
    ("line_id", "NULL"),
]


@pytest.mark.parametrize(("column", "value"), COLUMNS)
def test_a_changed_column(jane: Contact, column: str, value: str) -> None:
    behind_the_triggers(f"UPDATE consent_ledgerentry SET {column} = {value} WHERE contact_id = %s AND seq = 1", jane.pk)
    assert_found(jane, 1)


def test_an_entry_in_the_middle_deleted(jane: Contact) -> None:
    behind_the_triggers("DELETE FROM consent_ledgerentry WHERE contact_id = %s AND seq = 2", jane.pk)
    assert_found(jane, 2)


def test_the_first_deleted(jane: Contact) -> None:
    behind_the_triggers("DELETE FROM consent_ledgerentry WHERE contact_id = %s AND seq = 1", jane.pk)
    assert_found(jane, 1)


def test_the_end_deleted(jane: Contact) -> None:
    behind_the_triggers("DELETE FROM consent_ledgerentry WHERE contact_id = %s AND seq = 4", jane.pk)
    assert_found(jane, 3)


def test_everything_deleted(jane: Contact) -> None:
    behind_the_triggers("DELETE FROM consent_ledgerentry WHERE contact_id = %s", jane.pk)
    assert_found(jane, 0)


def test_the_end_deleted_goes_on_being_noticed(jane: Contact) -> None:
    """What is written afterwards does not close the gap."""
    behind_the_triggers("DELETE FROM consent_ledgerentry WHERE contact_id = %s AND seq = 4", jane.pk)
    ledger.add_do_not_contact(jane, Proof(Channel.AGENT, {"letter": "7"}), reason="a letter")
    assert_found(jane, 4)


def test_the_middle_deleted_and_the_rest_moved_up(jane: Contact) -> None:
    behind_the_triggers("DELETE FROM consent_ledgerentry WHERE contact_id = %s AND seq = 2", jane.pk)
    behind_the_triggers("UPDATE consent_ledgerentry SET seq = seq - 1 WHERE contact_id = %s AND seq = 3", jane.pk)
    behind_the_triggers("UPDATE consent_ledgerentry SET seq = seq - 1 WHERE contact_id = %s AND seq = 4", jane.pk)
    assert_found(jane, 2)


def test_a_forged_entry_at_the_end(jane: Contact) -> None:
    last = LedgerEntry.objects.get(contact=jane, seq=4)
    last.pk, last._state.adding = None, True
    last.seq, last.previous_hash, last.status_to = 5, last.hash, "opted_in"
    last.save()
    assert_found(jane, 5)


@pytest.mark.parametrize(("column", "value"), [("ledger_head", "'abc'"), ("ledger_seq", "3"), ("ledger_head", "''")])
def test_a_changed_head(jane: Contact, column: str, value: str) -> None:
    behind_the_triggers(f"UPDATE consent_contact SET {column} = {value} WHERE id = %s", jane.pk)
    assert_found(jane, 4)


EVIDENCE: dict[str, Callable[[str, str], None]] = {
    "its words": lambda mine, other: behind_the_triggers(
        'UPDATE consent_evidence SET data = \'{"text": "YES"}\' WHERE digest = %s', mine
    ),
    "its salt": lambda mine, other: behind_the_triggers(
        "UPDATE consent_evidence SET salt = (SELECT salt FROM consent_evidence WHERE digest = %s) WHERE digest = %s",
        other,
        mine,
    ),
    "gone": lambda mine, other: behind_the_triggers("DELETE FROM consent_evidence WHERE digest = %s", mine),
}


@pytest.mark.parametrize("tamper", EVIDENCE.values(), ids=EVIDENCE.keys())
def test_changed_evidence(jane: Contact, tamper: Callable[[str, str], None]) -> None:
    mine, other = (LedgerEntry.objects.get(contact=jane, seq=seq).evidence_digest for seq in (2, 3))
    tamper(mine, other)
    assert_found(jane, 2)


def test_evidence_swapped(jane: Contact) -> None:
    mine, other = (LedgerEntry.objects.get(contact=jane, seq=seq).evidence_digest for seq in (2, 3))
    for digest, name in ((mine, "aside"), (other, mine), ("aside", other)):
        behind_the_triggers("UPDATE consent_evidence SET digest = %s WHERE digest = %s", name, digest)
    assert_found(jane, 2)


def test_evidence_lawfully_erased_breaks_nothing(jane: Contact) -> None:
    digest = LedgerEntry.objects.get(contact=jane, seq=2).evidence_digest
    ledger.erase_evidence(jane, digest, Proof(Channel.AGENT, {}))
    assert not Evidence.objects.filter(digest=digest).exists()
    assert verified()[0] == 0


@pytest.mark.parametrize(("line", "seq"), [("min", 3), ("max", 4)])
def test_a_changed_state(jane: Contact, line: str, seq: int) -> None:
    behind_the_triggers(
        "UPDATE consent_consent SET status = 'pending' "
        f"WHERE contact_id = %s AND line_id = (SELECT {line}(id) FROM consent_line)",
        jane.pk,
    )
    assert_found(jane, seq)


def test_a_state_row_deleted(jane: Contact) -> None:
    behind_the_triggers("DELETE FROM consent_consent WHERE contact_id = %s AND status = 'opted_out'", jane.pk)
    assert_found(jane, 3)


def test_a_state_that_no_entry_tells_of(jane: Contact) -> None:
    new = make_line("+12065550109")
    new.consents.create(contact=jane, status="opted_in")
    assert_found(jane, 4)


@pytest.mark.parametrize("which", ["first", "middle", "last"])
def test_a_contact_that_is_gone(jane: Contact, which: str) -> None:
    """Its entries are still there, and nobody else's chain is blamed."""
    people = dict(zip(["first", "middle", "last"], Contact.objects.order_by("pk"), strict=True))
    with connection.cursor() as cursor:
        for table, column in (("consent_consent", "contact_id"), ("consent_contact", "id")):
            cursor.execute(f"DELETE FROM {table} WHERE {column} = %s", [people[which].pk])
    code, lines = verified()
    transaction.set_rollback(True)  # the foreign keys would be checked at the end of the test
    assert code == 1
    assert len(lines) == 1
    assert not any(str(person.uuid) in lines[0] for name, person in people.items() if name != which)


def test_a_number_taken_off_the_do_not_contact_list(jane: Contact) -> None:
    ledger.add_do_not_contact(jane, Proof(Channel.AGENT, {"letter": "7"}), reason="a letter")
    assert verified()[0] == 0
    DoNotContact.objects.all().delete()
    assert_found(jane, 5)


def test_a_number_put_on_the_do_not_contact_list_that_no_entry_tells_of(jane: Contact) -> None:
    DoNotContact.objects.create(number=jane.number, digest=suppression_digest(jane.number), reason="forged")
    assert_found(jane, 4)


def test_a_number_lifted_from_the_do_not_contact_list_is_no_fault(jane: Contact) -> None:
    proof = Proof(Channel.AGENT, {"letter": "7"})
    ledger.add_do_not_contact(jane, proof, reason="a letter")
    ledger.lift_do_not_contact(jane, proof)
    assert verified()[0] == 0


def test_a_number_erased_from_the_do_not_contact_list_is_no_fault(jane: Contact) -> None:
    """Its digest still recognises it."""
    ledger.add_do_not_contact(jane, Proof(Channel.AGENT, {"letter": "7"}), reason="a letter")
    DoNotContact.objects.update(number=None)
    assert verified()[0] == 0


def test_each_broken_chain_has_its_line(jane: Contact) -> None:
    behind_the_triggers("UPDATE consent_ledgerentry SET rule = 'x' WHERE seq = 1")
    code, lines = verified()
    assert code == 1
    assert len(lines) == Contact.objects.count() == 3


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("since", "'2020-01-01 00:00:00+00:00'"),
        ("source", "'paper'"),
        ("request_state", "'accepted'"),
        ("entry_id", "NULL"),
        ("level", "'written'"),
        ("opted_out_at", "NULL"),
        ("own_opt_in_at", "'2099-01-01 00:00:00+00:00'"),  # no STOP would ever count again
        ("told_at", "'2020-01-01 00:00:00+00:00'"),
        ("review_since", "'2020-01-01 00:00:00+00:00'"),
    ],
)
def test_any_column_of_the_state_that_the_entries_tell(column: str, value: str) -> None:
    contact, line = make_contact(), make_line()
    proof = Proof(Channel.KEYWORD, {"text": "x"})
    ledger.opt_out(contact, line, proof, occurred_at=ago(hours=2), scope=Scope.LINE)
    ledger.opt_in(contact, line, proof, occurred_at=ago(hours=1), level=Level.EXPRESS, authority=Authority.CONTACT)
    assert list(verify()) == []
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE consent_consent SET {column} = {value}")
    (fault,) = verify()
    assert fault.contact == contact.uuid
    assert column in fault.what


@pytest.mark.parametrize("wrong", [{"since": NOON}, {"source": Channel.PAPER}])
def test_an_entry_that_was_wrong_when_it_was_written(monkeypatch: pytest.MonkeyPatch, wrong: dict[str, object]) -> None:
    """Well hashed, in the middle of a chain: a snapshot of that past would show it."""
    contact, line = make_contact(), make_line()
    proof = Proof(Channel.KEYWORD, {"text": "x"})
    write = ledger.entries.write
    monkeypatch.setattr(ledger.entries, "write", lambda *args, **columns: write(*args, **{**columns, **wrong}))
    ledger.opt_out(contact, line, proof, occurred_at=ago(hours=2), scope=Scope.LINE)
    monkeypatch.setattr(ledger.entries, "write", write)
    ledger.opt_in(contact, line, proof, occurred_at=ago(hours=1), level=Level.EXPRESS, authority=Authority.CONTACT)
    (fault,) = verify()
    assert (fault.contact, fault.seq) == (contact.uuid, 1)
