"""What tests of exports share: files that a supervisor asked for."""

from collections.abc import Iterator
from typing import Any

from django.test import Client
from rest_framework.authtoken.models import Token

from consent.models import Line, User
from reporting import exports
from reporting.models import ReportRun
from reporting.snapshot import Filters

State, Format, Origin = ReportRun.State, ReportRun.Format, ReportRun.Origin
URL = "/api/v1/reports/snapshot/"


def asked_for(line: Line, user: User | None, format: str = Format.CSV, **options: Any) -> ReportRun:
    options.setdefault("origin", Origin.ADMIN)
    return exports.begin(Filters((line,)), format=format, user=user, **options)


def in_background(line: Line, user: User, format: str = Format.CSV) -> ReportRun:
    return asked_for(line, user, format, in_background=True, expected_rows=3)


def made(line: Line, user: User, format: str = Format.CSV) -> ReportRun:
    run = in_background(line, user, format)
    exports.make_waiting()
    run.refresh_from_db()
    assert run.state == State.DONE
    return run


def breaking_off(self: Any) -> Iterator[bytes]:
    yield b"a row\n"
    raise RuntimeError("the disk")


def api(user: User) -> Client:
    return Client(headers={"Authorization": f"Token {Token.objects.get_or_create(user=user)[0].key}"})


def got(answer: Any) -> bytes:
    assert answer.status_code == 200, answer.content
    return b"".join(answer.streaming_content)
