"""The evidence pack: complete, exact, verifiable by a stranger, and on record."""

import csv
import hashlib
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from consent.models import Contact, LedgerEntry, Line, User
from consent.vocabulary import Scope
from messaging import capture
from messaging.models import HeldBackRead
from reporting.evidence_pack import latency, making
from reporting.models import ReportRun
from tests.fake_provider import FakeProvider
from tests.make import JANE, make_agent, make_contact, make_line, make_officer, make_supervisor
from tests.world import say, write

pytestmark = pytest.mark.django_db


@pytest.fixture
def line() -> Line:
    return make_line(name="Sales")


@pytest.fixture
def other(line: Line) -> Line:
    return make_line("+12065550101", name="Billing")


@pytest.fixture
def olive() -> User:
    return make_officer("olive")


@pytest.fixture
def story(line: Line, other: Line, provider: FakeProvider) -> Contact:
    """Jane was asked, said yes, was texted, said stop, was refused to Ann; and wrote to Billing of other matters."""
    ann = make_agent(line, name="ann")
    write(ann, line, "Your order is ready =cmd()")
    say(JANE, line, "YES")
    say(JANE, other, "The secret of Billing")
    say(JANE, line, "STOP")
    write(ann, line, "One more thing")
    contact = Contact.objects.get(number=JANE)
    Contact.objects.filter(pk=contact.pk).update(first_name="Jané", last_name="Łęcka <b>")
    contact.refresh_from_db()
    return contact


def made(contact: Contact, *lines: Line, format: str = "zip", user: User | None = None) -> tuple[ReportRun, bytes]:
    run, file = making.make(
        contact, list(lines) or None, format=format, origin="admin", user=user, reason="Complaint 7"
    )
    with file:
        return run, file.read()


