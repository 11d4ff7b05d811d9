"""What “Try a text” says is what settling the same text then does, and it touches nothing."""

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from consent import ledger
from consent.ledger import REVOCATIONS, Proof
from consent.models import Consent, Contact, LedgerEntry, Line, OptInRequest, Tag
from consent.vocabulary import Channel, RequestOutcome, Status
from messaging import capture, inbound, trial
from messaging.models import KeywordResponder, Message, Notice, Review, Template
from messaging.models.message import Direction, MessageStatus
from messaging.models.review import Doubt
from messaging.provider import OptOutWord
from messaging.reading import RULES_VERSION
from messaging.trial import Case, Standing
from messaging.wordings import Kind
from tests.fake_provider import FakeProvider
from tests.make import make_line, make_toll_free
from tests.world import Clock, say, sweep, text_in, work

pytestmark = pytest.mark.django_db
_serial = itertools.count(1)


@pytest.fixture
def lines(db: None) -> dict[str, Line]:
    """Lines of every sort; the first two are of one category."""
    return {
        "consent": make_line("+12065550100", name="Sales"),
        "disclaimer": make_line("+12065550101", name="Care", mode="disclaimer"),
        "toll-free": make_toll_free("+18005550199", name="Free", category="informational"),
        "provider": make_line(
            "+12065550103",
            name="Plain",
            mode="disclaimer",
            category="informational",
            opt_outs_answered_by_provider=True,
        ),
        "marketing": make_line("+12065550104", name="Offers", category="marketing"),
        "closed": make_line("+12065550105", name="Shut", active=False),
        "strict": make_line("+12065550106", name="Strict", request_limit=1),
        "silent": make_line("+12065550107", name="Silent", request_limit=0),
    }


@pytest.fixture
def responders(db: None) -> dict[str, KeywordResponder]:
    own = [
        ("hours", "reply", "We are open from nine to five, {contact_first_name}."),
        ("join", "opt_in", "Welcome to {line_name}."),
        ("genug", "opt_out", "You are out. Bye from {company_name}."),
        ("ayuda", "help", "Ask {support_contact}."),
    ]
    found = {}
    for word, action, reply in own:
        KeywordResponder.objects.filter(keyword=word.upper()).delete()
        found[word] = KeywordResponder(keyword=word, action=action, reply=reply)
        found[word].tag = Tag.objects.create(name=f"texted {word}")
        found[word].enter()
    KeywordResponder.objects.filter(language="es").switch(on=True)
    for kind in (Kind.OPT_OUT_CONFIRMATION, Kind.OPT_OUT_CONFIRMATION_DISCLAIMER):
        spanish, _ = Template.objects.get_or_create(kind=kind, language="es", line=None, defaults={"in_use": True})
        spanish.say("{company_name}: ya no recibe mensajes. Para volver, envíe START a {line_number}.")
        Template.objects.filter(pk=spanish.pk).update(in_use=True)
    return found


# ---- it says what happens -------------------------------------------------------------------------------------------


def bring(number: str, case: Case, clock: Clock) -> None:
    """Bring a contact to where the case has them, by what people do, as far as that leads there."""
    line, standing = case.line, case.standing
    if case.told:
        ledger.told(Contact.objects.lock(number), line, Proof("keyword", {"text": "x"}), at=timezone.now())
    if standing in {Standing.OPTED_IN, Standing.ASKED_AGAIN}:
        say(number, line, "START")
    if standing.status is Status.OPTED_OUT:
        say(number, line, "STOP")
        clock.passes(seconds=standing.out_for.total_seconds() - (standing.asked or clock_zero).total_seconds())
    if standing.asked and standing.status is Status.OPTED_OUT:
        ask_by_hand(number, line)
    elif standing.asked:
        capture.record_consent(
            number, line, channel=Channel.WEB_FORM, evidence={}, occurred_at=timezone.now(), double=True
        )
        work()
    if standing.asked:
        clock.passes(seconds=standing.asked.total_seconds())
        sweep()
    if case.under_review:
        say(number, line, "halt")


clock_zero = timezone.timedelta(0)


