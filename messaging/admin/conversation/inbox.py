"""The inbox: conversations on the lines a user works on, unread ones first, then by what happened last.

Nothing here counts or sorts all conversations: a page is read from its place in an index, and pages go on one by one.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import formats, timezone
from django.utils.http import urlencode
from django.utils.text import Truncator

from consent import search
from consent.admin.numbers import hidden_from, signed_in
from consent.admin.standing import status_badge
from consent.models import Consent, Contact, Line, User
from consent.vocabulary import RequestState
from messaging.admin.conversation.entries import name_of, state
from messaging.admin.own_lines import HELD_BACK_WORDS
from messaging.models import Conversation, Message
from messaging.models.message import Direction, MessageStatus
from messaging.thread import moment, texts_for

PAGE = 40
# Beyond this the menu says "99+": nobody counts a million unread conversations to draw a badge.
MOST_COUNTED = 99
STATES = {"open": "Open", "closed": "Closed", "all": "Open and closed"}
_LONGEST_TERM = 80


@dataclass(frozen=True)
class Place:
    """Where a page begins: behind the conversation with this activity, among the unread or among the others."""

    unread: bool
    last_activity: dt.datetime
    pk: int

    @classmethod
    def read(cls, text: str) -> "Place | None":
        try:
            unread, last_activity, pk = text.split("~")
            number = int(pk)
        except ValueError:
            return None
        at = moment(last_activity)
        return cls(unread == "1", at, number) if at and 0 <= number < 2**63 else None

    def __str__(self) -> str:
        return f"{self.unread:d}~{self.last_activity.isoformat()}~{self.pk}"


@dataclass(frozen=True)
class Wanted:
    """What somebody wants to see of the inbox, as the address says it. What makes no sense there counts as not said."""

    state: str = "open"
    line: int | None = None
    term: str = ""
    after: Place | None = None

    @classmethod
    def read(cls, query: Mapping[str, str], lines: list[Line]) -> "Wanted":
        asked = query.get("state", "open")
        line = next((each.pk for each in lines if str(each.pk) == query.get("on", "")), None)
        term = query.get("q", "").replace("\x00", "").strip()[:_LONGEST_TERM]
        return cls(asked if asked in STATES else "open", line, term, Place.read(query.get("after", "")))

    def address(self, **changes: Any) -> str:
        """The query string of this, or of the same with ``changes``."""
        wanted = replace(self, **changes)
        said = {
            "state": "" if wanted.state == "open" else wanted.state,
            "on": wanted.line or "",
            "q": wanted.term,
            "after": wanted.after or "",
        }
        given = urlencode({name: value for name, value in said.items() if value})
        return f"?{given}" if given else ""


@dataclass(frozen=True)
class Page:
    rows: list[dict[str, Any]]
    further: Place | None


def page(request: HttpRequest, wanted: Wanted, lines: list[Line], rows: QuerySet[Conversation]) -> Page:
    """One page of what is wanted. ``rows`` are those the user may see, masked as the policy says."""
    found = _find(request, wanted, lines)
    further = found[PAGE - 1] if len(found) > PAGE else None
    return Page(_shown(signed_in(request), rows, [place.pk for place in found[:PAGE]]), further)


def _find(request: HttpRequest, wanted: Wanted, lines: list[Line]) -> list[Place]:
    """The places of the page's conversations, and one more where there are more."""
    user = signed_in(request)
    every = Conversation.objects.all()
    if wanted.line:
        every = every.filter(line=wanted.line)
    elif not user.has_perm("consent.use_every_line"):
        every = every.filter(line__in=[line.pk for line in lines])
    if wanted.term:
        fitting = Contact.objects.filter(search.contacts(wanted.term, hidden=hidden_from(user)))
        every = every.filter(contact__in=fitting.values("pk"))
    found: list[Place] = []
    if wanted.after is None or wanted.after.unread:
        found = _behind(every.unread(), wanted, unread=True, limit=PAGE + 1)
    if len(found) <= PAGE:
        found += _behind(every.filter(unread_since=None), wanted, unread=False, limit=PAGE + 1 - len(found))
    return found


