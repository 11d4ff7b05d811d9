"""Users, groups and tokens: superusers manage them, officers set the name contacts see, nobody climbs."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse
from rest_framework.authtoken.models import Token

from consent.models import User
from tests.make import make_agent, make_line, make_officer, make_supervisor

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def cheap_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def ann() -> User:
    return make_agent(make_line(), name="ann")


@pytest.fixture
def root(client: Client) -> User:
    user = User.objects.create_superuser("root")
    client.force_login(user)
    return user


def page(user: User, verb: str = "change") -> str:
    return reverse(f"admin:consent_user_{verb}", args=[user.pk])


def test_an_officer_sets_the_shown_name_and_only_that(ann: User, client: Client) -> None:
    olive = make_officer("olive")
    client.force_login(olive)
    officers = Group.objects.get(name="Compliance officer")
    attack: dict[str, Any] = {
        "shown_name": "Ann from Sales",
        "username": "mallory",
        "password": "x",
        "is_superuser": "on",
        "is_staff": "",
        "is_active": "",
        "groups": [officers.pk],
        "lines": [],
        "user_permissions": [Permission.objects.first().pk],  # type: ignore[union-attr]
    }
    before = User.objects.values().get(pk=ann.pk)
    assert client.post(page(ann), attack).status_code == 302
    after = User.objects.values().get(pk=ann.pk)
    assert {name for name in after if before[name] != after[name]} == {"shown_name"}
    assert after["shown_name"] == "Ann from Sales"
    assert not ann.groups.filter(pk=officers.pk).exists()
    assert ann.lines.count() == 1
    assert not ann.user_permissions.exists()
    client.post(page(olive), attack)
    assert not User.objects.get(pk=olive.pk).is_superuser


def test_an_officer_sets_no_passwords_and_sees_none(ann: User, client: Client) -> None:
    client.force_login(make_officer())
    address = reverse("admin:auth_user_password_change", args=[ann.pk])
    secret = "a long new secret"
    new = {"password1": secret, "password2": secret, "usable_password": "true", "set_usable_password": "true"}
    assert client.get(address).status_code == 403
    assert client.post(address, new).status_code == 403
    assert not User.objects.get(pk=ann.pk).check_password(secret)
    assert "md5" not in client.get(page(ann)).content.decode()
    assert client.get("/admin/consent/user/", {"password__startswith": "pbkdf2"}).status_code == 400


def test_even_django_s_own_permissions_make_nobody_a_manager_of_users(ann: User, client: Client) -> None:
    """Whoever is given add and change of users by mistake still can't make themselves a superuser."""
    sam = make_supervisor("sam")
    sam.user_permissions.set(Permission.objects.filter(content_type__app_label__in=["consent", "auth", "authtoken"]))
    client.force_login(sam)
    assert client.get("/admin/consent/user/add/").status_code == 403
    assert client.get("/admin/auth/group/").status_code == 403
    assert client.get("/admin/authtoken/tokenproxy/").status_code == 403
    assert client.post(page(ann, "delete"), {"post": "yes"}).status_code == 403
    client.post(page(sam), {"username": "sam", "is_superuser": "on", "shown_name": ""})
    assert not User.objects.get(pk=sam.pk).is_superuser


def test_a_superuser_manages_users(root: User, ann: User, client: Client) -> None:
    secret = "a long new secret"
    fields = {"username": "ben", "usable_password": "true", "password1": secret, "password2": secret}
    assert client.post("/admin/consent/user/add/", fields).status_code == 302
    assert User.objects.get(username="ben").check_password(secret)
    line = make_line("+12065550101")
    agents = Group.objects.get(name="Agent")
    changed: dict[str, Any] = {"username": "ann", "shown_name": "Ann", "lines": [line.pk], "groups": [agents.pk]}
    assert client.post(page(ann), changed).status_code == 302
    ann.refresh_from_db()
    assert list(ann.lines.all()) == [line]
    assert not ann.is_active  # switched off, since nobody is deleted
    assert client.post(page(ann, "delete"), {"post": "yes"}).status_code == 403


def test_the_password_form_of_a_superuser_works(root: User, ann: User, client: Client) -> None:
    secret = "a long new secret"
    address = reverse("admin:auth_user_password_change", args=[ann.pk])
    assert client.get(address).status_code == 200
    new = {"password1": secret, "password2": secret, "usable_password": "true", "set_usable_password": "true"}
    assert client.post(address, new).status_code == 302
    assert User.objects.get(pk=ann.pk).check_password(secret)


def test_a_token_is_shown_once_and_logged_never(root: User, ann: User, client: Client) -> None:
    answer = client.post("/admin/authtoken/tokenproxy/add/", {"user": ann.pk}, follow=True)
    token = Token.objects.get(user=ann)
    assert token.key in answer.content.decode()
    assert token.key not in client.get("/admin/authtoken/tokenproxy/").content.decode()
    assert token.key not in client.get("/admin/").content.decode()
    assert (
        client.post(reverse("admin:authtoken_tokenproxy_change", args=[ann.pk]), {"user": root.pk}).status_code == 403
    )
    assert client.post(reverse("admin:authtoken_tokenproxy_delete", args=[ann.pk]), {"post": "yes"}).status_code == 302
    assert not Token.objects.exists()
    assert LogEntry.objects.count() == 2
    assert not any(token.key in f"{entry.object_repr} {entry.object_id}" for entry in LogEntry.objects.all())


def test_a_superuser_edits_what_a_role_may(root: User, client: Client) -> None:
    agents = Group.objects.get(name="Agent")
    kept = agents.permissions.get(codename="view_contact")
    client.post(reverse("admin:auth_group_change", args=[agents.pk]), {"name": "Agent", "permissions": [kept.pk]})
    assert list(agents.permissions.all()) == [kept]
