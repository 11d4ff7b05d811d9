"""A contact's new number: consent does not move, opt-outs are copied (PRODUCT "Words", "Rules around the flows")."""

import re

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from consent import ledger
from consent.ledger import Authority, ConsentError, Proof
from consent.models import Consent, Contact, DoNotContact, Evidence, LedgerEntry, Line, OptInRequest, User
from consent.verification import verify
from consent.vocabulary import Scope
from messaging import capture, outbound
from messaging.capture import Copied
from messaging.models import Message, Notice
from tests.fake_provider import FakeProvider
from tests.make import JANE, OMAR, ago, make_agent, make_contact, make_line, make_officer
from tests.world import say, standing, work, write

pytestmark = pytest.mark.django_db
NEW = "+12065550170"


@pytest.fixture
def line(provider: FakeProvider) -> Line:
    return make_line(name="Sales")


@pytest.fixture
def other(provider: FakeProvider) -> Line:
    return make_line("+12065550101", name="Billing", category="informational")


@pytest.fixture
def olive() -> User:
    return make_officer("olive")


def copy(olive: User, number: str = NEW, reason: str = "She called from it") -> Copied:
    with transaction.atomic():
        return capture.copy_opt_outs(Contact.objects.get(number=JANE), number, by=olive, reason=reason)


def names(lines: list[Line]) -> list[str]:
    return [line.name for line in lines]


def opt_out(line: Line, number: str = JANE, scope: Scope = Scope.LINE, **when: float) -> None:
    contact = Contact.objects.lock(number)
    proof = Proof("keyword", {"text": "STOP"}, rule="keyword:STOP")
    ledger.opt_out(contact, line, proof, occurred_at=ago(**(when or {"hours": 2})), scope=scope)


def opt_in(line: Line, number: str, authority: Authority = Authority.CONTACT, **when: float) -> None:
    contact = Contact.objects.lock(number)
    proof = Proof("keyword", {"text": "START"})
    ledger.opt_in(contact, line, proof, occurred_at=ago(**when), level="express", authority=authority)


def test_each_opt_out_is_written_on_the_new_number_and_nothing_else(olive: User, line: Line, other: Line) -> None:
    opt_out(line, hours=5)
    opt_in(other, JANE, hours=5)
    copied = copy(olive)
    assert (names(copied.revoked.out), copied.listed) == (["Sales"], False)
    assert standing(line, NEW)[0] == "opted_out"
    assert standing(other, NEW)[0] == "not_defined"
    entry = LedgerEntry.objects.get(contact__number=NEW)
    original = LedgerEntry.objects.get(contact__number=JANE, line=line)
    assert (entry.kind, entry.line, entry.actor, entry.channel) == ("opted_out", line, olive, "agent")
    assert entry.occurred_at == original.occurred_at
    kept = Evidence.objects.get(digest=entry.evidence_digest).data
    assert (kept["old_number"], kept["number"], kept["reason"]) == (JANE, NEW, "She called from it")
    assert not list(verify())


def test_the_old_contact_stays_as_it_is(olive: User, line: Line) -> None:
    opt_out(line)
    before = list(LedgerEntry.objects.filter(contact__number=JANE).values())
    copy(olive)
    assert list(LedgerEntry.objects.filter(contact__number=JANE).values()) == before
    assert standing(line, JANE)[0] == "opted_out"


def test_a_new_contact_is_called_like_the_old_one_and_a_known_one_keeps_its_name(olive: User, line: Line) -> None:
    make_contact(JANE, first_name="Jane", last_name="Doe", language="es")
    make_contact(OMAR, first_name="Omar")
    opt_out(line)
    assert (copy(olive).contact.name, copy(olive).contact.language) == ("Jane Doe", "es")
    assert copy(olive, OMAR).contact.name == "Omar"


def test_what_waits_for_the_new_number_is_cancelled(olive: User, line: Line) -> None:
    ann = make_agent(line)
    held = write(ann, line, to=NEW)
    assert (held.status, standing(line, NEW)) == ("held", ("pending", "sent"))
    opt_out(line)
    copy(olive)
    held.refresh_from_db()
    assert (held.status, held.reason) == ("cancelled", "opted_out")
    assert OptInRequest.objects.get(contact__number=NEW).outcome == "rejected"
    notice = Notice.objects.get(conversation__contact__number=NEW, kind="notice_opted_out")
    assert "old number" in notice.text
    assert write(ann, line, to=NEW).status == "refused"


def test_no_text_goes_out_about_it(olive: User, line: Line, provider: FakeProvider) -> None:
    opt_out(line, seconds=10)
    copy(olive)
    work()
    assert provider.sent == []


