"""Whom a sign-up is counted for: addresses behind proxies, windows, and two processes at once."""

import threading

import pytest
from django.db import connection
from django.test import RequestFactory
from django.utils import timezone

from messaging.models import SignUpTally
from messaging.web_form import address, limits
from tests.make import JANE
from tests.world import Clock


def seen(settings, proxies: int, remote: str, forwarded: str | None = None) -> str:
    settings.TRUSTED_PROXIES = proxies
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    return address.of(RequestFactory().get("/", REMOTE_ADDR=remote, headers=headers))


def test_without_a_proxy_of_ours_the_header_counts_for_nothing(settings) -> None:
    assert seen(settings, 0, "198.51.100.7", "203.0.113.1") == "198.51.100.7"


def test_behind_proxies_what_the_visitor_wrote_counts_for_nothing(settings) -> None:
    assert seen(settings, 1, "10.0.0.1", "1.1.1.1, 203.0.113.1") == "203.0.113.1"
    assert seen(settings, 2, "10.0.0.1", "1.1.1.1, 203.0.113.1, 10.0.0.2") == "203.0.113.1"
    assert seen(settings, 2, "10.0.0.1", "203.0.113.1") == "203.0.113.1", "past one of them"
    assert seen(settings, 1, "10.0.0.1") == "10.0.0.1"


@pytest.mark.parametrize("said", ["", "unknown", "<script>", "999.1.1.1", "x" * 10_000, ",", "\x00"])
def test_an_odd_header_is_no_address(settings, said: str) -> None:
    assert seen(settings, 1, "10.0.0.1", said) == "10.0.0.1"
    assert seen(settings, 1, "", said) == ""


def test_as_addresses_are_written(settings) -> None:
    assert seen(settings, 1, "10.0.0.1", "203.0.113.1:4711") == "203.0.113.1"
    assert seen(settings, 1, "10.0.0.1", "[2001:db8::1]:4711") == "2001:db8::1"
    assert seen(settings, 1, "10.0.0.1", "2001:db8::1") == "2001:db8::1"
    assert seen(settings, 0, "::ffff:198.51.100.7") == "198.51.100.7"


def test_one_connection_is_one_visitor() -> None:
    assert address.counted("2001:db8:0:1::5") == address.counted("2001:db8:0:1:ffff::9")
    assert address.counted("2001:db8:0:1::5") != address.counted("2001:db8:0:2::5")
    assert address.counted("198.51.100.7") == "198.51.100.7"
    assert address.counted("") == ""


@pytest.mark.django_db
def test_tallies_tell_nobodys_address_and_go_away(settings, clock: Clock) -> None:
    settings.WEB_FORM_PER_ADDRESS, settings.WEB_FORM_PER_NUMBER = 1, 1
    now = timezone.now()
    assert [limits.is_too_much_for_address("198.51.100.7", now) for _ in range(2)] == [False, True]
    assert [limits.is_too_much_for_number(JANE, now) for _ in range(2)] == [False, True]
    assert SignUpTally.objects.count() == 2
    assert not SignUpTally.objects.filter(key__contains="198").filter(key__contains=".").exists()
    limits.forget(now)
    assert SignUpTally.objects.count() == 2
    clock.passes(days=3)
    limits.forget(timezone.now())
    assert not SignUpTally.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_at_once_are_counted_as_two(settings) -> None:
    from django.db import transaction

    settings.WEB_FORM_PER_NUMBER = 5
    now, found, gate = timezone.now(), [], threading.Barrier(4)

    def count() -> None:
        try:
            gate.wait()
            for _ in range(5):
                with transaction.atomic(durable=True):
                    found.append(limits.is_too_much_for_number(JANE, now))
        finally:
            connection.close()

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [False] * 5 + [True] * 15
    assert SignUpTally.objects.get().times == 20
