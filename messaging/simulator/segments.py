"""How many SMS segments a text takes (FACTS, "Text encoding"). Pure."""

_GSM_7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_7_TWO_UNITS = frozenset("^{}\\[~]|€\f")


def count_segments(body: str) -> int:
    """1 or more. An empty text is one segment; a character's units are never split over a boundary."""
    gsm = all(character in _GSM_7 or character in _GSM_7_TWO_UNITS for character in body)
    if gsm:
        units = [2 if character in _GSM_7_TWO_UNITS else 1 for character in body]
        alone, each = 160, 153
    else:
        units = [2 if ord(character) > 0xFFFF else 1 for character in body]
        alone, each = 70, 67
    if sum(units) <= alone:
        return 1
    segments, room = 1, each
    for unit in units:
        if unit > room:
            segments, room = segments + 1, each
        room -= unit
    return segments