def members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def unpacked(content: bytes, folder: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(folder)
    return folder


def checked(path: Path) -> tuple[int, str]:
    """What the pack's own script says in an interpreter that sees nothing of ours."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(path / "verify.py")], capture_output=True, text=True, cwd="/", env={}
    )
    return done.returncode, done.stdout


def test_it_holds_every_text_refusal_and_change_with_its_words(story: Contact, line: Line, other: Line) -> None:
    files = members(made(story)[1])
    told = json.loads(files["pack.json"])
    words = [event["words"] for event in told["events"] if event["kind"] == "text"]
    for said in ("YES", "STOP", "The secret of Billing", "One more thing"):
        assert any(said in each for each in words), said
    refused = next(event for event in told["events"] if event["words"] == "One more thing")
    assert (refused["status"], refused["who"]) == ("refused", "ann") and "opted out" in refused["why"]
    entries = [event for event in told["events"] if event["kind"] == "entry"]
    assert len(entries) == LedgerEntry.objects.filter(contact=story).count()
    assert {each["line"] for each in told["lines"]} == {line.number, other.number}
    asked = [event for event in told["events"] if event["kind"] == "request"]
    assert asked and all(event["wording"] in {each["name"] for each in told["wordings"]} for event in asked)
    rows = list(csv.DictReader(io.StringIO(files["timeline.csv"].decode())))
    assert len(rows) == len(told["events"]) and [row["at"] for row in rows] == sorted(row["at"] for row in rows)


def test_what_a_spreadsheet_would_run_is_guarded(line: Line, provider: FakeProvider) -> None:
    say(JANE, line, "=cmd()|x")
    contact = Contact.objects.get(number=JANE)
    rows = csv.DictReader(io.StringIO(members(made(contact)[1])["timeline.csv"].decode()))
    assert "'=cmd()|x" in {row["words"] for row in rows}


def test_how_long_after_the_stop_the_last_text_left(story: Contact, line: Line) -> None:
    (stop,) = json.loads(members(made(story)[1])["pack.json"])["after_opt_outs"][:1]
    assert stop["line"] == line.number
    assert (stop["others"], stop["seconds"], stop["answers"]) == (0, None, 1)
    assert stop["left_before"] < stop["said_at"]


def test_a_text_that_left_after_the_stop_is_told(story: Contact, line: Line) -> None:
    """It can't happen; if it does, this is where it must show."""
    from messaging.models import Message

    text = Message.objects.filter(conversation__contact=story, body="One more thing").get()
    entry = LedgerEntry.objects.filter(contact=story, line=line, kind="opted_out").get()
    text.claimed_at = text.sent_at = entry.occurred_at + (entry.recorded_at - entry.occurred_at) * 2
    (after,) = latency.after_stops([entry], [text])
    assert after.others == 1 and after.seconds == (text.sent_at - entry.occurred_at).total_seconds()


def test_its_own_script_verifies_it_without_anything_of_ours(story: Contact, tmp_path: Path) -> None:
    folder = unpacked(made(story)[1], tmp_path)
    code, said = checked(folder)
    assert code == 0 and "Everything fits." in said and story.ledger_head in said


def test_and_from_the_zip_itself(story: Contact, tmp_path: Path) -> None:
    content = made(story)[1]
    folder = unpacked(content, tmp_path / "a")
    (tmp_path / "pack.zip").write_bytes(content)
    done = subprocess.run([sys.executable, "-I", folder / "verify.py", tmp_path / "pack.zip"], capture_output=True)
    assert done.returncode == 0, done.stdout


def test_one_changed_byte_anywhere_breaks_it(story: Contact, tmp_path: Path) -> None:
    content = made(story)[1]
    for name in sorted(members(content).keys() - {"verify.py"}):
        folder = unpacked(content, tmp_path / name.replace("/", "-"))
        path = folder / name
        old = path.read_bytes()
        middle = len(old) // 2
        path.write_bytes(old[:middle] + bytes([old[middle] ^ 1]) + old[middle + 1 :])
        code, said = checked(folder)
        assert code == 1 and "BROKEN" in said, name


FORGERIES = {
    "another status": lambda chain: chain["entries"][1]["covered"].update(status_to="opted_in", level="written"),
    "an entry left out": lambda chain: chain["entries"].pop(1),
    "the end cut off": lambda chain: chain["entries"].pop(),
    "two swapped": lambda chain: chain["entries"].insert(0, chain["entries"].pop(1)),
    "other words": lambda chain: chain["evidence"][0]["data"].update(text="Yes, do write to me"),
    "evidence left out": lambda chain: chain["evidence"].pop(0),
    "another contact": lambda chain: chain.update(contact="5f0c0e3e-0000-4000-8000-000000000000"),
    "another head": lambda chain: chain.update(head="0" * 64),
}


def test_a_forged_chain_breaks_it_even_with_fresh_sums(story: Contact, tmp_path: Path) -> None:
    """Whoever edits the pack can also write new sums; the chain is what they can't fit."""
    folder = unpacked(made(story)[1], tmp_path)
    whole = (folder / "chain.json").read_text()
    for name, forge in FORGERIES.items():
        chain = json.loads(whole)
        forge(chain)
        (folder / "chain.json").write_text(json.dumps(chain))
        _fresh_sums(folder)
        code, said = checked(folder)
        assert code == 1 and "BROKEN" in said and "SHA256SUMS" not in said, name


@pytest.mark.parametrize(
    "forged",
    [
        {"occurred_at": "2026-01-01T00:00:00.000000Z"},
        {"rule": "keyword:START"},
        {"words": "Please go on texting me"},
        {"evidence_data": {"text": "Please go on texting me"}},
        {"evidence": "0" * 64},
    ],
)
def test_events_that_say_otherwise_than_the_chain_break_it(
    story: Contact, tmp_path: Path, forged: dict[str, Any]
) -> None:
    folder = unpacked(made(story)[1], tmp_path)
    told = json.loads((folder / "pack.json").read_text())
    entry = next(event for event in told["events"] if event.get("entry") == "opted_out")
    assert all(entry[name] != value for name, value in forged.items())
    entry.update(forged)
    (folder / "pack.json").write_text(json.dumps(told))
    _fresh_sums(folder)
    assert checked(folder)[0] == 1


def _fresh_sums(folder: Path) -> None:
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.name != "SHA256SUMS"]
    sums = "".join(f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names)
    (folder / "SHA256SUMS").write_text(sums)


