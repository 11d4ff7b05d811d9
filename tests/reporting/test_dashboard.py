"""The dashboard: what it says is what the lists behind it show, to each what their role allows, at a fixed cost."""

import datetime as dt
import re
from html.parser import HTMLParser

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from consent import gate, triggers
from consent.gate import Reason
from consent.models import Line, Organisation, User
from consent.vocabulary import Registration
from messaging.models import Conversation, Message, Receipt
from reporting import figures, phrases
from reporting.models import Figure, Mark
from tests.make import (
    JANE,
    OMAR,
    make_agent,
    make_contact,
    make_integrator,
    make_line,
    make_officer,
    make_opted_in,
    make_supervisor,
    make_toll_free,
)
from tests.world import Clock, Phone, work, write

HOME = "/admin/"
ADA, BO, CY, DEE = (f"+1206555016{digit}" for digit in range(4))


class Links(HTMLParser):
    """The links of the dashboard itself: address and words."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self._address: str | None = None
        self.feed(page[page.index('id="content-main"') :])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self._address = dict(attrs)["href"] or ""
            self.found.append((self._address, ""))

    def handle_data(self, data: str) -> None:
        if self._address is not None:
            address, words = self.found[-1]
            self.found[-1] = (address, words + data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._address = None


def opened(client: Client, user: User) -> str:
    client.force_login(user)
    answer = client.get(HOME)
    assert answer.status_code == 200
    page = answer.content.decode()
    return page[page.index('id="content-main"') :].partition("</main>")[0]


def numbers(client: Client, user: User) -> dict[str, int]:
    """Each number on the page that has a list behind it, by the list's address."""
    found = {}
    for address, words in Links(opened(client, user)).found:
        if number := re.match(r"[\d,]+", words.strip()):
            found[address] = int(number[0].replace(",", ""))
    return found


@pytest.fixture
def sales(clock: Clock) -> Line:
    return make_line(name="Sales")


@pytest.fixture
def busy(sales: Line, jane: Phone, clock: Clock) -> Line:
    """An install in which everything that the dashboard counts has happened, on two lines."""
    care = make_line("+12065550101", name="Care")
    ann = make_agent(sales, care, name="ann")
    write(ann, sales)
    jane.texts(sales, "YES")
    write(ann, care, to=OMAR)  # pending, and its text held
    write(ann, sales, to=ADA)
    clock.passes(days=8)  # expires
    work()
    write(ann, sales, to=BO)
    Phone(jane.provider, BO).texts(sales, "STOP")
    write(ann, sales, to=BO)  # refused
    write(ann, care, to=CY)
    Phone(jane.provider, CY).texts(care, "yes please")  # may be a yes
    make_opted_in(sales, DEE)
    Phone(jane.provider, DEE).texts(sales, "I don't know why you keep texting me")
    Phone(jane.provider, DEE).texts(sales, "START")
    Phone(jane.provider, JANE).texts(sales, "START")  # is in already
    now = timezone.now()
    conversation = Conversation.objects.filter(line=sales).latest("pk")
    for serial, (status, minutes) in enumerate([("unknown", 0), ("queued", 11), ("queued", 1)]):
        Message.objects.create(
            conversation=conversation,
            direction="out",
            purpose="ordinary",
            body=str(serial),
            status=status,
            created=now - dt.timedelta(minutes=minutes),
        )
    for serial, (minutes, needs_person) in enumerate([(0, False), (2, False), (2, True)]):
        Receipt.objects.create(
            kind="inbound",
            provider_id=f"SMx{serial}",
            raw=b"",
            received_at=now - dt.timedelta(minutes=minutes),
            needs_person=needs_person,
        )
    figures.count()
    return sales


def test_each_number_is_what_the_list_behind_it_shows(client: Client, busy: Line) -> None:
    ann = User.objects.get(username="ann")
    for user, least in [
        (User.objects.create_superuser("root"), 15),
        (make_officer(), 15),
        (make_supervisor(), 9),
        (ann, 7),
    ]:
        found = numbers(client, user)
        assert len(found) >= least, (user, found)
        for address, number in found.items():
            answer = client.get(address)
            assert answer.status_code == 200, (user, address)
            assert answer.context["cl"].result_count == number, (user, address)


