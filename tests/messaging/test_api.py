"""The REST API: what it answers, to whom, and what it never changes (ARCHITECTURE "Interfaces that others rely on")."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from django.http import HttpResponse
from django.test import Client
from rest_framework.authtoken.models import Token

from consent.models import Consent, Contact, LedgerEntry, Line, Organisation, User
from messaging.models import Conversation, Message
from tests.make import JANE, OMAR, make_agent, make_integrator, make_line, make_officer, make_supervisor
from tests.world import Phone, text_in, work

pytestmark = pytest.mark.django_db

MESSAGES = "/api/v1/messages/"


@pytest.fixture
def line() -> Line:
    return make_line(name="Orders")


@pytest.fixture
def foreign() -> Line:
    """A line that is not Ann's."""
    return make_line("+12065550109", name="Foreign")


class Api:
    """The API as one user's token sees it."""

    def __init__(self, user: User | None) -> None:
        self.headers = {"Authorization": f"Token {Token.objects.create(user=user).key}"} if user else {}

    def get(self, path: str, **query: str) -> HttpResponse:
        return Client().get(path, query, headers=self.headers)

    def post(self, path: str, data: Any = None, **headers: str) -> HttpResponse:
        body = data if isinstance(data, str | bytes) else json.dumps({} if data is None else data)
        return Client().post(
            path, body, content_type=headers.pop("type", "application/json"), headers={**self.headers, **headers}
        )

    def send(self, line: Line, body: str = "Hello", to: str = JANE, **more: Any) -> HttpResponse:
        headers = more.pop("headers", {})
        return self.post(MESSAGES, {"line": line.number, "to": to, "body": body, **more}, **headers)


@pytest.fixture
def ann(line: Line) -> Api:
    return Api(make_agent(line))


def everything() -> tuple[int, ...]:
    return tuple(model.objects.count() for model in (Contact, Conversation, Message, Consent, LedgerEntry))


# ---- sending --------------------------------------------------------------------------------------------------------


def test_a_text_that_is_held(line: Line, ann: Api) -> None:
    answer = ann.send(line, "Hello", basis="asked us to")
    assert answer.status_code == 201
    shown = answer.json()
    assert set(shown) == {"id", "line", "to", "body", "status", "reason", "until", "created"}
    assert (shown["line"], shown["to"], shown["body"], shown["status"]) == (line.number, JANE, "Hello", "held")
    assert shown["reason"]["code"] == "consent_missing" and shown["reason"]["text"]
    assert shown["until"] is None and shown["created"].endswith("Z")


def test_looking_a_text_up(line: Line, ann: Api, jane: Phone) -> None:
    jane.texts(line, "START")
    uuid = ann.send(line).json()["id"]
    assert ann.get(f"{MESSAGES}{uuid}/").json()["status"] == "queued"
    work()
    shown = ann.get(f"{MESSAGES}{uuid}/").json()
    assert (shown["status"], shown["reason"]) == ("sent", None)


def test_a_refused_text_is_kept_and_answered_201(line: Line, ann: Api, jane: Phone) -> None:
    jane.texts(line, "STOP")
    shown = ann.send(line)
    assert shown.status_code == 201
    assert (shown.json()["status"], shown.json()["reason"]["code"]) == ("refused", "opted_out")


def test_a_deferred_text(line: Line, ann: Api) -> None:
    text_in(JANE, line, "hello")
    shown = ann.send(line).json()
    assert (shown["status"], shown["reason"]["code"]) == ("deferred", "inbound_unsettled")


def test_the_token_acts_as_its_user(line: Line, jane: Phone) -> None:
    Api(make_agent(line, shown_name="Ann")).send(line)
    work()
    assert "Ann" in jane.last_words()


def test_an_integrators_request_names_the_line(line: Line, jane: Phone) -> None:
    Api(make_integrator(line)).send(line)
    work()
    assert "Orders" in jane.last_words()


def test_numbers_are_read_as_people_write_them(line: Line, ann: Api) -> None:
    assert ann.send(line, to="+1 (206) 555-0142").json()["to"] == JANE


