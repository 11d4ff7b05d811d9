"""The same cast as in the tests of messages, and what exports are made of."""

from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import transaction

from consent.models import Line, User
from tests.make import make_line, make_opted_in, make_supervisor
from tests.messaging.conftest import clock, jane

__all__ = ["clock", "jane"]


@pytest.fixture
def folder(settings: LazySettings, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path
    return tmp_path / "reports"


@pytest.fixture
def line() -> Line:
    line = make_line(name="Orders")
    with transaction.atomic():
        for digit in range(3):
            make_opted_in(line, f"+1206555014{digit}")
    return line


@pytest.fixture
def sue() -> User:
    return make_supervisor("sue")
