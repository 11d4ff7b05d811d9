"""When a contact may be texted where they are (FACTS "quiet hours"). Pure, but for the tables that are shipped."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent import holidays, whereabouts
from consent.models import Contact, ContactCap, Line, SendingHours
from consent.models.quiet_hours import Rulebook
from consent.quiet_hours import EVERY_DAY, HORIZON, Hours, Quiet, quiet
from consent.whereabouts import Place

T = dt.time
MINUTE = dt.timedelta(minutes=1)
NEW_YORK, CHICAGO, DENVER, PACIFIC = "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles"
ANYWHERE_8_TO_21 = [Hours(opens=T(8), closes=T(21))]


def local(zone: str, *moment: int, fold: int = 0) -> dt.datetime:
    """In UTC: Python calls hours that come twice equal to none of another zone."""
    return dt.datetime(*moment, tzinfo=ZoneInfo(zone), fold=fold).astimezone(dt.UTC)  # type: ignore[misc,arg-type]


def at(zone: str, rules: list[Hours], *moment: int, fold: int = 0) -> Quiet | None:
    return quiet(local(zone, *moment, fold=fold), [Place(zone, ())], rules, {})


# ---- one zone -------------------------------------------------------------------------------------------------------


def test_by_day_nothing_waits() -> None:
    assert at(CHICAGO, ANYWHERE_8_TO_21, 2026, 12, 1, 8) is None
    assert at(CHICAGO, ANYWHERE_8_TO_21, 2026, 12, 1, 20, 59, 59) is None


@pytest.mark.parametrize(("day", "hour", "minute"), [(1, 21, 0), (1, 23, 10), (2, 0, 0), (2, 7, 59)])
def test_by_night_it_waits_for_the_morning(day: int, hour: int, minute: int) -> None:
    found = at(CHICAGO, ANYWHERE_8_TO_21, 2026, 12, day, hour, minute)
    assert found == Quiet(local(CHICAGO, 2026, 12, 2, 8), CHICAGO, certain=True)


def test_the_end_of_the_day_is_midnight() -> None:
    late = [Hours(opens=T(12), closes=T(0))]
    assert at(CHICAGO, late, 2026, 12, 1, 23, 59) is None
    found = at(CHICAGO, late, 2026, 12, 2, 0, 0)
    assert found and found.until == local(CHICAGO, 2026, 12, 2, 12)


def test_every_rule_that_names_the_day_must_allow() -> None:
    rules = [*ANYWHERE_8_TO_21, Hours(opens=T(10), closes=T(18), weekdays=frozenset({2}))]
    assert at(CHICAGO, rules, 2026, 12, 1, 9) is not None, "a Tuesday"
    assert at(CHICAGO, rules, 2026, 12, 2, 9) is None


def test_a_day_without_hours_is_over_at_midnight() -> None:
    found = at(CHICAGO, [Hours(weekdays=frozenset({7}))], 2026, 12, 6, 15)
    assert found and found.until == local(CHICAGO, 2026, 12, 7, 0, 0)


def test_a_rule_holds_from_its_first_day_to_its_last() -> None:
    rules = [Hours(valid_from=dt.date(2026, 12, 2), valid_to=dt.date(2026, 12, 3))]
    assert at(CHICAGO, rules, 2026, 12, 1, 23, 59) is None
    found = at(CHICAGO, rules, 2026, 12, 2, 0, 0)
    assert found and found.until == local(CHICAGO, 2026, 12, 4, 0, 0)


def test_where_no_hour_is_left_it_is_looked_at_again_in_a_month() -> None:
    never = [Hours(opens=T(8), closes=T(12)), Hours(opens=T(12), closes=T(20))]
    found = at(CHICAGO, never, 2026, 12, 1, 10)
    assert found and found.until == local(CHICAGO, 2026, 12, 1, 10) + HORIZON


# ---- the clocks change ----------------------------------------------------------------------------------------------


def test_the_morning_after_the_clocks_went_forward_is_on_the_new_time() -> None:
    found = at(NEW_YORK, ANYWHERE_8_TO_21, 2027, 3, 13, 22)
    assert found and found.until == dt.datetime(2027, 3, 14, 12, tzinfo=dt.UTC), "8:00 at four hours behind UTC"


def test_the_morning_after_the_clocks_went_back_is_on_the_new_time() -> None:
    found = at(NEW_YORK, ANYWHERE_8_TO_21, 2026, 10, 31, 22)
    assert found and found.until == dt.datetime(2026, 11, 1, 13, tzinfo=dt.UTC), "8:00 at five hours behind UTC"


def test_an_opening_in_the_hour_that_is_left_out_is_when_the_clocks_change() -> None:
    found = at(NEW_YORK, [Hours(opens=T(2, 30), closes=T(9))], 2027, 3, 14, 1)
    assert found and found.until == local(NEW_YORK, 2027, 3, 14, 3)


def test_an_hour_that_comes_twice_opens_twice() -> None:
    rules = [Hours(opens=T(1, 30), closes=T(2))]
    first = at(NEW_YORK, rules, 2026, 11, 1, 0)
    assert first and first.until == local(NEW_YORK, 2026, 11, 1, 1, 30)
    again = at(NEW_YORK, rules, 2026, 11, 1, 1, 10, fold=1)
    assert again and again.until == local(NEW_YORK, 2026, 11, 1, 1, 30, fold=1)


def test_the_clocks_going_back_may_open_what_had_closed() -> None:
    found = at(NEW_YORK, [Hours(opens=T(0, 30), closes=T(1, 30))], 2026, 11, 1, 1, 45)
    assert found and found.until == local(NEW_YORK, 2026, 11, 1, 1, 0, fold=1)


# ---- several zones --------------------------------------------------------------------------------------------------


def test_where_the_zone_is_unknown_every_one_must_allow_it() -> None:
    both = [Place(CHICAGO, ()), Place(DENVER, ())]
    evening = quiet(local(CHICAGO, 2026, 12, 1, 21, 30), both, ANYWHERE_8_TO_21, {})
    assert evening == Quiet(local(DENVER, 2026, 12, 2, 8), CHICAGO, certain=False)
    assert quiet(local(CHICAGO, 2026, 12, 1, 8, 30), both, ANYWHERE_8_TO_21, {}) is not None, "7:30 in Denver"
    assert quiet(local(CHICAGO, 2026, 12, 1, 9), both, ANYWHERE_8_TO_21, {}) is None


def test_a_place_s_rules_hold_there_alone() -> None:
    rules = [Hours("US", T(8), T(21)), Hours("US-FL", T(8), T(20))]
    evening = local(NEW_YORK, 2026, 12, 1, 20, 30)
    assert quiet(evening, [Place(NEW_YORK, ("US", "US-NY"))], rules, {}) is None
    assert quiet(evening, [Place(NEW_YORK, ("US", "US-FL"))], rules, {}) is not None
    assert quiet(evening, [Place("Europe/Paris", ("FR",))], rules, {}) is None


# ---- always ---------------------------------------------------------------------------------------------------------

_ZONES = [NEW_YORK, CHICAGO, "America/Phoenix", PACIFIC, "Europe/Paris", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]
_hours = st.builds(
    lambda opens, length, days, holidays: Hours(
        "US",
        (dt.datetime.min + dt.timedelta(minutes=opens)).time(),
        (dt.datetime.min + dt.timedelta(minutes=min(opens + length, 1440) % 1440)).time(),
        days,
        holidays,
    ),
    st.integers(0, 1380),
    st.integers(30, 900),
    st.one_of(st.just(EVERY_DAY), st.frozensets(st.integers(1, 7))),
    st.booleans(),
)
_closed = st.builds(lambda days: Hours("US", weekdays=days, on_holidays=True), st.frozensets(st.integers(1, 7)))
# Around the days on which the clocks change, on both sides of the world, and any other.
_moments = st.one_of(
    st.datetimes(dt.datetime(2026, 10, 24), dt.datetime(2026, 11, 3)),
    st.datetimes(dt.datetime(2027, 3, 12), dt.datetime(2027, 4, 5)),
    st.datetimes(dt.datetime(2026, 1, 1), dt.datetime(2028, 1, 1)),
).map(lambda moment: moment.replace(tzinfo=dt.UTC))


def allowed(moment: dt.datetime, places: list[Place], rules: list[Hours], free: set[dt.date]) -> bool:
    """Written down independently: on the wall clock of every place, each rule that names the day holds the time."""
    for place in places:
        wall = moment.astimezone(ZoneInfo(place.zone))
        for rule in rules:
            named = wall.isoweekday() in rule.weekdays or (rule.on_holidays and wall.date() in free)
            minutes = wall.hour * 60 + wall.minute
            if named and rule.opens is None:
                return False
            if named and rule.opens and rule.closes is not None:
                first = rule.opens.hour * 60 + rule.opens.minute
                last = rule.closes.hour * 60 + rule.closes.minute or 1440
                if not first <= minutes < last:
                    return False
    return True


@settings(deadline=None)
@given(
    _moments,
    st.lists(st.sampled_from(_ZONES), min_size=1, max_size=3, unique=True),
    st.lists(st.one_of(_hours, _hours, _closed), min_size=1, max_size=3),
    st.sets(st.dates(dt.date(2026, 10, 20), dt.date(2026, 11, 5)), max_size=3),
)
def test_until_is_the_first_permitted_minute(
    moment: dt.datetime, zones: list[str], rules: list[Hours], free: set[dt.date]
) -> None:
    places = [Place(zone, ("US",)) for zone in zones]
    found = quiet(moment, places, rules, {"US": free})
    if allowed(moment, places, rules, free):
        assert found is None
        return
    assert found and found.until > moment
    assert not allowed(moment, [Place(found.zone, ("US",))], rules, free), "it is too early or too late there now"
    minute = moment.replace(second=0, microsecond=0) + MINUTE
    while minute < min(found.until, moment + dt.timedelta(days=8)):
        assert not allowed(minute, places, rules, free), f"{minute} would have been permitted"
        minute += MINUTE
    assert found.until == moment + HORIZON or allowed(found.until, places, rules, free)


# ---- where a contact is ---------------------------------------------------------------------------------------------


def where(number: str, **stored: str) -> set[tuple[str, str]]:
    """Zone and innermost jurisdiction of every place."""
    return {
        (place.zone, place.jurisdictions[-1] if place.jurisdictions else "")
        for place in whereabouts.of(number, **stored)
    }


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("+12065550142", {(PACIFIC, "US-WA")}),
        ("+13055550142", {(NEW_YORK, "US-FL")}),
        ("+18505550142", {(NEW_YORK, "US-FL"), (CHICAGO, "US-FL")}),
        ("+19155550142", {(DENVER, "US-TX")}),
        ("+16025550142", {("America/Phoenix", "US-AZ")}),
        ("+17875550142", {("America/Puerto_Rico", "US-PR")}),
        ("+33612345678", {("Europe/Paris", "FR")}),
        ("+14165550142", {("America/Toronto", "CA")}),
        ("+442079460000", {("Europe/London", "GB")}),
        ("+881612345678", {("UTC", "")}),
    ],
)
def test_by_the_number(number: str, expected: set[tuple[str, str]]) -> None:
    assert where(number) == expected


@pytest.mark.parametrize("number", ["+18005550142", "+15005550006", "+12995550142"])
def test_a_number_of_no_place_may_be_in_every_state(number: str) -> None:
    found = where(number)
    assert {state for _, state in found} >= {"US-WA", "US-FL", "US-TX", "US-GU"}
    assert {("America/Chicago", "US-TX"), ("America/Denver", "US-TX"), ("Pacific/Honolulu", "US-HI")} <= found


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("33101", {(NEW_YORK, "US-FL")}),
        ("32501-1234", {(CHICAGO, "US-FL")}),
        ("79901", {(CHICAGO, "US-TX"), (DENVER, "US-TX")}),
        ("75001", {(CHICAGO, "US-TX")}),
        ("86001", {("America/Phoenix", "US-AZ"), (DENVER, "US-AZ")}),
        ("00901", {("America/Puerto_Rico", "US-PR")}),
        ("00100", {(PACIFIC, "US-WA")}),  # of no state: the number counts
        ("9810", {(PACIFIC, "US-WA")}),
    ],
)
def test_the_postal_code_counts_before_the_number(code: str, expected: set[tuple[str, str]]) -> None:
    assert where("+12065550142", postal_code=code) == expected


def test_a_postal_code_of_another_country_says_nothing_here() -> None:
    assert where("+33612345678", postal_code="75001") == {("Europe/Paris", "FR")}


def test_the_stored_zone_counts_before_everything() -> None:
    assert where("+12065550142", time_zone="America/Vancouver") == {("America/Vancouver", "US-WA")}
    assert where("+12065550142", postal_code="75001", time_zone=DENVER) == {(DENVER, "US-TX")}
    assert where("+61412345678", time_zone="Australia/Perth") == {("Australia/Perth", "AU")}


def test_who_moved_to_another_zone_may_be_in_each_of_its_states() -> None:
    moved = where("+12065550142", time_zone=NEW_YORK)
    assert {(NEW_YORK, "US-FL"), (NEW_YORK, "US-CT"), (NEW_YORK, "US-NY")} <= moved
    assert (NEW_YORK, "US-WA") not in moved
    assert where("+12065550142", time_zone="Europe/Paris") == {("Europe/Paris", "US")}


def test_the_states_of_area_codes_are_those_of_the_numbering_plan() -> None:
    """Compared with the library's own names of places, which are too large to keep in memory."""
    from phonenumbers.geodata import GEOCODE_DATA

    names = {whereabouts.name_of(f"US-{code}"): code for code in {s[3:] for s in whereabouts._us().names}}
    names |= {"Washington State": "WA", "Washington D.C.": "DC"}
    compared = 0
    for prefix, named in GEOCODE_DATA.items():
        place = named.get("en", "")
        state = names.get(place) or (place[-2:] if place[-4:-2] == ", " else "")
        if prefix[0] == "1" and len(prefix) == 4 and state in names.values():
            assert {found for _, found in where(f"+{prefix}5550142")} == {f"US-{state}"}, prefix
            compared += 1
    assert compared > 300