# Each: what is wrong, the field to name, and the change to an otherwise good text.
BAD: list[tuple[str, str, dict[str, Any]]] = [
    ("no line", "line", {"line": None}),
    ("an unknown line", "line", {"line": "+12065559999"}),
    ("a line that is no number", "line", {"line": "orders"}),
    ("a line with more digits than any number has", "line", {"line": "+49123456789012345"}),
    ("a line that is a list", "line", {"line": ["+12065550100"]}),
    ("no recipient", "to", {"to": None}),
    ("a blank recipient", "to", {"to": ""}),
    ("a recipient without country code", "to", {"to": "2065550142"}),
    ("too few digits", "to", {"to": "+1206"}),
    ("more digits than any number has", "to", {"to": "+49123456789012345"}),
    ("a short code", "to", {"to": "72345"}),
    ("a number", "to", {"to": 12065550142}),
    ("an object", "to", {"to": {"a": 1}}),
    ("one of our own lines", "to", {"to": "+12065550100"}),
    ("no body", "body", {"body": None}),
    ("a blank body", "body", {"body": ""}),
    ("only spaces", "body", {"body": " \n\t "}),
    ("too long a body", "body", {"body": "x" * 1601}),
    ("a list", "body", {"body": ["hi"]}),
    ("NUL", "body", {"body": "a\x00b"}),
    ("half a character", "body", {"body": "a\ud800b"}),
    ("too long a basis", "basis", {"basis": "x" * 201}),
    ("NUL in the basis", "basis", {"basis": "\x00"}),
    ("half a character in the basis", "basis", {"basis": "\udfff"}),
]


@pytest.mark.parametrize(("what", "field", "change"), BAD, ids=[what for what, _, _ in BAD])
def test_bad_input_names_the_field(line: Line, ann: Api, what: str, field: str, change: dict[str, Any]) -> None:
    good = {"line": line.number, "to": JANE, "body": "Hello"}
    body = {name: value for name, value in {**good, **change}.items() if value is not None}
    before = everything()
    answer = ann.post(MESSAGES, body)
    assert answer.status_code == 400, answer.content
    assert list(answer.json()) == [field]
    assert answer.json()[field][0]
    assert everything() == before


@pytest.mark.parametrize("body", ["", "{", "[]", '"text"', "null", "12", b"\xff\xfe", '{"line": NaN}'])
def test_what_is_no_json_object(line: Line, ann: Api, body: str | bytes) -> None:
    assert ann.post(MESSAGES, body).status_code == 400


@pytest.mark.parametrize("opening", ["[", '{"line":', '{"line":['])
def test_json_nested_too_deeply(line: Line, ann: Api, opening: str) -> None:
    assert ann.post(MESSAGES, opening * 100_000).status_code == 400


def test_another_content_type(line: Line, ann: Api) -> None:
    assert ann.post(MESSAGES, "line=1", type="application/x-www-form-urlencoded").status_code == 415


@pytest.mark.parametrize("body", ["é🛑\n\u2028{company_name}", "<b>hi</b>"])
def test_any_words_may_be_sent(line: Line, ann: Api, body: str) -> None:
    assert ann.send(line, body).json()["body"] == body


FOOTER = "\nReply STOP to opt out."


def test_a_text_is_as_long_as_leaves_room_for_its_footer(line: Line, ann: Api, jane: Phone) -> None:
    jane.texts(line, "START")
    assert ann.send(line, "x" * (1600 - len(FOOTER))).status_code == 201
    work()
    assert len(jane.last_words()) == 1600 and jane.last_words().endswith(FOOTER)


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "order-12"}], ids=["without a key", "with a key"])
def test_a_text_too_long_together_with_its_footer(line: Line, ann: Api, headers: dict[str, str]) -> None:
    before = everything()
    answer = ann.send(line, "x" * (1601 - len(FOOTER)), headers=headers)
    assert answer.status_code == 400
    assert list(answer.json()) == ["body"]
    assert "1600" in answer.json()["body"][0], "the limit"
    assert everything() == before
    assert ann.send(line, "x", headers=headers).status_code == 201, "it used up no key"


