"""What PRODUCT's "Rules around the flows" say beside the rules that have files of their own here."""

import datetime as dt

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from consent import ledger
from consent.ledger import Proof
from consent.models import Contact, Line, User
from consent.vocabulary import Channel
from messaging import capture, outbound
from messaging.models import Message
from messaging.outbound import TextError
from tests.make import JANE, make_agent, make_line, make_opted_in
from tests.world import Phone, notices_seen, standing, text_in, texts_seen, work, write

pytestmark = pytest.mark.django_db


@pytest.fixture
def line() -> Line:
    return make_line()


@pytest.fixture
def ann(line: Line) -> User:
    return make_agent(line)


# ---- what counts as words -------------------------------------------------------------------------------------------

CONVERSATION = {
    "only a picture": {"body": "", "NumMedia": "1", "MediaUrl0": "https://example.com/x.jpg"},
    "only emoji": {"body": "😀😀"},
    "nothing at all": {"body": ""},
    "a group text": {"body": "hi all", "OtherRecipients0": "+12065550143"},
}


@pytest.mark.parametrize("fields", CONVERSATION.values(), ids=CONVERSATION.keys())
def test_without_words_it_is_conversation_and_held_back(line: Line, ann: User, jane: Phone, fields) -> None:
    jane.texts(line, **fields)
    assert jane.news() == ["request_theirs"]
    assert texts_seen(ann, line) == []
    assert standing(line) == ("pending", "sent")
    jane.texts(line, "YES")
    assert [status for _, status in texts_seen(ann, line)] == ["received"]


def test_a_picture_with_the_word_stop_is_a_stop(line: Line, jane: Phone) -> None:
    jane.texts(line, "Stop", NumMedia="1", MediaUrl0="https://example.com/x.jpg")
    assert standing(line)[0] == "opted_out"


def test_how_many_pictures_came_is_kept(line: Line, jane: Phone) -> None:
    jane.texts(line, "look", NumMedia="3")
    assert Message.objects.get(direction="in").media_count == 3


@pytest.mark.parametrize("odd", ["-1", "many", "99999999", "1.5", ""])
def test_an_odd_number_of_pictures_loses_no_stop(line: Line, jane: Phone, odd: str) -> None:
    jane.texts(line, "STOP", NumMedia=odd)
    assert standing(line)[0] == "opted_out"


@pytest.mark.parametrize(
    "words",
    ["Please don't stop now", "stop by at 5?", "the end", "I want to cancel my order", "quit worrying", "UNSTOPPABLE"],
)
def test_a_sentence_that_merely_contains_a_keyword_is_conversation(line: Line, ann: User, jane: Phone, words) -> None:
    make_opted_in(line)
    jane.texts(line, words)
    assert standing(line)[0] == "opted_in"
    assert texts_seen(ann, line) == [(words, "received")]


# ---- withdrawing ----------------------------------------------------------------------------------------------------


def test_an_author_withdraws_a_held_text(line: Line, ann: User, jane: Phone) -> None:
    kept, gone = write(ann, line, "kept"), write(ann, line, "gone")
    outbound.withdraw(gone, ann)
    jane.texts(line, "YES")
    assert jane.news() == ["request_ours", "opt_in_confirmation", "ordinary"]
    assert dict(texts_seen(ann, line)) == {"kept": "sent", "gone": "cancelled"}
    gone.refresh_from_db()
    assert (gone.reason, gone.marks) == ("withdrawn", ["withdrawn"])
    assert Message.objects.get(pk=kept.pk).status == "sent"


def test_only_its_author_withdraws_a_text(line: Line, ann: User, jane: Phone) -> None:
    text = write(ann, line)
    with pytest.raises(TextError):
        outbound.withdraw(text, make_agent(line))
    text.refresh_from_db()
    assert text.status == "held"


