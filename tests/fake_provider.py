"""The one fake of the provider's calls, for tests that need no HTTP."""

import datetime as dt
import itertools
import threading
from dataclasses import dataclass, field
from urllib.parse import urlencode

from django.utils import timezone

from messaging.models.message import MessageStatus
from messaging.provider import (
    Delivery,
    ListedReceived,
    ListedSent,
    Listing,
    ProviderError,
    form,
    parse_inbound,
)

_serial = itertools.count(1)


@dataclass(frozen=True)
class Sent:
    line: str
    to: str
    body: str
    callback_url: str
    provider_id: str
    at: dt.datetime = field(default_factory=timezone.now)


@dataclass
class FakeProvider:
    """Keeps each text it took, in order. ``errors`` are raised first, one per call; those that may have left are kept
    in ``sent`` as well, because that is what they mean.

    Its list shows all of them but the ``unlisted``, as sent unless ``fates`` say otherwise, and the texts from contacts
    that it ``receives``. While it is ``silent`` it shows nothing. ``questions`` counts how often it was asked.
    """

    sent: list[Sent] = field(default_factory=list)
    errors: list[ProviderError] = field(default_factory=list)
    unlisted: set[str] = field(default_factory=set)
    fates: dict[str, tuple[MessageStatus, str]] = field(default_factory=dict)
    received: list[ListedReceived] = field(default_factory=list)
    deactivated: dict[dt.date, list[str]] = field(default_factory=dict)
    silent: bool = False
    page: int = 1000
    questions: int = 0
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def send(self, *, line: str, to: str, body: str, callback_url: str) -> str:
        with self._guard:
            error = self.errors.pop(0) if self.errors else None
            if error and not error.may_have_left:
                raise error
            text = Sent(line, to, body, callback_url, f"SMout{len(self.sent):029x}")
            self.sent.append(text)
            if error:
                raise error
            return text.provider_id

    def to(self, number: str) -> list[str]:
        """The words that left to one contact, in order."""
        return [text.body for text in self.sent if text.to == number]

    def receives(self, sender: str, line: str, body: str, at: dt.datetime, sid: str = "") -> str:
        """A contact's text comes in at the provider; whether its webhook does, is another matter. Returns its id."""
        sid = sid or f"SMin{next(_serial):030x}"
        fields = {"MessageSid": sid, "From": sender, "To": line, "Body": body, "NumMedia": "0"}
        raw = urlencode(fields).encode()
        self.received.append(ListedReceived(parse_inbound(form(raw)), at.replace(microsecond=0), raw))
        return sid

    def list_sent(self, *, line: str, to: str, since: dt.datetime) -> Listing[ListedSent]:
        self._asked()
        shown = [
            ListedSent(
                Delivery(text.provider_id, to, *self.fates.get(text.provider_id, (MessageStatus.SENT, ""))),
                text.body,
                text.at.replace(microsecond=0),
            )
            for text in reversed(self.sent)
            if (text.line, text.to) == (line, to) and text.at >= since and text.provider_id not in self.unlisted
        ]
        return Listing(tuple(shown[: self.page]), len(shown) <= self.page)

    def list_received(self, *, line: str, since: dt.datetime, until: dt.datetime) -> Listing[ListedReceived]:
        self._asked()
        shown = [
            text
            for text in sorted(self.received, key=lambda each: each.at, reverse=True)
            if text.inbound.recipient == line
        ]
        shown = [text for text in shown if since.replace(microsecond=0) <= text.at <= until]
        return Listing(tuple(shown[: self.page]), len(shown) <= self.page)

    def deactivated_on(self, day: dt.date) -> list[str]:
        self._asked()
        return list(self.deactivated.get(day, []))

    def _asked(self) -> None:
        self.questions += 1
        if self.silent:
            raise ProviderError("", "The provider's list could not be read.", permanent=False, may_have_left=False)