def test_every_zone_in_the_data_is_one() -> None:
    assert {place.zone for place in whereabouts._anywhere()} <= whereabouts.time_zones()
    assert {place.zone for places in whereabouts._us().postal_codes.values() for place in places} <= {
        place.zone for place in whereabouts._anywhere()
    }


# ---- the tables that are shipped ------------------------------------------------------------------------------------


@pytest.fixture
def shipped(db: None) -> Rulebook:
    return Rulebook.read()


def opening(shipped: Rulebook, number: str, moment: dt.datetime, *, marketing: bool = True) -> dt.datetime | None:
    found = quiet(moment, whereabouts.of(number), shipped.hours_for(marketing=marketing), shipped.holidays)
    return found.until if found else None


@pytest.mark.parametrize(
    ("number", "zone", "opens", "closes"),
    [
        ("+12125550142", NEW_YORK, 8, 21),  # New York: the federal rule
        ("+12065550142", PACIFIC, 8, 20),  # Washington
        ("+13055550142", NEW_YORK, 8, 20),  # Florida
        ("+14055550142", CHICAGO, 8, 20),  # Oklahoma
        ("+15035550142", PACIFIC, 8, 20),  # Oregon
        ("+18605550142", NEW_YORK, 9, 20),  # Connecticut
        ("+12145550142", CHICAGO, 9, 21),  # Texas
        ("+33612345678", "Europe/Paris", 8, 20),
    ],
)
def test_the_hours_of_each_place(shipped: Rulebook, number: str, zone: str, opens: int, closes: int) -> None:
    tomorrow = local(zone, 2026, 12, 2, opens)
    assert opening(shipped, number, local(zone, 2026, 12, 1, opens) - MINUTE) == local(zone, 2026, 12, 1, opens)
    assert opening(shipped, number, local(zone, 2026, 12, 1, opens)) is None
    assert opening(shipped, number, local(zone, 2026, 12, 1, closes) - MINUTE) is None
    assert opening(shipped, number, local(zone, 2026, 12, 1, closes)) == tomorrow


