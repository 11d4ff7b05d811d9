"""Lists that marketing texts are matched against: the files, what the newest says, what the gate makes of it."""

import datetime as dt
import tracemalloc
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from consent.gate import Facts, Purpose, Reason, decide
from consent.models import Line, ListImport, ScrubResult, User
from consent.vocabulary import Category, Level, NumberList, Status
from messaging import number_files, scrubbing
from messaging.number_files import FileError
from tests.make import JANE, OMAR, make_agent, make_line, make_officer, make_opted_in
from tests.world import Phone, write

DAY = dt.date(2026, 11, 20)
NOW = dt.datetime(2026, 12, 1, 12, tzinfo=dt.UTC)


def take(kind: NumberList, text: str, day: dt.date = DAY) -> ListImport:
    return scrubbing.take(number_files.read(text.encode(), answers=False), kind, as_of=day, name="list.csv", by=None)


# ---- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("junk", [b"\n", b"x\n", b" ,\n"])
def test_a_file_of_nothing_fills_no_memory(junk: bytes) -> None:
    content = b"number\n" + junk * 20_000
    tracemalloc.start()
    try:
        with pytest.raises(FileError):
            number_files.read(content, answers=False)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_more_rows_than_fit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(number_files, "MOST_ROWS", 2)
    assert len(number_files.read(b"2065550142\n" * 2, answers=False).rows) == 2
    with pytest.raises(FileError, match="more than 2 rows"):
        number_files.read(b"2065550142\n" * 3, answers=False)


@pytest.mark.parametrize(
    "text",
    [
        "2065550142\n",
        "\ufeffNumber,Listed\r\n(206) 555-0142,yes\r\n",
        "Phone Number,Status,Other\n+1 206 555 0142,LISTED,whatever\n\n",
        "1-206-555-0142,Y",
    ],
)
def test_the_usual_ways_to_write_a_list(text: str) -> None:
    [row] = number_files.read(text.encode(), answers=False).rows
    assert row.number == JANE
    assert row.answer in {None, "yes"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"number,listed\n", "no rows"),
        (b"PK\x03\x04\0\0", "not a text file"),
        (b"number\n=1+1\n", "Row 2: .*no phone number"),
        (b"number,listed\n2065550142,maybe\n", "Row 2: .*no answer"),
        (b"number,listed\n" + b"nobody,yes\n" * 12, "And 2 more rows"),
    ],
)
def test_what_can_not_be_read_is_named(content: bytes, says: str) -> None:
    with pytest.raises(FileError, match=says):
        number_files.read(content, answers=False)


@pytest.mark.parametrize(
    "row", ["2065550142,,yes", "2065550142,2026-11-20,", "2065550142,20 Nov,yes", "x,2026-11-20,no"]
)
def test_an_answer_needs_all_three(row: str) -> None:
    with pytest.raises(FileError, match="Row 2"):
        number_files.read(f"number,date,answer\n{row}\n".encode(), answers=True)


@given(st.binary(max_size=300))
@hypothesis_settings(max_examples=100, deadline=None)
def test_no_file_breaks_the_reader(content: bytes) -> None:
    for answers in (False, True):
        try:
            assert number_files.read(content, answers=answers).rows
        except FileError as error:
            assert all(error.errors)


# ---- what the newest list says --------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_list_with_the_later_day_counts_whichever_comes_first() -> None:
    take(NumberList.DO_NOT_CALL, "number,listed\n2065550142,yes\n2065550143,yes", DAY)
    take(NumberList.DO_NOT_CALL, "number,listed\n2065550142,no", DAY - dt.timedelta(days=9))
    assert ScrubResult.objects.lists_naming(JANE) == {"do_not_call"}
    take(NumberList.DO_NOT_CALL, "number,listed\n2065550142,no", DAY + dt.timedelta(days=1))
    assert ScrubResult.objects.lists_naming(JANE) == frozenset()
    assert ScrubResult.objects.lists_naming(OMAR) == {"do_not_call"}, "what a list does not name stays"
    take(NumberList.LITIGATOR, "2065550143")
    assert ScrubResult.objects.lists_naming(OMAR) == {"do_not_call", "litigator"}


@pytest.mark.django_db
def test_a_list_has_no_unknowns() -> None:
    with pytest.raises(FileError, match="no data"):
        take(NumberList.LITIGATOR, "number,listed\n2065550142,no data")
    assert not ListImport.objects.exists()


# ---- the policy -----------------------------------------------------------------------------------------------------