@pytest.mark.parametrize("status", ["sending", "sent", "delivered", "failed", "unknown", "cancelled", "refused"])
def test_what_has_begun_to_leave_cannot_be_withdrawn(line: Line, ann: User, jane: Phone, status: str) -> None:
    text = write(ann, line)
    Message.objects.filter(pk=text.pk).update(status=status)
    with pytest.raises(TextError):
        outbound.withdraw(text, ann)
    assert Message.objects.get(pk=text.pk).status == status


# ---- modes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "allowed"),
    [
        ("+12065550100", False),
        ("72345", False),
        ("+18005550199", False),
        ("+447700900123", True),
        ("+16045550100", True),
    ],
)
def test_disclaimer_mode_on_a_marketing_line(number: str, allowed: bool) -> None:
    fields = {"category": "marketing", "mode": "disclaimer"}
    if number.startswith("+1800"):
        fields["opt_outs_answered_by_provider"] = True
    if allowed:
        assert make_line(number, **fields).mode == "disclaimer"
    else:
        with pytest.raises(ValidationError) as refused:
            make_line(number, **fields)
        assert "mode" in refused.value.message_dict


def test_disclaimer_mode_as_the_organisations_default_is_refused_there_too() -> None:
    from consent.models import Organisation

    Organisation.objects.update(mode="disclaimer")
    with pytest.raises(ValidationError):
        make_line(category="marketing", mode="")


def test_a_marketing_line_that_requires_written_consent_may_use_disclaimer_mode() -> None:
    """PRODUCT "Two opt-in modes": refused at save unless the line requires written consent."""
    assert make_line(category="marketing", mode="disclaimer", required_level="written").mode == "disclaimer"


def test_other_categories_may_use_disclaimer_mode() -> None:
    for serial, category in enumerate(("transactional", "informational")):
        make_line(f"+1206555010{serial}", category=category, mode="disclaimer")


def test_a_foreign_marketing_line_on_disclaimer_still_asks_us_numbers(jane: Phone) -> None:
    line = make_line("+447700900123", category="marketing", mode="disclaimer")
    write(make_agent(line), line)
    assert jane.news() == ["request_ours"]


def test_switching_from_disclaimer_to_consent(jane: Phone) -> None:
    """Opted-in stay; those only told become unasked."""
    line = make_line(mode="disclaimer")
    ann = make_agent(line)
    jane.texts(line, "START")
    write(ann, line, to="+12065550143")
    Line.objects.filter(pk=line.pk).update(mode="consent")
    line.refresh_from_db()
    assert write(ann, line).status == "sent"
    assert write(ann, line, to="+12065550143").status == "held"
    assert standing(line, "+12065550143") == ("pending", "sent")


def test_a_text_queued_before_the_switch_is_held_and_asked_for(jane: Phone) -> None:
    line = make_line(mode="disclaimer")
    ann = make_agent(line)
    write(ann, line)
    jane.news()
    text = outbound.submit(line=line, to=JANE, body="later", author=ann)
    Line.objects.filter(pk=line.pk).update(mode="consent")
    work()
    text.refresh_from_db()
    assert text.status == "held"
    assert jane.news() == ["request_ours"]
    assert notices_seen(ann, line) == ["asked"], "flow 1: the author is told that the text is held"


def test_a_text_deferred_before_the_line_became_a_disclaimer_line_has_its_disclaimer_first(
    line: Line, ann: User, jane: Phone
) -> None:
    other = make_line("+12065550102")
    text_in(JANE, other, "HELP")
    for body in ("one", "two"):
        assert outbound.submit(line=line, to=JANE, body=body, author=ann).status == "deferred"
    Line.objects.filter(pk=line.pk).update(mode="disclaimer")
    work()
    assert jane.news(line) == ["disclaimer_ours", "ordinary", "ordinary"]
    bodies = [sent.body.split("\n")[0] for sent in jane.provider.sent if sent.line == line.number]
    assert bodies[-2:] == ["one", "two"]


# ---- while a webhook is being read ----------------------------------------------------------------------------------


