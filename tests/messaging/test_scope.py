"""How far a revocation reaches: this line, its category or every line; today's lines and later ones (PRODUCT)."""

import datetime as dt

import pytest
from django.utils import timezone

from consent import ledger
from consent.models import Line, Organisation
from messaging import capture
from messaging.models import Receipt
from messaging.provider import ProviderError
from tests.make import JANE, make_agent, make_line
from tests.world import Clock, Phone, standing, sweep, text_in, work, write

pytestmark = pytest.mark.django_db


@pytest.fixture
def lines(db: None) -> dict[str, Line]:
    return {
        "texted": make_line("+12065550100", category="transactional"),
        "same category": make_line("+12065550101", category="transactional"),
        "other category": make_line("+12065550102", category="marketing"),
    }


def out(lines: dict[str, Line]) -> set[str]:
    return {name for name, line in lines.items() if standing(line)[0] == "opted_out"}


@pytest.mark.parametrize(
    ("scope", "reached"),
    [
        ("line", {"texted"}),
        ("category", {"texted", "same category"}),
        ("all", {"texted", "same category", "other category"}),
    ],
)
def test_a_stop_reaches_as_far_as_the_policy_says(
    lines: dict[str, Line], jane: Phone, scope: str, reached: set[str]
) -> None:
    Organisation.objects.update(revocation_scope=scope)
    jane.texts(lines["texted"], "STOP")
    assert out(lines) == reached


def test_as_shipped_a_stop_reaches_the_category_until_31_january_2027() -> None:
    policy = Organisation.objects.current()
    assert policy.revocation_scope == "category"
    assert (policy.next_revocation_scope, policy.next_revocation_scope_on) == ("all", dt.date(2027, 1, 31))


@pytest.mark.parametrize(
    ("moment", "reached"),
    [
        (dt.datetime(2027, 1, 30, 23, 59, 50, tzinfo=dt.UTC), {"texted", "same category"}),
        (dt.datetime(2027, 1, 31, 0, 0, 0, tzinfo=dt.UTC), {"texted", "same category", "other category"}),
    ],
)
def test_the_change_comes_on_its_day(
    lines: dict[str, Line], jane: Phone, clock: Clock, moment: dt.datetime, reached: set[str]
) -> None:
    clock.passes(seconds=(moment - timezone.now()).total_seconds())
    jane.texts(lines["texted"], "STOP")
    assert out(lines) == reached


def test_the_change_is_not_retroactive(lines: dict[str, Line], jane: Phone, clock: Clock) -> None:
    jane.texts(lines["texted"], "STOP")
    clock.passes(days=90)
    sweep()
    assert out(lines) == {"texted", "same category"}
    later = make_line("+12065550103", category="marketing", opened=False)
    sweep()
    assert standing(later)[0] == "not_defined"


def test_what_was_said_before_the_day_and_read_after_it_reaches_as_it_did(
    lines: dict[str, Line], jane: Phone, clock: Clock
) -> None:
    clock.passes(days=75)
    receipt = text_in(JANE, lines["texted"], "STOP")
    Receipt.objects.filter(pk=receipt.pk).update(occurred_at=dt.datetime(2027, 1, 15, tzinfo=dt.UTC))
    work()
    assert out(lines) == {"texted", "same category"}


@pytest.mark.parametrize("words", ["STOPALL", "stop all", "Stop-All!"])
@pytest.mark.parametrize("scope", ["line", "category"])
def test_stopall_always_means_every_line(lines: dict[str, Line], jane: Phone, scope: str, words: str) -> None:
    Organisation.objects.update(revocation_scope=scope)
    jane.texts(lines["texted"], words)
    assert out(lines) == set(lines)
    assert jane.news() == ["opt_out_confirmation"]


def test_no_to_a_request_is_about_this_line_only(lines: dict[str, Line], jane: Phone) -> None:
    Organisation.objects.update(revocation_scope="all")
    write(make_agent(lines["texted"]), lines["texted"])
    jane.texts(lines["texted"], "NO")
    assert out(lines) == {"texted"}


def test_start_lifts_its_own_line_only(lines: dict[str, Line], jane: Phone) -> None:
    jane.texts(lines["texted"], "STOPALL")
    jane.texts(lines["same category"], "START")
    assert out(lines) == {"texted", "other category"}


def test_the_providers_21610_has_the_scope_of_the_policy(lines: dict[str, Line], jane: Phone) -> None:
    jane.texts(lines["texted"], "START")
    jane.provider.errors.append(ProviderError("21610", "blocked", permanent=True, may_have_left=False))
    write(make_agent(lines["texted"]), lines["texted"])
    assert out(lines) == {"texted", "same category"}


def test_a_revocation_by_phone_has_it_too(lines: dict[str, Line], jane: Phone) -> None:
    ann = make_agent(lines["texted"])
    capture.record_revocation(JANE, lines["texted"], by=ann, route="call", words="no more", occurred_at=timezone.now())
    assert out(lines) == {"texted", "same category"}


# ---- lines created later --------------------------------------------------------------------------------------------


