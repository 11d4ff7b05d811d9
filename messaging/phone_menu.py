"""The phone menu's webhooks: read out what a caller may agree to, take one key, keep it, say goodbye.

call ──▶ the officer's words ──key──▶ kept as a receipt, settled by a worker ──▶ goodbye
            └── another key or none: the words again, twice, then goodbye
"""

import functools

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from consent import clock, phones
from consent.models import Contact, Line
from consent.vocabulary import Channel, Language
from messaging import automatic, bell, keypad, provider, rendering, voice
from messaging.models import PhoneMenu, Receipt, SignUp, Template
from messaging.provider import Call
from messaging.text import printable
from messaging.webhooks import signed
from messaging.wordings import Kind

TRIES = 3
# Where a caller's number is withheld, From holds such a word, or what it is on a keypad: ANONYMOUS as +266696687.
_ON_A_KEYPAD = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "22233344455566677778889999")
_WITHHELD = {
    "+" + word.translate(_ON_A_KEYPAD) for word in ("ANONYMOUS", "RESTRICTED", "UNAVAILABLE", "BLOCKED", "UNKNOWN")
}


@signed
def call(request: HttpRequest) -> HttpResponse:
    """Somebody calls: read the menu out. What is read is kept with the call, so that a key answers those very words."""
    came = provider.parse_call(provider.form(request.body))
    menu = _menu(came)
    if menu is None or not menu.active or not menu.line.active or not came.provider_id:
        return _goodbye(voice.CLOSINGS[menu.line.language if menu else Language.ENGLISH].closed, menu)
    number = _number(came)
    if not number:
        return _goodbye(voice.CLOSINGS[menu.line.language].hidden, menu)
    return _menu_read_out(_kept(came, menu, number), tries=1)


@signed
def key(request: HttpRequest) -> HttpResponse:
    """The key that was pressed, or none. The answer to a repeated webhook is the one that it got before."""
    came = provider.parse_call(provider.form(request.body))
    sign_up = SignUp.objects.select_related("line", "wording").filter(
        channel=Channel.IVR, reference=printable(came.provider_id)[:64]
    )[:1]
    number = _number(came)
    if not sign_up or not number:
        return _goodbye(voice.CLOSINGS[Language.ENGLISH].closed, None)
    [found] = sign_up
    chosen = keypad.chosen(found.wording.body, came.digits)
    if chosen or _stored(found):
        first = _stored(found) or _store(request, found, number)
        chosen = keypad.chosen(found.wording.body, provider.parse_call(provider.form(bytes(first.raw))).digits)
    elif (tries := _number_of(request.GET.get("try", ""))) < TRIES:
        return _menu_read_out(found, tries=tries + 1)
    else:
        SignUp.objects.filter(pk=found.pk, outcome=SignUp.Outcome.OPEN).update(outcome=SignUp.Outcome.SILENT)
    words = voice.CLOSINGS[found.language].after(chosen).format(line=voice.spelled(found.line.number))
    return _twiml(voice.goodbye(words, language=found.language))


def _kept(came: Call, menu: PhoneMenu, number: str) -> SignUp:
    """The call, with the words that it hears. A repeated webhook hears the words of the first."""
    line = menu.line
    known = Contact.objects.filter(number=number).values_list("language", flat=True).first()
    template = Template.objects.for_line(Kind.PHONE_MENU, line, [known or "", line.language])
    version = template.current
    assert version is not None  # for_line finds none without
    values = automatic.values(line, Contact())
    values |= {"line_number": voice.spelled(line.number)}
    sign_up = SignUp(
        channel=Channel.IVR,
        reference=printable(came.provider_id)[:64],
        line=line,
        wording=version,
        words=rendering.render(version.body, Kind.PHONE_MENU, values, template.language),
        language=template.language,
        created=timezone.now(),
    )
    SignUp.objects.bulk_create([sign_up], ignore_conflicts=True)
    return SignUp.objects.select_related("line", "wording").get(channel=Channel.IVR, reference=sign_up.reference)


def _store(request: HttpRequest, sign_up: SignUp, number: str) -> Receipt:
    """Keep the key as it came; known already: nothing new. Can't be stored: 500, and the caller's choice is not lost
    unnoticed, because they hear no goodbye."""
    receipt = Receipt(
        kind=Receipt.Kind.VOICE,
        provider_id=sign_up.reference,
        discriminator="key",
        number=number,
        raw=request.body,
        received_at=clock.database_now(),
    )
    with transaction.atomic(durable=True):
        Receipt.objects.bulk_create([receipt], ignore_conflicts=True)
        bell.ring_settle()
    stored = _stored(sign_up)
    assert stored is not None  # by us, or by the same webhook at the same time
    return stored


def _stored(sign_up: SignUp) -> Receipt | None:
    return Receipt.objects.filter(kind=Receipt.Kind.VOICE, provider_id=sign_up.reference, discriminator="key").first()


def _number_of(tries: str) -> int:
    """Which try the address says it is; the last one where it says nothing that can be read."""
    return int(tries) if tries.isascii() and tries.isdigit() and len(tries) < 3 else TRIES


def _menu(came: Call) -> PhoneMenu | None:
    try:
        return PhoneMenu.of(phones.normalise_line(came.line))
    except phones.PhoneError:
        return None


def _number(came: Call) -> str:
    """The caller's number in E.164; '' where it is withheld or none: nobody can be signed up then."""
    try:
        number = phones.normalise_sender(came.contact)
    except phones.PhoneError:
        return ""
    ours = Line.objects.filter(number=number).exists()  # a call that was forwarded
    return "" if ours or number in _WITHHELD else number


def _menu_read_out(sign_up: SignUp, *, tries: int) -> HttpResponse:
    then = f"{settings.PUBLIC_URL}{reverse('phone_menu_key')}?try={tries}"
    return _twiml(voice.menu(sign_up.words, language=sign_up.language, then=then, again=tries > 1))


def _goodbye(words: str, menu: PhoneMenu | None) -> HttpResponse:
    number = voice.spelled(menu.line.number) if menu else ""
    return _twiml(voice.goodbye(words.format(line=number), language=menu.line.language if menu else Language.ENGLISH))


_twiml = functools.partial(HttpResponse, content_type="text/xml; charset=utf-8")