def test_a_text_that_tells_how_to_stop_has_all_the_room(line: Line, ann: Api) -> None:
    told = " Reply STOP to end."
    assert ann.send(line, "x" * (1600 - len(told)) + told).status_code == 201
    assert ann.send(line, "x" * (1601 - len(told)) + told).status_code == 400


# ---- idempotency ----------------------------------------------------------------------------------------------------


def test_the_same_key_and_body_give_the_same_answer(line: Line, ann: Api) -> None:
    answers = [ann.send(line, headers={"Idempotency-Key": "order-12"}) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {201}
    assert answers[0].json() == answers[1].json() == answers[2].json()
    assert Message.objects.filter(purpose="ordinary").count() == 1


@pytest.mark.parametrize("change", [{"body": "Other"}, {"to": OMAR}, {"basis": "called"}])
def test_the_same_key_for_another_text_is_409(line: Line, ann: Api, change: dict[str, str]) -> None:
    ann.send(line, headers={"Idempotency-Key": "order-12"})
    answer = ann.post(
        MESSAGES, {"line": line.number, "to": JANE, "body": "Hello", **change}, **{"Idempotency-Key": "order-12"}
    )
    assert answer.status_code == 409
    assert Message.objects.filter(purpose="ordinary").count() == 1


def test_a_key_is_the_users_own(line: Line, ann: Api) -> None:
    ben = Api(make_agent(line))
    first = ann.send(line, headers={"Idempotency-Key": "order-12"}).json()
    second = ben.send(line, headers={"Idempotency-Key": "order-12"}).json()
    assert first["id"] != second["id"]


def test_without_a_key_each_is_a_text(line: Line, ann: Api) -> None:
    assert ann.send(line).json()["id"] != ann.send(line).json()["id"]


@pytest.mark.parametrize("key", ["x" * 201, "a\x07b"])
def test_a_bad_key(line: Line, ann: Api, key: str) -> None:
    answer = ann.send(line, headers={"Idempotency-Key": key})
    assert answer.status_code == 400
    assert list(answer.json()) == ["Idempotency-Key"]


def test_bad_input_uses_up_no_key(line: Line, ann: Api) -> None:
    assert ann.send(line, "", headers={"Idempotency-Key": "order-12"}).status_code == 400
    assert ann.send(line, "Hello", headers={"Idempotency-Key": "order-12"}).status_code == 201


# ---- who may what ---------------------------------------------------------------------------------------------------


def paths(line: Line) -> dict[str, str]:
    return {
        "messages": MESSAGES,
        "check": f"/api/v1/consents/check/?line={quote(line.number)}&phone={quote(JANE)}",
        "consents": f"/api/v1/contacts/{JANE}/consents/",
        "conversation": f"/api/v1/conversations/?line={quote(line.number)}&phone={quote(JANE)}",
    }


@pytest.mark.parametrize("name", ["messages", "check", "consents", "conversation"])
def test_without_a_token_nothing(line: Line, name: str) -> None:
    path = paths(line)[name]
    assert Api(None).get(path).status_code in {401, 403}
    assert Client().get(path, headers={"Authorization": "Token nonsense"}).status_code == 401
    assert Client().post(MESSAGES, "{}", content_type="application/json").status_code in {401, 403}


def test_a_user_without_a_role_may_nothing(line: Line) -> None:
    nobody = User.objects.create(username="nobody")
    nobody.lines.set([line])
    api = Api(nobody)
    assert api.send(line).status_code == 403
    for name in ("check", "consents", "conversation"):
        assert api.get(paths(line)[name]).status_code == 403


def test_a_user_who_left_may_nothing(line: Line) -> None:
    user = make_agent(line)
    api = Api(user)
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert api.send(line).status_code == 401


# Role → may send, check, read consents, read the conversation on a line of theirs.
ROLES = {
    "agent": (make_agent, (201, 200, 200, 200)),
    "integrator": (make_integrator, (201, 200, 200, 403)),
    "supervisor": (lambda line: make_supervisor(), (201, 200, 200, 200)),
    "officer": (lambda line: make_officer(), (201, 200, 200, 200)),
}


@pytest.mark.parametrize("role", ROLES)
def test_what_each_role_may(line: Line, role: str) -> None:
    make, expected = ROLES[role]
    api = Api(make(line))
    names = ("check", "consents", "conversation")
    answers = [api.send(line).status_code, *(api.get(paths(line)[name]).status_code for name in names)]
    assert tuple(answers) == expected


@pytest.mark.parametrize("make", [make_agent, make_integrator])
def test_foreign_lines_are_answered_like_unknown_ones(line: Line, foreign: Line, make: Any) -> None:
    api = Api(make(line))
    answers = [api.send(foreign), api.get(paths(foreign)["check"])]
    if make is make_agent:
        answers.append(api.get(paths(foreign)["conversation"]))
    for answer in answers:
        assert answer.status_code == 400 and list(answer.json()) == ["line"]
    unknown = api.post(MESSAGES, {"line": "+12065559999", "to": JANE, "body": "x"}).json()["line"][0]
    known = api.send(foreign).json()["line"][0]
    assert known.replace(foreign.number, "") == unknown.replace("+12065559999", "")


def test_a_foreign_text_is_not_found(line: Line, foreign: Line, ann: Api) -> None:
    theirs = Api(make_agent(foreign)).send(foreign).json()["id"]
    assert ann.get(f"{MESSAGES}{theirs}/").status_code == 404
    assert ann.post(f"{MESSAGES}{theirs}/withdraw/").status_code == 404
    assert Message.objects.get(uuid=theirs).status == "held"


def test_foreign_lines_are_not_among_the_consents(line: Line, foreign: Line, ann: Api, jane: Phone) -> None:
    jane.texts(foreign, "START")
    assert [row["line"] for row in ann.get(paths(line)["consents"]).json()] == [line.number]


def test_supervisors_and_officers_see_every_line(line: Line, foreign: Line) -> None:
    for user in (make_supervisor(), make_officer()):
        rows = Api(user).get(paths(line)["consents"]).json()
        assert {row["line"] for row in rows} == {line.number, foreign.number}


def test_an_inbound_text_is_no_message_to_look_up(line: Line, ann: Api, jane: Phone) -> None:
    jane.texts(line, "hello")
    inbound = Message.objects.get(direction="in")
    assert ann.get(f"{MESSAGES}{inbound.uuid}/").status_code == 404


# ---- hidden numbers -------------------------------------------------------------------------------------------------


@pytest.fixture
def hidden(db: None) -> None:
    Organisation.objects.update(mask_numbers=True)


def test_an_agent_sees_the_numbers_they_wrote_to_themselves(line: Line, ann: Api, hidden: None) -> None:
    sent = ann.send(line).json()
    assert sent["to"] == JANE
    assert ann.get(f"{MESSAGES}{sent['id']}/").json()["to"] == JANE
    assert ann.post(f"{MESSAGES}{sent['id']}/withdraw/").json()["to"] == JANE


def test_an_agent_sees_no_full_number_of_a_colleagues_text(line: Line, ann: Api, hidden: None) -> None:
    uuid = Api(make_agent(line)).send(line).json()["id"]
    shown = ann.get(f"{MESSAGES}{uuid}/")
    assert shown.json()["to"] == "•••• 0142"
    assert JANE[1:] not in shown.content.decode()


def test_nor_of_an_automatic_text(line: Line, ann: Api, jane: Phone, hidden: None) -> None:
    jane.texts(line, "START")
    confirmation = Message.objects.get(purpose="opt_in_confirmation")
    assert ann.get(f"{MESSAGES}{confirmation.uuid}/").json()["to"] == "•••• 0142"


@pytest.mark.parametrize("make", [make_officer, make_supervisor])
def test_officers_and_supervisors_see_full_numbers(line: Line, ann: Api, hidden: None, make: Any) -> None:
    uuid = ann.send(line).json()["id"]
    assert Api(make()).get(f"{MESSAGES}{uuid}/").json()["to"] == JANE


def test_where_numbers_are_not_hidden_colleagues_see_them(line: Line, ann: Api) -> None:
    uuid = Api(make_agent(line)).send(line).json()["id"]
    assert ann.get(f"{MESSAGES}{uuid}/").json()["to"] == JANE


# ---- withdrawing ----------------------------------------------------------------------------------------------------


def test_withdrawing(line: Line, ann: Api) -> None:
    uuid = ann.send(line).json()["id"]
    answer = ann.post(f"{MESSAGES}{uuid}/withdraw/")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    again = ann.post(f"{MESSAGES}{uuid}/withdraw/")
    assert again.status_code == 409 and again.json()["detail"]


def test_only_the_author_withdraws(line: Line, ann: Api) -> None:
    uuid = ann.send(line).json()["id"]
    assert Api(make_agent(line)).post(f"{MESSAGES}{uuid}/withdraw/").status_code == 409
    assert Message.objects.get(uuid=uuid).status == "held"


@pytest.mark.parametrize("method", ["get", "put", "delete"])
def test_nothing_changes_on_other_methods(line: Line, ann: Api, method: str) -> None:
    uuid = ann.send(line).json()["id"]
    answer = getattr(Client(), method)(f"{MESSAGES}{uuid}/withdraw/", headers=ann.headers)
    assert answer.status_code == 405
    assert Message.objects.get(uuid=uuid).status == "held"


# ---- checking -------------------------------------------------------------------------------------------------------


def test_check_answers_in_the_gates_words(line: Line, ann: Api, jane: Phone) -> None:
    asked = ann.get(paths(line)["check"])
    assert asked.status_code == 200
    assert set(asked.json()) == {"verdict", "reason", "until"}
    assert (asked.json()["verdict"], asked.json()["reason"]["code"]) == ("hold", "consent_missing")
    jane.texts(line, "START")
    assert ann.get(paths(line)["check"]).json()["verdict"] == "send"
    jane.texts(line, "STOP")
    out = ann.get(paths(line)["check"]).json()
    assert (out["verdict"], out["reason"]["code"]) == ("refuse", "opted_out")
    assert "START" in out["reason"]["text"]


def test_reading_changes_nothing(line: Line, ann: Api) -> None:
    before = everything()
    for name in ("check", "consents", "conversation"):
        assert ann.get(paths(line)[name]).status_code == 200
    assert everything() == before == (0, 0, 0, 0, 0)


@pytest.mark.parametrize(("number", "line_number"), [(" 12065550142", "+12065550100"), (JANE, " 12065550100")])
def test_a_leading_space_where_a_plus_was_meant(line: Line, ann: Api, number: str, line_number: str) -> None:
    answer = ann.get("/api/v1/consents/check/", phone=number, line=line_number)
    assert answer.status_code == 200, answer.content


def test_a_plus_that_was_not_quoted(line: Line, ann: Api) -> None:
    path = f"/api/v1/consents/check/?line={line.number}&phone={JANE}"
    assert ann.get(path).status_code == 200
    assert ann.get(f"/api/v1/conversations/?line={line.number}&phone={JANE}").status_code == 200


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"phone": JANE}, "line"),
        ({"line": "+12065550100"}, "phone"),
        ({"line": "+12065550100", "phone": "Jane"}, "phone"),
        ({"line": "+12065550100", "phone": "\x00"}, "phone"),
        ({"line": "+12065559999", "phone": JANE}, "line"),
        ({"line": "", "phone": JANE}, "line"),
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/consents/check/", "/api/v1/conversations/"])
def test_a_bad_question_names_the_field(line: Line, ann: Api, path: str, query: dict[str, str], field: str) -> None:
    answer = ann.get(path, **query)
    assert answer.status_code == 400
    assert list(answer.json()) == [field]


