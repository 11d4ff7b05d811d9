"""Numbers that went out of use or changed hands: the provider's lists, the query and its answers, the way back."""

import datetime as dt
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from consent.models import Consent, Contact, LedgerEntry, Line, ListImport, ReassignmentAnswer, User
from consent.verification import verify
from messaging import changed_hands, deactivated, doctor, number_files, reassigned
from messaging.models import Message
from tests.fake_provider import FakeProvider
from tests.make import JANE, OMAR, make_agent, make_contact, make_line, make_officer, make_opted_in
from tests.world import Clock, Phone, notices_seen, standing, work, write

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("jane")]

TODAY = dt.date(2026, 12, 1)
YESTERDAY = TODAY - dt.timedelta(days=1)


@pytest.fixture
def line(clock: Clock) -> Line:
    return make_line(name="Orders")


@pytest.fixture
def other(clock: Clock) -> Line:
    return make_line("+12065550101", name="Deliveries")


@pytest.fixture
def ann(line: Line, other: Line) -> User:
    return make_agent(line, other, shown_name="Ann")


@pytest.fixture
def long_in(line: Line, other: Line, ann: User, clock: Clock) -> Contact:
    """Jane opted in on both lines two days before the noon on which the stories begin."""
    clock.passes(days=-2)
    for each in (line, other):
        make_opted_in(each)
    write(ann, line, "Hello Jane")
    clock.passes(days=2)
    return Contact.objects.get(number=JANE)


def answers(*rows: str) -> ListImport:
    text = "\n".join(("number,date,answer", *rows))
    return reassigned.take_answers(
        number_files.read(text.encode(), answers=True), as_of=TODAY, name="answers.csv", by=make_officer()
    )


# ---- the provider's lists -------------------------------------------------------------------------------------------


def test_a_deactivated_number_gets_nothing_and_its_consent_is_suspended(
    long_in: Contact, line: Line, ann: User, provider: FakeProvider
) -> None:
    provider.deactivated[YESTERDAY] = [JANE, "+12065550199"]
    deactivated.import_new()
    long_in.refresh_from_db()
    assert (long_in.unreachable, long_in.unreachable_source) == ("deactivated", "provider")
    assert long_in.unreachable_since == dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
    assert [each.is_over for each in Consent.objects.all()] == [True, True]
    assert write(ann, line).reason == "unreachable"
    assert notices_seen(ann, line)[-1] == "number_suspended"
    done = ListImport.objects.get()
    assert (done.as_of, done.rows, done.suspended) == (YESTERDAY, 2, 1)
    assert list(verify()) == []


def test_a_list_is_imported_once_and_missed_days_are_made_up_for(
    long_in: Contact, provider: FakeProvider, clock: Clock
) -> None:
    deactivated.import_new()
    deactivated.import_new()
    assert provider.questions == 1
    clock.passes(days=4)
    provider.silent = True
    deactivated.import_new()
    assert len(deactivated.missing()) == 4
    assert [finding.level for finding in doctor.deactivated_numbers()] == ["warning"]
    provider.silent = False
    deactivated.import_new()
    assert deactivated.missing() == []
    assert list(doctor.deactivated_numbers()) == []
    assert ListImport.objects.count() == 5


def test_the_command_says_what_it_did_and_what_it_could_not(provider: FakeProvider, clock: Clock) -> None:
    provider.silent = True
    with pytest.raises(CommandError, match="1 lists could not be read"):
        call_command("import_deactivated", stderr=StringIO())
    provider.silent = False
    out = StringIO()
    call_command("import_deactivated", stdout=out)
    assert out.getvalue() == "2026-11-30: 0 numbers, 0 of our contacts suspended\n"


def test_who_texts_has_a_number_that_works_but_is_asked_again(
    long_in: Contact, line: Line, ann: User, jane: Phone, provider: FakeProvider
) -> None:
    """Carriers also list numbers that were taken to another carrier. Nobody but an opt-in tells who has it now."""
    provider.deactivated[YESTERDAY] = [JANE]
    deactivated.import_new()
    jane.news()
    jane.texts(line, "Is my order ready?")
    long_in.refresh_from_db()
    assert long_in.unreachable == ""
    assert write(ann, line).reason == "consent_expired"
    assert jane.news() == ["request_ours"]
    jane.texts(line, "YES")
    assert jane.news() == ["opt_in_confirmation", "ordinary"]


def test_who_texted_after_that_day_counts_as_reachable(
    long_in: Contact, line: Line, jane: Phone, provider: FakeProvider
) -> None:
    jane.texts(line, "Hello?")
    provider.deactivated[YESTERDAY] = [JANE]
    deactivated.import_new()
    long_in.refresh_from_db()
    assert long_in.unreachable == ""
    assert Consent.objects.filter(suspended_at=None).count() == 0


def test_an_open_request_ends_and_what_waits_is_refused(line: Line, ann: User, provider: FakeProvider) -> None:
    text = write(ann, line)
    assert text.status == "held"
    provider.deactivated[YESTERDAY] = [JANE]
    deactivated.import_new()
    text.refresh_from_db()
    assert (text.status, text.reason) == ("refused", "unreachable")
    assert standing(line)[0] == "not_defined"