def ask_by_hand(number: str, line: Line) -> None:
    """As if flow 13 had asked them, which some of these lines don't."""
    now = timezone.now()
    request = OptInRequest.objects.create(
        contact=Contact.objects.lock(number),
        line=line,
        kind="theirs",
        channel="keyword",
        created=now,
        left_at=now,
        sent_at=now,
        expires_at=now + timezone.timedelta(days=7),
    )
    Consent.objects.filter(contact=request.contact, line=line).update(request_state="sent")


def what_happens(number: str, case: Case) -> dict[str, Any]:
    """Settle the text, send nothing yet, and look at the tables."""
    contact = Contact.objects.lock(number)
    entries = set(LedgerEntry.objects.filter(contact=contact).values_list("pk", flat=True))
    said = {"OptOutType": str(case.provider_said)} if case.provider_said else {}
    receipt = text_in(number, case.line, case.text, **said)
    inbound.settle_number(number)
    receipt.refresh_from_db()
    assert receipt.settled_at, receipt.error
    message = Message.objects.get(receipt=receipt, direction=Direction.IN)
    replies = Message.objects.outgoing().filter(receipt=receipt, conversation=message.conversation).order_by("pk")
    state = Consent.objects.filter(contact=contact, line=case.line).first() or Consent()
    revoked = LedgerEntry.objects.filter(contact=contact, kind__in=REVOCATIONS).exclude(pk__in=entries)
    doubts = Review.objects.filter(message=message).values_list("doubt", flat=True)
    return {
        "meaning": message.meaning,
        "rule": message.rule,
        "version": message.rules_version,
        "show": message.status,
        "marks": message.marks,
        "replies": [(each.purpose, each.status == MessageStatus.QUEUED, each.sent_body) for each in replies],
        "notices": list(
            Notice.objects.filter(receipt=receipt, conversation=message.conversation)
            .order_by("pk")
            .values_list("kind", "text")
        ),
        "status": state.status,
        "under review": state.review_since is not None,
        "tags": [tag.name for tag in contact.tags.all()],
        "reach": {entry.line_id for entry in revoked},
        "review": list(doubts),
    }


def what_it_says(case: Case) -> dict[str, Any]:
    found = trial.attempt(case)
    own_review = found.plan.review and not (case.under_review and found.plan.review == Doubt.REVOCATION)
    return {
        "meaning": found.reading.meaning,
        "rule": found.reading.rule,
        "version": found.rules_version,
        "show": found.plan.show,
        "marks": [found.plan.mark] if found.plan.mark else [],
        "replies": [(reply.purpose, reply.leaves, reply.words) for reply in found.replies],
        "notices": [(kind, step.notice) for kind, step in zip(found.notices, notices_of(found), strict=True)],
        "status": found.status_after,
        "under review": found.under_review_after,
        "tags": [found.responder.tag.name] if found.responder and found.responder.tag else [],
        "reach": {line.pk for line in found.reach},
        "review": [found.plan.review] if own_review else [],
    }


def notices_of(found: trial.Trial) -> list[trial.Step]:
    return [step for step in found.steps if step.notice]


def compare(case: Case, clock: Clock) -> None:
    number = f"+1425555{next(_serial):04}"
    bring(number, case, clock)
    said, done = what_it_says(case), what_happens(number, case)
    assert said == done


TEXTS = [
    "STOP",
    "stop please",
    "stpo",
    "STOPALL",
    "Cancel",
    "START",
    "unstop",
    "YES",
    "yes!",
    "NO",
    "help",
    "Hours?",
    "join",
    "genug",
    "ayuda",
    "Liked “See you at five”",
    "👍",
    "yes please",
    "no thanks",
    "please stop texting me",
    "halt",
    "parar",
    "hello, can you stop by at five?",
    "",
]
# The suite tries the same few each time; `make soak` tries many new ones.
FEW = 30
CASES = int(os.environ.get("HISTORIES", FEW))
SAID = st.sampled_from([None, None, None, None, *OptOutWord])


