"""The one fake of the provider's create call, for tests that need no HTTP."""

import threading
from dataclasses import dataclass, field

from messaging.provider import ProviderError


@dataclass(frozen=True)
class Sent:
    line: str
    to: str
    body: str
    callback_url: str
    provider_id: str


@dataclass
class FakeProvider:
    """Keeps each text it took, in order. ``errors`` are raised first, one per call; those that may have left are kept
    in ``sent`` as well, because that is what they mean."""

    sent: list[Sent] = field(default_factory=list)
    errors: list[ProviderError] = field(default_factory=list)
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
