"""What Twilio and the networks do with a number and with the words of a contact (FACTS, "Opt-outs on Twilio's side").

Pure: nothing is read, stored or sent here.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

import phonenumbers

E164 = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
SHORT_CODE = re.compile(r"\d{3,8}", re.ASCII)
TOLL_FREE = re.compile(r"\+1(800|888|877|866|855|844|833)\d{7}", re.ASCII)
LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})

STOP_WORDS = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
START_WORDS = frozenset({"START", "UNSTOP"})
LONG_CODE_START_WORDS = START_WORDS | {"YES"}
HELP_WORDS = frozenset({"HELP", "INFO"})

MAX_BODY = 1600  # characters, both ways


class LineKind(StrEnum):
    LONG_CODE = "long_code"
    TOLL_FREE = "toll_free"
    SHORT_CODE = "short_code"


class OptOutType(StrEnum):
    """Twilio's word for what a contact's text did; sent along only with Advanced Opt-Out."""

    START = "START"
    STOP = "STOP"
    HELP = "HELP"


@dataclass(frozen=True)
class Line:
    """One of the account's numbers and how it is set at Twilio."""

    number: str
    name: str = ""
    handles_opt_outs: bool = False
    advanced: bool = False
    service: str = ""

    @property
    def kind(self) -> LineKind:
        return line_kind(self.number)

    @property
    def provider_answers(self) -> bool:
        """Whether Twilio or the network blocks and answers: always on toll-free, else where it is switched on."""
        return self.kind is LineKind.TOLL_FREE or self.handles_opt_outs or self.advanced


@dataclass(frozen=True)
class Reaction:
    """What a contact's text does before our webhook hears of it.

    ``block``: True blocks, False lifts, None leaves the block list alone. ``answer``: what the phone gets to read from
    Twilio or the network, '' for nothing. ``opt_out_type``: only where Advanced Opt-Out is on.
    """

    block: bool | None = None
    answer: str = ""
    opt_out_type: OptOutType | None = None


def is_phone(value: str) -> bool:
    """Whether this is an E.164 number, which a contact's phone has."""
    return bool(E164.fullmatch(value))


def is_sender(value: str) -> bool:
    """Whether this is an E.164 number or a short code, which a line may be."""
    return bool(E164.fullmatch(value) or SHORT_CODE.fullmatch(value))


def line_kind(number: str) -> LineKind:
    if SHORT_CODE.fullmatch(number):
        return LineKind.SHORT_CODE
    return LineKind.TOLL_FREE if TOLL_FREE.fullmatch(number) else LineKind.LONG_CODE


def country(number: str) -> str:
    """The two-letter country that Twilio puts into FromCountry and ToCountry; US for short codes and unknown areas."""
    if not is_phone(number):
        return "US"
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return "US"
    region = phonenumbers.region_code_for_number(parsed)
    return region or phonenumbers.region_code_for_country_code(parsed.country_code or 1)


def react(line: Line, body: str) -> Reaction:
    """What Twilio or the network does with a contact's text. Only a whole body counts: "stop please" does nothing.

    A block is lifted by its words even where the provider doesn't answer, so that one that was made by a fault ends.
    """
    word = body.strip().upper()
    kind = _opt_out_type(line.kind, word)
    if kind is None:
        return Reaction()
    if not line.provider_answers:
        return Reaction(block=False) if kind is OptOutType.START else Reaction()
    block = {OptOutType.STOP: True, OptOutType.START: False, OptOutType.HELP: None}[kind]
    return Reaction(block, _answer(line, kind), kind if line.advanced else None)


def stays_here(url: str, public_url: str) -> bool:
    """Whether ``url`` is http(s) on a loopback name or on the very host and port of ``public_url``."""
    try:
        parts, public = urlsplit(url), urlsplit(public_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            return False
        return parts.hostname in LOOPBACK_NAMES or (parts.hostname, parts.port) == (public.hostname, public.port)
    except ValueError:
        return False


def _opt_out_type(kind: LineKind, word: str) -> OptOutType | None:
    if word in STOP_WORDS:
        return OptOutType.STOP
    if word in (LONG_CODE_START_WORDS if kind is LineKind.LONG_CODE else START_WORDS):
        return OptOutType.START
    return OptOutType.HELP if word in HELP_WORDS else None


def _answer(line: Line, kind: OptOutType) -> str:
    if kind is OptOutType.HELP:
        # The network of toll-free numbers knows no HELP.
        answers_help = line.advanced or line.kind is not LineKind.TOLL_FREE
        return "Text STOP to end texts from this number, START to get them again." if answers_help else ""
    who = "Network message" if line.kind is LineKind.TOLL_FREE else "Automatic reply"
    if kind is OptOutType.STOP:
        return f"{who}: texts from this number are blocked from now on. Text START to get them again."
    return f"{who}: texts from this number reach you again. Text STOP to block them."