def test_a_pack_of_one_line_verifies_and_tells_nothing_of_others(
    story: Contact, line: Line, other: Line, tmp_path: Path
) -> None:
    content = made(story, line)[1]
    for name, inside in members(content).items():
        for secret in ("The secret of Billing", other.number, str(other.uuid), "Billing"):
            assert secret.encode() not in inside, (name, secret)
    code, said = checked(unpacked(content, tmp_path))
    assert code == 0
    hidden = LedgerEntry.objects.filter(contact=story, line=other).count()
    assert hidden and f"{hidden} of them about other lines" in said


def test_erased_evidence_is_said_to_be_erased(story: Contact, olive: User, tmp_path: Path) -> None:
    from consent import ledger
    from consent.ledger import Proof
    from consent.vocabulary import Channel

    entry = LedgerEntry.objects.filter(contact=story).exclude(evidence_digest="").latest("pk")
    ledger.erase_evidence(Contact.objects.lock(JANE), entry.evidence_digest, Proof(Channel.AGENT, {}, actor=olive))
    content = made(story)[1]
    assert checked(unpacked(content, tmp_path))[0] == 0
    events = json.loads(members(content)["pack.json"])["events"]
    erased = [event for event in events if event.get("entry") == "evidence_erased"]
    assert erased and erased[0]["who"] == "olive"


@pytest.mark.parametrize("format", ["pdf", "zip"])
def test_making_it_is_recorded(story: Contact, olive: User, format: str) -> None:
    run, content = made(story, format=format, user=olive)
    assert (run.report, run.user, run.state, run.format) == ("evidence", olive, "done", format)
    assert (run.size, run.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert run.filters == {"contact": str(story.uuid), "reason": "Complaint 7"}
    assert JANE not in json.dumps(run.filters), "the record outlives an erasure"
    later = json.loads(members(made(story, user=olive)[1])["pack.json"])
    assert str(run.uuid) in {event.get("run") for event in later["events"]}, "who took evidence is told too"


def test_held_back_words_in_it_count_as_read(line: Line, olive: User, provider: FakeProvider) -> None:
    say(JANE, line, "Hello, is anybody there?")
    contact = Contact.objects.get(number=JANE)
    made(contact, user=olive)
    (read,) = HeldBackRead.objects.all()
    assert (read.reader, read.message.body) == (olive, "Hello, is anybody there?")


def test_the_pdf_takes_hostile_and_foreign_words(line: Line, provider: FakeProvider) -> None:
    for body in (
        "<b>bold</b> &amp; <font color=red>",
        "x" * 20_000,
        "Привет 你好 こんにちは 안녕 שלום مرحبا नमस्ते 👍🏽 \u202egnp.exe\u202c",
        "a\n" * 500,
    ):
        say(JANE, line, body)
    contact = make_contact(JANE)
    Contact.objects.filter(pk=contact.pk).update(first_name="<i>", last_name="&")
    content = made(contact, format="pdf")[1]
    assert content.startswith(b"%PDF-") and content.rstrip().endswith(b"%%EOF")


def test_what_can_t_be_drawn_is_spelled_out() -> None:
    from reporting.evidence_pack import fonts

    assert fonts.markup("a\u202eb") == "a[U+202E RIGHT-TO-LEFT OVERRIDE]b"
    assert "U+1FAE8" in fonts.markup("\U0001fae8")
    assert fonts.markup("<b>&\n") == "&lt;b&gt;&amp;<br/>"
    assert not fonts.is_faithful("שלום") and fonts.is_faithful("Łódź 你好")


def test_nothing_on_record_makes_a_pack_too(tmp_path: Path) -> None:
    content = made(make_contact(JANE))[1]
    assert checked(unpacked(content, tmp_path))[0] == 0


# ---- the command ----------------------------------------------------------------------------------------------------


def test_the_command(story: Contact, tmp_path: Path, line: Line) -> None:
    err = io.StringIO()
    target = tmp_path / "pack.zip"
    call_command("evidence", "+1 206 555 0142", line=[line.number], output=target, reason="Court", stderr=err)
    run = ReportRun.objects.get()
    assert (run.origin, run.user, run.filters["line"]) == ("command", None, [line.number])
    assert run.sha256 == hashlib.sha256(target.read_bytes()).hexdigest() and run.sha256 in err.getvalue()
    assert target.stat().st_mode & 0o077 == 0
    with pytest.raises(CommandError, match="--output"):
        call_command("evidence", JANE, output=target)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["+12065550177"], "is no contact"),
        (["nobody"], "number"),
        ([JANE, "--line", "+12065559999"], "none of the lines"),
    ],
)
def test_the_command_says_what_is_wrong(story: Contact, arguments: list[str], why: str) -> None:
    with pytest.raises(CommandError, match=why):
        call_command("evidence", *arguments)


