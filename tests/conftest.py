"""What every test may rely on: an install with its shipped words and roles, a fake provider, nothing from outside."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from consent import roles, triggers
from consent.models import Organisation, implied, quiet_hours
from messaging import shipped, timing
from tests.fake_provider import FakeProvider


@pytest.fixture(autouse=True)
def audit_rows_survive_all_but_the_flush(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests with real transactions empty the tables afterwards, which the ledger's triggers refuse: lift them then.

    The flush ends with post_migrate, which installs them again; the rows that migrations made are put back before.
    """
    marker = request.node.get_closest_marker("django_db")
    if not (marker and marker.kwargs.get("transaction")) and "transactional_db" not in request.fixturenames:
        yield
        return
    request.getfixturevalue("transactional_db")
    if not Organisation.objects.exists():
        Organisation.objects.create(pk=1)
        roles.grant(apps, "consent", roles.CONSENT_PERMISSIONS)
        shipped.install_words(apps)
        roles.grant(apps, "messaging", shipped.PERMISSIONS)
        quiet_hours.install(apps)
        implied.install(apps)
    assert not triggers.missing(connection)
    yield
    triggers.lift(connection)


@pytest.fixture(autouse=True)
def hours_and_caps_are_those_of_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process keeps them for seconds: here for the whole test, however slow it is, and not for the next one."""
    timing.forget_rules()
    monkeypatch.setattr("messaging.timing.RULES_KEPT_SECONDS", 3600.0)


@pytest.fixture(autouse=True)
def static_files_are_not_read_for_every_client(settings: Any) -> None:
    """WhiteNoise otherwise walks through every static file whenever a test client loads the middleware."""
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture(autouse=True)
def passwords_are_hashed_fast(settings: Any) -> None:
    """The real hasher takes a third of a second for each person that a test makes."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def quiet_bell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests settle and send by themselves; the bell's own tests bring their own."""
    monkeypatch.setattr("messaging.bell._bell.ring", lambda task: None)


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> FakeProvider:
    """Stands in for the calls to Twilio; keeps what was sent, fails on request."""
    fake = FakeProvider()
    for call in ("send", "list_sent", "list_received", "deactivated_on"):
        monkeypatch.setattr(f"messaging.provider.{call}", getattr(fake, call))
    return fake
