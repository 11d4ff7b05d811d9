"""Optline's own list calls, over real HTTP and the official SDK, against the simulator."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from messaging import provider
from messaging.provider import ProviderError
from tests.simulator.conftest import LONG_CODE, MIA, SAM, SHORT_CODE, Simulator

pytestmark = pytest.mark.urls("tests.simulator.urls")

HOUR = dt.timedelta(hours=1)


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    server = LiveServer("localhost")
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def wired(simulator: Simulator, server: LiveServer, settings: Any) -> None:
    settings.TWILIO_BASE_URL = server.url + "/simulator/twilio"


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def sent(body: str = "Hello", to: str = MIA) -> str:
    return provider.send(line=LONG_CODE, to=to, body=body, callback_url="")


def test_what_was_sent_is_found_with_its_state(simulator: Simulator) -> None:
    simulator.post("faults", fault="undelivered", code=30034)
    failed, good = sent("one ✓"), sent("two")
    sent("to somebody else", SAM)
    simulator.drain()
    simulator.text("from the contact")
    listing = provider.list_sent(line=LONG_CODE, to=MIA, since=now() - HOUR)
    assert listing.complete
    assert [(text.delivery.provider_id, text.body) for text in listing.texts] == [(good, "two"), (failed, "one ✓")]
    assert [(text.delivery.status, text.delivery.error_code) for text in listing.texts] == [
        ("delivered", ""),
        ("undelivered", "30034"),
    ]
    for text in listing.texts:
        assert abs(now() - text.at) < HOUR and text.at.microsecond == 0
    assert provider.list_sent(line=LONG_CODE, to=MIA, since=now() + HOUR).texts == ()


@pytest.mark.parametrize("hours", [-9, 0, 12])
def test_times_are_compared_in_utc_wherever_we_are(simulator: Simulator, hours: int) -> None:
    sent()
    simulator.drain()
    here = dt.timezone(dt.timedelta(hours=hours))
    for since, found in ((now() - HOUR, 1), (now() + HOUR, 0)):
        assert len(provider.list_sent(line=LONG_CODE, to=MIA, since=since.astimezone(here)).texts) == found


def test_what_came_in_is_found_as_its_webhook_would_have_told_it(simulator: Simulator) -> None:
    sid = simulator.text("STOP ✓ & more", media=2)
    simulator.text("elsewhere", to=SHORT_CODE)
    sent()
    simulator.drain()
    [text] = provider.list_received(line=LONG_CODE, since=now() - HOUR, until=now()).texts
    assert text.inbound == provider.Inbound(sid, MIA, LONG_CODE, "STOP ✓ & more", 2, None)
    assert provider.parse_inbound(provider.form(text.form)) == text.inbound
    assert abs(now() - text.at) < HOUR
    assert provider.list_received(line=LONG_CODE, since=now() - 2 * HOUR, until=now() - HOUR).texts == ()


def test_pages_are_turned_up_to_a_bound(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        simulator.text(str(number))

    def listed() -> tuple[list[str], bool]:
        listing = provider.list_received(line=LONG_CODE, since=now() - HOUR, until=now())
        return [text.inbound.body for text in listing.texts], listing.complete

    monkeypatch.setattr(provider, "_PAGE_SIZE", 2)
    assert listed() == (["4", "3", "2", "1", "0"], True)
    monkeypatch.setattr(provider, "_PAGES", 2)
    assert listed() == (["4", "3", "2", "1"], False)


def test_a_connection_that_breaks_in_the_answer_may_have_taken_the_text(simulator: Simulator, settings: Any) -> None:
    settings.PROVIDER_READ_SECONDS = 0.3  # this test's server keeps the connection, so that only time ends it
    provider._client_for.cache_clear()
    simulator.post("faults", fault="drop")
    try:
        with pytest.raises(ProviderError) as error:
            sent()
    finally:
        provider._client_for.cache_clear()
    assert error.value.may_have_left
    simulator.drain()
    assert [text.body for text in provider.list_sent(line=LONG_CODE, to=MIA, since=now() - HOUR).texts] == ["Hello"]


@pytest.mark.parametrize(("fault", "permanent", "may_have_left"), [("500", False, True), ("30034", True, False)])
def test_what_the_create_call_may_answer(
    simulator: Simulator, fault: str, permanent: bool, may_have_left: bool
) -> None:
    simulator.post("faults", fault=fault)
    with pytest.raises(ProviderError) as error:
        sent()
    assert (error.value.permanent, error.value.may_have_left) == (permanent, may_have_left)