def test_a_text_submitted_meanwhile_follows_flow_1_afterwards(line: Line, ann: User, jane: Phone) -> None:
    other = make_line("+12065550102")
    text_in(JANE, other, "hello there")
    text = outbound.submit(line=line, to=JANE, body="Your order is ready", author=ann, basis="asked us to")
    assert (text.status, text.reason) == ("deferred", "inbound_unsettled")
    work()
    assert sorted(jane.news()) == ["request_ours", "request_theirs"]
    assert texts_seen(ann, line) == [("Your order is ready", "held")]
    assert standing(line) == ("pending", "sent")
    assert notices_seen(ann, line) == ["asked"]


def test_a_text_submitted_meanwhile_to_who_asks_by_themselves(line: Line, ann: User, jane: Phone) -> None:
    text_in(JANE, line, "hello there")
    outbound.submit(line=line, to=JANE, body="Your order is ready", author=ann)
    work()
    assert jane.news() == ["request_theirs"], "one request is enough"
    jane.texts(line, "YES")
    assert jane.news() == ["opt_in_confirmation", "ordinary"]


# ---- who else stands in the way -------------------------------------------------------------------------------------


def test_under_review_nothing_leaves_but_help(line: Line, ann: User, jane: Phone) -> None:
    make_opted_in(line)
    contact = Contact.objects.get(number=JANE)
    ledger.open_review(contact, line, Proof(Channel.KEYWORD, {"text": "leave me be"}), at=timezone.now())
    text = write(ann, line)
    assert (text.status, text.reason) == ("held", "under_review")
    jane.texts(line, "HELP")
    assert jane.news() == ["help_reply"]
    jane.texts(line, "STOP")
    assert standing(line)[0] == "opted_out"
    assert line.consents.get().review_since is None
    text.refresh_from_db()
    assert text.status == "cancelled"


@pytest.mark.parametrize("channel", [Channel.AGENT, Channel.API])
@pytest.mark.parametrize("double", [True, False])
def test_consent_recorded_by_others_does_not_end_a_review(
    line: Line, ann: User, jane: Phone, channel: Channel, double: bool
) -> None:
    make_opted_in(line)
    contact = Contact.objects.get(number=JANE)
    ledger.open_review(contact, line, Proof(Channel.KEYWORD, {"text": "leave me be"}), at=timezone.now())
    with pytest.raises(ledger.ConsentError):
        capture.record_consent(
            JANE, line, channel=channel, evidence={"call": "7"}, occurred_at=timezone.now(), by=ann, double=double
        )
    assert line.consents.get().review_since
    assert write(ann, line).reason == "under_review"
    assert jane.news() == []


def test_start_ends_a_review_and_lets_the_texts_go(line: Line, ann: User, jane: Phone) -> None:
    make_opted_in(line)
    contact = Contact.objects.get(number=JANE)
    ledger.open_review(contact, line, Proof(Channel.KEYWORD, {"text": "leave me be"}), at=timezone.now())
    text = write(ann, line)
    jane.texts(line, "START")
    text.refresh_from_db()
    assert text.status == "sent"
    assert line.consents.get().review_since is None


def test_the_agents_name_falls_back_to_the_lines(jane: Phone) -> None:
    line = make_line(name="Front desk")
    write(make_agent(line, shown_name=""), line)
    assert "Front desk" in jane.last_words()


def test_the_basis_is_kept_with_the_request(line: Line, ann: User, jane: Phone) -> None:
    write(ann, line, basis="agreed by phone")
    request = Contact.objects.get(number=JANE).requests.get()
    assert (request.basis, request.asked_by) == ("agreed by phone", ann)


def test_two_contacts_do_not_touch_each_other(line: Line, ann: User, jane: Phone) -> None:
    write(ann, line)
    write(ann, line, to="+12065550143")
    jane.texts(line, "STOP")
    assert standing(line)[0] == "opted_out"
    assert standing(line, "+12065550143") == ("pending", "sent")


def test_since_says_when_the_status_began(line: Line, jane: Phone) -> None:
    before = timezone.now()
    jane.texts(line, "START")
    consent = line.consents.get()
    assert before <= consent.since <= before + dt.timedelta(minutes=1)
    assert consent.source == "keyword" and consent.level == "express"
