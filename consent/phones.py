"""Phone numbers: read, normalise, mask. Pure.

Numbers travel as E.164 ("+12065550123"); a short code, which only a line can be, as its bare digits ("72345").
"""

import functools
import re
import unicodedata

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberType

_E164 = re.compile(r"\+[0-9]{6,15}")
# What phonenumbers says of such numbers follows from their first digits alone; asking it takes 30 times as long.
_NORTH_AMERICAN = re.compile(r"\+1[2-9][0-9]{9}")
_ELSEWHERE = re.compile(r"\+[2-9][0-9]{7,14}")
_AMERICAN = {None, "US", "PR", "VI", "GU", "AS", "MP"}
# Mexican mobiles were written +52 1 … until 2019, and some networks still do.
_OLD_MEXICAN = re.compile(r"\+521([0-9]{10})")
_SHORT_CODE = re.compile(r"[0-9]{3,8}")
# Complete as it is: what ``normalise`` would give back unchanged (a test holds it to that).
_US_E164 = re.compile(r"\+1[2-9][0-9]{9}", re.ASCII)
# 1.20656E+10: what became of a number in a cell that is not text. 12065550123.0 lost nothing.
_ROUNDED = re.compile(r"[0-9]+([.,][0-9]+)?[eE]\+?[0-9]+", re.ASCII)
_FLOAT = re.compile(r"([0-9]{7,})\.0", re.ASCII)
# Invisible characters that people copy along with numbers, and dashes that are none to us.
_UNSEEN = {
    **dict.fromkeys([0x200B, 0x200C, 0x200D, 0x200E, 0x200F, 0x202A, 0x202B, 0x202C, 0x202D, 0x2060, 0xFEFF], None),
    **dict.fromkeys([0x2010, 0x2011, 0x2012, 0x2013, 0x2014, 0x2212], "-"),
}
_NATIONAL = re.compile(r"[0-9(][0-9\s().\-]*")


class PhoneError(ValueError):
    """The text is not a phone number. The message says what is wrong and how a number is written."""


def normalise(raw: str) -> str:
    """``raw`` in E.164. Raises PhoneError.

    Spaces, dots, dashes and brackets are read over. A leading space where a plus was meant counts as the plus: in a
    query string "+" means a space. Checked is whether the number is possible in its country, not whether it is in use:
    only the carrier knows that.
    """
    if _NORTH_AMERICAN.fullmatch(raw):
        return raw
    text = raw.rstrip()
    text = "+" + text.strip() if text.startswith(" ") and not text.strip().startswith("+") else text.strip()
    if not text.startswith("+") or "+" in text[1:]:
        raise PhoneError("Write the number with its country code, for example +12065550123.")
    text = _OLD_MEXICAN.sub(r"+52\1", re.sub(r"[\s().-]", "", text))
    try:
        number = phonenumbers.parse(text, None)
    except NumberParseException:
        raise PhoneError("This is not a phone number. Write it with its country code, like +12065550123.") from None
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    # Some plans count numbers as possible that are longer than E.164 allows.
    if not phonenumbers.is_possible_number(number) or number.extension or not _E164.fullmatch(e164):
        raise PhoneError("This number has too few or too many digits for its country. Example: +12065550123.")
    return e164


def normalise_listed(raw: str, region: str) -> str:
    """As ``normalise``, but a number without a country code belongs to ``region`` ("US").

    Also reads what lists of numbers hold: a leading 00, "tel:", digits of other scripts, a country code without its
    plus. Raises PhoneError; what a spreadsheet has rounded is not guessed at.
    """
    text = unicodedata.normalize("NFKC", raw).translate(_UNSEEN).strip().removeprefix("tel:")
    if _US_E164.fullmatch(text):
        return text
    if _ROUNDED.fullmatch(text):
        raise PhoneError("A spreadsheet has shortened this number. Format the column as text and write it in full.")
    if whole := _FLOAT.fullmatch(text):
        text = whole[1]
    if not text.startswith("+"):
        if re.sub(r"[\s().-]", "", text).startswith("00"):
            text = "+" + re.sub(r"[\s().-]", "", text)[2:]
        elif _NATIONAL.fullmatch(text):
            text = _at_home(text, region)
    return normalise(text)


def _at_home(text: str, region: str) -> str:
    """``text``, which names no country, in E.164 as somebody in ``region`` means it."""
    try:
        home = phonenumbers.parse(text, region)
    except NumberParseException:
        raise PhoneError("This is not a phone number. Write it with its country code, like +12065550123.") from None
    return phonenumbers.format_number(home, phonenumbers.PhoneNumberFormat.E164)


def normalise_beside(raw: str, neighbour: str) -> str:
    """As ``normalise``, but without a country code it is a number of the country of ``neighbour`` (E.164, or a short
    code, which tells no country)."""
    text = raw.strip()
    if _NATIONAL.fullmatch(text) and not is_short_code(neighbour):
        code = phonenumbers.parse(neighbour, None).country_code or 0
        text = _at_home(text, phonenumbers.region_code_for_country_code(code))
    return normalise(text)


