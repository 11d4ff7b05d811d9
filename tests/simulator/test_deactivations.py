"""The provider's list of deactivated numbers, over real HTTP and the official SDK, against the simulator."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from messaging import provider
from messaging.provider import ProviderError
from tests.simulator.conftest import MIA, SAM, Simulator

pytestmark = pytest.mark.urls("tests.simulator.urls")


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    server = LiveServer("localhost")
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def wired(simulator: Simulator, server: LiveServer, settings: Any) -> None:
    settings.TWILIO_BASE_URL = server.url + "/simulator/twilio"


def yesterday() -> dt.date:
    return dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)


def test_a_days_list(simulator: Simulator) -> None:
    assert provider.deactivated_on(yesterday()) == []
    for number in (MIA, SAM):
        assert simulator.post("deactivations", number=number).status_code == 201
    simulator.post("deactivations", number=MIA, date=f"{yesterday() - dt.timedelta(days=3)}")
    assert provider.deactivated_on(yesterday()) == [MIA, SAM]
    assert provider.deactivated_on(yesterday() - dt.timedelta(days=3)) == [MIA]


def test_a_day_that_is_not_over_has_none(simulator: Simulator) -> None:
    with pytest.raises(ProviderError, match="answers 404"):
        provider.deactivated_on(yesterday() + dt.timedelta(days=1))
    assert simulator.post("deactivations", number=MIA, date="2999-01-01").status_code == 400


def test_without_credentials_nothing_is_told(simulator: Simulator, settings: Any) -> None:
    settings.TWILIO_AUTH_TOKENS = ["wrong", *settings.TWILIO_AUTH_TOKENS[1:]]
    settings.TWILIO_ACCOUNT_SID = "AC" + "2" * 32
    assert simulator.client.get("/simulator/twilio/v1/Deactivations?Date=2026-01-01").status_code == 401


def test_who_does_not_answer_is_an_error(settings: Any) -> None:
    settings.TWILIO_BASE_URL = "http://127.0.0.1:9/simulator/twilio"
    with pytest.raises(ProviderError, match="could not be read"):
        provider.deactivated_on(yesterday())


@pytest.mark.parametrize(
    ("written", "read"),
    [("12065550142", "+12065550142"), ("+1 206 555 0142", "+12065550142"), ("2065550142", "+12065550142")]
    + [(other, "") for other in ("", "PHONE", "447400123456", "1206555014", "٢٠٦٥٥٥٠١٤٢")],
)
def test_how_numbers_may_be_written(written: str, read: str) -> None:
    assert provider._american(written) == read
