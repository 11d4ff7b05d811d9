"""A check over the API costs two statements: who asks and what they may, and what the gate needs. Nothing is kept."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from consent.models import Line, User
from consent.tokens import TokenAuthentication
from tests.make import JANE, make_agent, make_integrator, make_line, make_officer, make_supervisor

pytestmark = pytest.mark.django_db

CHECK = "/api/v1/consents/check/"


@pytest.fixture
def line() -> Line:
    return make_line(name="Orders")


def client_of(user: User) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {Token.objects.get_or_create(user=user)[0].key}")
    return client


def test_one_statement_says_who_asks_and_one_whether(line: Line, django_assert_num_queries: Any) -> None:
    for user in (make_integrator(line), make_supervisor("sue")):
        client = client_of(user)
        client.get(CHECK, {"line": line.number, "phone": JANE})  # reads the tables of hours, which are kept for seconds
        with django_assert_num_queries(2):
            answer = client.get(CHECK, {"line": line.number, "phone": JANE})
        assert answer.status_code == 200 and answer.json()["reason"]["code"] == "consent_missing"


@pytest.mark.parametrize("make", [make_agent, make_integrator, make_supervisor, make_officer])
def test_the_permissions_are_those_that_django_finds(make: Callable[..., User]) -> None:
    user = make()
    user.user_permissions.add(Permission.objects.get(codename="change_shown_name"))
    token = Token.objects.create(user=user)
    read, kept = TokenAuthentication().authenticate_credentials(token.key)
    assert kept == token and read == user
    assert {name: value for name, value in vars(read).items() if name in vars(user) and name != "_state"} == {
        name: value for name, value in vars(User.objects.get(pk=user.pk)).items() if name != "_state"
    }
    assert read.get_all_permissions() == User.objects.get(pk=user.pk).get_all_permissions() != set()


def test_a_superuser_may_do_everything(line: Line) -> None:
    root = User.objects.create_superuser("root")
    read, _ = TokenAuthentication().authenticate_credentials(Token.objects.create(user=root).key)
    assert read.has_perm("messaging.check_consent")
    assert read.get_all_permissions() == root.get_all_permissions()
    assert client_of(root).get(CHECK, {"line": line.number, "phone": JANE}).status_code == 200


def test_what_is_taken_away_is_gone_at_once(line: Line) -> None:
    user = make_integrator(line)
    client = client_of(user)

    def status() -> int:
        return client.get(CHECK, {"line": line.number, "phone": JANE}).status_code

    assert status() == 200
    user.lines.clear()
    assert status() == 400
    user.lines.add(line)
    assert status() == 200
    groups = list(user.groups.all())
    user.groups.clear()
    assert status() == 403
    user.groups.set(groups)
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert status() == 401
    User.objects.filter(pk=user.pk).update(is_active=True)
    assert status() == 200
    Token.objects.filter(user=user).delete()
    assert status() == 401


@pytest.mark.parametrize(
    ("asked", "wrong"),
    [
        ({}, {"line", "phone"}),
        ({"line": "+12065550199", "phone": JANE}, {"line"}),
        ({"line": "+12065550199", "phone": "Jane"}, {"line", "phone"}),
        ({"phone": "+1206"}, {"line", "phone"}),
    ],
)
def test_mistakes_are_named_all_at_once(line: Line, asked: dict[str, str], wrong: set[str]) -> None:
    answer = client_of(make_integrator(line)).get(CHECK, asked)
    assert answer.status_code == 400 and set(answer.json()) == wrong


def test_a_line_of_somebody_else_is_answered_like_none(line: Line) -> None:
    other = make_line("+12065550188", name="Other")
    client = client_of(make_integrator(line))
    there = client.get(CHECK, {"line": other.number, "phone": JANE})
    nowhere = client.get(CHECK, {"line": "+12065550177", "phone": JANE})
    assert there.status_code == nowhere.status_code == 400
    assert there.content.replace(other.number.encode(), b"+12065550177") == nowhere.content
