"""Optline and the simulator over real HTTP, with the SDK between them: what got lost on the wire is found again."""

import datetime as dt
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from consent.models import Line
from messaging import look_up, outbound, provider, reconcile
from messaging.models import Receipt, Reconciled
from tests.make import make_agent, make_line, make_opted_in
from tests.simulator.conftest import LONG_CODE, MIA, Simulator
from tests.world import standing, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def line(simulator: Simulator, live_server: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Line:
    settings.PUBLIC_URL = live_server.url
    settings.TWILIO_BASE_URL = f"{live_server.url}/simulator/twilio"
    settings.PROVIDER_READ_SECONDS = 1.0  # the test's server keeps a broken connection, so that only time ends it
    monkeypatch.setattr(reconcile, "PATIENCE", dt.timedelta(0))
    provider._client_for.cache_clear()
    return make_line(LONG_CODE)


def test_a_text_whose_answer_was_lost_is_found(
    line: Line, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("messaging.outcomes.delivery_reported", lambda *callback: None)
    with transaction.atomic():
        make_opted_in(line, MIA)
    simulator.post("faults", fault="drop")
    text = outbound.submit(line=line, to=MIA, body="Your order ✓ is ready", author=make_agent(line))
    work()
    simulator.drain()
    text.refresh_from_db()
    assert (text.status, text.provider_id) == ("unknown", None)
    look_up.ask_what_became_of_texts()
    text.refresh_from_db()
    [created] = simulator.log("create")
    assert (text.status, text.provider_id) == ("delivered", created["sid"])


def test_a_stop_whose_webhook_was_lost_is_found(line: Line, simulator: Simulator) -> None:
    Reconciled.objects.create(line=line, up_to=timezone.now())
    simulator.text("START")
    work()
    assert standing(line, MIA)[0] == "opted_in"
    simulator.post("faults", fault="no_webhook")
    sid = simulator.text("STOP")
    reconcile.reconcile()
    work()
    assert standing(line, MIA)[0] == "opted_out"
    assert Receipt.objects.latest("pk").provider_id == sid
    assert not Receipt.objects.filter(occurred_at=None).exists(), "both know the provider's time"
