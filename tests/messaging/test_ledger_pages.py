"""The ledger as an officer reads it: what happened in words, how we know it, and one click to what proves it."""

import datetime as dt
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from consent import kept_files, ledger
from consent.ledger import Proof
from consent.models import Contact, Evidence, KeptFile, LedgerEntry, Line, User
from consent.vocabulary import EntryKind, Scope
from messaging.models import Message, TemplateVersion
from tests.fake_provider import FakeProvider
from tests.make import JANE, OMAR, ago, make_agent, make_contact, make_line, make_officer, make_supervisor
from tests.world import say, write

pytestmark = pytest.mark.django_db
LIST = "/admin/consent/ledgerentry/"
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def line(provider: FakeProvider) -> Line:
    return make_line(name="Sales")


@pytest.fixture
def olive(client: Client) -> User:
    user = make_officer("olive")
    client.force_login(user)
    return user


def page(row: LedgerEntry | Evidence) -> str:
    return reverse(f"admin:consent_{row._meta.model_name}_change", args=[row.pk])


def html(client: Client, address: str, **query: str) -> str:
    answer = client.get(address, query)
    assert answer.status_code == 200
    return answer.content.decode()


def recorded(kind: str) -> LedgerEntry:
    return LedgerEntry.objects.filter(kind=kind).latest("pk")


def opt_out(line: Line, /, **evidence: object) -> LedgerEntry:
    contact = Contact.objects.lock(JANE)
    proof = Proof("agent", evidence, rule="route:call")
    ledger.opt_out(contact, line, proof, occurred_at=ago(hours=1), scope=Scope.CATEGORY)
    return recorded("opted_out")


def test_an_entry_says_what_happened_where_and_how_we_know(olive: User, line: Line, client: Client) -> None:
    write(make_agent(line), line)
    say(JANE, line, "STOP!")
    content = html(client, page(recorded("opted_out")))
    for words in (
        "The contact opted out.",
        "Opt-in requested",
        "✕ Opted out",
        "Every line of the category transactional",
        "Text message",
        "The whole text is the keyword STOP.",
        "See what proves it",
    ):
        assert words in content, words


def test_the_wording_that_was_sent_is_shown_and_linked(olive: User, line: Line, client: Client) -> None:
    write(make_agent(line), line)
    entry = recorded("asked")
    version = TemplateVersion.objects.get(uuid=entry.wording)
    content = html(client, page(entry))
    assert reverse("admin:messaging_templateversion_change", args=[version.pk]) in content
    assert "HELP for help" in content


@pytest.mark.parametrize("kind", EntryKind.values)
def test_every_kind_of_entry_has_its_sentence(olive: User, line: Line, client: Client, kind: str) -> None:
    from consent.admin.ledger import HAPPENED

    assert HAPPENED[EntryKind(kind)].endswith(".")


def test_one_click_leads_to_the_evidence_and_back(olive: User, line: Line, client: Client) -> None:
    entry = opt_out(line, words="Leave me alone", route="call", number=JANE, line=line.number)
    evidence = Evidence.objects.get(digest=entry.evidence_digest)
    assert page(evidence) in html(client, page(entry))
    content = html(client, page(evidence))
    assert page(entry) in content
    assert re.search(r"<blockquote[^>]*>Leave me alone</blockquote>", content)
    assert "How they told us" in content


def test_a_kept_file_can_be_fetched_from_its_evidence(
    olive: User, line: Line, client: Client, tmp_path: object, settings: object
) -> None:
    settings.DATA_DIR = tmp_path  # type: ignore[attr-defined]
    contact = make_contact(JANE)
    upload = kept_files.check(SimpleUploadedFile("letter.txt", b"Please stop"))
    with kept_files.keeping(upload, contact, line, olive) as kept:
        entry = opt_out(line, words="By letter", **kept_files.as_evidence(kept))
    content = html(client, page(Evidence.objects.get(digest=entry.evidence_digest)))
    address = reverse("admin:consent_contact_consent_file", args=[contact.pk, KeptFile.objects.get().uuid])
    assert address in content and "letter.txt" in content
    assert b"".join(client.get(address).streaming_content) == b"Please stop"  # type: ignore[attr-defined]