def test_what_was_counted_before_and_what_came_since_add_up(client: Client, busy: Line) -> None:
    officer = make_officer()
    address = reverse("admin:consent_consent_changelist") + "?status__exact=opted_in"
    before = numbers(client, officer)[address]
    make_opted_in(busy, "+12065550177")
    after = numbers(client, officer)[address]
    assert after == before + 1 == client.get(address).context["cl"].result_count


def test_every_link_can_be_opened_by_whom_it_is_shown_to(client: Client, busy: Line) -> None:
    agent = User.objects.get(username="ann")
    for user in [User.objects.create_superuser("root"), make_officer(), make_supervisor(), agent]:
        links = Links(opened(client, user)).found
        assert links
        for address, _ in links:
            assert client.get(address, follow=True).status_code == 200, (user, address)


def test_agents_see_their_own_lines_and_nothing_of_the_company(client: Client, busy: Line) -> None:
    bob = make_agent(busy, name="bob")
    page = opened(client, bob)
    assert "Sales" in page and "Care" not in page
    for hidden in ["ledgerentry", "optinrequest", "review", "receipt", "Needs attention", "Opt-ins and opt-outs"]:
        assert hidden not in page
    care = Line.objects.get(name="Care")
    numbers_of_bob = numbers(client, bob)
    assert not [address for address in numbers_of_bob if f"line__id__exact={care.pk}" in address]
    held = reverse("admin:messaging_message_changelist") + "?status__exact=held"
    assert numbers_of_bob[held] == Message.objects.filter(status="held", conversation__line=busy).count()
    assert numbers(client, User.objects.get(username="ann"))[held] > numbers_of_bob[held]


def test_supervisors_see_figures_but_no_way_into_the_ledger(client: Client, busy: Line) -> None:
    page = opened(client, make_supervisor())
    assert "Opt-ins and opt-outs in 30 days" in page
    assert "ledgerentry" not in page and "messaging/receipt" not in page


def test_an_agent_without_a_line_is_told_whom_to_ask(client: Client, sales: Line) -> None:
    assert "You don't work on a line yet" in opened(client, make_agent()).replace("&#x27;", "'")


def test_integrators_have_no_dashboard(client: Client, sales: Line) -> None:
    user = make_integrator(sales)
    User.objects.filter(pk=user.pk).update(is_staff=False)
    client.force_login(User.objects.get(pk=user.pk))
    assert client.get(HOME).status_code == 302
    User.objects.filter(pk=user.pk).update(is_staff=True)  # by mistake
    links = Links(opened(client, user)).found
    assert not links


def test_a_page_costs_less_than_ten_queries_at_any_size(client: Client, busy: Line) -> None:
    ContentType.objects.get_for_models(Figure)  # cached per process
    readers = [make_officer(), make_supervisor(), User.objects.get(username="ann"), User.objects.create_superuser("r")]

    def cost() -> list[int]:
        found = []
        for user in readers:
            client.force_login(user)
            with CaptureQueriesContext(connection) as queries:
                assert client.get(HOME).status_code == 200
            found.append(len(queries))
        return found

    figures.count()  # on PostgreSQL only the second count adds what the first has seen
    before = cost()
    assert max(before) < 10, before
    for serial in range(5):
        line = make_line(f"+1425555020{serial}", active=serial % 2 == 0, category="marketing", mode="")
        readers[2].lines.add(line)
        make_opted_in(line, f"+1425555030{serial}")
    figures.count()
    assert cost() == before


def test_opening_it_changes_nothing(client: Client, sales: Line) -> None:
    make_opted_in(sales)
    opened(client, make_officer())
    assert not Mark.objects.exists() and not Figure.objects.exists()


