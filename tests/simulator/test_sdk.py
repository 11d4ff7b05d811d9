"""Twilio's official SDK talks to the simulator over real HTTP and notices no difference."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from messaging.simulator import delivery
from tests.simulator.conftest import ACCOUNT, LONG_CODE, MIA, TOKENS, Simulator

pytestmark = pytest.mark.urls("tests.simulator.urls")


class Redirecting(TwilioHttpClient):
    """Goes to another address than api.twilio.com, as TWILIO_BASE_URL asks for."""

    def __init__(self, base_url: str) -> None:
        super().__init__(timeout=5)
        self.base_url = base_url

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        return super().request(method, url.replace("https://api.twilio.com", self.base_url), *args, **kwargs)


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    """pytest-django's live server without the database that its fixture asks for: the simulator has its own file."""
    server = LiveServer("localhost")
    yield server
    server.stop()


@pytest.fixture
def twilio(simulator: Simulator, server: LiveServer) -> Client:
    return Client(ACCOUNT, TOKENS[1], http_client=Redirecting(server.url + "/simulator/twilio"))


def test_create_fetch_list_and_21610(simulator: Simulator, twilio: Client) -> None:
    callback = simulator.receiver.url + "/twilio/status/?m=1"
    created = twilio.messages.create(to=MIA, from_=LONG_CODE, body="Hello ✓", status_callback=callback)
    assert (created.status, created.direction, created.error_code) == ("queued", "outbound-api", None)
    assert created.date_created is not None and created.date_sent is None
    simulator.drain()

    fetched = twilio.messages(created.sid).fetch()
    assert (fetched.sid, fetched.status, fetched.body) == (created.sid, "delivered", "Hello ✓")
    assert fetched.date_sent.tzinfo is not None

    for number in range(4):
        twilio.messages.create(to=MIA, from_=LONG_CODE, body=str(number))
    texted = simulator.text("Hi")
    now = datetime.now(UTC)
    span = {"date_sent_after": now - timedelta(minutes=5), "date_sent_before": now + timedelta(minutes=5)}
    listed = twilio.messages.list(to=MIA, from_=LONG_CODE, page_size=2, **span)
    assert [message.body for message in listed] == ["3", "2", "1", "0", "Hello ✓"]
    [inbound] = twilio.messages.list(from_=MIA, date_sent=now.date())
    assert (inbound.sid, inbound.direction, inbound.status) == (texted, "inbound", "received")
    assert twilio.messages.list(date_sent_before=now - timedelta(minutes=5)) == []

    simulator.post("lines", line=LONG_CODE, handles_opt_outs=True)
    simulator.text("STOP")
    with pytest.raises(TwilioRestException) as refused:
        twilio.messages.create(to=MIA, from_=LONG_CODE, body="Hello")
    assert (refused.value.status, refused.value.code) == (400, 21610)
    with pytest.raises(TwilioRestException) as missing:
        twilio.messages("SM" + "0" * 32).fetch()
    assert (missing.value.status, missing.value.code) == (404, 20404)


def test_wrong_token(simulator: Simulator, server: LiveServer) -> None:
    stranger = Client(ACCOUNT, "wrong", http_client=Redirecting(server.url + "/simulator/twilio"))
    with pytest.raises(TwilioRestException) as refused:
        stranger.messages.create(to=MIA, from_=LONG_CODE, body="Hello")
    assert (refused.value.status, refused.value.code) == (401, 20003)
    assert delivery.drain(1) and simulator.log() == []