def test_a_new_line_is_closed_until_it_has_learned_of_the_opt_outs(lines: dict[str, Line], jane: Phone) -> None:
    jane.texts(lines["texted"], "STOP")
    jane.news()
    new = make_line("+12065550109", category="transactional", opened=False)
    ann = make_agent(new)
    assert not new.is_open
    assert write(ann, new).reason == "line_inactive"
    jane.texts(new, "START me up")
    assert jane.news() == []
    ledger.open_line(new.pk)
    new.refresh_from_db()
    assert new.is_open
    assert standing(new)[0] == "opted_out"
    assert write(ann, new).reason == "opted_out"
    assert write(ann, new, to="+12065550143").status == "held", "others may be asked"


def test_a_new_line_of_another_category_does_not(lines: dict[str, Line], jane: Phone) -> None:
    jane.texts(lines["texted"], "STOP")
    new = make_line("+12065550109", category="informational", opened=False)
    ledger.open_line(new.pk)
    assert standing(new)[0] == "not_defined"


def test_the_sweep_opens_new_lines(lines: dict[str, Line], jane: Phone) -> None:
    jane.texts(lines["texted"], "STOP")
    new = make_line("+12065550109", category="transactional", opened=False)
    sweep()
    assert standing(new)[0] == "opted_out"
    assert Line.objects.get(pk=new.pk).is_open


def test_a_no_reaches_no_later_line(lines: dict[str, Line], jane: Phone) -> None:
    write(make_agent(lines["texted"]), lines["texted"])
    jane.texts(lines["texted"], "NO")
    new = make_line("+12065550109", category="transactional", opened=False)
    ledger.open_line(new.pk)
    assert standing(new)[0] == "not_defined"


def test_a_start_elsewhere_does_not_lift_it_for_a_later_line(lines: dict[str, Line], jane: Phone) -> None:
    jane.texts(lines["texted"], "STOP")
    jane.texts(lines["texted"], "START")
    new = make_line("+12065550109", category="transactional", opened=False)
    ledger.open_line(new.pk)
    assert standing(new)[0] == "opted_out"


def test_stopall_after_a_stop_reaches_later_lines_of_every_category(jane: Phone) -> None:
    """They were out on every line already; the second word still says more than the first."""
    only = make_line()
    jane.texts(only, "STOP")
    jane.texts(only, "STOPALL")
    new = make_line("+12065550109", category="informational", opened=False)
    ledger.open_line(new.pk)
    assert standing(new)[0] == "opted_out"


def test_a_late_stopall_overruled_on_one_line_reaches_later_lines(jane: Phone) -> None:
    only = make_line()
    jane.texts(only, "START")
    receipt = text_in(JANE, only, "STOPALL")
    Receipt.objects.filter(pk=receipt.pk).update(occurred_at=timezone.now() - dt.timedelta(minutes=5))
    work()
    assert standing(only)[0] == "opted_in", "their own later START"
    new = make_line("+12065550109", category="informational", opened=False)
    ledger.open_line(new.pk)
    assert standing(new)[0] == "opted_out", "START lifts it on its own line only"


def test_opening_may_be_repeated(lines: dict[str, Line], jane: Phone) -> None:
    jane.texts(lines["texted"], "STOP")
    new = make_line("+12065550109", category="transactional", opened=False)
    for _ in range(3):
        ledger.open_line(new.pk)
    assert new.entries.count() == 1


def test_opening_does_not_undo_a_start_given_there_meanwhile(lines: dict[str, Line], jane: Phone, clock: Clock) -> None:
    jane.texts(lines["texted"], "STOP")
    clock.passes(minutes=1)
    new = make_line("+12065550109", category="transactional", opened=False)
    jane.texts(new, "START")
    ledger.open_line(new.pk)
    assert standing(new)[0] == "opted_in"


# ---- a line whose category changes ----------------------------------------------------------------------------------


def test_a_change_of_category_closes_the_line_until_it_has_learned(lines: dict[str, Line], jane: Phone) -> None:
    jane.texts(lines["texted"], "STOP")
    moved = Line.objects.get(pk=lines["other category"].pk)
    moved.category = "transactional"
    moved.save()
    assert not Line.objects.get(pk=moved.pk).is_open
    assert write(make_agent(moved), moved).reason == "line_inactive"
    sweep()
    assert Line.objects.get(pk=moved.pk).is_open
    assert standing(moved)[0] == "opted_out"


def test_saving_only_the_category_closes_it_too(lines: dict[str, Line], db: None) -> None:
    moved = Line.objects.get(pk=lines["other category"].pk)
    moved.category = "transactional"
    moved.save(update_fields=["category"])
    assert not Line.objects.get(pk=moved.pk).is_open


def test_other_changes_leave_it_open(lines: dict[str, Line], db: None) -> None:
    line = Line.objects.get(pk=lines["texted"].pk)
    line.name = "Renamed"
    line.save()
    assert Line.objects.get(pk=line.pk).is_open


def test_a_change_of_category_keeps_opt_outs(lines: dict[str, Line], jane: Phone) -> None:
    jane.texts(lines["texted"], "STOP")
    moved = Line.objects.get(pk=lines["same category"].pk)
    moved.category = "informational"
    moved.save()
    sweep()
    assert standing(moved)[0] == "opted_out"