# ---- the page -------------------------------------------------------------------------------------------------------


def test_an_officer_makes_one_from_the_contact_s_page(story: Contact, line: Line, olive: User, client: Any) -> None:
    client.force_login(olive)
    page = client.get(reverse("admin:consent_contact_change", args=[story.pk])).content.decode()
    address = reverse("admin:consent_contact_evidence", args=[story.pk])
    assert address in page
    assert b"held back" in client.get(address).content
    assert not ReportRun.objects.exists(), "nothing happens on GET"
    answer = client.post(address, {"lines": [line.pk], "format": "zip", "reason": "Complaint 7"})
    content = b"".join(answer.streaming_content)
    run = ReportRun.objects.get()
    assert hashlib.sha256(content).hexdigest() == run.sha256 and run.filters["line"] == [line.number]
    assert "no-store" in answer["Cache-Control"] and ".zip" in answer["Content-Disposition"]
    record = client.get(reverse("admin:reporting_reportrun_change", args=[run.pk])).content.decode()
    assert "Complaint 7" in record and "Jané" in record


def test_a_reason_is_needed(story: Contact, olive: User, client: Any) -> None:
    client.force_login(olive)
    answer = client.post(reverse("admin:consent_contact_evidence", args=[story.pk]), {"format": "zip"})
    assert answer.status_code == 200 and not ReportRun.objects.exists()


def test_supervisors_see_the_record_and_make_none(story: Contact, client: Any) -> None:
    run, _ = made(story, user=make_officer("pat"))
    client.force_login(make_supervisor())
    assert client.get(reverse("admin:consent_contact_evidence", args=[story.pk])).status_code == 403
    assert client.post(reverse("admin:consent_contact_evidence", args=[story.pk]), {}).status_code == 403
    page = client.get(reverse("admin:reporting_reportrun_change", args=[run.pk]))
    assert page.status_code == 200 and run.sha256 in page.content.decode()


def test_revocations_by_another_route_say_who_recorded_them(line: Line, olive: User) -> None:
    from tests.make import ago

    capture.record_revocation(
        JANE, line, by=olive, route="letter", words="Leave me alone", occurred_at=ago(days=1), scope=Scope.LINE
    )
    events = json.loads(members(made(make_contact(JANE))[1])["pack.json"])["events"]
    entry = next(event for event in events if event["kind"] == "entry")
    assert entry["who"] == "olive" and "Leave me alone" in entry["words"] and "letter" in entry["why"]
