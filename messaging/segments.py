"""How a text is encoded and into how many segments it is cut (FACTS "Text encoding"). Pure.

A text whose characters are all in GSM-7 has 160 units alone and 153 in each of several segments. One character outside
turns all of it to UCS-2: 70 and 67 UTF-16 units. A character of two units is never cut in two.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

_GSM_7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_7_TWO_UNITS = frozenset("^{}\\[~]|€\f")

# What word processors and phones put in, and what says the same in GSM-7.
PLAIN: dict[str, str] = {
    **dict.fromkeys("‘’‚‛′ʼ`´", "'"),
    **dict.fromkeys("“”„‟″«»", '"'),
    **dict.fromkeys("‐‑‒–—―−", "-"),
    **dict.fromkeys("\u00a0\u2002\u2003\u2007\u2009\u200a\u202f", " "),
    "…": "...",
    "•": "-",
    "\t": " ",
    "\u00ad": "",  # a soft hyphen, and what is as invisible as it
    **dict.fromkeys("\u200b\u2060\ufeff", ""),
}


class Encoding(StrEnum):
    GSM_7 = "GSM-7"
    UCS_2 = "UCS-2"

    @property
    def alone(self) -> int:
        """Units in a text of one segment."""
        return 160 if self is Encoding.GSM_7 else 70

    @property
    def each(self) -> int:
        """Units in each of several segments."""
        return 153 if self is Encoding.GSM_7 else 67


@dataclass(frozen=True)
class Size:
    """What a text costs. ``units`` are septets or UTF-16 units; ``left``, those that its last segment still takes."""

    encoding: Encoding
    characters: int
    units: int
    segments: int
    left: int


@dataclass(frozen=True)
class Outsider:
    """A character that is not in GSM-7: where it stands (from 1), and what could stand there instead (or None)."""

    character: str
    places: tuple[int, ...]
    plain: str | None

    @property
    def name(self) -> str:
        return unicodedata.name(self.character, "").lower() or f"control character U+{ord(self.character):04X}"


def measure(body: str) -> Size:
    """The size of ``body``. An empty text is one segment."""
    encoding = encoding_of(body)
    widths = [_width(character, encoding) for character in body]
    units = sum(widths)
    if units <= encoding.alone:
        return Size(encoding, len(body), units, 1, encoding.alone - units)
    segments, room = 1, encoding.each
    for width in widths:
        if width > room:
            segments, room = segments + 1, encoding.each
        room -= width
    return Size(encoding, len(body), units, segments, room)


def encoding_of(body: str) -> Encoding:
    return Encoding.GSM_7 if all(_in_gsm_7(character) for character in body) else Encoding.UCS_2


def outsiders(body: str) -> list[Outsider]:
    """The characters that turn ``body`` to UCS-2, each once, in the order of their first places."""
    places: dict[str, list[int]] = {}
    for place, character in enumerate(body, start=1):
        if not _in_gsm_7(character):
            places.setdefault(character, []).append(place)
    return [Outsider(character, tuple(found), PLAIN.get(character)) for character, found in places.items()]


def plain(body: str) -> str:
    """``body`` with the typographic characters replaced by those of GSM-7 that say the same."""
    return "".join(_plain(body))


def _plain(body: str) -> Iterator[str]:
    for character in body:
        yield PLAIN.get(character, character)


def _in_gsm_7(character: str) -> bool:
    return character in _GSM_7 or character in _GSM_7_TWO_UNITS


def _width(character: str, encoding: Encoding) -> int:
    if encoding is Encoding.GSM_7:
        return 2 if character in _GSM_7_TWO_UNITS else 1
    return 2 if ord(character) > 0xFFFF else 1
