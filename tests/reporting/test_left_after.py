"""Which text of ours came before an opt-out: by its version, once, on the line that was texted; counted ahead."""

import datetime as dt
import random
from collections import Counter

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from consent.models import Evidence, LedgerEntry, Line, Organisation, User
from consent.vocabulary import Channel, EntryKind, Mode, Scope
from messaging import capture, outbound, review
from messaging.models import KeywordResponder, Message, Review, SavedText, Template
from messaging.models.message import Direction
from messaging.wordings import Kind
from reporting import figures, phrases
from reporting.figures import What
from reporting.models import Figure
from tests import make
from tests.fake_provider import FakeProvider
from tests.make import make_agent, make_contact, make_line, make_officer, make_supervisor
from tests.reporting.test_dashboard import Links, opened
from tests.reporting.test_figures import count_all, stored
from tests.world import Clock, Phone, callback, sweep, work, write

pytestmark = pytest.mark.django_db(transaction=True)

ADA, BO = "+12065550160", "+12065550161"


def left_after(line: Line | None = None) -> Counter[str]:
    count_all()
    today = timezone.localdate()
    found = figures.read(today, [line.pk] if line else None)
    return found.by_key(What.LEFT_AFTER, figures.since(today, figures.CHART_DAYS), line.pk if line else None)


def make_opted_in(line: Line, number: str) -> None:
    with transaction.atomic():
        make.make_opted_in(line, number)


def version(kind: Kind) -> str:
    """The key of the version that speaks now for every line."""
    return f"template:{Template.objects.get(kind=kind, line=None, language='en').current_id}"


@pytest.fixture
def sales(clock: Clock) -> Line:
    return make_line(name="Sales")


@pytest.fixture
def ann(sales: Line) -> User:
    return make_agent(sales, name="ann")


@pytest.fixture
def reminder(db: None) -> SavedText:
    saved = SavedText.objects.create(name="Reminder")
    saved.say("See you tomorrow")
    return saved


def say(ann: User, line: Line, saved: SavedText, to: str = ADA) -> None:
    words = saved.current
    assert words
    outbound.submit(line=line, to=to, body=words.body, author=ann, saved_text=words)
    work()


def test_the_version_that_was_sent_counts_not_the_one_of_today(sales: Line, ann: User, provider: FakeProvider) -> None:
    old = version(Kind.REQUEST_OURS)
    write(ann, sales, to=ADA)
    template = Template.objects.get(kind=Kind.REQUEST_OURS, line=None, language="en")
    template.say("{agent_name} at {company_name} would like to text you. Reply {accept_word} or STOP.")
    write(ann, sales, to=BO)
    Phone(provider, ADA).texts(sales, "STOP")
    assert left_after() == {old: 1}
    Phone(provider, BO).texts(sales, "no")
    assert left_after() == {old: 1, version(Kind.REQUEST_OURS): 1}


def test_ordinary_texts_are_told_apart_by_their_saved_text(
    sales: Line, ann: User, reminder: SavedText, provider: FakeProvider
) -> None:
    for number in (ADA, BO):
        make_opted_in(sales, number)
        write(ann, sales, to=number)
    say(ann, sales, reminder)
    for number in (ADA, BO):
        Phone(provider, number).texts(sales, "STOP")
    assert left_after() == {f"savedtext:{reminder.current_id}": 1, "own": 1}  # the footer's wording is not theirs


def test_only_what_had_left_counts(sales: Line, ann: User, clock: Clock, provider: FakeProvider) -> None:
    asked = version(Kind.REQUEST_OURS)
    write(ann, sales, to=ADA)  # the request leaves, the text is held
    Phone(provider, ADA).texts(sales, "STOP")  # its confirmation leaves after it
    assert left_after() == {asked: 1}


def test_a_text_of_long_ago_is_not_blamed(sales: Line, ann: User, clock: Clock, provider: FakeProvider) -> None:
    for number in (ADA, BO):
        make_opted_in(sales, number)
    write(ann, sales, to=ADA)
    clock.passes(days=1)
    write(ann, sales, to=BO)
    clock.passes(days=29, minutes=1)
    for number in (ADA, BO):
        Phone(provider, number).texts(sales, "STOP")
    assert left_after() == {"long ago": 1, "own": 1}


def test_those_whom_we_never_texted_are_counted_apart(sales: Line, provider: FakeProvider) -> None:
    Phone(provider, ADA).texts(sales, "STOP")
    assert left_after() == {"nothing": 1}


def test_a_keywords_own_reply_has_no_wording(sales: Line, provider: FakeProvider) -> None:
    make_opted_in(sales, ADA)
    KeywordResponder.objects.create(keyword="HOURS", action="reply", reply="9 to 5")
    ada = Phone(provider, ADA)
    ada.texts(sales, "HOURS")
    assert ada.last_words() == "9 to 5"
    ada.texts(sales, "STOP")
    assert left_after() == {"reply": 1}


