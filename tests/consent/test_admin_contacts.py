"""The list of contacts: found by any part of name and number, narrowed by what is known of them, on either database."""

from typing import Any

import pytest
from django.db import connection
from django.template.response import TemplateResponse
from django.test import Client
from django.utils import timezone

from consent import checks, ledger, search
from consent.ledger import Authority, Proof
from consent.models import Consent, Contact, Line, Organisation, Tag, User
from consent.vocabulary import Scope
from tests.make import make_agent, make_contact, make_line, make_officer, make_supervisor

pytestmark = pytest.mark.django_db

LIST = "/admin/consent/contact/"
NUMBERS = {"Jane": "+12065550142", "Omar": "+12065550143", "José": "+525512345678", "Ann": "+447700900123"}


@pytest.fixture
def people() -> dict[str, Contact]:
    last = {"Jane": "Doe", "Omar": "Haddad", "José": "Ñúñez", "Ann": "O'Brien 2nd"}
    return {name: make_contact(number, first_name=name, last_name=last[name]) for name, number in NUMBERS.items()}


@pytest.fixture
def olive(client: Client) -> User:
    olive = make_officer("olive")
    client.force_login(olive)
    return olive


@pytest.fixture
def drawn() -> None:
    """For tests that read the page itself."""


@pytest.fixture(autouse=True)
def unrendered(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a list holds is decided before it is drawn, which takes most of the time."""
    if "drawn" not in request.fixturenames:
        monkeypatch.setattr(TemplateResponse, "rendered_content", property(lambda response: ""))


def found(client: Client, **query: Any) -> set[str]:
    answer = client.get(LIST, query)
    assert answer.status_code == 200, answer.headers
    return {contact.first_name for contact in answer.context_data["cl"].result_list}  # type: ignore[attr-defined]


# ---- search ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("term", "names"),
    [
        ("jane", {"Jane"}),
        ("AN", {"Jane", "Ann"}),
        ("jane doe", {"Jane"}),
        ("doe jane", {"Jane"}),
        ("jane haddad", set()),
        ("JOSÉ", {"José"}),
        ("ñúñ", {"José"}),
        ("ÑÚÑEZ josé", {"José"}),
        ("o'brien", {"Ann"}),
        ("brien 2nd", {"Ann"}),
        ("206", {"Jane", "Omar"}),
        ("(206) 555-01", {"Jane", "Omar"}),
        ("+1 206.555.0142", {"Jane"}),
        ("0143", {"Omar"}),
        ("omar 555", {"Omar"}),
        ("jane (206) 555", {"Jane"}),
        ("5512345678", {"José"}),
        ("%", set()),
        ("_", set()),
        ("\\", set()),
        (" ", {"Jane", "Omar", "José", "Ann"}),
    ],
)
def test_any_part_of_name_and_number_is_found(
    people: dict[str, Contact], olive: User, client: Client, term: str, names: set[str]
) -> None:
    assert found(client, q=term) == names


def test_odd_terms_are_no_crash(people: dict[str, Contact], olive: User, client: Client) -> None:
    for term in ("\x00", "(" * 200, "1" * 500, "'", '"', "a " * 300, "\u202e", "+", "-"):
        assert client.get(LIST, {"q": term}, follow=True).status_code == 200, repr(term)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite needs no index at its sizes")
def test_a_search_can_be_answered_from_the_indexes(people: dict[str, Contact], olive: User, client: Client) -> None:
    """The expressions that are indexed are those that Django emits, or PostgreSQL could not use them."""
    assert search.missing(connection) == []
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    for term, index in (("jane", "contacts_by_part_of_first_name"), ("5550142", "contacts_by_part_of_number")):
        plan = Contact.objects.order_by().filter(search.contacts(term)).explain()
        assert index in plan and "contacts_by_part_of_last_name" in plan, plan


@pytest.mark.skipif(connection.vendor != "postgresql", reason="there is nothing to refuse on SQLite")
def test_without_the_extension_nothing_fails_and_a_check_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with connection.cursor() as cursor:
        for name in search.INDEXES:
            cursor.execute(f"DROP INDEX {name}")
    monkeypatch.setattr(search, "EXTENSION", "CREATE EXTENSION no_such_extension")
    search.install(connection)
    [warning] = checks.contacts_are_found_fast(databases=["default"])
    assert warning.id == "consent.W002"
    monkeypatch.undo()
    search.install(connection)
    assert checks.contacts_are_found_fast(databases=["default"]) == []


# ---- filters --------------------------------------------------------------------------------------------------------


@pytest.fixture
def lines() -> tuple[Line, Line]:
    return make_line(name="Sales"), make_line("+12065550101", name="Billing", category="marketing")


@pytest.fixture
def known(people: dict[str, Contact], lines: tuple[Line, Line]) -> None:
    """Jane is out on Sales and in on Billing, Omar in on Sales by web form, Ann was only told on Sales, and is under
    review; of José nothing is on record."""
    sales, billing = lines
    now, proof = timezone.now(), Proof("keyword", {"text": "x"})
    ledger.opt_out(people["Jane"], sales, proof, occurred_at=now, scope=Scope.LINE)
    ledger.opt_in(people["Jane"], billing, proof, occurred_at=now, level="express", authority=Authority.CONTACT)
    form = Proof("web_form", {"form": "x"})
    ledger.opt_in(people["Omar"], sales, form, occurred_at=now, level="express", authority=Authority.OTHERS)
    ledger.told(people["Ann"], sales, proof, at=now)
    ledger.open_review(people["Ann"], sales, proof, at=now)


def test_line_and_status_speak_of_the_same_consent(
    known: None, lines: tuple[Line, Line], olive: User, client: Client
) -> None:
    sales, billing = (str(line.pk) for line in lines)
    cases: list[tuple[dict[str, str], set[str]]] = [
        ({"line": sales, "status": "opted_out"}, {"Jane"}),
        ({"line": billing, "status": "opted_out"}, set()),
        ({"line": billing, "status": "opted_in"}, {"Jane"}),
        ({"status": "opted_in"}, {"Jane", "Omar"}),
        ({"line": billing}, {"Jane"}),
        ({"line": sales}, {"Jane", "Omar", "Ann"}),
        ({"line": sales, "status": "not_defined"}, {"Ann", "José"}),
        ({"line": billing, "status": "not_defined"}, {"Ann", "José", "Omar"}),
        ({"status": "not_defined"}, {"Ann", "José"}),
        ({"source": "web_form"}, {"Omar"}),
        ({"line": billing, "source": "web_form"}, set()),
        ({"line": sales, "status": "opted_out", "source": "keyword"}, {"Jane"}),
        ({"line": sales, "status": "opted_out", "source": "web_form"}, set()),
        ({"review": "yes"}, {"Ann"}),
        ({"review": "yes", "line": billing}, set()),
        ({"review": "yes", "line": sales, "status": "not_defined"}, {"Ann"}),
        ({"review": "yes", "status": "opted_in"}, set()),
    ]
    for query, names in cases:
        assert found(client, **query) == names, query


def test_tag_list_and_reach(people: dict[str, Contact], olive: User, client: Client) -> None:
    tag = Tag.objects.create(name="VIP")
    people["Jane"].tags.add(tag)
    people["Ann"].tags.add(tag, Tag.objects.create(name="Heating"))
    ledger.add_do_not_contact(people["Omar"], Proof("agent", {"reason": "asked"}), reason="asked")
    Contact.objects.filter(first_name="José").update(unreachable="not_mobile")
    assert found(client, tag=str(tag.pk)) == {"Jane", "Ann"}
    assert found(client, list="yes") == {"Omar"}
    assert found(client, list="no") == {"Jane", "Ann", "José"}
    assert found(client, unreachable="not_mobile") == {"José"}
    assert found(client, unreachable="no", tag=str(tag.pk), q="ann") == {"Ann"}


def test_what_is_no_choice_is_not_asked(people: dict[str, Contact], olive: User, client: Client) -> None:
    for odd in ("0", "9" * 30, "x", "٣", "-1", "\x00"):
        for name in ("line", "status", "source", "review", "tag", "list", "unreachable"):
            assert found(client, **{name: odd}) == set(NUMBERS), (name, odd)
    for column in ("number", "ledger_head", "consents__source", "created__gte", "tag__name"):
        assert client.get(LIST, {column: "x"}).status_code == 400, column


# ---- what is shown --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("drawn")
def test_a_row_says_where_they_are_in_and_out_and_their_tags(
    known: None, people: dict[str, Contact], olive: User, client: Client
) -> None:
    people["Jane"].tags.add(Tag.objects.create(name="<b>VIP</b>"))
    Contact.objects.filter(first_name="José").update(last_name="<script>alert(1)</script>\u202e" + "x" * 20)
    shown = client.get(LIST).content.decode()
    assert "✕ Opted out" in shown
    assert "&lt;b&gt;VIP&lt;/b&gt;" in shown and "<b>VIP" not in shown
    assert "&lt;script&gt;alert(1)" in shown and "<script>alert(1)" not in shown
    assert "+12065550142" in shown
    row = client.get(LIST, {"q": "jane"}).content.decode()
    assert "Billing" in row and "Sales" in row
    for contact in people.values():
        assert f'href="/admin/consent/contact/{contact.pk}/consent/"' in shown


@pytest.mark.usefixtures("drawn")
def test_who_is_not_to_be_contacted_is_marked(people: dict[str, Contact], olive: User, client: Client) -> None:
    ledger.add_do_not_contact(people["Omar"], Proof("agent", {"reason": "asked"}), reason="asked")
    assert "✕ Do not contact" in client.get(LIST, {"q": "omar"}).content.decode()
    assert "✕" not in client.get(LIST, {"q": "jane"}).content.decode()


# ---- hidden numbers -------------------------------------------------------------------------------------------------


def test_where_numbers_are_hidden_only_the_last_four_digits_find_anybody(
    people: dict[str, Contact], client: Client
) -> None:
    Organisation.objects.update(mask_numbers=True)
    Contact.objects.filter(first_name="Omar").update(first_name="")
    client.force_login(make_agent())
    assert found(client, q="0143") == {""}
    assert found(client, q="0142 jane") == {"Jane"}
    assert found(client, q="jane 0143") == set()
    for term in ("143", "50143", "206", "2065550143", "+12065550143", "(206) 555-0143", "*0143", "555 0143", "1206"):
        assert found(client, q=term) == set(), term
    numbers = {contact.number for contact in client.get(LIST).context_data["cl"].result_list}  # type: ignore[attr-defined]
    assert numbers == {"•••• 0142", "•••• 0143", "•••• 5678", "•••• 0123"}
    client.force_login(make_supervisor())
    assert found(client, q="(206) 555-0143") == {""}


def test_the_order_of_hidden_numbers_is_not_told(people: dict[str, Contact], client: Client) -> None:
    Organisation.objects.update(mask_numbers=True)
    client.force_login(make_agent())
    orders = [
        [contact.pk for contact in client.get(LIST, {"o": order}).context_data["cl"].result_list]  # type: ignore[attr-defined]
        for order in ("2", "-2", "")
    ]
    assert orders[0] == orders[1] == orders[2]


# ---- pages ----------------------------------------------------------------------------------------------------------


def test_a_long_list_is_not_counted(olive: User, client: Client) -> None:
    Contact.objects.bulk_create(Contact(number=f"+1206{i:07}", first_name=f"No {i}") for i in range(1060))
    page = client.get(LIST).context_data["cl"]  # type: ignore[attr-defined]
    assert page.paginator.count == 1001  # knows only that there are more
    assert len(page.result_list) == 50
    last = client.get(LIST, {"p": "22"}).context_data["cl"]  # type: ignore[attr-defined]
    assert [contact.first_name for contact in last.result_list] == [f"No {i}" for i in range(9, -1, -1)]
    assert len(client.get(LIST, {"p": "30"}).context_data["cl"].result_list) == 0  # type: ignore[attr-defined]
    for page_number in ("0", "-1", "9" * 30, "x"):
        assert client.get(LIST, {"p": page_number}, follow=True).status_code == 200, page_number


@pytest.mark.usefixtures("drawn")
def test_pages_of_a_long_list_go_on_one_by_one(olive: User, client: Client) -> None:
    Contact.objects.bulk_create(Contact(number=f"+1206{i:07}") for i in range(1060))
    first = client.get(LIST).content.decode()
    assert "of more than 1,000 contacts" in first and 'rel="next"' in first and 'rel="prev"' not in first
    second = client.get(LIST, {"p": "2"}).content.decode()
    assert 'rel="prev"' in second
    assert "more than" not in client.get(LIST, {"q": "0000001"}).content.decode()


def test_no_consent_is_made_by_looking(people: dict[str, Contact], olive: User, client: Client) -> None:
    found(client, q="jane", status="not_defined")
    assert not Consent.objects.exists()


@pytest.mark.usefixtures("drawn")
def test_a_search_gives_a_thousand_at_most_and_says_so(olive: User, client: Client) -> None:
    Contact.objects.bulk_create(Contact(number=f"+1206{i:07}", first_name="Jane") for i in range(1060))
    answer = client.get(LIST, {"q": "jane", "o": "1"})
    assert answer.context_data["cl"].result_count == 1000  # type: ignore[attr-defined]
    assert "There may be more: write more" in answer.content.decode()
    last = client.get(LIST, {"q": "jane", "p": "20"})
    assert len(last.context_data["cl"].result_list) == 50  # type: ignore[attr-defined]
    assert 'rel="next"' not in last.content.decode()
    few = client.get(LIST, {"q": "jane 000012"})
    assert few.context_data["cl"].result_count == 11  # type: ignore[attr-defined]
    assert "There may be more" not in few.content.decode()


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no planner to be told")
def test_what_the_planner_is_told_for_a_search_ends_with_it(people: dict[str, Contact]) -> None:
    rows = Contact.objects.filter(search.contacts("jane"))
    assert search.some(rows, "jane", 10, alone=True) == [people["Jane"].pk]
    with connection.cursor() as cursor:
        for setting in ("enable_seqscan", "enable_indexscan"):
            cursor.execute(f"SHOW {setting}")
            assert cursor.fetchone() == ("on",)


def test_hidden_numbers_can_t_be_sorted_by(client: Client) -> None:
    """Not even where somebody writes the column into the address: among known numbers it would tell the hidden one."""
    policy = Organisation.objects.current()
    policy.mask_numbers = True
    policy.save()
    line = make_line()
    for number in ("+12065550147", "+12065550142", "+12065550149"):
        make_contact(number)
    orders = {}
    for role, user in {"agent": make_agent(line), "officer": make_officer()}.items():
        client.force_login(user)
        for column in ("1", "-1"):
            rows = client.get(LIST, {"o": column}).context_data["cl"].result_list  # type: ignore[attr-defined]
            orders[role, column] = [contact.pk for contact in rows]
    assert orders["agent", "1"] == orders["agent", "-1"]
    assert orders["officer", "1"] == orders["officer", "-1"][::-1]