# ---- reassigned numbers ---------------------------------------------------------------------------------------------


def test_the_query_names_the_last_day_on_which_it_was_theirs(
    long_in: Contact, line: Line, jane: Phone, clock: Clock
) -> None:
    make_opted_in(line, OMAR)
    make_contact("+12065550155")
    make_opted_in(line, "+447400123456")
    jane.texts(line, "Still me")
    jane_row, omar_row = reassigned.to_ask_about(timezone.now())
    assert jane_row == ("2065550142", TODAY)
    assert omar_row == ("2065550143", TODAY)
    out = StringIO()
    call_command("reassigned_query", stdout=out)
    assert out.getvalue().splitlines()[:2] == ["number,date", "2065550142,2026-12-01"]


def test_yes_suspends_and_the_rest_is_kept(long_in: Contact, line: Line, ann: User) -> None:
    make_opted_in(line, OMAR)
    batch = answers("2065550142,2026-11-29,yes", "+12065550143,2026-11-29,no", "2065550199,11/29/2026,no data")
    assert (batch.rows, batch.listed, batch.suspended) == (3, 1, 1)
    long_in.refresh_from_db()
    assert (long_in.unreachable, long_in.unreachable_source) == ("reassigned", "database")
    assert write(ann, line, to=OMAR).status == "sent"
    assert dict(ReassignmentAnswer.objects.values_list("contact__number", "answer")) == {JANE: "yes", OMAR: "no"}
    assert list(verify()) == []


def test_the_same_answers_twice_change_nothing_more(long_in: Contact) -> None:
    answers("2065550142,2026-11-29,yes")
    count = LedgerEntry.objects.count()
    assert answers("2065550142,2026-11-29,yes").suspended == 0
    assert LedgerEntry.objects.count() == count


def test_consent_given_after_the_day_asked_about_stays(long_in: Contact, line: Line, ann: User) -> None:
    answers("2065550142,2026-11-20,yes")
    assert not any(each.is_over for each in Consent.objects.all())
    long_in.refresh_from_db()
    assert long_in.unreachable == "", "they texted since"


def test_a_text_alone_is_no_way_back_but_a_start_is_on_its_line(
    long_in: Contact, line: Line, other: Line, ann: User, jane: Phone
) -> None:
    answers("2065550142,2026-11-29,yes")
    jane.news()
    jane.texts(line, "Who is this?")
    assert write(ann, line).reason == "unreachable"
    jane.texts(line, "START")
    assert jane.news() == ["opt_in_confirmation"]
    assert write(ann, line).status == "sent"
    assert write(ann, other).reason == "consent_expired", "what the former owner agreed to stays away"
    assert list(verify()) == []


# ---- an officer's word ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("same", "held"), [(True, "sent"), (False, "held")])
def test_an_officer_settles_whose_it_is(long_in: Contact, line: Line, ann: User, same: bool, held: str) -> None:
    answers("2065550142,2026-11-29,yes")
    client = Client()
    client.force_login(make_officer())
    address = reverse("admin:consent_contact_settle_number", args=[long_in.pk])
    assert "given to somebody else" in client.get(address).content.decode()
    assert client.post(address, {"same_person": "yes" if same else "no", "reason": ""}).status_code == 200
    assert Contact.objects.get(number=JANE).unreachable, "without a reason nothing happens"
    answer = client.post(address, {"same_person": "yes" if same else "no", "reason": "She called us from it"})
    assert answer.status_code == 302
    assert write(ann, line).status == held
    kinds = list(LedgerEntry.objects.order_by("-seq").values_list("kind", flat=True))
    assert "reachable" in kinds and ("resumed" in kinds) == same
    assert list(verify()) == []


def test_an_agent_settles_nothing(long_in: Contact, ann: User) -> None:
    answers("2065550142,2026-11-29,yes")
    client = Client()
    client.force_login(ann)
    address = reverse("admin:consent_contact_settle_number", args=[long_in.pk])
    assert client.post(address, {"same_person": "yes", "reason": "I say so"}).status_code == 403
    assert Contact.objects.get(number=JANE).unreachable == changed_hands.Unreachable.REASSIGNED


def test_no_form_writes_it_past_the_ledger(long_in: Contact) -> None:
    client = Client()
    client.force_login(make_officer())
    address = reverse("admin:consent_contact_change", args=[long_in.pk])
    inlines = {"consents-TOTAL_FORMS": 0, "consents-INITIAL_FORMS": 0}
    inlines |= {"conversations-TOTAL_FORMS": 0, "conversations-INITIAL_FORMS": 0}
    client.post(address, {"first_name": "Jane", "unreachable": "deactivated", **inlines})
    assert Contact.objects.get(number=JANE).unreachable == ""


def test_a_failed_text_is_an_entry_too(line: Line, ann: User, clock: Clock) -> None:
    from tests.world import callback

    make_opted_in(line)
    callback(write(ann, line), "undelivered", "30005")
    work()
    contact = Contact.objects.get(number=JANE)
    assert (contact.unreachable, contact.unreachable_source) == ("deactivated", "delivery")
    assert LedgerEntry.objects.latest("pk").kind == "unreachable"
    assert Message.objects.filter(status="undelivered").count() == 1
    assert list(verify()) == []