def test_an_opt_out_counts_once_on_the_line_that_was_texted(
    sales: Line, ann: User, clock: Clock, provider: FakeProvider
) -> None:
    Organisation.objects.update(revocation_scope=Scope.ALL)
    care = make_line("+12065550101", name="Care")
    ann.lines.add(care)
    write(ann, sales, to=ADA)
    clock.passes(minutes=5)
    write(ann, care, to=ADA)
    Phone(provider, ADA).texts(sales, "STOP")
    assert LedgerEntry.objects.filter(kind=EntryKind.OPTED_OUT).count() == 2
    assert left_after() == left_after(sales) == {version(Kind.REQUEST_OURS): 1}
    assert left_after(care) == {}


def test_what_was_not_texted_is_not_about_a_text(sales: Line, ann: User, provider: FakeProvider) -> None:
    make_opted_in(sales, ADA)
    write(ann, sales, to=ADA)
    with transaction.atomic():
        capture.record_revocation(ADA, sales, by=ann, route="call", words="No more", occurred_at=timezone.now())
    assert left_after() == {}


def test_the_providers_word_is_about_the_text_before_the_one_it_refused(
    sales: Line, ann: User, reminder: SavedText, clock: Clock, provider: FakeProvider
) -> None:
    make_opted_in(sales, ADA)
    say(ann, sales, reminder)
    clock.passes(minutes=5)
    refused = write(ann, sales, to=ADA)
    callback(refused, "failed", "21610")
    work()
    assert left_after() == {f"savedtext:{reminder.current_id}": 1}


def test_what_a_person_decides_counts_from_the_contacts_text(
    sales: Line, ann: User, clock: Clock, provider: FakeProvider
) -> None:
    make_opted_in(sales, ADA)
    write(ann, sales, to=ADA)
    Phone(provider, ADA).texts(sales, "I don't know why you keep texting me")
    clock.passes(days=2)
    review.it_was_an_opt_out(Review.objects.get(), by=make_officer(), reason="They said so")
    assert left_after() == {"own": 1}


# ---- counted ahead --------------------------------------------------------------------------------------------------


def by_hand() -> Counter[tuple[int, str]]:
    """The same from the evidence, text by text: line and key of each texted opt-out."""
    found: Counter[tuple[int, str]] = Counter()
    for entry in LedgerEntry.objects.filter(kind=EntryKind.OPTED_OUT).select_related("line"):
        evidence = Evidence.objects.get(digest=entry.evidence_digest).data
        assert entry.line
        if entry.channel not in {Channel.KEYWORD, Channel.PROVIDER} or entry.line.number != evidence.get(
            "to" if "text" in evidence else "line"
        ):
            continue
        texts = Message.objects.filter(conversation__contact=entry.contact, conversation__line=entry.line)
        left = [(text.sent_at, text) for text in texts if text.sent_at and text.sent_at < entry.occurred_at]
        found[entry.line.pk, _key(entry.occurred_at, *max(left, key=lambda each: each[0], default=()))] += 1
    return found


def _key(at: dt.datetime, left: dt.datetime | None = None, last: Message | None = None) -> str:
    if left is None or last is None:
        return "nothing"
    if at - left > dt.timedelta(days=30):
        return "long ago"
    if last.purpose != "ordinary":
        return f"template:{last.wording_id}" if last.wording_id else "reply"
    return f"savedtext:{last.saved_text_id}" if last.saved_text_id else "own"