@given(
    st.data(),
    st.one_of(st.sampled_from(TEXTS), st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12)),
    st.sampled_from(Standing),
    st.booleans(),
    st.booleans(),
    SAID,
)
@hypothesis_settings(
    max_examples=CASES, deadline=None, derandomize=CASES == FEW, suppress_health_check=list(HealthCheck)
)
def test_it_says_what_then_happens(
    lines: dict[str, Line],
    responders: dict[str, KeywordResponder],
    clock: Clock,
    provider: FakeProvider,
    data: st.DataObject,
    text: str,
    standing: Standing,
    under_review: bool,
    told: bool,
    said: OptOutWord | None,
) -> None:
    line = data.draw(st.sampled_from(list(lines.values())))
    can_be_asked = line.name not in {"Shut", "Silent"} or not standing.asked or standing.status is Status.OPTED_OUT
    case = Case(
        text=text,
        line=line,
        standing=standing if can_be_asked else Standing.OPTED_IN,
        under_review=under_review and standing.status is not Status.OPTED_OUT,
        told=told,
        provider_said=said,
    )
    compare(case, clock)


@pytest.mark.parametrize(("sort", "text"), [("consent", "hello"), ("disclaimer", "hello"), ("consent", "YES")])
def test_it_says_so_in_every_standing(
    lines: dict[str, Line],
    responders: dict[str, KeywordResponder],
    clock: Clock,
    provider: FakeProvider,
    sort: str,
    text: str,
) -> None:
    for standing in Standing:
        compare(Case(text=text, line=lines[sort], standing=standing), clock)


@pytest.mark.parametrize(
    ("sort", "text", "standing", "more"),
    [
        ("consent", "parar", Standing.OPTED_IN, {}),  # answered in Spanish
        ("strict", "hello", Standing.EXPIRED, {}),  # its one request in 30 days is used up
        ("consent", "NO", Standing.EXPIRED, {}),  # only an open request can be refused
        ("disclaimer", "hello", Standing.NOT_DEFINED, {"told": True}),
        ("toll-free", "join", Standing.OUT, {}),  # which does not lift the provider's block
        ("consent", "HELP", Standing.OPTED_IN, {"under_review": True}),
        ("consent", "halt", Standing.OPTED_IN, {"under_review": True}),
        ("consent", "hours", Standing.PENDING, {"under_review": True}),
        ("consent", "yes please", Standing.OUT_ASKED, {}),
        ("consent", "hello", Standing.OPTED_IN, {"provider_said": OptOutWord.STOP}),
    ],
)
def test_it_says_so_where_the_rules_are_fine(
    lines: dict[str, Line],
    responders: dict[str, KeywordResponder],
    clock: Clock,
    provider: FakeProvider,
    sort: str,
    text: str,
    standing: Standing,
    more: dict[str, Any],
) -> None:
    compare(Case(text=text, line=lines[sort], standing=standing, **more), clock)


# ---- it touches nothing ---------------------------------------------------------------------------------------------


def everything() -> dict[str, list[Any]]:
    """Every row of every table."""
    return {
        model._meta.label: list(model._base_manager.order_by("pk").values())
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy
    }


