"""``manage.py import_consents`` does what the pages do."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from consent.models import Consent, LedgerEntry, Line
from messaging.models import ImportBatch
from tests.make import JANE, OMAR, make_line, make_officer, make_supervisor

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def ground(settings: Any, tmp_path: Path) -> Line:
    settings.DATA_DIR = tmp_path / "data"
    make_officer("olive"), make_supervisor("sam")
    return make_line(name="Sales")


def run(tmp_path: Path, text: str, capsys: Any, *more: str) -> list[dict[str, Any]]:
    path = tmp_path / "list.csv"
    path.write_text(text)
    line, source = "--line=+12065550100", "--source=Spring fair"
    call_command("import_consents", str(path), "--by=olive", line, source, "--date=2026-03-14", *more)
    return [json.loads(each) for each in capsys.readouterr().out.splitlines()]


def test_it_checks_then_imports_and_hands_back_what_was_refused(tmp_path: Path, capsys: Any) -> None:
    refused = tmp_path / "refused.csv"
    checked, imported = run(tmp_path, f"Fon\n{JANE}\nx\n", capsys, "--column=Fon=number", f"--refused={refused}")
    assert checked["checked"] == imported["imported"] == {"new": 1, "changed": 0, "unchanged": 0, "refused": 1}
    assert imported["refused_because"] == {"Not a phone number": 1}
    assert "Write the number with its country code" in refused.read_text()
    assert Consent.objects.get().contact.number == JANE
    assert (ImportBatch.objects.get().origin, LedgerEntry.objects.get().actor.username) == ("command", "olive")  # type: ignore[union-attr]


def test_a_dry_run_changes_nothing(tmp_path: Path, capsys: Any) -> None:
    assert len(run(tmp_path, f"Mobile\n{OMAR}\n", capsys, "--dry-run")) == 1
    assert not LedgerEntry.objects.exists()


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("--by=sam", "--by"),
        ("--line=+12065559999", "none of the lines"),
        ("--line=x", "--line x"),
        ("--column=Mobile=what", "--column"),
        ("--zone=Mars", "time zone"),
        ("--region=XX", "country"),
        ("--date=14.3.", "--date"),
        ("--column=Mobile=", "Say which column"),
        ("--what=both", "in and who is out"),
    ],
)
def test_what_is_wrong_is_named(wrong: str, why: str, tmp_path: Path, capsys: Any) -> None:
    with pytest.raises(CommandError, match=why):
        run(tmp_path, f"Mobile\n{JANE}\n", capsys, wrong)
    assert not LedgerEntry.objects.exists()