def test_a_sunday_in_texas_begins_at_noon(shipped: Rulebook) -> None:
    assert opening(shipped, "+12145550142", local(CHICAGO, 2026, 12, 6, 9)) == local(CHICAGO, 2026, 12, 6, 12)
    assert opening(shipped, "+12145550142", local(CHICAGO, 2026, 12, 6, 12)) is None


def test_no_marketing_in_france_on_sundays_and_holidays(shipped: Rulebook) -> None:
    paris = "Europe/Paris"
    sunday, monday = local(paris, 2026, 12, 6, 11), local(paris, 2026, 12, 7, 8)
    assert opening(shipped, "+33612345678", sunday) == monday
    assert opening(shipped, "+33612345678", sunday, marketing=False) is None
    assert opening(shipped, "+33612345678", local(paris, 2026, 12, 24, 20)) == local(paris, 2026, 12, 26, 8)
    assert opening(shipped, "+33612345678", local(paris, 2027, 3, 29, 11)) == local(paris, 2027, 3, 30, 8), "Easter"
    assert opening(shipped, "+12125550142", local(NEW_YORK, 2026, 12, 25, 11)) is None, "no rule of the US says so"


def test_a_place_without_rules_has_none(shipped: Rulebook) -> None:
    assert opening(shipped, "+4915123456789", local("Europe/Berlin", 2026, 12, 6, 3)) is None


