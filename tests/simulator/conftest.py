"""A simulator with a file of its own, whose webhooks go to a receiver of the test."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from messaging.simulator import delivery
from tests.simulator.receiver import Receiver, receiving

ACCOUNT = "AC" + "1" * 32
TOKENS = ["first-token", "second-token"]
MESSAGES = f"/simulator/twilio/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
MIA = "+14155550123"
SAM = "+13125550188"
LONG_CODE = "+14155550100"
TOLL_FREE = "+18885550102"
SHORT_CODE = "24365"


def basic(user: str = ACCOUNT, password: str = TOKENS[0]) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Simulator:
    """The simulator as its users see it: over its URLs."""

    def __init__(self, client: Client, receiver: Receiver) -> None:
        self.client = client
        self.receiver = receiver

    def create(self, to: str = MIA, from_: str = LONG_CODE, body: str = "Hello", **form: str) -> Any:
        fields = {"To": to, "From": from_, "Body": body, **form}
        return self.client.post(MESSAGES, fields, headers={"Authorization": basic()})

    def listed(self, **query: str) -> Any:
        return self.client.get(MESSAGES, query, headers={"Authorization": basic()})

    def post(self, name: str, /, **fields: Any) -> Any:
        return self.client.post(f"/simulator/api/{name}/", fields, content_type="application/json")

    def get(self, name: str, /, **query: Any) -> Any:
        return self.client.get(f"/simulator/api/{name}/", query).json()

    def text(self, body: str, *, to: str = LONG_CODE, from_: str = MIA, **more: Any) -> str:
        answer = self.post("inbound", **{"from": from_, "to": to, "body": body}, **more)
        assert answer.status_code == 202, answer.content
        self.drain()
        return answer.json()["sid"]

    def drain(self) -> None:
        assert delivery.drain(5), "the simulator still owes webhooks"

    def log(self, *kinds: str, **query: Any) -> list[dict[str, Any]]:
        self.drain()
        return [entry for entry in self.get("log", **query)["entries"] if not kinds or entry["kind"] in kinds]


@pytest.fixture(scope="session")
def one_receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def receiver(one_receiver: Receiver) -> Receiver:
    one_receiver.reset()
    return one_receiver


@pytest.fixture
def simulator(settings: Any, tmp_path: Path, client: Client, receiver: Receiver) -> Iterator[Simulator]:
    settings.SIMULATOR = True
    settings.DATA_DIR = tmp_path
    settings.PUBLIC_URL = receiver.url
    settings.TWILIO_ACCOUNT_SID = ACCOUNT
    settings.TWILIO_AUTH_TOKENS = TOKENS
    settings.TWILIO_BASE_URL = f"{receiver.url}/simulator/twilio"
    settings.ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
    settings.WHITENOISE_AUTOREFRESH = True  # else each test's client reads every static file of the project first
    yield Simulator(client, receiver)
    receiver.gate.set()
    delivery.drain(5)
    delivery.stop()