def asked(kind: NumberList, purpose: Purpose = Purpose.ORDINARY, **more: object) -> Reason:
    facts = {"status": Status.OPTED_IN, "level": Level.EXPRESS, "marketing": True, **more}
    return decide(Facts(now=NOW, listed_on=frozenset({kind}), purpose=purpose, **facts)).reason  # type: ignore[arg-type]


def test_only_written_consent_overrides_the_registry_and_nothing_a_litigator() -> None:
    for level, registry in ((Level.EXPRESS, Reason.SCRUB_LIST), (Level.WRITTEN, Reason.ALLOWED)):
        assert asked(NumberList.DO_NOT_CALL, level=level) is registry
        assert asked(NumberList.LITIGATOR, level=level) is Reason.SCRUB_LIST
    assert asked(NumberList.DO_NOT_CALL, level=Level.WRITTEN, consent_until=NOW) is Reason.SCRUB_LIST


def test_other_lines_are_not_concerned() -> None:
    for kind in (NumberList.DO_NOT_CALL, NumberList.LITIGATOR):
        assert asked(kind, marketing=False) is Reason.ALLOWED


@pytest.mark.parametrize("purpose", Purpose)
def test_what_answers_their_own_act_passes_the_registry_only(purpose: Purpose) -> None:
    ours = {Purpose.ORDINARY, Purpose.REQUEST_OURS, Purpose.DISCLAIMER_OURS}
    due = {Purpose.OPT_OUT_CONFIRMATION, Purpose.HELP_REPLY}
    out = {"status": Status.OPTED_OUT, "opted_out_at": NOW} if purpose is Purpose.OPT_OUT_CONFIRMATION else {}
    assert (asked(NumberList.DO_NOT_CALL, purpose, **out) is Reason.SCRUB_LIST) == (purpose in ours)
    if purpose is not Purpose.WAY_BACK:  # refused before: they are not opted out
        assert (asked(NumberList.LITIGATOR, purpose, **out) is Reason.SCRUB_LIST) == (purpose not in due)


# ---- from the file to the phone -------------------------------------------------------------------------------------


@pytest.fixture
def offers(db: None) -> Line:
    return make_line(name="Offers", category=Category.MARKETING)


@pytest.fixture
def olive(db: None) -> User:
    return make_officer("olive")


def test_an_officer_imports_and_marketing_stops(offers: Line, olive: User, jane: Phone) -> None:
    orders = make_line("+12065550101", name="Orders")
    ann = make_agent(offers, orders)
    for line in (offers, orders):
        make_opted_in(line)
    client = Client()
    client.force_login(olive)
    file = SimpleUploadedFile("dnc.csv", b"number,listed\n2065550142,yes\n2065550143,no\n")
    form = {"kind": "do_not_call", "as_of": "2026-11-20", "file": file}
    assert client.post(reverse("admin:consent_listimport_take"), form).status_code == 302
    batch = ListImport.objects.get()
    assert (batch.by, batch.file_name, batch.rows, batch.listed, len(batch.sha256)) == (olive, "dnc.csv", 2, 1, 64)
    text = write(ann, offers)
    assert (text.status, text.reason) == ("refused", "scrub_list")
    assert write(ann, orders).status == "sent"
    jane.texts(offers, "STOP")
    assert jane.news()[-1] == "opt_out_confirmation"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"as_of": "2999-01-01"}, "lies in the future"),
        ({"as_of": "soon"}, "Give a day"),
        ({"file": SimpleUploadedFile("x.csv", b"number\nnobody\n")}, "Row 2"),
        ({"kind": "reassigned"}, "number, date and answer are needed"),
    ],
)
def test_bad_input_is_named_and_nothing_is_imported(olive: User, change: dict[str, object], says: str) -> None:
    client = Client()
    client.force_login(olive)
    file = SimpleUploadedFile("list.csv", b"number,listed\n2065550142,yes\n")
    form = {"kind": "litigator", "as_of": "2026-11-20", "file": file, **change}
    answer = client.post(reverse("admin:consent_listimport_take"), form)
    assert answer.status_code == 200 and says in answer.content.decode()
    assert not ListImport.objects.exists() and not ScrubResult.objects.exists()


@pytest.mark.django_db
def test_the_command_does_the_same(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("2065550142\n")
    call_command("import_number_list", "litigator", str(file), as_of=DAY)
    assert ScrubResult.objects.get().listed
    file.write_text("nobody\n")
    with pytest.raises(CommandError, match="Row 1"):
        call_command("import_number_list", "litigator", str(file), as_of=DAY)
    with pytest.raises(CommandError, match="can't be read"):
        call_command("import_number_list", "litigator", str(tmp_path / "none.csv"), as_of=DAY)