def test_a_new_install_says_what_to_do_first(client: Client, db: None) -> None:
    root = User.objects.create_superuser("root")
    page = opened(client, root)
    assert "What to do first" in page
    addresses = [address for address, _ in Links(page).found]
    assert addresses == [
        reverse("admin:consent_organisation_change", args=[1]),
        reverse("admin:consent_line_add"),
        reverse("admin:consent_user_add"),
    ]
    assert "Needs attention" not in page and "Opted in" not in page
    officer = make_officer()
    addresses = [address for address, _ in Links(opened(client, officer)).found]
    assert reverse("admin:consent_user_add") not in addresses
    for address in addresses:
        assert client.get(address).status_code == 200
    Organisation.objects.update(name="Harbor Home Services")
    make_line(name="Sales")
    page = opened(client, officer)
    assert "set up" not in page and "Needs attention" in page
    assert "Nobody is on record yet" in page


def test_the_trend_looks_seven_days_back(client: Client, sales: Line, clock: Clock) -> None:
    officer = make_officer()
    make_opted_in(sales, ADA)
    assert "1 more than 7 days ago" in opened(client, officer)
    clock.passes(days=7)
    assert "as many as 7 days ago" in opened(client, officer)
    make_opted_in(sales, BO)
    figures.count()
    assert "1 more than 7 days ago" in opened(client, officer)


def test_lines_that_cannot_text_are_named_with_what_is_wrong(client: Client, sales: Line) -> None:
    officer = make_officer()
    assert "Sales:" not in opened(client, officer)
    make_line("+12065550111", name="Off", active=False)
    make_line("+12065550112", name="<b>New</b>", opened=False)
    make_line("+12065550113", name="Rejected", registration=Registration.REJECTED)
    make_line("+12065550114", name="Waiting", registration=Registration.PENDING)
    toll_free = make_toll_free(name="Free")
    Line.objects.filter(pk=toll_free.pk).update(opt_outs_answered_by_provider=False)
    promo = make_line("+12065550115", name="Promo", category="marketing")
    Line.objects.filter(pk=promo.pk).update(mode="disclaimer")
    page = opened(client, officer)
    for words in [
        "Off: switched off",
        "&lt;b&gt;New&lt;/b&gt;: being prepared",
        "Rejected: rejected by the carriers",
        "Waiting: waits for the carriers",
        "Free: contacts would get two answers",
        "Promo: marketing texts to US numbers",
    ]:
        assert words in page
    assert "<b>New" not in page
    assert reverse("admin:consent_line_change", args=[promo.pk]) in page
    for serial in range(8):
        make_line(f"+1206555012{serial}", active=False)
    assert "4 more about lines" in opened(client, officer)


def test_it_says_when_nobody_counts(client: Client, sales: Line, clock: Clock) -> None:
    officer = make_officer()
    assert "counted for the first time" in opened(client, officer)
    figures.count()
    assert "not counted" not in opened(client, officer)
    clock.passes(minutes=6)
    assert "The figures were not counted since 1 December, 12:00" in opened(client, officer)


def test_it_says_what_readyz_says(client: Client, sales: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    officer = make_officer()
    figures.count()
    assert "not sound" not in opened(client, officer)
    monkeypatch.setattr(triggers, "missing", lambda connection: ["optline_entries_no_delete"])
    figures.count()
    assert "The database does not protect the ledger" in opened(client, officer)


def test_all_is_well(client: Client, sales: Line) -> None:
    figures.count()
    make_contact()
    assert "every line may text" in opened(client, make_officer())


@pytest.mark.parametrize("reason", [each for each in Reason if each in phrases._REFUSED_FOR])
def test_a_refusal_is_said_in_the_words_of_the_gate(reason: Reason) -> None:
    decision = gate.decide(phrases._REFUSED_FOR[reason])
    assert decision.reason is reason
    assert decision.text.startswith(phrases.refusal(reason))


def test_every_refusal_has_words() -> None:
    # What the gate only ever puts off is no refusal.
    assert set(Reason) - set(phrases._REFUSED_FOR) == {Reason.QUIET_HOURS, Reason.LINE_PACE, Reason.ALLOWED}
    assert phrases.refusal("request_failed") != phrases.refusal("disclaimer_failed")
    assert phrases.refusal("") == "No reason is on record"
