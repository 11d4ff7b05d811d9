"""Settling what people entered on the web form or pressed in the phone menu, under the contact's lock.

The person was answered before this begins, alike whatever is known of the number: neither the words nor the time of the
answer tell. What came of it stands in the SignUp, for officers.

A typed number or a caller's number is no proof of whose it is. So it never leads out of opted out (PRODUCT "Capture
channels"), and texts nobody who is out; a revocation it brings counts all the same.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from consent.ledger import ConsentError, Proof
from consent.models import Consent, Contact, DoNotContact, Line
from consent.vocabulary import LEVEL_RANK, Channel, Level, Scope, Status
from messaging import capture, keypad, provider
from messaging.keypad import Key
from messaging.models import Receipt, SignUp, TemplateVersion
from messaging.text import printable

Outcome = SignUp.Outcome

# Completes "you signed up for our texts through …" in the text that asks to confirm.
_THROUGH: dict[Channel, dict[str, str]] = {
    Channel.WEB_FORM: {
        "en": "our web form",
        "es": "nuestro formulario web",
        "fr": "notre formulaire en ligne",
        "pt": "nosso formulário na internet",
    },
    Channel.IVR: {
        "en": "our phone menu",
        "es": "nuestro menú telefónico",
        "fr": "notre menu téléphonique",
        "pt": "nosso menu telefônico",
    },
}


@dataclass(frozen=True)
class PageEntry:
    """What a receipt of the web form holds: the page as it was shown, and who sent it from where."""

    line: str
    wording: str
    words: str
    language: str
    number: str
    typed: str
    country: str
    address: str
    user_agent: str
    url: str
    framed_in: str
    over_limit: bool

    def as_raw(self) -> bytes:
        return json.dumps(vars(self)).encode()

    @classmethod
    def from_raw(cls, raw: bytes) -> "PageEntry":
        return cls(**json.loads(raw))

    def circumstances(self) -> list[tuple[str, str]]:
        """For people to read, beside the words."""
        return [
            ("Typed", f"{self.typed} ({self.country})"),
            ("IP address", self.address or "unknown"),
            ("Browser", self.user_agent or "unknown"),
            ("Page", self.url),
            ("Came from", self.framed_in or "unknown"),
        ]

    def evidence(self) -> dict[str, Any]:
        kept = ("language", "typed", "country", "address", "user_agent", "url", "framed_in")
        return {"page": self.words, **{name: getattr(self, name) for name in kept}}


def settle_web_form(receipt: Receipt, contact: Contact) -> None:
    """Consent from the page, at the level that its wording declares."""
    entry = PageEntry.from_raw(bytes(receipt.raw))
    line = Line.objects.get(number=entry.line)
    sign_up = SignUp(
        channel=Channel.WEB_FORM,
        reference=receipt.provider_id,
        contact=contact,
        line=line,
        wording=TemplateVersion.objects.get(uuid=entry.wording),
        words=entry.words,
        language=entry.language,
        receipt=receipt,
        created=receipt.received_at,
    )
    if entry.over_limit:
        sign_up.came_to(Outcome.TOO_MANY)
    else:
        _agreed(sign_up, contact, receipt, entry.evidence(), double=line.web_form_double_opt_in)
    sign_up.save()


def settle_call(receipt: Receipt, contact: Contact) -> None:
    """The key that a caller pressed."""
    fields = provider.form(bytes(receipt.raw))
    sign_up = _of_call(receipt)
    sign_up.contact, sign_up.receipt = contact, receipt
    call = provider.parse_call(fields)
    evidence = {
        "prompt": sign_up.words,
        "language": sign_up.language,
        "call": printable(call.provider_id),
        "digits": call.digits,
        "called": printable(call.line),
    }
    match keypad.chosen(sign_up.wording.body, call.digits):
        case Key.AGREE:
            _agreed(sign_up, contact, receipt, evidence, double=sign_up.line.ivr_double_opt_in)
        case Key.REFUSE:
            sign_up.came_to(Outcome.REFUSED)
        case Key.STOP:
            _revoked(sign_up, contact, receipt, evidence)
        case _:
            sign_up.came_to(Outcome.SILENT)
    sign_up.save()


def is_revocation(receipt: Receipt) -> bool:
    """Whether a caller pressed the key that stops all texts, where they were told of it."""
    call = provider.parse_call(provider.form(bytes(receipt.raw)))
    return keypad.chosen(_of_call(receipt).wording.body, call.digits) is Key.STOP


def _of_call(receipt: Receipt) -> SignUp:
    return SignUp.objects.select_related("line", "wording").get(channel=Channel.IVR, reference=receipt.provider_id)


def _revoked(sign_up: SignUp, contact: Contact, receipt: Receipt, evidence: Mapping[str, Any]) -> None:
    """The words offered to stop all texts, so it is valid on every line. No confirmation: they did not text."""
    proof = Proof(
        Channel.IVR,
        {**evidence, "number": contact.number, "line": sign_up.line.number},
        rule=f"key:{Key.STOP}",
        wording=sign_up.wording.uuid,
    )
    capture.revoke(contact, sign_up.line, proof, occurred_at=receipt.at, scope=Scope.ALL, receipt=receipt)
    sign_up.came_to(Outcome.REVOKED)


def _agreed(sign_up: SignUp, contact: Contact, receipt: Receipt, evidence: Mapping[str, Any], *, double: bool) -> None:
    line, channel = sign_up.line, Channel(sign_up.channel)
    level = Level(sign_up.wording.level)
    before = contact.consents.filter(line=line).first() or Consent()
    if DoNotContact.objects.matching(contact.number).exists():
        sign_up.came_to(Outcome.DO_NOT_CONTACT)
        return
    if before.status == Status.OPTED_OUT:
        sign_up.came_to(Outcome.OPTED_OUT, f"Only they can undo it: they can text START to {line.number}.")
        return
    if double and _is_in(before) and LEVEL_RANK[before.level] >= LEVEL_RANK[level]:
        sign_up.came_to(Outcome.ALREADY_IN)  # nothing to confirm, so nobody is asked
        return
    try:
        with transaction.atomic():
            state = capture.record_consent(
                contact.number,
                line,
                channel=channel,
                evidence=evidence,
                occurred_at=receipt.at,
                level=level,
                double=double,
                source=_THROUGH[channel][sign_up.language],
                wording=sign_up.wording.uuid,
            )
    except ConsentError as error:
        sign_up.came_to(Outcome.NOT_NOW, str(error))
        return
    if double:
        sign_up.came_to(Outcome.ASKED)
    elif state.status != Status.OPTED_IN:
        sign_up.came_to(Outcome.NOT_NOW, "A later opt-out overrules it.")
    else:
        sign_up.came_to(Outcome.ALREADY_IN if _is_in(before) else Outcome.RECORDED)
    _speak(contact, sign_up)


def _is_in(consent: Consent) -> bool:
    return consent.status == Status.OPTED_IN and not consent.is_over


def _speak(contact: Contact, sign_up: SignUp) -> None:
    """Who agreed in another language than the line's is spoken to in it, unless somebody chose one for them."""
    if not contact.language and sign_up.language != sign_up.line.language:
        contact.language = sign_up.language
        contact.save(update_fields=["language"])
