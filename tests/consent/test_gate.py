"""The gate's table and its exemptions, each with its limit (PRODUCT "The gate"). Pure: no database."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from consent.gate import Facts, Purpose, Reason, Verdict, decide
from consent.vocabulary import Level, Mode, Status

NOW = dt.datetime(2026, 12, 1, 12, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(hours=3)
P = Purpose
REQUESTS = [P.REQUEST_OURS, P.REQUEST_THEIRS, P.CONFIRM_SIGN_UP]


def ago(**delta: float) -> dt.datetime:
    return NOW - dt.timedelta(**delta)


IN = {"status": Status.OPTED_IN, "level": Level.EXPRESS}
OUT = {"status": Status.OPTED_OUT, "opted_out_at": ago(minutes=2)}
LONG_OUT = {"status": Status.OPTED_OUT, "opted_out_at": ago(days=3)}
LIMIT = {"request_limit": 2, "request_pause": dt.timedelta(hours=24)}
EXPIRED = {**IN, "consent_until": ago(days=1)}
TOO_LOW = {**IN, "level": Level.IMPLIED, "required_level": Level.EXPRESS}


def ask(**facts: Any) -> tuple[str, str]:
    decision = decide(Facts(now=NOW, **facts))
    assert decision.text, "a sentence that a person can read"
    return decision.verdict.value, decision.reason.value


# ---- the table, in its order ----------------------------------------------------------------------------------------

# Each row alone: facts, and what an ordinary text gets.
TABLE: list[tuple[str, str, dict[str, Any]]] = [
    ("do_not_contact", "refuse", {"do_not_contact": True}),
    ("inbound_unsettled", "defer", {"unsettled": True}),
    ("line_inactive", "refuse", {"line_active": False}),
    ("line_unregistered", "refuse", {"line_registered": False}),
    ("unreachable", "refuse", {"unreachable": "deactivated"}),
    ("opted_out", "refuse", OUT),
    ("scrub_list", "refuse", {"marketing": True, "listed_on": frozenset({"do_not_call"})}),
    ("under_review", "hold", {"under_review": True}),
    ("request_limit", "refuse", {"status": Status.NOT_DEFINED, **LIMIT, "last_request_at": ago(hours=1)}),
    ("consent_pending", "hold", {"status": Status.PENDING}),
    ("consent_missing", "hold", {"status": Status.NOT_DEFINED}),
    ("consent_expired", "hold", EXPIRED),
    ("level_too_low", "hold", TOO_LOW),
    ("quiet_hours", "defer", {"quiet_until": LATER}),
    ("contact_cap", "defer", {"cap_until": LATER}),
    ("line_pace", "defer", {"pace_until": LATER}),
    ("allowed", "send", {}),
]


@pytest.mark.parametrize(("reason", "verdict", "facts"), TABLE, ids=[row[0] for row in TABLE])
def test_each_reason(reason: str, verdict: str, facts: dict[str, Any]) -> None:
    assert ask(**{**IN, **facts}) == (verdict, reason)


def test_the_table_knows_every_reason() -> None:
    assert {row[0] for row in TABLE} == {reason.value for reason in Reason}


# Reasons that can hold at the same time, in the order in which they must win.
AT_ONCE: list[tuple[str, dict[str, Any]]] = [
    ("do_not_contact", {"do_not_contact": True}),
    ("inbound_unsettled", {"unsettled": True}),
    ("line_inactive", {"line_active": False}),
    ("line_unregistered", {"line_registered": False}),
    ("unreachable", {"unreachable": "reassigned"}),
    ("opted_out", {"status": Status.OPTED_OUT, "opted_out_at": ago(days=9)}),
    ("scrub_list", {"marketing": True, "listed_on": frozenset({"litigator"})}),
    ("under_review", {"under_review": True}),
    ("request_limit", {**LIMIT, "last_request_at": ago(hours=1)}),
    ("consent_missing", {"status": Status.NOT_DEFINED}),
    ("quiet_hours", {"quiet_until": LATER}),
    ("contact_cap", {"cap_until": LATER}),
    ("line_pace", {"pace_until": LATER}),
]


@pytest.mark.parametrize("first", range(len(AT_ONCE)), ids=[name for name, _ in AT_ONCE])
def test_the_first_that_applies_is_the_answer(first: int) -> None:
    facts: dict[str, Any] = {}
    for _, more in reversed(AT_ONCE[first:]):
        facts |= more
    status = facts.get("status", Status.OPTED_IN)
    assert ask(**{**facts, "status": status, "level": Level.EXPRESS})[1] == AT_ONCE[first][0]


def test_in_disclaimer_mode_no_consent_is_needed() -> None:
    assert ask(mode=Mode.DISCLAIMER, status=Status.NOT_DEFINED) == ("send", "allowed")
    assert ask(mode=Mode.DISCLAIMER, **OUT) == ("refuse", "opted_out")


@pytest.mark.parametrize("given_level", list(Level))
@pytest.mark.parametrize("required", list(Level))
def test_a_higher_level_includes_the_lower(given_level: Level, required: Level) -> None:
    enough = list(Level).index(given_level) >= list(Level).index(required)
    expected = "allowed" if enough else "level_too_low"
    assert ask(status=Status.OPTED_IN, level=given_level, required_level=required)[1] == expected


def test_consent_ends_at_its_moment() -> None:
    assert ask(**IN, consent_until=NOW)[1] == "consent_expired"
    assert ask(**IN, consent_until=NOW + dt.timedelta(seconds=1))[1] == "allowed"


# ---- times named in the answer --------------------------------------------------------------------------------------


@pytest.mark.parametrize("fact", ["quiet_until", "cap_until", "pace_until"])
def test_deferred_says_until_when(fact: str) -> None:
    assert decide(Facts(now=NOW, **IN, **{fact: LATER})).until == LATER
    assert decide(Facts(now=NOW, **IN, **{fact: NOW})).verdict is Verdict.SEND, "over now"


LIMITS: list[tuple[dict[str, Any], dt.datetime | None]] = [
    ({}, None),
    ({"last_request_at": ago(hours=23)}, NOW + dt.timedelta(hours=1)),
    ({"last_request_at": ago(hours=24)}, None),
    ({"last_request_at": ago(days=2), "limiting_request_at": ago(days=29)}, NOW + dt.timedelta(days=1)),
    ({"last_request_at": ago(hours=1), "limiting_request_at": ago(days=29.5)}, NOW + dt.timedelta(hours=23)),
    ({"last_request_at": ago(days=2), "limiting_request_at": ago(days=30)}, None),
]


@pytest.mark.parametrize(("facts", "until"), LIMITS)
@pytest.mark.parametrize("purpose", [P.ORDINARY, P.REQUEST_OURS, P.REQUEST_THEIRS, P.CONFIRM_SIGN_UP])
def test_the_request_limit_names_the_date(facts: dict[str, Any], until: dt.datetime | None, purpose: Purpose) -> None:
    decision = decide(Facts(now=NOW, purpose=purpose, **LIMIT, **facts))
    if until:
        assert (decision.verdict, decision.reason, decision.until) == (Verdict.REFUSE, Reason.REQUEST_LIMIT, until)
        assert f"{until:%d %B %Y}" in decision.text
    else:
        assert decision.reason is (Reason.CONSENT_MISSING if purpose is P.ORDINARY else Reason.ALLOWED)


def test_the_limit_does_not_matter_while_a_request_is_open() -> None:
    facts = {**LIMIT, "last_request_at": ago(hours=1), "request_open": True}
    assert ask(status=Status.PENDING, **facts) == ("hold", "consent_pending")
    assert ask(status=Status.NOT_DEFINED, **facts) == ("hold", "consent_pending")


def test_the_limit_does_not_matter_to_who_is_in() -> None:
    assert ask(**IN, **LIMIT, last_request_at=ago(hours=1)) == ("send", "allowed")


@pytest.mark.parametrize("lacking", [EXPIRED, TOO_LOW], ids=["expired", "too low"])
def test_asking_again_is_limited_too(lacking: dict[str, Any]) -> None:
    assert ask(**lacking, **LIMIT, last_request_at=ago(hours=1)) == ("refuse", "request_limit")


def test_opted_out_says_when_how_and_what_would_undo_it() -> None:
    text = decide(Facts(now=NOW, **OUT, opted_out_by="they texted QUIT", line_number="+12065550100")).text
    for said in ("01 December 2026", "11:58", "they texted QUIT", "START to +12065550100"):
        assert said in text


# ---- exemptions -----------------------------------------------------------------------------------------------------

QUIET, CAP, PACE = {"quiet_until": LATER}, {"cap_until": LATER}, {"pace_until": LATER}
NONE, PENDING = {"status": Status.NOT_DEFINED}, {"status": Status.PENDING}

SENDS: list[tuple[Purpose, dict[str, Any]]] = [
    # opt-out confirmation: passes opted out, quiet hours, cap, pace; only within 5 minutes of it
    (P.OPT_OUT_CONFIRMATION, OUT),
    (P.OPT_OUT_CONFIRMATION, {**OUT, **QUIET, **CAP, **PACE}),
    (P.OPT_OUT_CONFIRMATION, {**OUT, "opted_out_at": ago(minutes=4, seconds=59)}),
    # help reply: passes everything about consent, quiet hours, cap, pace; 3 a day
    *[
        (P.HELP_REPLY, {**state, **QUIET, **CAP, **PACE, "help_replies_today": 2})
        for state in (NONE, PENDING, IN, OUT, LONG_OUT, EXPIRED, TOO_LOW, {**IN, "under_review": True})
    ],
    # requests pass consent_missing, consent_pending, consent_expired, level_too_low; only theirs passes opted_out
    *[(purpose, {**state, **LIMIT}) for purpose in REQUESTS for state in (NONE, PENDING, EXPIRED, TOO_LOW)],
    (P.REQUEST_THEIRS, {**LONG_OUT, **LIMIT}),
    (P.REQUEST_THEIRS, {**LONG_OUT, "opted_out_at": ago(hours=24)}),
    (P.REQUEST_THEIRS, {**LONG_OUT, "last_theirs_at": ago(days=30)}),
    # way back: passes opted_out as flow 14 says
    (P.WAY_BACK, {**LONG_OUT, "mode": Mode.DISCLAIMER}),
    (P.WAY_BACK, {**LONG_OUT, "mode": Mode.DISCLAIMER, "last_way_back_at": ago(days=30)}),
    # opt-in confirmation: passes quiet hours
    (P.OPT_IN_CONFIRMATION, {**IN, **QUIET}),
    # disclaimer theirs: passes Not Defined, quiet hours
    (P.DISCLAIMER_THEIRS, {**NONE, **QUIET, "mode": Mode.DISCLAIMER}),
    (P.DISCLAIMER_THEIRS, {**NONE, **QUIET, "mode": Mode.CONSENT}),
    (P.DISCLAIMER_OURS, {**NONE, "mode": Mode.DISCLAIMER}),
    # responder reply without action: passes Not Defined, pending
    (P.RESPONDER_REPLY, NONE),
    (P.RESPONDER_REPLY, PENDING),
    (P.RESPONDER_REPLY, IN),
]

STOPPED: list[tuple[str, Purpose, dict[str, Any]]] = [
    ("opted_out", P.OPT_OUT_CONFIRMATION, {**OUT, "opted_out_at": ago(minutes=5, seconds=1)}),
    ("opted_out", P.OPT_OUT_CONFIRMATION, IN),
    ("opted_out", P.HELP_REPLY, {**OUT, "help_replies_today": 3}),
    ("opted_out", P.REQUEST_OURS, LONG_OUT),
    ("opted_out", P.CONFIRM_SIGN_UP, LONG_OUT),
    ("opted_out", P.REQUEST_THEIRS, {**LONG_OUT, "opted_out_at": ago(hours=23, minutes=59)}),
    ("opted_out", P.REQUEST_THEIRS, {**LONG_OUT, "last_theirs_at": ago(days=29)}),
    ("request_limit", P.REQUEST_THEIRS, {**LONG_OUT, **LIMIT, "last_request_at": ago(hours=2)}),
    ("opted_out", P.WAY_BACK, {**LONG_OUT, "opted_out_at": ago(hours=23)}),
    ("opted_out", P.WAY_BACK, {**LONG_OUT, "last_way_back_at": ago(days=29)}),
    ("opted_out", P.WAY_BACK, IN),
    ("opted_out", P.OPT_IN_CONFIRMATION, OUT),
    ("opted_out", P.DISCLAIMER_THEIRS, OUT),
    ("opted_out", P.DISCLAIMER_OURS, OUT),
    ("opted_out", P.RESPONDER_REPLY, OUT),
    ("opted_out", P.RESPONDER_REPLY, LONG_OUT),
    ("quiet_hours", P.REQUEST_OURS, {**NONE, **QUIET}),
    ("quiet_hours", P.REQUEST_THEIRS, {**NONE, **QUIET}),
    ("quiet_hours", P.DISCLAIMER_OURS, {**NONE, **QUIET, "mode": Mode.DISCLAIMER}),
    ("quiet_hours", P.RESPONDER_REPLY, {**IN, **QUIET}),
    ("contact_cap", P.OPT_IN_CONFIRMATION, {**IN, **CAP}),
    ("line_pace", P.OPT_IN_CONFIRMATION, {**IN, **PACE}),
    ("contact_cap", P.DISCLAIMER_THEIRS, {**NONE, **CAP, "mode": Mode.DISCLAIMER}),
    ("line_pace", P.REQUEST_THEIRS, {**NONE, **PACE}),
    ("consent_missing", P.DISCLAIMER_OURS, NONE),
    ("consent_pending", P.OPT_IN_CONFIRMATION, PENDING),
    ("under_review", P.REQUEST_OURS, {**NONE, "under_review": True}),
    ("under_review", P.OPT_IN_CONFIRMATION, {**IN, "under_review": True}),
    ("under_review", P.RESPONDER_REPLY, {**IN, "under_review": True}),
]


@pytest.mark.parametrize(("purpose", "facts"), SENDS)
def test_what_an_exemption_passes(purpose: Purpose, facts: dict[str, Any]) -> None:
    assert ask(purpose=purpose, **facts) == ("send", "allowed")


@pytest.mark.parametrize(("reason", "purpose", "facts"), STOPPED)
def test_where_an_exemption_ends(reason: str, purpose: Purpose, facts: dict[str, Any]) -> None:
    verdict, why = ask(purpose=purpose, **facts)
    assert verdict != "send" and why == reason


def test_a_fourth_help_reply_is_refused() -> None:
    assert ask(purpose=P.HELP_REPLY, **IN, help_replies_today=3)[0] == "refuse"


# ---- in time --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("reason", "verdict", "facts"), TABLE, ids=[row[0] for row in TABLE])
def test_only_the_hour_and_the_pace_pass_by_themselves(reason: str, verdict: str, facts: dict[str, Any]) -> None:
    waits = reason in {"allowed", "quiet_hours", "contact_cap", "line_pace"}
    assert decide(Facts(now=NOW, **{**IN, **facts})).may_send_in_time is waits


def test_what_is_refused_for_good_does_not_pass_in_time() -> None:
    refused = decide(Facts(now=NOW, **IN, purpose=P.HELP_REPLY, help_replies_today=3))
    assert refused.reason is Reason.CONTACT_CAP and not refused.may_send_in_time


# ---- quiet hours ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minutes_ago", "marketing", "verdict"),
    [(29, False, "send"), (30, False, "send"), (31, False, "defer"), (5, True, "defer")],
)
def test_who_wrote_lately_may_be_answered(minutes_ago: int, marketing: bool, verdict: str) -> None:
    assert ask(**IN, **QUIET, wrote_at=ago(minutes=minutes_ago), marketing=marketing)[0] == verdict


# ---- blocked at the provider ----------------------------------------------------------------------------------------


def test_opted_in_but_blocked_at_the_provider() -> None:
    decision = decide(Facts(now=NOW, **IN, blocked_at_provider=True, line_number="+18005550199"))
    assert decision.verdict is Verdict.REFUSE
    assert "START to +18005550199" in decision.text


# ---- for all facts --------------------------------------------------------------------------------------------------

moments = st.none() | st.timedeltas(min_value=dt.timedelta(days=-40), max_value=dt.timedelta(days=40)).map(
    lambda delta: NOW + delta
)
ANY_FACTS = st.builds(
    Facts,
    now=st.just(NOW),
    purpose=st.sampled_from(Purpose),
    mode=st.sampled_from(Mode),
    status=st.sampled_from(Status),
    line_number=st.sampled_from(["", "+12065550100"]),
    do_not_contact=st.booleans(),
    unsettled=st.booleans(),
    line_active=st.booleans(),
    line_registered=st.booleans(),
    unreachable=st.sampled_from(["", "deactivated", "reassigned", "not_mobile"]),
    opted_out_at=moments,
    blocked_at_provider=st.booleans(),
    under_review=st.booleans(),
    request_open=st.booleans(),
    request_limit=st.none() | st.integers(0, 3),
    request_pause=st.timedeltas(min_value=dt.timedelta(0), max_value=dt.timedelta(days=2)),
    last_request_at=moments,
    limiting_request_at=moments,
    last_theirs_at=moments,
    last_way_back_at=moments,
    help_replies_today=st.integers(0, 5),
    level=st.sampled_from(["", *Level]),
    required_level=st.sampled_from(["", *Level]),
    consent_until=moments,
    quiet_until=moments,
    wrote_at=moments,
    marketing=st.booleans(),
    listed_on=st.frozensets(st.sampled_from(["do_not_call", "litigator"])),
    cap_until=moments,
    pace_until=moments,
)
OPEN = {"do_not_contact": False, "unsettled": False, "line_active": True, "line_registered": True, "unreachable": ""}
many = hypothesis_settings(max_examples=200, deadline=None)


@given(ANY_FACTS)
@many
def test_nobody_passes_the_bars(facts: Facts) -> None:
    barred = (
        facts.do_not_contact
        or facts.unsettled
        or not facts.line_active
        or not facts.line_registered
        or facts.unreachable != ""
    )
    if barred:
        assert not decide(facts).may_send


@given(ANY_FACTS)
@many
def test_only_four_pass_opted_out(facts: Facts) -> None:
    facts = replace(facts, status=Status.OPTED_OUT, **OPEN)
    if decide(facts).may_send:
        since = NOW - facts.opted_out_at if facts.opted_out_at else None
        limits = {
            P.OPT_OUT_CONFIRMATION: since is not None and since <= dt.timedelta(minutes=5),
            P.HELP_REPLY: facts.help_replies_today < 3,
            P.REQUEST_THEIRS: since is not None and since >= dt.timedelta(hours=24),
            P.WAY_BACK: since is not None and since >= dt.timedelta(hours=24),
        }
        assert limits.get(facts.purpose, False)


@given(ANY_FACTS)
@many
def test_no_ordinary_text_without_consent_where_it_is_needed(facts: Facts) -> None:
    facts = replace(facts, purpose=P.ORDINARY, mode=Mode.CONSENT, **OPEN)
    if decide(facts).may_send:
        assert facts.status == Status.OPTED_IN
        assert not facts.under_review


@given(ANY_FACTS)
@many
def test_it_always_answers_in_words(facts: Facts) -> None:
    decision = decide(facts)
    assert decision.text
    assert (decision.reason is Reason.ALLOWED) == (decision.verdict is Verdict.SEND)
    if decision.until:
        assert decision.until > NOW