def test_the_holidays_of_france() -> None:
    found = {day.isoformat()[5:]: name for day, name in holidays.french(2026)}
    assert len(found) == 11
    assert (found["04-06"], found["05-14"], found["05-25"]) == (
        "Lundi de Pâques",
        "Ascension",
        "Lundi de Pentecôte",
    )


@pytest.mark.django_db
def test_every_shipped_row_says_since_when_and_who_says_so() -> None:
    rows = [*SendingHours.objects.all(), *ContactCap.objects.all()]
    assert len(rows) == 13
    for row in rows:
        row.full_clean()
        assert row.source and row.valid_from == dt.date(2026, 1, 1)
    caps = ContactCap.objects.values_list("place", "texts", "hours")
    assert set(caps) == {("US-FL", 3, 24), ("US-OK", 3, 24), ("US-OR", 3, 24)}


def test_a_new_line_keeps_quiet_hours() -> None:
    assert Line().quiet_hours and Line().own_hours() == ()
    assert Line(texts_from=T(9), texts_until=T(17)).own_hours() == (Hours(opens=T(9), closes=T(17)),)


def test_a_new_contact_is_where_their_number_is() -> None:
    assert (Contact().postal_code, Contact().time_zone) == ("", "")


# ---- in words -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"opens": T(8), "closes": T(21)}, "US-TX, every day: 08:00 to 21:00"),
        ({"weekdays": "123456", "opens": T(9), "closes": T(0)}, "US-TX, Mon to Sat: 09:00 to 24:00"),
        ({"weekdays": "7", "on_holidays": True}, "US-TX, Sun, holidays: not at all"),
        ({"weekdays": "135"}, "US-TX, Mon, Wed, Fri: not at all"),
        ({"weekdays": "", "on_holidays": True}, "US-TX, holidays: not at all"),
    ],
)
def test_a_rule_in_words(fields: dict[str, object], words: str) -> None:
    assert str(SendingHours(place="US-TX", **fields)) == words