def _behind(rows: QuerySet[Conversation], wanted: Wanted, *, unread: bool, limit: int) -> list[Place]:
    after = wanted.after
    if after and after.unread == unread:
        # Said twice, so that the index is entered at the place instead of being read up to it.
        rows = rows.filter(
            Q(last_activity__lt=after.last_activity) | Q(pk__lt=after.pk), last_activity__lte=after.last_activity
        )
    newest = rows.order_by("-last_activity", "-pk").values_list("last_activity", "pk")
    # Open and closed ones apart, each in the order of an index.
    wants = {"open": [True], "closed": [False], "all": [True, False]}[wanted.state]
    found = [Place(unread, *row) for is_open in wants for row in newest.filter(is_open=is_open)[:limit]]
    return sorted(found, key=lambda place: (place.last_activity, place.pk), reverse=True)[:limit]


def _shown(user: User, rows: QuerySet[Conversation], pks: list[int]) -> list[dict[str, Any]]:
    """What the rows of a page say, as plain data."""
    texts = texts_for(user, Message.objects.filter(conversation=OuterRef("pk"))).order_by("-created", "-pk")
    held = Message.objects.waiting().filter(conversation=OuterRef("pk"), status=MessageStatus.HELD)
    found = {
        row.pk: row
        for row in rows.filter(pk__in=pks).annotate(last_text=Subquery(texts.values("pk")[:1]), held=Exists(held))
    }
    shown = [found[pk] for pk in pks if pk in found]
    last = Message.objects.select_related("author").in_bulk([row.last_text for row in shown if row.last_text])  # type: ignore[attr-defined]
    consents = {
        (consent.contact_id, consent.line_id): consent
        for consent in Consent.objects.filter(
            contact__in=[row.contact_id for row in shown], line__in={row.line_id for row in shown}
        )
    }
    return [
        _row(row, last.get(row.last_text), consents.get((row.contact_id, row.line_id)) or Consent())  # type: ignore[attr-defined]
        for row in shown
    ]


def _row(row: Any, text: Message | None, consent: Consent) -> dict[str, Any]:
    marks = [
        mark
        for mark, applies in {
            "Held": row.held,
            "Under review": consent.review_since is not None,
            "Closed": not row.is_open,
        }.items()
        if applies
    ]
    return {
        "id": f"conversation-{row.pk}",
        "pk": row.pk,
        "name": str(row.contact),
        "line": row.line.name,
        "unread": row.unread_since is not None,
        "status": status_badge(consent.status, told=consent.told_at is not None),
        "request": ""
        if consent.request_state == RequestState.NOT_SENT
        else f"request {consent.get_request_state_display().lower()}",
        "marks": marks,
        "at": row.last_activity.isoformat(),
        "when": _short(row.last_activity),
        **_snippet(text),
    }


def _snippet(text: Message | None) -> dict[str, str]:
    """The beginning of the last text, and who wrote it. Nothing where there is none that the user may see."""
    if text is None:
        return {"who": "", "snippet": "", "state": ""}
    if text.status == MessageStatus.HELD_BACK:
        return {"who": "", "snippet": HELD_BACK_WORDS, "state": ""}
    words = Truncator(" ".join(text.body.split())).chars(120)
    if text.direction == Direction.IN:
        return {"who": "", "snippet": words or "An attachment", "state": ""}
    who = "Automatic" if text.is_automatic else name_of(text.author)
    return {"who": who, "snippet": words, "state": state(text)[0]}


def _short(at: dt.datetime) -> str:
    """When, in as few characters as tell it from the others."""
    local, today = timezone.localtime(at), timezone.localdate()
    if local.date() == today:
        return formats.date_format(local, "H:i")
    return formats.date_format(local, "j M" if local.year == today.year else "j M Y")


# ---- the menu -------------------------------------------------------------------------------------------------------


def unread_count(user: User) -> int:
    """How many conversations on the user's lines are unread, counted up to one more than ``MOST_COUNTED``."""
    unread = Conversation.objects.unread()
    if not user.has_perm("consent.use_every_line"):
        unread = unread.filter(line__in=user.usable_lines())
    return unread.order_by().values("pk")[: MOST_COUNTED + 1].count()


def in_few_characters(count: int) -> str:
    return f"{MOST_COUNTED}+" if count > MOST_COUNTED else str(count or "")


def unread_badge(request: HttpRequest) -> str:
    """For the menu: how many are unread, nothing where none is."""
    user = request.user
    if not isinstance(user, User) or not user.has_perm("messaging.view_conversation"):
        return ""
    return in_few_characters(unread_count(user))