def test_check_of_a_number_on_the_do_not_contact_list(line: Line, ann: Api) -> None:
    from consent import ledger
    from consent.ledger import Proof

    ledger.add_do_not_contact(Contact.objects.lock(JANE), Proof("agent", {"call": "7"}), reason="asked")
    assert ann.get(paths(line)["check"]).json()["reason"]["code"] == "do_not_contact"


# ---- consents -------------------------------------------------------------------------------------------------------


def test_a_number_never_seen_is_not_defined_everywhere(line: Line, foreign: Line) -> None:
    rows = Api(make_officer()).get(paths(line)["consents"]).json()
    assert len(rows) == 2
    for row in rows:
        assert (row["status"], row["request"]) == ("not_defined", "not_sent")
        assert (row["level"], row["since"], row["source"], row["under_review"]) == (None, None, None, False)


def test_what_is_known_of_a_contact(line: Line, ann: Api, jane: Phone) -> None:
    jane.texts(line, "START")
    (row,) = ann.get(paths(line)["consents"]).json()
    assert {"line", "status", "request", "level", "under_review", "since", "source"} <= set(row)
    assert (row["status"], row["level"], row["source"]) == ("opted_in", "express", "keyword")
    assert row["since"].startswith("2026-12-01T12:00:0") and row["since"].endswith("Z")


