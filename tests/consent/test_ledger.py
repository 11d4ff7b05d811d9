"""The only writer of consent state: each change is an entry, and the state is what the entries say (ARCHITECTURE)."""

import datetime as dt

import pytest

from consent import ledger
from consent.ledger import Authority, ConsentError, Proof
from consent.models import Consent, Contact, DoNotContact, Evidence, LedgerEntry, Line, OptInRequest
from consent.models.contact import suppression_digest
from consent.models.ledger import AuditRowError
from consent.verification import verify
from consent.vocabulary import Channel, Level, Scope, Status
from tests.make import JANE, make_contact, make_line, make_officer

pytestmark = pytest.mark.django_db

NOON = dt.datetime(2026, 12, 1, 12, tzinfo=dt.UTC)
WEEK = dt.timedelta(days=7)


@pytest.fixture
def line() -> Line:
    return make_line()


@pytest.fixture
def jane() -> Contact:
    return make_contact(JANE)


def said(text: str = "START", **more: str) -> Proof:
    return Proof(Channel.KEYWORD, {"text": text, "from": JANE}, rule=f"keyword:{text}", **more)


def opt_in(jane: Contact, line: Line, minutes: float = 0, authority: Authority = Authority.CONTACT, **more) -> bool:
    at = NOON + dt.timedelta(minutes=minutes)
    return ledger.opt_in(
        jane, line, said(), occurred_at=at, level=more.pop("level", Level.EXPRESS), authority=authority, **more
    )


def opt_out(jane: Contact, line: Line | None, minutes: float = 0, scope: Scope = Scope.LINE) -> ledger.Revoked:
    return ledger.opt_out(jane, line, said("STOP"), occurred_at=NOON + dt.timedelta(minutes=minutes), scope=scope)


def state(jane: Contact, line: Line) -> Consent:
    return Consent.objects.get(contact=jane, line=line)


def make_request(jane: Contact, line: Line, kind: str = "ours") -> OptInRequest:
    return OptInRequest.objects.create(contact=jane, line=line, kind=kind, channel="agent", created=NOON, left_at=NOON)


# ---- entries --------------------------------------------------------------------------------------------------------


def test_an_entry_says_what_changed_when_and_why(jane: Contact, line: Line) -> None:
    opt_in(jane, line)
    entry = LedgerEntry.objects.get()
    assert (entry.seq, entry.kind, entry.status_from, entry.status_to) == (1, "opted_in", "not_defined", "opted_in")
    assert (entry.level, entry.channel, entry.rule) == ("express", "keyword", "keyword:START")
    assert entry.occurred_at == NOON and entry.recorded_at > NOON - dt.timedelta(days=400)
    assert entry.previous_hash == "" and len(entry.hash) == 64


def test_entries_form_a_chain_per_contact(jane: Contact, line: Line) -> None:
    omar, other = make_contact("+12065550143"), make_line("+12065550101")
    for contact in (jane, omar):
        opt_in(contact, line)
        opt_in(contact, other)
        opt_out(contact, line, 1)
    for contact in (jane, omar):
        chain = list(contact.entries.order_by("seq"))
        assert [entry.seq for entry in chain] == [1, 2, 3]
        assert [entry.previous_hash for entry in chain] == ["", chain[0].hash, chain[1].hash]
        contact.refresh_from_db()
        assert (contact.ledger_seq, contact.ledger_head) == (3, chain[-1].hash)
    assert list(verify()) == []


def test_entries_hold_no_personal_data(jane: Contact, line: Line) -> None:
    opt_in(jane, line)
    stored = " ".join(str(value) for value in LedgerEntry.objects.values().get().values())
    assert JANE not in stored and "from" not in stored


def test_evidence_is_a_row_of_its_own(jane: Contact, line: Line) -> None:
    opt_in(jane, line)
    evidence = Evidence.objects.get()
    assert evidence.digest == LedgerEntry.objects.get().evidence_digest
    assert evidence.data == {"text": "START", "from": JANE}
    assert len(bytes(evidence.salt)) == 32


def test_the_same_words_have_different_digests(jane: Contact, line: Line) -> None:
    opt_in(jane, line)
    opt_in(jane, line, 1)
    assert Evidence.objects.count() == 2


def test_the_models_refuse_too(jane: Contact, line: Line) -> None:
    opt_in(jane, line)
    for row in (LedgerEntry.objects.get(), Evidence.objects.get()):
        with pytest.raises(AuditRowError):
            row.save()
        with pytest.raises(AuditRowError):
            row.delete()
        with pytest.raises(AuditRowError):
            type(row).objects.update(created=NOON)
        with pytest.raises(AuditRowError):
            type(row).objects.all().delete()


# ---- in and out -----------------------------------------------------------------------------------------------------