@pytest.mark.parametrize("seed", range(2))
def test_what_is_counted_bit_by_bit_is_what_a_full_count_finds(
    seed: int, clock: Clock, reminder: SavedText, provider: FakeProvider
) -> None:
    chance = random.Random(seed)
    Organisation.objects.update(revocation_scope=Scope.CATEGORY)
    lines = [
        make_line("+14255550100"),
        make_line("+14255550101", mode=Mode.DISCLAIMER),
        make_line("+14255550102", category="informational"),
    ]
    ann, officer = make_agent(*lines), make_officer()
    template = Template.objects.get(kind=Kind.REQUEST_OURS, line=None, language="en")
    phones = [Phone(provider, f"+1206555018{digit}") for digit in range(6)]
    for turn in range(100):
        phone, line = chance.choice(phones), chance.choice(lines)
        match chance.randrange(10):
            case 0 | 1:
                phone.texts(line, "START")
                write(ann, line, to=phone.number)
            case 2:
                phone.texts(line, "START")
                clock.passes(seconds=1)
                say(ann, line, reminder, phone.number)
            case 3 | 4:
                phone.texts(line, chance.choice(["STOP", "STOP", "please stop texting me", "STOPALL"]))
            case 5:
                phone.texts(line, chance.choice(["START", "YES", "HELP", "Hello"]))
            case 6:
                phone.texts(line, "I don't know why you keep texting me")
                for found in Review.objects.open().revocations():
                    review.it_was_an_opt_out(found, by=officer, reason="Yes")
            case 7:
                text = Message.objects.filter(direction=Direction.OUT, status="sent").order_by("-pk").first()
                if text:
                    callback(text, chance.choice(["delivered", "undelivered"]), chance.choice(["", "21610"]))
                    work()
            case 8:
                reminder.say(f"Reminder no. {turn}")
                template.say(f"Version {turn}: {{agent_name}} at {{company_name}} asks. Reply {{accept_word}} or STOP.")
            case 9:
                clock.passes(days=chance.choice([1, 6]))
                sweep()
        clock.passes(seconds=chance.choice([1, 40]))
        if chance.random() < 0.3:
            figures.count()
    count_all()
    bit_by_bit = stored()
    counted: Counter[tuple[int, str]] = Counter()
    for (what, line_pk, _, key), number in bit_by_bit.items():
        if what == What.LEFT_AFTER:
            assert isinstance(line_pk, int) and isinstance(key, str)
            counted[line_pk, key] += number
    kept = figures.begin(figures.since(timezone.localdate(), figures.KEPT_DAYS))
    assert not LedgerEntry.objects.filter(recorded_at__lt=kept).exists()
    assert counted == by_hand()
    assert {key.partition(":")[0] for _, key in counted} >= {"template", "savedtext", "own", "nothing"}, counted
    figures.recount()
    assert stored() == bit_by_bit


def test_a_full_count_leaves_out_days_that_nobody_asks_for(
    sales: Line, ann: User, clock: Clock, provider: FakeProvider
) -> None:
    Phone(provider, ADA).texts(sales, "STOP")
    count_all()
    clock.passes(days=figures.KEPT_DAYS)
    figures.count()
    figures.recount()
    assert not [key for key in stored() if key[0] == What.LEFT_AFTER]


# ---- the card -------------------------------------------------------------------------------------------------------

CARD = "What people were sent before they left"


def test_the_card_leads_to_the_versions_of_each_text(
    client: Client, sales: Line, ann: User, reminder: SavedText, provider: FakeProvider
) -> None:
    own = Template.objects.create(kind=Kind.REQUEST_OURS, line=sales, language="es")
    for words in ("¿De acuerdo? {accept_word} o STOP.", "{agent_name} pregunta: {accept_word} o STOP."):
        own.say(words)
    reminder.name = "<i>Reminder</i>"
    reminder.save()
    for digit, language in enumerate(["es", "es", ""]):
        number = f"+1206555017{digit}"
        make_contact(number, language=language)
        if not language:
            make_opted_in(sales, number)
        say(ann, sales, reminder, number)
        Phone(provider, number).texts(sales, "STOP")
    count_all()
    for user in (make_officer(), make_supervisor()):
        page = opened(client, user)
        card = page[page.index(CARD) :].partition("</section>")[0]
        assert "Opt-in request, we texted first, version 2 (Sales, Spanish)" in card
        assert "Saved text “&lt;i&gt;Reminder&lt;/i&gt;”, version 1" in card
        addresses = [address for address, _ in Links('id="content-main"' + card).found]
        assert addresses == [
            reverse("admin:messaging_template_history", args=[own.pk]),
            reverse("admin:messaging_savedtext_history", args=[reminder.pk]),
        ]
        for address in addresses:
            assert client.get(address).status_code == 200
        assert [int(part.partition("<")[0]) for part in card.split("<td>")[1:]] == [2, 1]
    assert CARD not in opened(client, ann)


def test_the_card_names_a_few_and_sums_up_the_rest(
    client: Client, sales: Line, ann: User, reminder: SavedText, provider: FakeProvider
) -> None:
    for digit in range(8):
        number = f"+1206555017{digit}"
        make_opted_in(sales, number)
        reminder.say(f"Words no. {digit}")
        say(ann, sales, reminder, number)
        Phone(provider, number).texts(sales, "STOP")
    count_all()
    page = opened(client, make_officer())
    card = page[page.index(CARD) :].partition("</section>")[0]
    assert card.count("Saved text") == 5 and "Others" in card
    assert sum(int(part.partition("<")[0]) for part in card.split("<td>")[1:]) == 8


def test_the_card_says_when_there_is_nothing(client: Client, sales: Line) -> None:
    officer = make_officer()
    assert "This was not counted yet." in opened(client, officer)
    figures.count()
    assert "Nobody texted us to stop." in opened(client, officer)


@pytest.mark.parametrize("key", ["own", "reply", "long ago", "nothing"])
def test_what_was_no_wording_is_said_in_words(client: Client, sales: Line, key: str) -> None:
    Figure.objects.create(what=What.LEFT_AFTER, line=sales, day=timezone.localdate(), key=key, number=1)
    assert escape(phrases.LEFT_AFTER[key]) in opened(client, make_officer())