def test_after_a_request(line: Line, ann: Api) -> None:
    ann.send(line)
    assert ann.get(paths(line)["consents"]).json()[0]["request"] == "not_sent", "nobody has taken it yet"


@pytest.mark.parametrize(
    "phone", ["Jane", "12", "%00", "+1", "2065550142", "+49123456789012345", "%F0%9F%9B%91", "x" * 500]
)
def test_consents_of_what_is_no_number(line: Line, ann: Api, phone: str) -> None:
    answer = ann.get(f"/api/v1/contacts/{phone}/consents/")
    assert answer.status_code == 400
    assert list(answer.json()) == ["phone"]


def test_consents_on_one_line(line: Line, foreign: Line, ann: Api) -> None:
    path = paths(line)["consents"]
    assert len(Api(make_officer()).get(path, line=line.number).json()) == 1
    for number in ("+12065559999", foreign.number, "orders", ""):
        answer = ann.get(path, line=number)
        assert answer.status_code == 400 and list(answer.json()) == ["line"]


@pytest.mark.parametrize("spelling", ["+12065550142", "%2B12065550142", "%2012065550142"])
def test_consents_however_the_plus_is_written(line: Line, ann: Api, spelling: str) -> None:
    assert ann.get(f"/api/v1/contacts/{spelling}/consents/").status_code == 200


