"""Plain factories. People have names; numbers are made up (555-01xx, and toll-free ones nobody owns)."""

import datetime as dt
import functools
import itertools
from typing import Any

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.utils import timezone

from consent import ledger, roles
from consent.ledger import Proof
from consent.models import Contact, Line, User
from consent.vocabulary import Category, Channel, Level, Mode

JANE = "+12065550142"
OMAR = "+12065550143"

PASSWORD = "correct horse"

_serial = itertools.count(1)
_hashed = functools.cache(make_password)  # hashing is slow on purpose, and every user has the same password


def make_line(number: str = "+12065550100", *, opened: bool = True, **fields: Any) -> Line:
    """A line that may text at any hour, with the forms' own checks applied."""
    fields.setdefault("name", f"Line {next(_serial)}")
    fields.setdefault("mode", Mode.CONSENT)
    fields.setdefault("category", Category.TRANSACTIONAL)
    fields.setdefault("quiet_hours", False)
    line = Line(number=number, **fields)
    line.full_clean()
    line.save()
    if opened:
        Line.objects.filter(pk=line.pk).update(opened_at=timezone.now())
        line.refresh_from_db()
    return line


def make_toll_free(number: str = "+18005550199", **fields: Any) -> Line:
    return make_line(number, opt_outs_answered_by_provider=True, **fields)


def make_contact(number: str = JANE, **fields: Any) -> Contact:
    contact, _ = Contact.objects.get_or_create(number=number, defaults=fields)
    return contact


def make_opted_in(line: Line, number: str = JANE) -> Contact:
    """A contact who texted START to the line some time ago, and has long had the confirmation."""
    contact = make_contact(number)
    proof = Proof(Channel.KEYWORD, {"text": "START", "from": number}, rule="keyword:START")
    ledger.opt_in(
        contact, line, proof, occurred_at=timezone.now(), level=Level.EXPRESS, authority=ledger.Authority.CONTACT
    )
    return contact


def make_user(role: str, *lines: Line, name: str = "", **fields: Any) -> User:
    user = User.objects.create(
        username=name or f"{role.split()[-1].lower()}{next(_serial)}",
        password=_hashed(PASSWORD),
        is_staff=True,
        **fields,
    )
    user.groups.add(Group.objects.get(name=role))
    user.lines.set(lines)
    return user


def make_agent(*lines: Line, name: str = "", shown_name: str = "Ann") -> User:
    return make_user(roles.AGENT, *lines, name=name, shown_name=shown_name)


def make_officer(name: str = "") -> User:
    return make_user(roles.OFFICER, name=name)


def make_supervisor(name: str = "") -> User:
    return make_user(roles.SUPERVISOR, name=name)


def make_integrator(*lines: Line, name: str = "") -> User:
    return make_user(roles.INTEGRATOR, *lines, name=name)


def ago(**delta: float) -> dt.datetime:
    return timezone.now() - dt.timedelta(**delta)


__all__ = [
    "JANE",
    "OMAR",
    "ago",
    "make_agent",
    "make_contact",
    "make_integrator",
    "make_line",
    "make_officer",
    "make_opted_in",
    "make_supervisor",
    "make_toll_free",
    "make_user",
]