def normalise_sender(raw: str) -> str:
    """The number of somebody who texted us. Raises PhoneError only where it can't be one.

    They texted, so the number exists, also where our numbering plans are older than it: their STOP must not be lost.
    """
    try:
        return normalise(raw)
    except PhoneError:
        if _E164.fullmatch(raw.strip()):
            return raw.strip()
        raise


def normalise_line(raw: str) -> str:
    """A line's number: E.164, or a short code of 3 to 8 digits. Raises PhoneError."""
    digits = raw.strip()
    return digits if _SHORT_CODE.fullmatch(digits) else normalise(raw)


def is_short_code(number: str) -> bool:
    return bool(_SHORT_CODE.fullmatch(number))


def is_toll_free(number: str) -> bool:
    """True for a toll-free number of any country, by the numbering plan."""
    if is_short_code(number):
        return False
    return phonenumbers.number_type(phonenumbers.parse(number, None)) == PhoneNumberType.TOLL_FREE


def may_be_in_the_us(number: str) -> bool:
    """True unless the number certainly belongs elsewhere. A short code, or a +1 number of no known place, may be."""
    if area_code(number):
        return True
    if _regions(number):
        return False
    if is_short_code(number):
        return True
    try:
        parsed = phonenumbers.parse(number, None)
    except NumberParseException:
        return True
    if parsed.country_code != 1:
        return False
    return phonenumbers.region_code_for_number(parsed) in _AMERICAN


def area_code(number: str) -> str:
    """The area code of an E.164 number, where it alone says that the number is American. Empty otherwise."""
    return number[2:5] if _NORTH_AMERICAN.fullmatch(number) and _is_american(number[2:5]) else ""


def country(number: str) -> str:
    """The two letters of the country that an E.164 number belongs to. Empty where the numbering plan does not say."""
    regions = _regions(number)
    if len(regions) == 1:
        return regions[0]
    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(number, None)) or ""
    except NumberParseException:
        return ""


@functools.cache
def _is_american(area_code: str) -> bool:
    """True for an area code whose numbers all belong to the fifty states, or to nobody yet."""
    if phonenumbers.region_code_for_number(phonenumbers.parse(f"+1{area_code}2345678", None)) != "US":
        return False
    # Of the codes that no place has to itself, like 800, some exchanges are other countries'.
    exchanges = (phonenumbers.parse(f"+1{area_code}{first}005678", None) for first in range(10))
    return {phonenumbers.region_code_for_number(each) for each in exchanges} <= _AMERICAN


def _regions(number: str) -> tuple[str, ...]:
    """The countries that share the calling code of a number outside North America. Empty where that is not certain."""
    if not _ELSEWHERE.fullmatch(number):
        return ()
    codes = phonenumbers.COUNTRY_CODE_TO_REGION_CODE
    return next((codes[int(number[1:end])] for end in (2, 3, 4) if int(number[1:end]) in codes), ())


def is_country(code: str) -> bool:
    """True for two capital letters that name a country of the numbering plan."""
    return code in phonenumbers.SUPPORTED_REGIONS


def normalise_in(raw: str, country: str) -> str:
    """As ``normalise``, but without a country code it is a number of ``country`` (two letters, ``is_country``)."""
    text = raw.strip()
    if _NATIONAL.fullmatch(text):
        try:
            home = phonenumbers.parse(text, country)
        except NumberParseException:
            raise PhoneError("This is not a phone number. Write it with its country code, like +12065550123.") from None
        text = phonenumbers.format_number(home, phonenumbers.PhoneNumberFormat.E164)
    return normalise(text)


def country_code(country: str) -> int:
    """What numbers of this country begin with after the plus. 0 where there is no such country."""
    return phonenumbers.country_code_for_region(country)


def example(country: str) -> str:
    """A number as people of this country write it, for a hint. Empty where the numbering plan has none."""
    found = phonenumbers.example_number_for_type(country, PhoneNumberType.MOBILE)
    return phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.NATIONAL) if found else ""


# Kinds of numbers that certainly get no texts, or whose texts cost whoever sends them dearly.
_NEVER_TEXTED = {
    PhoneNumberType.FIXED_LINE,
    PhoneNumberType.TOLL_FREE,
    PhoneNumberType.PREMIUM_RATE,
    PhoneNumberType.SHARED_COST,
    PhoneNumberType.UAN,
    PhoneNumberType.VOICEMAIL,
    PhoneNumberType.PAGER,
}


def may_be_mobile(number: str) -> bool:
    """False for an E.164 number that by its numbering plan is certainly no mobile one."""
    return phonenumbers.number_type(phonenumbers.parse(number, None)) not in _NEVER_TEXTED


def readable(number: str) -> str:
    """An E.164 number in the groups in which people of its country read it; a short code as it is."""
    if is_short_code(number):
        return number
    return phonenumbers.format_number(phonenumbers.parse(number, None), phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def regions() -> frozenset[str]:
    """The countries ("US") that ``normalise_listed`` knows."""
    return frozenset(phonenumbers.SUPPORTED_REGIONS)


def mask(number: str) -> str:
    """The number for people who may not see all of it, and for logs: its last four digits (two of a short code)."""
    kept = 4 if len(number) > 8 else 2
    return "•••• " + number[-kept:]
