"""Exports by REST and by command."""

import csv
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from consent.models import Line, Organisation, User
from reporting import exports, snapshot
from reporting.models import ReportRun
from reporting.snapshot import Filters
from tests.make import (
    make_agent,
    make_contact,
    make_integrator,
    make_line,
    make_opted_in,
)
from tests.reporting.exporting import URL, api, breaking_off, got, made

State, Format, Origin = ReportRun.State, ReportRun.Format, ReportRun.Origin

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("folder")]


# ---- REST -----------------------------------------------------------------------------------------------------------


def test_rest_gives_csv_and_json_and_a_run_to_check_them_by(line: Line, sue: User) -> None:
    for format in ("csv", "json"):
        answer = api(sue).get(URL, {"line": line.number, "as": format})
        content = got(answer)
        run = api(sue).get(f"/api/v1/reports/runs/{answer['Report-Run']}/").json()
        assert (run["state"], run["rows"], run["bytes"]) == ("done", 3, len(content))
        assert run["sha256"] == hashlib.sha256(content).hexdigest()
    rows = json.loads(content)
    assert rows["count"] == 3 and rows["rows"][0]["status"] == "opted_in"
    assert ReportRun.objects.filter(origin=Origin.API, user=sue).count() == 2


def test_rest_filters(line: Line, sue: User) -> None:
    other = make_line("+12065550101", name="Clinic")
    make_opted_in(other)
    make_contact("+12065550199")

    def numbers(**query: Any) -> list[str]:
        rows = csv.DictReader(io.StringIO(got(api(sue).get(URL, {"as": "csv", **query})).decode()))
        return [f"{row['line_number'][-3:]} {row['mobile_number'][-4:]}" for row in rows]

    assert numbers() == ["101 0142", "100 0140", "100 0141", "100 0142"]
    assert numbers(line=[line.number, other.number]) == numbers()
    assert numbers(line=other.number) == ["101 0142"]
    assert numbers(line=" 12065550101") == ["101 0142"], "a + that arrived as a space"
    assert numbers(search="0141") == ["100 0141"]
    assert numbers(status="opted_out") == []
    assert numbers(status=["not_defined", "opted_in"], line=other.number) == [
        "101 0140", "101 0141", "101 0142", "101 0199",
    ]  # fmt: skip
    assert numbers(source="paper") == []
    assert numbers(as_of="2020-01-01T00:00:00Z") == []
    assert numbers(as_of=timezone.now().isoformat().replace("+", " ")) == numbers()
    assert numbers(since_from="2020-01-01T00:00:00Z", since_until="2020-01-02T00:00:00Z") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"line": "+12065550177"}, "line"),
        ({"line": "abc"}, "line"),
        ({"status": "in"}, "status"),
        ({"source": "fax"}, "source"),
        ({"as_of": "yesterday"}, "as_of"),
        ({"as_of": "2999-01-01T00:00:00Z"}, "as_of"),
        ({"since_from": "2026-02-01T00:00:00Z", "since_until": "2026-02-01T00:00:00Z"}, "since_until"),
        ({"as": "pdf"}, "as"),
        ({"as_of": "0001-01-01T00:00:00"}, "as_of"),
        ({"since_from": "0001-01-01T00:00:00+09:00"}, "since_from"),
        ({"since_until": "9999-12-31T23:59:59"}, "since_until"),
        ({"lines": "+12065550100"}, "lines"),
        ({"search": "x" * 101}, "search"),
    ],
)
def test_rest_names_what_is_wrong(line: Line, sue: User, query: dict[str, str], field: str) -> None:
    answer = api(sue).get(URL, query)
    assert answer.status_code == 400 and list(answer.json()) == [field]
    assert not ReportRun.objects.exists(), "nothing was exported"


def test_rest_takes_no_offence_at_what_a_client_accepts(line: Line, sue: User) -> None:
    assert got(api(sue).get(URL, {"as": "csv"}, headers={"Accept": "text/csv"}))


def test_what_was_looked_for_is_hidden_from_whom_numbers_are(line: Line, sue: User) -> None:
    run = exports.begin(Filters((line,), search="+12065550142"), format=Format.CSV, origin=Origin.ADMIN, user=sue)
    list(exports.stream(run))
    Organisation.objects.update(mask_numbers=True)
    clerk = make_agent(line)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=["export_reports", "view_reportrun"]))
    answer = api(clerk).get(f"/api/v1/reports/runs/{run.uuid}/")
    assert answer.status_code == 200 and "12065550142" not in answer.content.decode()
    assert "12065550142" in api(sue).get(f"/api/v1/reports/runs/{run.uuid}/").content.decode()


def test_rest_is_for_those_who_may_export(line: Line, sue: User) -> None:
    run = made(line, sue)
    for user in (make_agent(line), make_integrator(line)):
        assert api(user).get(URL).status_code == 403
        assert api(user).get(f"/api/v1/reports/runs/{run.uuid}/").status_code == 403
    assert Client().get(URL).status_code == 401
    assert api(sue).head(URL).status_code == 405 and api(sue).post(URL).status_code == 405
    assert ReportRun.objects.count() == 1


# ---- the command ----------------------------------------------------------------------------------------------------


def test_the_command_writes_a_file_and_says_its_hash(line: Line, tmp_path: Path) -> None:
    said, file = io.StringIO(), tmp_path / "snapshot.csv"
    call_command("snapshot", "--line", line.number, "--format", "csv", "--output", str(file), stderr=said)
    assert file.read_bytes().count(b"\n") == 4
    assert hashlib.sha256(file.read_bytes()).hexdigest() in said.getvalue()
    run = ReportRun.objects.get()
    assert (run.origin, run.user, run.rows, run.state) == (Origin.COMMAND, None, 3, State.DONE)


@pytest.mark.parametrize(
    "wrong",
    [
        ["--as-of", "0001-01-01T00:00:00+09:00"],
        ["--as-of", "2999-01-01T00:00:00Z"],
        ["--as-of", "then"],
        ["--line", "+12065550177"],
        ["--line", "abc"],
        ["--format", "pdf"],
        ["--output", "/nowhere/at/all.csv"],
    ],
)
def test_the_command_names_what_is_wrong(line: Line, wrong: list[str]) -> None:
    with pytest.raises(CommandError, match=wrong[0]):
        call_command("snapshot", *wrong)
    assert not ReportRun.objects.exists()


def test_the_command_leaves_no_half_file(line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot.Content, "csv", breaking_off)
    file = tmp_path / "snapshot.csv"
    with pytest.raises(CommandError, match="could not be written"):
        call_command("snapshot", "--output", str(file))
    assert not file.exists()


def test_the_commands_file_is_for_its_owner_alone(line: Line, tmp_path: Path) -> None:
    call_command("snapshot", "--output", str(tmp_path / "snapshot.csv"), stderr=io.StringIO())
    assert (tmp_path / "snapshot.csv").stat().st_mode & 0o077 == 0


def test_the_command_overwrites_nothing(line: Line, tmp_path: Path) -> None:
    file = tmp_path / "kept.csv"
    file.write_text("precious")
    with pytest.raises(CommandError):
        call_command("snapshot", "--output", str(file))
    assert file.read_text() == "precious"
