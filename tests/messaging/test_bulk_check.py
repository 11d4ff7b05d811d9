"""The API checks up to ten thousand numbers in one call and answers each as if it had been asked about alone."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext

from consent import ledger
from consent.ledger import Proof
from consent.models import Contact, Line
from messaging.models import Message
from tests.make import JANE, OMAR, make_agent, make_integrator, make_line, make_opted_in, make_supervisor
from tests.messaging.test_api import Api, everything
from tests.world import clock_at, say, text_in, write

pytestmark = pytest.mark.django_db

CHECK = "/api/v1/consents/check/"


@pytest.fixture
def line() -> Line:
    return make_line(name="Orders")


@pytest.fixture
def ann(line: Line) -> Api:
    return Api(make_agent(line))


def ask(client: Api, line: Line | str, phones: Any) -> HttpResponse:
    return client.post(CHECK, {"line": line.number if isinstance(line, Line) else line, "phones": phones})


@pytest.mark.usefixtures("provider")
def test_each_is_answered_as_if_asked_about_alone(line: Line, ann: Api) -> None:
    texter = make_agent(line)
    with clock_at(dt.datetime(2026, 12, 1, 17, tzinfo=dt.UTC)) as clock:
        make_opted_in(line, "+12065550101")
        make_opted_in(line, "+12065550102")
        say("+12065550102", line, "STOP")
        write(texter, line, to="+12065550103")
        say("+12065550103", line, "NO")
        write(texter, line, to="+12065550104")
        clock.passes(hours=30)
        say("+12065550103", line, "Is it ready?")
        make_opted_in(line, "+12065550105")
        text_in("+12065550105", line, "maybe stop?")
        ledger.add_do_not_contact(Contact.objects.lock("+12065550106"), Proof("agent", {"call": "7"}), reason="asked")
        numbers = [f"+120655501{serial:02}" for serial in range(1, 9)]
        found = ask(ann, line, numbers).json()
        alone = [ann.get(CHECK, line=line.number, phone=number).json() for number in numbers]
    assert found == [{"phone": number, **answer} for number, answer in zip(numbers, alone, strict=True)]
    assert [each["reason"]["code"] for each in found] == [
        "allowed",
        "opted_out",
        "opted_out",
        "consent_pending",
        "inbound_unsettled",
        "do_not_contact",
        "consent_missing",
        "consent_missing",
    ]


def test_answers_come_in_the_order_given_and_as_often(line: Line, ann: Api) -> None:
    make_opted_in(line, OMAR)
    found = ask(ann, line, [JANE, OMAR, "206 555 0142", " 12065550143", JANE]).json()
    assert [each["phone"] for each in found] == [JANE, OMAR, "206 555 0142", OMAR, JANE]
    assert [each.get("verdict") for each in found] == ["hold", "send", None, "send", "hold"]


@pytest.mark.parametrize(
    "bad",
    ["Jane", "", "\x00", "+1206", None, True, 7, 1.5, [], {"a": 1}, "+" * 50, "\ud800", "=cmd()", "<b>", "9" * 100_000],
)
def test_a_bad_number_spoils_only_its_own_answer(line: Line, ann: Api, bad: Any) -> None:
    answer = ask(ann, line, [JANE, bad, OMAR])
    assert answer.status_code == 200, answer.content
    first, middle, last = answer.json()
    assert (first["phone"], first["verdict"], last["phone"], last["verdict"]) == (JANE, "hold", OMAR, "hold")
    assert set(middle) == {"phone", "error"}
    assert middle["error"].endswith(".") and len(middle["phone"]) <= 40


@pytest.mark.parametrize("phones", ["+12065550142", {"0": JANE}, None, 7])
def test_what_is_no_list_is_refused(line: Line, ann: Api, phones: Any) -> None:
    answer = ask(ann, line, phones)
    assert answer.status_code == 400
    assert list(answer.json()) == ["phones"]


def test_no_numbers_have_no_answers(line: Line, ann: Api) -> None:
    assert ask(ann, line, []).json() == []


def test_more_than_ten_thousand_are_refused_with_a_remedy(line: Line, ann: Api) -> None:
    answer = ask(ann, line, [JANE] * 10_001)
    assert answer.status_code == 400
    assert answer.json() == {
        "phones": ["At most 10,000 numbers are checked at a time, and these are 10,001. Send them in parts."]
    }


def test_ten_thousand_cost_as_many_statements_as_two(line: Line, ann: Api) -> None:
    def cost(phones: list[str]) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert len(ask(ann, line, phones).json()) == len(phones)
        return len(queries)

    make_opted_in(line, JANE)
    make_opted_in(line, OMAR)
    cost([JANE, OMAR])
    assert cost([f"+1206{serial:07}" for serial in range(2_000_000, 2_010_000)]) <= cost([JANE, OMAR])


def test_nothing_is_changed(line: Line, ann: Api) -> None:
    before = everything()
    ask(ann, line, [JANE, OMAR, "nobody"])
    assert everything() == before
    assert not Message.objects.exists()


def test_a_line_that_is_not_theirs_is_answered_like_none(line: Line) -> None:
    foreign = make_line("+12065550109", name="Foreign")
    for make in (make_agent, make_integrator):
        client = Api(make(line))
        answers = [ask(client, number, [JANE]) for number in (foreign.number, "+12065559999")]
        assert [each.status_code for each in answers] == [400, 400]
        assert [each.json()["line"][0].removeprefix(foreign.number) for each in answers] == [
            " is none of your lines.",
            "+12065559999 is none of your lines.",
        ]
    assert ask(Api(make_supervisor()), foreign, [JANE]).status_code == 200


def test_without_permission_nothing(line: Line) -> None:
    assert ask(Api(None), line, [JANE]).status_code == 401
    user = make_agent(line)
    user.groups.clear()
    assert ask(Api(user), line, [JANE]).status_code == 403


@pytest.mark.parametrize("body", ["{", "[]", "null", '{"line": "+12065550100"}', "[" * 100_000])
def test_a_bad_body(line: Line, ann: Api, body: str) -> None:
    assert ann.post(CHECK, body).status_code == 400