# Contact's and others' doings with their minute, and the status they end in.
TIMES = [
    ([("in", 0), ("out", 1)], "opted_out"),
    ([("out", 1), ("in", 0)], "opted_out"),
    ([("out", 0), ("in", 1)], "opted_in"),
    ([("in", 1), ("out", 0)], "opted_in"),
    ([("out", 0), ("in", 0)], "opted_out"),
    ([("in", 0), ("out", 0)], "opted_out"),
    ([("out", 0), ("in", 1), ("out", 2)], "opted_out"),
    ([("out", 2), ("in", 1), ("out", 0)], "opted_out"),
    ([("officer", 1), ("out", 0)], "opted_out"),
    ([("others", 1), ("out", 0)], "opted_out"),
    ([("out", 0), ("officer", 1)], "opted_in"),
    ([("out", 1), ("officer", 0)], "opted_out"),
]


@pytest.mark.parametrize(("doings", "ends"), TIMES)
def test_the_time_rule(jane: Contact, line: Line, doings: list[tuple[str, int]], ends: str) -> None:
    authority = {"in": Authority.CONTACT, "officer": Authority.OFFICER, "others": Authority.OTHERS}
    for doing, minute in doings:
        if doing == "out":
            opt_out(jane, line, minute)
        else:
            opt_in(jane, line, minute, authority[doing])
    assert state(jane, line).status == ends
    assert LedgerEntry.objects.count() == len(doings), "everything is recorded, also what was overruled"
    assert list(verify()) == []


def test_nobody_else_leads_out_of_opted_out(jane: Contact, line: Line) -> None:
    opt_out(jane, line)
    with pytest.raises(ConsentError, match=r"text START to \+12065550100"):
        opt_in(jane, line, 1, Authority.OTHERS)
    assert state(jane, line).status == "opted_out"
    assert LedgerEntry.objects.count() == 1


def test_out_of_opted_out_nothing_is_left_of_the_level(jane: Contact, line: Line) -> None:
    opt_in(jane, line, level=Level.WRITTEN)
    opt_out(jane, line, 1)
    assert state(jane, line).level == ""
    opt_in(jane, line, 2)
    assert state(jane, line).level == "express"


def test_a_second_opt_in_may_raise_the_level_and_never_lowers_it(jane: Contact, line: Line) -> None:
    opt_in(jane, line, level=Level.EXPRESS)
    opt_in(jane, line, 1, level=Level.WRITTEN)
    assert state(jane, line).level == "written"
    opt_in(jane, line, 2, level=Level.IMPLIED)
    assert state(jane, line).level == "written"


def test_what_a_revocation_did(jane: Contact) -> None:
    lines = [make_line(f"+1206555010{serial}") for serial in range(3)]
    opt_out(jane, lines[0], 0)
    opt_in(jane, lines[1], 9)
    revoked = opt_out(jane, lines[2], 5, Scope.ALL)
    assert (revoked.ended, revoked.repeated, revoked.kept) == ([lines[2]], [lines[0]], [lines[1]])
    assert revoked.out == [lines[0], lines[2]]


def test_a_revocation_from_nowhere_is_valid_everywhere(jane: Contact) -> None:
    lines = [make_line("+12065550101"), make_line("+12065550102", category="marketing")]
    assert opt_out(jane, None, 0, Scope.LINE).ended == lines


def test_one_piece_of_evidence_for_all_lines_in_scope(jane: Contact) -> None:
    for serial in range(3):
        make_line(f"+1206555010{serial}")
    opt_out(jane, Line.objects.first(), 0, Scope.ALL)
    assert LedgerEntry.objects.count() == 3
    assert Evidence.objects.count() == 1


# ---- requests -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [Status.NOT_DEFINED, Status.OPTED_IN, Status.OPTED_OUT])
@pytest.mark.parametrize("ending", ["expired", "failed"])
def test_silence_never_changes_what_was(jane: Contact, line: Line, before: Status, ending: str) -> None:
    if before == Status.OPTED_IN:
        opt_in(jane, line)
    if before == Status.OPTED_OUT:
        opt_out(jane, line)
    request = make_request(jane, line)
    ledger.asked(request, said("asked"), at=NOON + dt.timedelta(minutes=5), expires_after=WEEK)
    asked = state(jane, line)
    assert asked.request_state == "sent"
    assert asked.status == (Status.PENDING if before == Status.NOT_DEFINED else before)
    verb = ledger.request_expired if ending == "expired" else ledger.request_failed
    verb(request, said("gone"), at=NOON + WEEK)
    after = state(jane, line)
    assert after.status == before
    assert after.request_state == ("expired" if ending == "expired" else "not_sent")
    assert list(verify()) == []


def test_asked_twice_is_recorded_once(jane: Contact, line: Line) -> None:
    request = make_request(jane, line)
    for _ in range(3):
        ledger.asked(request, said("asked"), at=NOON, expires_after=WEEK)
    assert LedgerEntry.objects.count() == 1
    assert request.expires_at == NOON + WEEK


def test_a_late_asked_changes_no_answer(jane: Contact, line: Line) -> None:
    """The provider's answer to the create call may be recorded after the contact's YES was."""
    request = make_request(jane, line)
    opt_in(jane, line, 1, request=request)
    request.refresh_from_db()
    ledger.asked(request, said("asked"), at=NOON, expires_after=WEEK)
    after = state(jane, line)
    assert (after.status, after.request_state) == ("opted_in", "accepted")


