"""Numbers: read as people write them, kept in E.164."""

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent import phones
from consent.phones import PhoneError

READABLE = {
    "+12065550142": "+12065550142",
    "+1 (206) 555-0142": "+12065550142",
    "+1.206.555.0142": "+12065550142",
    "  +12065550142 ": "+12065550142",
    " 12065550142": "+12065550142",  # a plus in a query string is a space
    "+44 7700 900123": "+447700900123",
    "+4915112345678": "+4915112345678",
    "+491234567890123": "+491234567890123",  # 15 digits, the most there are
    "+5215512345678": "+525512345678",  # how Mexican mobiles were written until 2019
    "+52 1 55 1234 5678": "+525512345678",
}


@pytest.mark.parametrize(("written", "kept"), READABLE.items())
def test_readable(written: str, kept: str) -> None:
    assert phones.normalise(written) == kept
    assert phones.normalise(kept) == kept


@pytest.mark.parametrize(
    "written",
    [
        "",
        " ",
        "12065550142",
        "206 555 0142",
        "+1",
        "+120655501423333",
        "+",
        "hello",
        "+abc",
        "72345",
        "+12065550142 ext. 5",
        "+999999999999",
        "+4912345678901234",  # 16 digits: possible in Germany's plan, but no E.164 number
        "+49123456789012345",
        "\x00",
        "+\x00",
    ],
)
def test_unreadable(written: str) -> None:
    with pytest.raises(PhoneError) as wrong:
        phones.normalise(written)
    assert "+12065550123" in str(wrong.value), "shows how a number is written"


@pytest.mark.parametrize(
    ("written", "kept"), [("72345", "72345"), (" 72345 ", "72345"), ("+12065550100", "+12065550100")]
)
def test_a_line_may_be_a_short_code(written: str, kept: str) -> None:
    assert phones.normalise_line(written) == kept


@pytest.mark.parametrize("written", ["12", "123456789", "7234a", "-72345", "٧٢٣٤٥"])
def test_no_short_code(written: str) -> None:
    with pytest.raises(PhoneError):
        phones.normalise_line(written)


@pytest.mark.parametrize(
    ("number", "toll_free"),
    [
        ("+18005550199", True),
        ("+18885550102", True),
        ("+12065550100", False),
        ("+448081570000", True),
        ("80055", False),
    ],
)
def test_toll_free(number: str, toll_free: bool) -> None:
    assert phones.is_toll_free(number) is toll_free


@pytest.mark.parametrize(
    ("number", "us"),
    [
        ("+12065550142", True),
        ("+17875550142", True),  # Puerto Rico
        ("+18005550199", True),  # of no known place
        ("72345", True),
        ("+16045550100", False),  # Vancouver
        ("+447700900123", False),
        ("+528112345678", False),
    ],
)
def test_may_be_in_the_us(number: str, us: bool) -> None:
    assert phones.may_be_in_the_us(number) is us


def test_masked_numbers_show_their_end_only() -> None:
    assert phones.mask("+12065550142").endswith("0142") and "206555" not in phones.mask("+12065550142")
    assert phones.mask("72345").endswith("45") and "723" not in phones.mask("72345")


# ---- what follows from the first digits alone is what the numbering plans say ---------------------------------------


def by_the_plans(number: str) -> tuple[bool, str]:
    """Whether it may be in the US, and its country, with nothing but phonenumbers."""
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return True, ""
    region = phonenumbers.region_code_for_number(parsed)
    return parsed.country_code == 1 and region in {None, "US", "PR", "VI", "GU", "AS", "MP"}, region or ""


@pytest.mark.parametrize("exchange", ["234", "555", "911", "100"])
def test_every_area_code_is_where_the_plan_says(exchange: str) -> None:
    numbers = [f"+1{area}{exchange}0142" for area in range(200, 1000)]
    assert [phones.may_be_in_the_us(each) for each in numbers] == [by_the_plans(each)[0] for each in numbers]


@given(st.from_regex(r"\+1[2-9][0-9]{9}", fullmatch=True))
@settings(max_examples=200, deadline=None)
def test_a_north_american_number(number: str) -> None:
    assert phones.may_be_in_the_us(number) == by_the_plans(number)[0]
    parsed = phonenumbers.parse(number, None)
    assert phonenumbers.is_possible_number(parsed)
    assert phones.normalise(number) == phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


@given(st.from_regex(r"\+[1-9][0-9]{4,14}", fullmatch=True))
@settings(max_examples=300, deadline=None)
def test_a_number_of_anywhere(number: str) -> None:
    assert (phones.may_be_in_the_us(number), phones.country(number)) == by_the_plans(number)