@contextmanager
def only_reading() -> Iterator[list[str]]:
    """Fails at the first statement that is not a query."""
    asked: list[str] = []

    def watch(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        assert sql.lstrip().upper().startswith("SELECT") and "FOR UPDATE" not in sql.upper(), sql
        asked.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        yield asked


def test_nothing_is_sent_or_stored(
    lines: dict[str, Line], responders: dict[str, KeywordResponder], provider: FakeProvider, clock: Clock
) -> None:
    say("+14255550001", lines["consent"], "START")
    before, sent = everything(), len(provider.sent)
    with only_reading() as asked:
        for sort, text, standing in itertools.product(["consent", "provider"], TEXTS, Standing):
            trial.attempt(Case(text=text, line=lines[sort], standing=standing))
    assert asked and everything() == before and len(provider.sent) == sent


def test_it_says_the_same_twice(lines: dict[str, Line], clock: Clock) -> None:
    case = Case(text="STOP", line=lines["consent"], standing=Standing.PENDING)
    now = timezone.now()
    first, second = trial.attempt(case, now), trial.attempt(case, now)
    assert first.steps == second.steps and first.steps


# ---- what it shows --------------------------------------------------------------------------------------------------


def sentences(found: trial.Trial) -> str:
    return " ".join(step.sentence for step in found.steps)


def test_the_exact_words_and_their_size(lines: dict[str, Line], responders: dict[str, KeywordResponder]) -> None:
    hours = trial.attempt(Case(text="hours", line=lines["consent"]))
    [reply] = hours.replies
    assert reply.words == "We are open from nine to five, there." and reply.version is None
    assert (reply.size.segments, reply.size.encoding) == (1, "GSM-7")
    assert hours.responder == responders["hours"]
    asked = trial.attempt(Case(text="hello", line=lines["consent"]))
    [request] = asked.replies
    assert request.version and request.version.number == 1
    assert "you wrote to Sales" in request.words and "{" not in request.words and request.size.segments == 2


def test_how_far_an_opt_out_reaches(lines: dict[str, Line]) -> None:
    found = trial.attempt(Case(text="STOP", line=lines["consent"]))
    assert {line.name for line in found.reach} == {"Sales", "Care", "Shut", "Strict", "Silent"}
    assert "Care" in sentences(found) and "Offers" not in sentences(found)
    everywhere = trial.attempt(Case(text="STOPALL", line=lines["consent"]))
    assert {line.name for line in everywhere.reach} == {line.name for line in lines.values()}
    refusal = trial.attempt(Case(text="NO", line=lines["consent"], standing=Standing.PENDING))
    assert [line.name for line in refusal.reach] == ["Sales"]


def test_what_the_provider_answers_optline_does_not(lines: dict[str, Line]) -> None:
    found = trial.attempt(Case(text="STOP", line=lines["toll-free"], standing=Standing.OPTED_IN))
    assert not found.replies and "network answers" in sentences(found)
    assert "notice_network_answered" in found.notices
    politely = trial.attempt(Case(text="stop please", line=lines["provider"], standing=Standing.OPTED_IN))
    assert [reply.purpose for reply in politely.replies] == ["opt_out_confirmation"], (
        "the network reads whole words only"
    )


def test_what_would_not_leave_says_why(lines: dict[str, Line]) -> None:
    [reply] = trial.attempt(Case(text="hello", line=lines["closed"])).replies
    assert not reply.leaves and "switched off" in reply.decision.text


def test_a_doubtful_text_suspends_and_shows_the_last_day(lines: dict[str, Line], clock: Clock) -> None:
    found = trial.attempt(Case(text="halt", line=lines["consent"], standing=Standing.OPTED_IN))
    assert "15 December 2026" in sentences(found), "ten business days after Tuesday 1 December"
    assert not found.replies and found.notices == ["notice_under_review"]
    maybe = trial.attempt(Case(text="yes please", line=lines["consent"], standing=Standing.PENDING))
    assert "Nothing is suspended" in sentences(maybe) and not maybe.notices


def test_a_spanish_word_is_answered_in_spanish(lines: dict[str, Line], responders: dict[str, KeywordResponder]) -> None:
    [reply] = trial.attempt(Case(text="Parar.", line=lines["consent"], standing=Standing.OPTED_IN)).replies
    assert "ya no recibe mensajes" in reply.words


def test_the_tag_and_the_version_of_the_rules(lines: dict[str, Line]) -> None:
    vip = Tag.objects.create(name="wants offers")
    KeywordResponder(keyword="offers", action="reply", reply="Soon.", tag=vip).enter()
    found = trial.attempt(Case(text="Offers!", line=lines["consent"]))
    assert "wants offers" in sentences(found)
    assert found.rules_version == RULES_VERSION


@pytest.mark.parametrize("sort", ["consent", "disclaimer", "toll-free", "provider", "strict", "silent"])
@pytest.mark.parametrize("under_review", [False, True])
def test_it_always_gives_reasons(lines: dict[str, Line], sort: str, under_review: bool) -> None:
    for standing, text in itertools.product(Standing, ["hello", "NO", "halt", "STOP", "help", "Liked “Hi”"]):
        found = trial.attempt(Case(text=text, line=lines[sort], standing=standing, under_review=under_review))
        reasons = found.reasons()
        assert len(reasons) >= 2 and all(reason.endswith(".") for reason in reasons), (text, reasons)
        assert found.steps and all(step.sentence for step in found.steps)


def test_a_request_that_is_open_ends(lines: dict[str, Line]) -> None:
    assert "rejected" in sentences(trial.attempt(Case(text="NO", line=lines["consent"], standing=Standing.PENDING)))
    assert "accepted" in sentences(trial.attempt(Case(text="YES", line=lines["consent"], standing=Standing.EXPIRED)))
    assert RequestOutcome.OPEN == ""
