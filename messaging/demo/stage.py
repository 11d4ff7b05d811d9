"""What stands before anybody acts, and how to tell that everything has come to rest.

Lines, users and names are set up through the models, as an officer would in the admin; texts never are.
"""

import time
from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import Group
from django.db.models import Exists
from rest_framework.authtoken.models import Token

from consent.models import Line, Organisation, User
from messaging.demo.actors import Phones
from messaging.models import Message, Receipt
from messaging.models.message import MessageStatus

DEADLINE_SECONDS = 60.0
FIRST_SWEEP_SECONDS = 60.0  # worker and beat may still be starting
_POLL_SECONDS = 0.03
ABOUT_TO_LEAVE = (MessageStatus.QUEUED, MessageStatus.DEFERRED, MessageStatus.SENDING)


class TooLate(Exception):
    """What was waited for did not happen in time."""


def make_line(number: str, name: str, **fields: Any) -> Line:
    """A line with the checks of the admin's form applied. It is closed until the sweep has opened it.

    It keeps no quiet hours: a play must not depend on the hour at which it is watched.
    """
    line = Line(number=number, name=name, **{"quiet_hours": False, **fields})
    line.full_clean()
    line.save()
    return line


def make_user(username: str, role: str, *, password: str | None = None, **fields: Any) -> User:
    """A user with this role's group; without a password they can only use the API."""
    user = User.objects.create_user(username, password=password, **fields)
    user.groups.set(Group.objects.filter(name=role))
    return user


def token_of(user: User) -> str:
    return Token.objects.get_or_create(user=user)[0].key


def until(happened: Callable[[], bool], what: str, seconds: float = DEADLINE_SECONDS) -> None:
    """Wait until it has happened. Raises TooLate."""
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            raise TooLate(f"{what} did not happen within {seconds:.0f} seconds")
        time.sleep(_POLL_SECONDS)


def wait_for_open_lines() -> None:
    closed = Line.objects.filter(opened_at=None)
    until(lambda: not closed.exists(), "The sweep's opening of the lines", FIRST_SWEEP_SECONDS)


def rest(phones: Phones) -> None:
    """Wait until nothing is under way any more: what has not happened by then does not happen by itself.

    The simulator owes no webhook before and after the moment in which the tables hold no unsettled receipt and no text
    that is about to leave, and nothing was logged in between.
    """

    def at_rest() -> bool:
        before = phones.read_log()
        if phones.owed or _something_to_do():
            return False
        return phones.read_log() == before and not phones.owed

    until(at_rest, "Coming to rest")


def _something_to_do() -> bool:
    """One statement, so that what moves from one table to the other is seen in one of them."""
    texts = Message.objects.outgoing().filter(status__in=ABOUT_TO_LEAVE)
    return Organisation.objects.filter(Exists(Receipt.objects.unsettled()) | Exists(texts)).exists()