# ---- conversations --------------------------------------------------------------------------------------------------


def test_a_conversation_that_never_was(line: Line, ann: Api) -> None:
    assert ann.get(paths(line)["conversation"]).json() == []


def test_a_conversation_in_order(line: Line, ann: Api, jane: Phone) -> None:
    jane.texts(line, "START")
    ann.send(line, "one")
    work()
    jane.texts(line, "two")
    items = ann.get(paths(line)["conversation"]).json()
    assert [item["created"] for item in items] == sorted(item["created"] for item in items)
    words = [item["body"] for item in items if item["type"] == "text" and item.get("purpose") in {None, "ordinary"}]
    assert words == ["one", "two"]
    assert [item["kind"] for item in items if item["type"] == "notice"] == ["opted_in"]
    sent = next(item for item in items if item.get("body") == "one")
    assert (sent["direction"], sent["status"]) == ("out", "sent")


HELD_BACK_WORDS = "my secret words"


@pytest.mark.parametrize("make", [lambda line: make_agent(line), lambda line: make_supervisor()])
def test_held_back_words_are_shown_to_nobody_but_officers(line: Line, jane: Phone, make: Any) -> None:
    jane.texts(line, HELD_BACK_WORDS)
    answer = Api(make(line)).get(paths(line)["conversation"])
    assert HELD_BACK_WORDS not in answer.content.decode()


def test_an_agent_does_not_even_see_that_there_is_one(line: Line, ann: Api, jane: Phone) -> None:
    jane.texts(line, HELD_BACK_WORDS)
    items = ann.get(paths(line)["conversation"]).json()
    assert [item for item in items if item.get("direction") == "in"] == []


def test_a_withdrawn_text_is_marked(line: Line, ann: Api) -> None:
    uuid = ann.send(line, "oops").json()["id"]
    ann.post(f"{MESSAGES}{uuid}/withdraw/")
    items = ann.get(paths(line)["conversation"]).json()
    assert next(item for item in items if item.get("body") == "oops")["marks"] == ["withdrawn"]


def test_notices_to_one_author_are_not_for_the_others(line: Line, ann: Api) -> None:
    ben = Api(make_agent(line))
    ann.send(line)
    work()
    kinds = [item.get("kind") for item in ben.get(paths(line)["conversation"]).json()]
    assert "asked" not in kinds
