"""How a text is encoded and cut into segments (FACTS "Text encoding"), and what makes it dearer. Pure."""

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from messaging.segments import PLAIN, Encoding, measure, outsiders, plain

GSM_7 = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
TWO_UNITS = "^{}\\[~]|€\f"


@pytest.mark.parametrize(
    ("body", "segments"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("a" * 152 + "€" + "a" * 152, 3),  # 306 units, but the euro sign is not split
        ("Ç" * 160, 1),
        ("ç" * 70, 1),
        ("ç" * 71, 2),
        ("👍" * 35, 1),
        ("👍" * 36, 2),
        ("👍" * 67, 3),  # 33 in each of 67 units: a pair is not split
        ("a" * 69 + "ç", 1),
        ("a" * 70 + "ç", 2),
        ("a" * 158 + "\f", 1),
        ("a" * 159 + "\f", 2),
    ],
)
def test_segments(body: str, segments: int) -> None:
    assert measure(body).segments == segments


def test_the_alphabet_is_the_whole_one() -> None:
    assert len(GSM_7) == 127 and len(TWO_UNITS) == 10  # the 128th is the escape to the second table
    for character in GSM_7:
        assert (measure(character).encoding, measure(character).units) == (Encoding.GSM_7, 1), character
    for character in TWO_UNITS:
        assert (measure(character).encoding, measure(character).units) == (Encoding.GSM_7, 2), character
    for character in "ç`áíóúâêôãõ\u00a0\u2019\t":
        assert measure(character).encoding is Encoding.UCS_2, character


def test_what_is_left_counts_in_the_last_segment() -> None:
    assert measure("").left == 160
    assert measure("a" * 150).left == 10
    assert measure("a" * 161).left == 153 - 8
    assert measure("a" * 152 + "€" * 5).left == 153 - 10, "the room before the euro sign is lost"
    assert measure("ç" * 60).left == 10


def naive(body: str) -> int:
    """Packs bytes as the network does: one unit after the other, a new segment where the next character has no room."""
    alphabet = GSM_7 + TWO_UNITS
    if all(character in alphabet for character in body):
        sizes, alone, each = [len(("\x1b" if c in TWO_UNITS else "") + c) for c in body], 160, 153
    else:
        sizes, alone, each = [len(c.encode("utf-16-be")) // 2 for c in body], 70, 67
    if sum(sizes) <= alone:
        return 1
    parts: list[list[int]] = [[]]
    for size in sizes:
        if sum(parts[-1]) + size > each:
            parts.append([])
        parts[-1].append(size)
    return len(parts)


MIXED = st.text(alphabet=st.sampled_from(GSM_7 + TWO_UNITS + "ç👍’é"), max_size=400)
PLAIN_ONES = st.text(alphabet=st.sampled_from(GSM_7 + TWO_UNITS), max_size=400)


@given(st.one_of(MIXED, PLAIN_ONES, st.text(max_size=200)))
@hypothesis_settings(max_examples=300, deadline=None)
def test_as_a_naive_packing(body: str) -> None:
    size = measure(body)
    assert size.segments == naive(body)
    room = size.encoding.alone if size.segments == 1 else size.encoding.each
    assert 0 <= size.left <= room
    assert measure(body + " " * size.left).segments == size.segments, "what is left does fit"
    assert measure(body + " " * (size.left + 1)).segments > size.segments, "and no more"


# ---- characters that make a text dearer -----------------------------------------------------------------------------


def test_each_offending_character_is_named_once_with_its_places() -> None:
    found = outsiders("It’s “here” – ’")
    assert [(each.character, each.name, each.places, each.plain) for each in found] == [
        ("’", "right single quotation mark", (3, 15), "'"),
        ("“", "left double quotation mark", (6,), '"'),
        ("”", "right double quotation mark", (11,), '"'),
        ("–", "en dash", (13,), "-"),
    ]


def test_a_character_without_a_name_or_a_plain_form() -> None:
    assert [(each.name, each.plain) for each in outsiders("\x07á")] == [
        ("control character U+0007", None),
        ("latin small letter a with acute", None),
    ]


def test_plain_characters() -> None:
    assert plain("It’s\u00a0“here” – now…") == 'It\'s "here" - now...'
    for character, replacement in PLAIN.items():
        assert measure(character).encoding is Encoding.UCS_2, f"{character!r} needs none"
        assert measure(replacement).encoding is Encoding.GSM_7


@given(st.text(max_size=200))
@hypothesis_settings(deadline=None)
def test_outsiders_are_what_turns_a_text(body: str) -> None:
    assert bool(outsiders(body)) == (measure(body).encoding is Encoding.UCS_2)
    assert {each.character for each in outsiders(plain(body))} == {
        each.character for each in outsiders(body) if each.plain is None
    }
