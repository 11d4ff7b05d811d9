"""The review queue in the admin: who sees it, what it shows, and the decision with a reason."""

import pytest
from django.test import Client
from django.urls import reverse

from consent.models import Consent, Line, User
from messaging.models import HeldBackRead, Message, Review
from tests.make import JANE, OMAR, make_agent, make_contact, make_line, make_officer, make_opted_in, make_supervisor
from tests.world import Clock, Phone, standing, work, write

pytestmark = pytest.mark.django_db

QUEUE = reverse("admin:messaging_review_changelist")
ACCEPTANCES = reverse("admin:messaging_possibleacceptance_changelist")
DOUBTFUL = "wrong number"


@pytest.fixture
def line() -> Line:
    return make_line(name="Sales")


def login(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def officer() -> Client:
    return login(make_officer())


@pytest.fixture
def doubt(line: Line, jane: Phone) -> Review:
    make_contact(JANE, first_name="Jane")
    make_opted_in(line)
    jane.texts(line, DOUBTFUL)
    return Review.objects.get()


def page(review: Review, name: str = "change", of: str = "review") -> str:
    return reverse(f"admin:messaging_{of}_{name}", args=[review.pk])


def test_the_queue_shows_the_text_why_it_is_there_and_the_days_left(officer: Client, doubt: Review) -> None:
    shown = officer.get(QUEUE).content.decode()
    assert "Jane" in shown and DOUBTFUL in shown and "10 business days" in shown


def test_the_page_shows_the_text_in_its_thread(
    officer: Client, doubt: Review, line: Line, jane: Phone, clock: Clock
) -> None:
    write(make_agent(line), line, "We close at six")
    jane.texts(line, "hello?")
    shown = officer.get(page(doubt)).content.decode()
    for words in (DOUBTFUL, "We close at six", "hello?", "1 text waits", "15 December 2026", doubt.message.rule):
        assert words in shown


def test_opted_out_with_one_click_and_a_reason(officer: Client, doubt: Review, line: Line) -> None:
    answer = officer.post(page(doubt, "decide"), {"decision": "opt_out", "reason": "They are tired of us"}, follow=True)
    assert answer.redirect_chain[-1][0] == QUEUE
    assert standing(line)[0] == "opted_out"
    assert "They are opted out" in answer.content.decode()
    settled = officer.get(page(doubt)).content.decode()
    assert "They are tired of us" in settled and "decide/" not in settled


def test_no_opt_out_lets_the_texts_go(officer: Client, doubt: Review, line: Line, jane: Phone) -> None:
    write(make_agent(line), line, "We close at six")
    officer.post(page(doubt, "decide"), {"decision": "not_an_opt_out", "reason": "About the weather"})
    work()
    assert jane.news() == ["ordinary"]


@pytest.mark.parametrize(
    "fields",
    [{"decision": "opt_out", "reason": " "}, {"decision": "", "reason": "x"}, {"decision": "agreed", "reason": "x"}],
)
def test_without_a_reason_or_an_answer_nothing_is_decided(
    officer: Client, doubt: Review, line: Line, fields: dict[str, str]
) -> None:
    answer = officer.post(page(doubt, "decide"), fields)
    assert answer.status_code == 200
    assert ("Say why" if not fields["reason"].strip() else "Choose one") in answer.content.decode()
    assert Consent.objects.get(line=line).review_since


def test_who_comes_second_is_told_that_it_is_settled(officer: Client, doubt: Review, line: Line) -> None:
    officer.post(page(doubt, "decide"), {"decision": "not_an_opt_out", "reason": "No"})
    answer = officer.post(page(doubt, "decide"), {"decision": "opt_out", "reason": "Yes"}, follow=True)
    assert "settled already" in answer.content.decode()
    assert standing(line)[0] == "opted_in"


def test_the_next_one_follows(officer: Client, doubt: Review, line: Line, jane: Phone) -> None:
    make_opted_in(line, OMAR)
    Phone(jane.provider, OMAR).texts(line, "you have the wrong person")
    other = Review.objects.exclude(pk=doubt.pk).get()
    answer = officer.post(page(doubt, "decide"), {"decision": "opt_out", "reason": "Plain"})
    assert answer["Location"] == page(other)


def test_settled_ones_leave_the_queue_but_can_be_found(officer: Client, doubt: Review) -> None:
    officer.post(page(doubt, "decide"), {"decision": "opt_out", "reason": "Plain"})
    assert DOUBTFUL not in officer.get(QUEUE).content.decode()
    assert DOUBTFUL in officer.get(QUEUE, {"state": "settled"}).content.decode()


def test_supervisors_look_agents_do_not(doubt: Review, line: Line) -> None:
    supervisor, agent = login(make_supervisor()), login(make_agent(line))
    assert supervisor.get(page(doubt)).status_code == 200
    assert "decide/" not in supervisor.get(page(doubt)).content.decode()
    for address in (QUEUE, ACCEPTANCES, page(doubt)):
        assert agent.get(address).status_code == 403
    for client in (supervisor, agent):
        decided = client.post(page(doubt, "decide"), {"decision": "opt_out", "reason": "x"})
        assert decided.status_code == 403
    assert standing(line)[0] == "opted_in"


def test_held_back_words_are_read_only_by_those_who_decide_and_only_until_then(line: Line, jane: Phone) -> None:
    jane.texts(line, f"{DOUBTFUL}, my secret")
    found = Review.objects.get()
    supervisor, officer = login(make_supervisor()), login(make_officer())
    for address in (QUEUE, page(found)):
        assert "my secret" in officer.get(address).content.decode()
        assert "my secret" not in supervisor.get(address).content.decode()
    jane.texts(line, "STOP")
    for client in (supervisor, officer):
        for address in (f"{QUEUE}?state=all", page(found)):
            assert "my secret" not in client.get(address).content.decode()


def test_two_texts_in_question_are_both_shown_and_both_read_before_the_decision(
    officer: Client, line: Line, jane: Phone
) -> None:
    jane.texts(line, DOUBTFUL)
    found = Review.objects.get()
    seen = found.message.pk
    jane.texts(line, "you have the wrong person")
    shown = officer.get(page(found)).content.decode()
    assert "you have the wrong person" in shown and shown.count("The text in question") == 2
    fields = {"decision": "not_an_opt_out", "reason": "A joke", "seen": seen}
    answer = officer.post(page(found, "decide"), fields, follow=True)
    assert "They wrote again meanwhile" in answer.content.decode()
    assert Consent.objects.get(line=line).review_since


def test_who_is_not_signed_in_gets_the_login_page(doubt: Review) -> None:
    answer = Client().get(page(doubt), follow=True)
    assert answer.status_code == 200 and "password" in answer.content.decode()
    assert DOUBTFUL not in answer.content.decode()


def test_nothing_is_decided_by_looking(officer: Client, doubt: Review) -> None:
    assert officer.get(page(doubt, "decide"), {"decision": "opt_out", "reason": "x"}).status_code == 405
    assert officer.post(page(doubt)).status_code == 405


def test_words_are_never_markup(officer: Client, line: Line, jane: Phone) -> None:
    make_opted_in(line)
    jane.texts(line, DOUBTFUL)
    Message.objects.update(body="<script>alert(1)</script>")
    for address in (QUEUE, page(Review.objects.get())):
        assert "<script>alert(1)" not in officer.get(address).content.decode()


# ---- possible acceptances -------------------------------------------------------------------------------------------


def test_possible_acceptances_have_a_list_of_their_own(officer: Client, line: Line, jane: Phone) -> None:
    write(make_agent(line), line, "Your order is ready")
    jane.texts(line, "yes please")
    assert "yes please" in officer.get(ACCEPTANCES).content.decode()
    assert "yes please" not in officer.get(QUEUE).content.decode()
    review = Review.objects.get()
    assert "no clock" in officer.get(page(review, of="possibleacceptance")).content.decode()
    jane.news()
    officer.post(page(review, "decide", of="possibleacceptance"), {"decision": "agreed", "reason": "It answers us"})
    work()
    assert jane.news() == ["opt_in_confirmation", "ordinary"]


# ---- what was held back ---------------------------------------------------------------------------------------------


def held_back(line: Line, jane: Phone) -> str:
    jane.texts(line, "my secret")
    jane.texts(line, "NO")
    text = Message.objects.get(body="my secret")
    return reverse("admin:messaging_heldbackread_read", args=[text.pk])


def test_an_officer_reads_a_held_back_text_and_that_is_kept(officer: Client, line: Line, jane: Phone) -> None:
    address = held_back(line, jane)
    asked = officer.get(address)
    assert "my secret" not in asked.content.decode() and not HeldBackRead.objects.exists()
    assert "my secret" not in officer.post(address, {"reason": ""}).content.decode()
    answer = officer.post(address, {"reason": "A complaint"})
    assert "my secret" in answer.content.decode() and "no-store" in answer["Cache-Control"]
    assert HeldBackRead.objects.get().reason == "A complaint"
    assert "A complaint" in officer.get(reverse("admin:messaging_heldbackread_changelist")).content.decode()


def test_nobody_else_does(line: Line, jane: Phone) -> None:
    address = held_back(line, jane)
    for user in (make_supervisor(), make_agent(line)):
        answer = login(user).post(address, {"reason": "curious"})
        assert answer.status_code == 403
    assert not HeldBackRead.objects.exists()


def test_what_was_never_held_back_is_not_read_here(officer: Client, doubt: Review) -> None:
    address = reverse("admin:messaging_heldbackread_read", args=[doubt.message.pk])
    assert officer.post(address, {"reason": "x"}).status_code == 404
