"""The cast of most stories: Jane has a phone, Ann texts for us, and time can be moved on."""

import datetime as dt
from collections.abc import Iterator

import pytest

from tests.fake_provider import FakeProvider
from tests.world import Clock, Phone, clock_at


@pytest.fixture
def clock(db: None) -> Iterator[Clock]:
    """A Tuesday noon before the scope of revocations changes."""
    with clock_at(dt.datetime(2026, 12, 1, 12, tzinfo=dt.UTC)) as clock:
        yield clock


@pytest.fixture
def jane(db: None, clock: Clock, provider: FakeProvider) -> Phone:
    return Phone(provider)