def test_an_opt_out_ends_open_requests_in_scope(jane: Contact, line: Line) -> None:
    other = make_line("+12065550101")
    requests = [make_request(jane, each) for each in (line, other)]
    opt_out(jane, line, 1, Scope.ALL)
    for request in requests:
        request.refresh_from_db()
        assert request.outcome == "rejected"
    assert state(jane, other).request_state == "rejected"


def test_told_is_recorded_once(jane: Contact, line: Line) -> None:
    for _ in range(2):
        ledger.told(jane, line, said("told"), at=NOON)
    assert state(jane, line).told_at == NOON and state(jane, line).status == "not_defined"
    assert [entry.kind for entry in LedgerEntry.objects.all()] == ["told"]


# ---- review ---------------------------------------------------------------------------------------------------------


def test_a_review_is_opened_and_closed(jane: Contact, line: Line) -> None:
    opt_in(jane, line)
    ledger.open_review(jane, line, said("leave me be"), at=NOON)
    assert state(jane, line).review_since == NOON and state(jane, line).status == "opted_in"
    ledger.close_review(jane, line, said("fine"), at=NOON)
    assert state(jane, line).review_since is None
    assert list(LedgerEntry.objects.order_by("seq").values_list("kind", flat=True)) == [
        "opted_in",
        "review_opened",
        "review_closed",
    ]


def test_others_do_not_end_a_review(jane: Contact, line: Line) -> None:
    opt_in(jane, line)
    ledger.open_review(jane, line, said("leave me be"), at=NOON)
    with pytest.raises(ConsentError):
        opt_in(jane, line, 1, Authority.OTHERS)
    assert state(jane, line).review_since == NOON
    assert LedgerEntry.objects.count() == 2


@pytest.mark.parametrize("authority", [Authority.CONTACT, Authority.OFFICER])
def test_the_contact_or_an_officer_ends_a_review_by_an_opt_in(jane: Contact, line: Line, authority: Authority) -> None:
    opt_in(jane, line)
    ledger.open_review(jane, line, said("leave me be"), at=NOON)
    opt_in(jane, line, 1, authority)
    assert state(jane, line).review_since is None


def test_an_opt_out_ends_the_review(jane: Contact, line: Line) -> None:
    ledger.open_review(jane, line, said("leave me be"), at=NOON)
    opt_out(jane, line, 1)
    assert state(jane, line).review_since is None


# ---- do not contact -------------------------------------------------------------------------------------------------


def test_do_not_contact(jane: Contact) -> None:
    officer = make_officer()
    proof = Proof(Channel.AGENT, {"letter": "7"}, actor=officer)
    added = ledger.add_do_not_contact(jane, proof, reason="a letter")
    assert ledger.add_do_not_contact(jane, proof, reason="again") == added
    assert DoNotContact.objects.matching(JANE).exists()
    assert added.digest == suppression_digest(JANE) and JANE not in added.digest
    ledger.lift_do_not_contact(jane, proof)
    ledger.lift_do_not_contact(jane, proof)
    assert not DoNotContact.objects.exists()
    assert list(jane.entries.order_by("seq").values_list("kind", flat=True)) == [
        "do_not_contact",
        "do_not_contact_lifted",
    ]
    assert list(verify()) == []


def test_an_erased_number_is_still_recognised(jane: Contact) -> None:
    ledger.add_do_not_contact(jane, Proof(Channel.AGENT, {"letter": "7"}), reason="a letter")
    DoNotContact.objects.update(number=None)
    assert DoNotContact.objects.matching(JANE).exists()
    assert not DoNotContact.objects.matching("+12065550143").exists()


def test_the_digest_needs_the_suppression_key(settings) -> None:
    before = suppression_digest(JANE)
    settings.SECRET_KEY = "x" * 50
    assert suppression_digest(JANE) == before, "SECRET_KEY rotates, this one does not"
    settings.SUPPRESSION_KEY = "y" * 50
    assert suppression_digest(JANE) != before


# ---- erasure --------------------------------------------------------------------------------------------------------


def test_lawful_erasure_is_itself_an_entry(jane: Contact, line: Line) -> None:
    opt_in(jane, line)
    digest = LedgerEntry.objects.get().evidence_digest
    ledger.erase_evidence(jane, digest, Proof(Channel.AGENT, {}, actor=make_officer()))
    assert not Evidence.objects.filter(digest=digest).exists()
    assert LedgerEntry.objects.get(kind="evidence_erased").evidence_digest == digest
    assert list(verify()) == []


def test_evidence_of_somebody_else_is_not_erased(jane: Contact, line: Line) -> None:
    opt_in(jane, line)
    digest = LedgerEntry.objects.get().evidence_digest
    with pytest.raises(AuditRowError):
        ledger.erase_evidence(make_contact("+12065550143"), digest, Proof(Channel.AGENT, {}))
    assert Evidence.objects.filter(digest=digest).exists()
