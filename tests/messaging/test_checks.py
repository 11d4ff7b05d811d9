"""Unsafe combinations are numbered system checks (E: must not run, W: should be looked at)."""

import datetime as dt
import runpy
from collections.abc import Iterable
from typing import Any

import pytest
import time_machine
from django.core.checks import CheckMessage, run_checks
from django.core.exceptions import ImproperlyConfigured

from consent.models import Line, Organisation
from tests.make import make_line, make_toll_free

SOUND: dict[str, Any] = {
    "SECRET_KEY": "s3cr3t-" * 8,
    "SUPPRESSION_KEY": "k3y-" * 12,
    "DEBUG": False,
    "PUBLIC_URL": "https://sms.example.com",
    "SIMULATOR": False,
    "HAS_TWILIO": True,
    "TWILIO_ACCOUNT_SID": "AC" + "1" * 32,
    "TWILIO_AUTH_TOKENS": ["t" * 32],
    "DATABASE_URL": "postgres://db/optline",
    "REDIS_URL": "redis://redis/0",
    "PROVIDER_CONNECT_SECONDS": 3.0,
    "PROVIDER_READ_SECONDS": 10.0,
    "LOST_SECONDS": 30.0,
    "TRUSTED_PROXIES": 1,
}
SIMULATED = {
    "SIMULATOR": True,
    "HAS_TWILIO": False,
    "PUBLIC_URL": "http://127.0.0.1:8000",
    "DATABASE_URL": "",
    "REDIS_URL": "",
}


@pytest.fixture(autouse=True)
def sound(settings: Any) -> None:
    for name, value in SOUND.items():
        setattr(settings, name, value)


def ours(found: Iterable[CheckMessage]) -> dict[str, CheckMessage]:
    return {str(each.id): each for each in found if str(each.id).startswith(("consent.", "messaging."))}


def found_in_settings() -> dict[str, CheckMessage]:
    return ours(run_checks())


def found_in_the_database() -> dict[str, CheckMessage]:
    return ours(run_checks(databases=["default"]))


def test_a_sound_production_has_no_findings() -> None:
    assert found_in_settings() == {}


def test_the_embedded_default_has_no_findings(settings: Any) -> None:
    for name, value in SIMULATED.items():
        setattr(settings, name, value)
    assert found_in_settings() == {}


SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("consent.E001", {"SECRET_KEY": "short"}),
    ("consent.E001", {"SECRET_KEY": "django-insecure-" + "x" * 40}),
    ("consent.E002", {"SUPPRESSION_KEY": ""}),
    ("consent.E002", {"SUPPRESSION_KEY": "short"}),
    ("consent.E003", {"DEBUG": True}),
    ("messaging.E001", {"SIMULATOR": True, "PUBLIC_URL": "http://127.0.0.1:8000"}),
    ("messaging.E002", {**SIMULATED, "PUBLIC_URL": "https://sms.example.com"}),
    ("messaging.E002", {**SIMULATED, "PUBLIC_URL": "http://127.0.0.1.evil.example"}),
    ("messaging.E003", {"TWILIO_ACCOUNT_SID": ""}),
    ("messaging.E003", {"TWILIO_AUTH_TOKENS": []}),
    ("messaging.E004", {"LOST_SECONDS": 13.0}),
    ("messaging.E004", {"PROVIDER_READ_SECONDS": 60.0}),
    ("messaging.E005", {"REDIS_URL": ""}),
    ("messaging.E005", {"DATABASE_URL": ""}),
    ("messaging.W001", {"PUBLIC_URL": "http://sms.example.com"}),
    ("messaging.W010", {"TRUSTED_PROXIES": 0}),
    ("messaging.E010", {"TRUSTED_PROXIES": -1}),
]


@pytest.mark.parametrize(("expected", "change"), SETTINGS, ids=[f"{code} {next(iter(how))}" for code, how in SETTINGS])
def test_what_is_wrong_with_the_settings(settings: Any, expected: str, change: dict[str, Any]) -> None:
    for name, value in change.items():
        setattr(settings, name, value)
    found = found_in_settings()
    assert expected in found
    assert found[expected].hint, "what to do"
    assert found[expected].is_serious() == (".E" in expected)
    assert not any(secret in str(found.values()) for secret in (SOUND["SECRET_KEY"], "t" * 32))


def test_debug_may_have_a_weak_key_on_ones_own_machine(settings: Any) -> None:
    for name, value in {**SIMULATED, "DEBUG": True, "SECRET_KEY": "short"}.items():
        setattr(settings, name, value)
    assert "consent.E001" not in found_in_settings()


@pytest.mark.parametrize("door", ["config.wsgi", "config.asgi"])
def test_no_server_starts_with_unsafe_settings(settings: Any, door: str) -> None:
    settings.SUPPRESSION_KEY = "short"
    with pytest.raises(ImproperlyConfigured, match=r"consent\.E002"):
        runpy.run_module(door)


# ---- lines and policies ---------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_toll_free_line_that_answers_opt_outs_itself() -> None:
    line = make_toll_free()
    assert "consent.E005" not in found_in_the_database()
    Line.objects.filter(pk=line.pk).update(opt_outs_answered_by_provider=False)
    found = found_in_the_database()["consent.E005"]
    assert line.name in found.msg and found.hint


@pytest.mark.django_db
def test_a_marketing_line_to_us_numbers_on_a_disclaimer() -> None:
    line = make_line(category="marketing")
    assert "consent.E006" not in found_in_the_database()
    Line.objects.filter(pk=line.pk).update(mode="disclaimer")
    assert line.name in found_in_the_database()["consent.E006"].msg


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("today", "reminded"),
    [
        (dt.date(2026, 10, 1), False),
        (dt.date(2026, 12, 1), True),
        (dt.date(2027, 1, 30), True),
        (dt.date(2027, 1, 31), False),
        (dt.date(2027, 6, 1), False),
    ],
)
def test_the_coming_change_of_scope(today: dt.date, reminded: bool) -> None:
    with time_machine.travel(dt.datetime.combine(today, dt.time(12), tzinfo=dt.UTC)):
        found = found_in_the_database()
    assert ("consent.W001" in found) is reminded
    if reminded:
        assert "31 January 2027" in found["consent.W001"].msg


@pytest.mark.django_db
def test_no_change_of_scope_no_reminder() -> None:
    Organisation.objects.update(next_revocation_scope="", next_revocation_scope_on=None)
    with time_machine.travel(dt.datetime(2026, 12, 1, tzinfo=dt.UTC)):
        assert "consent.W001" not in found_in_the_database()