def test_evidence_that_names_a_file_we_never_kept_is_no_crash(olive: User, line: Line, client: Client) -> None:
    for file in ({"uuid": "nonsense", "name": HOSTILE}, {}, "text", {"uuid": "00000000-0000-4000-8000-000000000000"}):
        evidence = Evidence.objects.get(digest=opt_out(line, file=file, note="x").evidence_digest)
        assert "<img src=x" not in html(client, page(evidence))


def test_held_back_words_are_not_shown_as_evidence_but_read_on_record(olive: User, line: Line, client: Client) -> None:
    say(JANE, line, "Meet me at the fountain")
    text = Message.objects.get(status="held_back")
    proof = Proof("keyword", {"text": text.body, "provider_id": text.provider_id}, rule="en.x")
    ledger.open_review(Contact.objects.get(number=JANE), line, proof, at=timezone.now())
    entry = recorded("review_opened")
    content = html(client, page(Evidence.objects.get(digest=entry.evidence_digest)))
    assert "fountain" not in content
    assert reverse("admin:messaging_heldbackread_read", args=[text.pk]) in content


def test_erased_evidence_is_said_to_be_erased(olive: User, line: Line, client: Client) -> None:
    entry = opt_out(line, words="x")
    ledger.erase_evidence(Contact.objects.lock(JANE), entry.evidence_digest, Proof("agent", {}, actor=olive))
    assert "Erased lawfully" in html(client, page(entry))
    assert "Evidence was erased lawfully" in html(client, page(recorded("evidence_erased")))


def test_the_list_is_narrowed_to_one_day(olive: User, line: Line, client: Client) -> None:
    opt_out(line, words="x")
    today = timezone.localdate()
    for day, count in {today: 1, today - dt.timedelta(days=1): 0}.items():
        assert client.get(LIST, {"day": day.isoformat()}).context_data["cl"].result_count == count  # type: ignore[attr-defined]
    for odd in ("", "nonsense", "0001-01-01", "9999-12-31", "٣"):
        assert client.get(LIST, {"day": odd}).context_data["cl"].result_count == 1  # type: ignore[attr-defined]
    content = html(client, LIST, day=today.isoformat(), kind__exact="opted_out")
    assert f'type="date" id="filter-day" name="day" value="{today.isoformat()}"' in content
    assert '<input type="hidden" name="kind__exact" value="opted_out">' in content


def test_links_from_elsewhere_still_narrow_it(olive: User, line: Line, client: Client) -> None:
    opt_out(line, words="x")
    query = {
        "kind__exact": "opted_out",
        "effect": "changed",
        "rule": "route:call",
        "recorded_at__gte": ago(days=1).isoformat(),
    }
    assert client.get(LIST, query).context_data["cl"].result_count == 1  # type: ignore[attr-defined]


def test_hostile_evidence_is_text(olive: User, line: Line, client: Client) -> None:
    make_contact(JANE, first_name=HOSTILE)
    Line.objects.update(name=HOSTILE)
    entry = opt_out(line, words=HOSTILE, text=HOSTILE, reason=HOSTILE, **{HOSTILE: {HOSTILE: [HOSTILE]}})
    for address in (LIST, page(entry), page(Evidence.objects.get(digest=entry.evidence_digest))):
        assert "<img src=x" not in html(client, address), address


def test_ledger_and_evidence_are_for_officers(line: Line, client: Client) -> None:
    entry = opt_out(line, words="x")
    evidence = Evidence.objects.get(digest=entry.evidence_digest)
    for user in (make_supervisor(), make_agent(line)):
        client.force_login(user)
        for address in (LIST, page(entry), page(evidence)):
            assert client.get(address).status_code == 403


def test_refused_texts_say_who_tried_and_what_kept_them(olive: User, line: Line, client: Client) -> None:
    say(OMAR, line, "STOP")
    write(make_agent(line, name="ann"), line, body="One more thing", to=OMAR)
    content = html(client, "/admin/messaging/message/", status__exact="refused")
    for words in ("Who tried", "ann", "One more thing", "Opted out", "Only they can undo it"):
        assert words in content, words
    assert "Who tried" not in html(client, "/admin/messaging/message/")
