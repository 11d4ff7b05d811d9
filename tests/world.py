"""Drives the product from outside, in one thread: a contact's phone, the provider's callbacks, the workers' turn."""

import base64
import datetime as dt
import hashlib
import hmac
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock
from urllib.parse import urlencode

import time_machine
from django.conf import settings
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from consent.models import Consent, Line, User
from messaging import api, inbound, outbound, tasks
from messaging.models import Conversation, Message, Receipt
from tests.fake_provider import FakeProvider
from tests.make import JANE

_serial = itertools.count(1)


def sign(url: str, fields: dict[str, str] | None = None, token: str | None = None) -> str:
    """Twilio's signature, written down independently of the SDK."""
    text = url + "".join(name + value for name, value in sorted((fields or {}).items()))
    key = (token or settings.TWILIO_AUTH_TOKENS[0]).encode()
    return base64.b64encode(hmac.new(key, text.encode(), hashlib.sha1).digest()).decode()


def post_webhook(path: str, fields: dict[str, str], **headers: str) -> HttpResponse:
    """A signed webhook, as Twilio posts it."""
    signature = headers.pop("signature", None) or sign(settings.PUBLIC_URL + path, fields)
    return Client().post(
        path,
        urlencode(fields),
        content_type="application/x-www-form-urlencoded",
        headers={"X-Twilio-Signature": signature, **headers},
    )


def inbound_fields(sender: str, line: Line | str, body: str, **more: str) -> dict[str, str]:
    number = line.number if isinstance(line, Line) else line
    sid = f"SM{next(_serial):032x}"
    return {"MessageSid": more.pop("sid", sid), "From": sender, "To": number, "Body": body, "NumMedia": "0", **more}


def text_in(sender: str, line: Line | str, body: str, *, at: Any = None, **more: str) -> Receipt:
    """The contact's text arrives and is stored, not settled. ``at`` back-dates it."""
    fields = inbound_fields(sender, line, body, **more)
    answer = post_webhook("/twilio/inbound/", fields)
    assert answer.status_code == 200, answer.content
    if at:
        Receipt.objects.filter(provider_id=fields["MessageSid"]).update(received_at=at)
    return Receipt.objects.get(provider_id=fields["MessageSid"])


def work() -> None:
    """The workers' turn: settle what came in and send what is due, until nothing moves."""
    for _ in range(50):
        before = _pulse()
        inbound.settle_waiting()
        due = Message.objects.due(timezone.now()).values_list("conversation", flat=True)
        for conversation in sorted(set(due)):
            outbound.send_conversation(conversation)
        if _pulse() == before:
            return
    raise AssertionError("the workers never come to rest")


def say(sender: str, line: Line | str, body: str, **more: Any) -> None:
    """The contact texts, and everything that follows happens."""
    text_in(sender, line, body, **more)
    work()


def callback(message: Message, status: str, code: str = "") -> HttpResponse:
    """A status callback for one of our texts."""
    fields = {"MessageSid": message.provider_id or f"SMx{message.pk}", "MessageStatus": status, "To": "", "From": ""}
    if code:
        fields["ErrorCode"] = code
    return post_webhook(f"/twilio/status/?m={message.uuid}", fields)


def write(author: User, line: Line, body: str = "Your order is ready", to: str = JANE, **more: str) -> Message:
    """The author texts a contact, and everything that follows happens. Returns the text as it then stands."""
    message = outbound.submit(line=line, to=to, body=body, author=author, **more)
    work()
    message.refresh_from_db()
    return message


def sweep() -> None:
    """The clock's turn, then the workers'."""
    tasks.sweep()
    tasks.open_lines()
    work()


class Phone:
    """A contact's phone: what they text, and what arrives there."""

    def __init__(self, provider: FakeProvider, number: str = JANE) -> None:
        self.provider, self.number, self._looked_at = provider, number, 0

    def texts(self, line: Line | str, body: str, **more: Any) -> None:
        say(self.number, line, body, **more)

    def news(self, line: Line | None = None) -> list[str]:
        """What each text is for that came since the phone was last looked at, in the order in which they came."""
        arrived = [each for each in self.provider.sent if each.to == self.number]
        new, self._looked_at = arrived[self._looked_at :], len(arrived)
        uuids = [each.callback_url.rpartition("m=")[2] for each in new if line is None or each.line == line.number]
        purposes = {str(uuid): purpose for uuid, purpose in Message.objects.values_list("uuid", "purpose")}
        return [purposes[uuid] for uuid in uuids]

    def last_words(self) -> str:
        return self.provider.to(self.number)[-1]


def standing(line: Line, number: str = JANE) -> tuple[str, str]:
    """Status and request state of a contact on a line."""
    consent = Consent.objects.filter(contact__number=number, line=line).first() or Consent()
    return str(consent.status), str(consent.request_state)


def texts_seen(user: User, line: Line, number: str = JANE) -> list[tuple[str, str]]:
    """The conversation's texts as a user sees them, without the automatic ones: words and status."""
    ordinary = [item for item in _thread(user, line, number) if item.get("purpose") in {None, "", "ordinary"}]
    return [(item["body"], item["status"]) for item in ordinary if item["type"] == "text"]


def notices_seen(user: User, line: Line, number: str = JANE) -> list[str]:
    """What kind each notice is that a user sees in the conversation, in order."""
    return [item["kind"] for item in _thread(user, line, number) if item["type"] == "notice"]


def _thread(user: User, line: Line, number: str) -> list[dict[str, Any]]:
    conversation = Conversation.objects.filter(contact__number=number, line=line).first()
    return api.thread(conversation, User.objects.get(pk=user.pk)) if conversation else []


class Clock:
    """Moves time on, for the code and for what it takes for the database's time."""

    def __init__(self, traveller: Any) -> None:
        self._traveller = traveller

    def passes(self, **delta: float) -> None:
        self._traveller.shift(dt.timedelta(**delta))


@contextmanager
def clock_at(moment: dt.datetime) -> Iterator[Clock]:
    """From now on it is ``moment``, and time passes from there."""
    with (
        time_machine.travel(moment) as traveller,
        mock.patch("consent.clock.database_now", timezone.now),
        mock.patch("consent.clock.now_in_sql", now_in_sql),
    ):
        yield Clock(traveller)


def now_in_sql() -> str:
    """The traveller's time, for statements of our own."""
    return f"'{timezone.now():%Y-%m-%d %H:%M:%S.%f}'"


def _pulse() -> tuple[Any, ...]:
    return (
        tuple(Message.objects.order_by("pk").values_list("pk", "status", "tries")),
        tuple(Receipt.objects.order_by("pk").values_list("pk", "settled_at", "tries")),
    )
