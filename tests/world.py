"""Drives the product from outside, in one thread: a contact's phone, the provider's callbacks, the workers' turn."""

import base64
import hashlib
import hmac
import itertools
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from consent.models import Line
from messaging import inbound, outbound
from messaging.models import Message, Receipt

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


def _pulse() -> tuple[Any, ...]:
    return (
        tuple(Message.objects.order_by("pk").values_list("pk", "status", "tries")),
        tuple(Receipt.objects.order_by("pk").values_list("pk", "settled_at", "tries")),
    )
