"""Whatever comes in whatever order: neither the web form nor a caller's number leads out of opted out or texts anybody
who is out, and a key that stops all texts does."""

import datetime as dt

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from consent.models import Consent, Line
from tests.fake_provider import FakeProvider
from tests.make import JANE, make_line
from tests.phone_menu.test_calls import Call, make_menu
from tests.web_form.visitor import Visitor, make_form
from tests.world import Phone, clock_at, work

STEPS = ["form", "call 1", "call 2", "call 9", "STOP", "START", "YES", "hello", "wait", "double", "single"]


@pytest.mark.django_db
@given(steps=st.lists(st.sampled_from(STEPS), min_size=3, max_size=8))
@settings(
    max_examples=6, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
)
def test_only_a_text_leads_back(steps: list[str], provider: FakeProvider) -> None:
    story = transaction.atomic()
    story._from_testcase = True  # so that "durable" blocks may run inside
    with clock_at(dt.datetime(2026, 12, 1, 12, tzinfo=dt.UTC)) as clock, story:
        provider.sent.clear()
        line = make_line()
        make_form(line)
        make_menu(line)
        jane = Phone(provider)
        out = False
        for step in steps:
            clock.passes(seconds=1)
            if step in {"STOP", "START", "YES", "hello"}:
                was_out, before = out, status(line)
                jane.texts(line, step)
                out = step == "STOP" or (out and status(line) != "opted_in")
                assert not was_out or out or step in {"START", "YES"}, (steps, before)
                continue
            arrived = len(provider.sent)
            match step:
                case "form":
                    Visitor().signs_up()
                case "double" | "single":
                    Line.objects.update(web_form_double_opt_in=step == "double", ivr_double_opt_in=step == "double")
                case "wait":
                    clock.passes(hours=30)
                case _:
                    Call().presses(step[-1])
                    out = out or step == "call 9"
            work()
            if out:
                assert status(line) == "opted_out", steps
                assert len(provider.sent) == arrived, steps
        transaction.set_rollback(True)


def status(line: Line) -> str:
    return Consent.objects.filter(contact__number=JANE, line=line).values_list("status", flat=True).first() or ""