def test_a_later_text_of_the_new_number_itself_counts(olive: User, line: Line, other: Line) -> None:
    """The time rule: they opted in from the new number after they had opted out from the old one."""
    opt_out(line, hours=5)
    opt_out(other, hours=1)
    opt_in(line, NEW, hours=3)
    opt_in(other, NEW, hours=3)
    copied = copy(olive)
    assert (names(copied.revoked.kept), names(copied.revoked.ended)) == (["Sales"], ["Billing"])
    assert (standing(line, NEW)[0], standing(other, NEW)[0]) == ("opted_in", "opted_out")
    kept = LedgerEntry.objects.filter(contact__number=NEW, line=line).latest("pk")
    assert kept.kind == "opt_out_outdated"


def test_consent_that_others_recorded_later_does_not_count(olive: User, line: Line) -> None:
    opt_out(line, hours=5)
    opt_in(line, NEW, Authority.OTHERS, hours=3)
    assert names(copy(olive).revoked.ended) == ["Sales"]
    assert standing(line, NEW)[0] == "opted_out"


def test_what_the_old_number_took_back_is_not_copied(olive: User, line: Line, other: Line) -> None:
    opt_out(line, scope=Scope.ALL, hours=5)
    say(JANE, other, "START")
    assert names(copy(olive).revoked.out) == ["Sales"]
    assert not Consent.objects.filter(contact__number=NEW, line=other).exists()


def test_an_opt_out_of_every_line_reaches_later_lines_for_the_new_number_too(olive: User, line: Line) -> None:
    opt_out(line, scope=Scope.ALL)
    copy(olive)
    later = make_line("+12065550102", opened=False)
    ledger.open_line(later.pk)
    assert standing(later, JANE)[0] == standing(later, NEW)[0] == "opted_out"


def test_an_opt_out_of_one_line_does_not_reach_later_ones(olive: User, line: Line) -> None:
    opt_out(line)
    copy(olive)
    later = make_line("+12065550102", opened=False)
    ledger.open_line(later.pk)
    assert standing(later, NEW)[0] == "not_defined"


def test_the_do_not_contact_list_is_copied_too(olive: User, line: Line) -> None:
    ann = make_agent(line)
    opt_in(line, NEW, hours=1)
    waiting = outbound.submit(line=line, to=NEW, body="Hello", author=ann)
    ledger.add_do_not_contact(Contact.objects.lock(JANE), Proof("agent", {"reason": "Their lawyer"}), reason="Lawyer")
    copied = copy(olive)
    assert (copied.listed, copied.revoked.out) == (True, [])
    assert DoNotContact.objects.matching(NEW).exists()
    waiting.refresh_from_db()
    assert (waiting.status, waiting.reason) == ("cancelled", "do_not_contact")
    assert copy(olive).listed  # on both lists already, and no crash


def test_copied_twice_is_recorded_twice_and_changes_nothing(olive: User, line: Line) -> None:
    opt_out(line)
    copy(olive)
    again = copy(olive)
    assert (names(again.revoked.repeated), again.revoked.ended) == (["Sales"], [])
    assert Notice.objects.filter(conversation__contact__number=NEW).count() <= 1


def test_there_must_be_something_to_copy_and_somebody_to_copy_it_to(olive: User, line: Line) -> None:
    make_contact(JANE)
    with pytest.raises(ConsentError, match="nothing to copy"):
        copy(olive)
    assert not Contact.objects.filter(number=NEW).exists()
    opt_out(line)
    with pytest.raises(ConsentError, match="the same number"):
        copy(olive, JANE)
    with pytest.raises(ConsentError, match="one of our own lines"):
        copy(olive, line.number)
    assert Message.objects.count() == 0


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer and no row locks")
@pytest.mark.parametrize("older", [JANE, NEW])
def test_both_contacts_are_locked_in_the_order_of_their_ids(olive: User, line: Line, older: str) -> None:
    make_contact(older)
    opt_out(line)
    with CaptureQueriesContext(connection) as queries:
        copy(olive)
    locks = [q["sql"] for q in queries if "FOR NO KEY UPDATE" in q["sql"] and 'FROM "consent_contact"' in q["sql"]]
    contacts = {number: Contact.objects.get(number=number).pk for number in (JANE, NEW)}
    taken = []
    for sql in locks:
        number = next((n for n in contacts if n in sql), None)
        pk = contacts[number] if number else int(re.search(r'"id" = (\d+)', sql)[1])  # type: ignore[index]
        taken.append(pk)
    assert set(taken) == set(contacts.values())
    firsts = list(dict.fromkeys(taken))
    assert firsts == sorted(firsts)
