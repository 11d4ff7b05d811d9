"""A contact's whole story on one page: texts, notices and changes of consent across all lines, newest first.

Everybody sees of it what they may see elsewhere: agents what was said on their own lines, without texts that are held
back and without keywords; officers that something was held back, and where to read it on record.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils import timezone

from consent.admin.numbers import ContactScreen, full_number, signed_in
from consent.models import Contact, LedgerEntry, Line, OptInRequest, User
from consent.vocabulary import RequestOutcome
from messaging import explanations
from messaging.admin.consent_history import Past, pasts
from messaging.admin.conversation.entries import day_name, name_of, shown
from messaging.models import Message, Notice
from messaging.thread import notices_for, texts_for

PAGE = 50

Row = Message | Notice | LedgerEntry


@dataclass(frozen=True)
class Source:
    """One of the tables that the story is made of. ``show`` is how the filter names it."""

    show: str
    label: str
    permission: str
    time: str
    line: str
    rows: Callable[[Contact, User], QuerySet[Any]]


def _texts(contact: Contact, user: User) -> QuerySet[Message]:
    known = ["conversation__line", "author", "wording", "request__asked_by"]
    return texts_for(user, Message.objects.filter(conversation__contact=contact.pk).select_related(*known))


def _entries(contact: Contact, user: User) -> QuerySet[LedgerEntry]:
    return LedgerEntry.objects.filter(contact=contact.pk).select_related("line", "actor")


def _notices(contact: Contact, user: User) -> QuerySet[Notice]:
    known = ["conversation__line", "to"]
    return notices_for(user, Notice.objects.filter(conversation__contact=contact.pk).select_related(*known))


# Of one instant the later one in this order is the newer: a text comes before what it changed.
SOURCES = (
    Source("texts", "Texts", "messaging.view_message", "created", "conversation__line", _texts),
    Source("consent", "Consent", "consent.view_consent", "recorded_at", "line", _entries),
    Source("notices", "Notices", "messaging.view_notice", "created", "conversation__line", _notices),
)


@dataclass(frozen=True, order=True)
class Place:
    """Where something stands in the story."""

    at: dt.datetime
    source: int
    pk: int

    @classmethod
    def read(cls, text: str) -> "Place | None":
        """What ``str`` gave. None for anything else."""
        try:
            at, source, pk = text.split("~")
            place = cls(dt.datetime.fromisoformat(at), int(source), int(pk))
        except ValueError:
            return None
        return place if place.at.tzinfo and 0 <= place.source < len(SOURCES) and 0 <= place.pk < 2**63 else None

    def __str__(self) -> str:
        return f"{self.at.isoformat()}~{self.source}~{self.pk}"

    def older(self, source: int) -> Q:
        """What is older, among the rows of one source."""
        time = SOURCES[source].time
        earlier = Q(**{f"{time}__lt": self.at})
        if source == self.source:
            return earlier | Q(**{time: self.at, "pk__lt": self.pk})
        return earlier | Q(**{time: self.at}) if source < self.source else earlier


@dataclass(frozen=True)
class Question:
    """What somebody wants to see of the story. Anything odd in the address means: no filter."""

    show: str
    line: Line | None
    before: Place | None

    @classmethod
    def read(cls, asked: QueryDict, lines: Sequence[Line]) -> "Question":
        show = asked.get("show", "")
        return cls(
            show if show in {source.show for source in SOURCES} else "",
            next((line for line in lines if str(line.pk) == asked.get("line")), None),
            Place.read(asked.get("before", "")),
        )

    def address(self, **changes: str) -> str:
        """The query that asks this with ``changes``; always from the newest on, unless they say from where."""
        asked = QueryDict(mutable=True)
        given = {"show": self.show, "line": str(self.line.pk) if self.line else "", **changes}
        asked.update({name: value for name, value in given.items() if value})
        return f"?{asked.urlencode()}"


def story(contact: Contact, user: User, asked: QueryDict) -> dict[str, Any]:
    """One page of the story as ``user`` may see it, and what its filters offer. As many queries for any length."""
    lines = list(user.usable_lines())
    question = Question.read(asked, lines)
    sources = [(rank, source) for rank, source in enumerate(SOURCES) if user.has_perm(source.permission)]
    found: list[tuple[Place, Row]] = []
    for rank, source in sources:
        if question.show in {"", source.show}:
            rows = _on(source.rows(contact, user), source.line, question.line, lines, user)
            if question.before:
                rows = rows.filter(question.before.older(rank))
            newest = rows.order_by(f"-{source.time}", "-pk")[: PAGE + 1]
            found += [(Place(getattr(row, source.time), rank, row.pk), row) for row in newest]
    found.sort(key=lambda each: each[0], reverse=True)
    page = found[:PAGE]
    return {
        "items": list(_items([row for _, row in page], contact, user, lines)),
        "older": question.address(before=str(page[-1][0])) if len(found) > PAGE else "",
        "newest": question.address() if question.before else "",
        "filtered": bool(question.show or question.line),
        "all": question.address(show="", line=""),
        "shows": [
            {"label": label, "chosen": question.show == show, "address": question.address(show=show)}
            for show, label in [("", "Everything"), *((source.show, source.label) for _, source in sources)]
        ],
        "show": question.show,
        "line": question.line,
        "lines": lines,
        "every_line": user.has_perm("consent.use_every_line"),
    }


def _on(rows: QuerySet[Any], path: str, line: Line | None, lines: Sequence[Line], user: User) -> QuerySet[Any]:
    if line:
        return rows.filter(**{path: line})
    if user.has_perm("consent.use_every_line"):
        return rows
    return rows.filter(**{f"{path}__in": lines})


def _items(rows: list[Row], contact: Contact, user: User, lines: Sequence[Line]) -> Iterator[dict[str, Any]]:
    """``rows`` as the page draws them, in their order."""
    entries = [row for row in rows if isinstance(row, LedgerEntry)]
    history = {past.entry.pk: past for past in pasts(entries, full_number(contact), user, lines)} if entries else {}
    for row in rows:
        if isinstance(row, LedgerEntry):
            yield _entry(history[row.pk])
            continue
        [item] = [each for each in shown([row], user, may_send=False) if each["kind"] != "day"]
        said = {**item, "moment": row.created, "day": _day(row.created), "line": row.conversation.line}
        said["conversation"] = row.conversation_id
        if isinstance(row, Notice):
            said["to"] = name_of(row.to) if row.to else "everyone on the line"
        elif row.request:
            said["request"] = _request(row.request)
        yield said


def _entry(past: Past) -> dict[str, Any]:
    entry = past.entry
    return {
        "kind": "entry",
        "past": past,
        "moment": entry.recorded_at,
        "day": _day(entry.recorded_at),
        "line": entry.line,
        "rule": explanations.why(entry.rule) if entry.rule else "",
    }


def _request(request: OptInRequest) -> list[str]:
    """Who asked and why, and what came of it, in sentences."""
    said = []
    if request.asked_by:
        said.append(f"Asked for by {name_of(request.asked_by)}{f': {request.basis}' if request.basis else ''}.")
    if request.sent_at:
        said.append(f"The provider took it on {_when(request.sent_at)}.")
    if request.outcome != RequestOutcome.OPEN:
        ended = f" on {_when(request.ended_at)}" if request.ended_at else ""
        said.append(f"{request.get_outcome_display()}{ended}.")
    elif request.expires_at:
        said.append(f"Open: it expires on {_when(request.expires_at)} if they don't answer.")
    return said


def _day(moment: dt.datetime) -> str:
    return day_name(timezone.localtime(moment).date())


def _when(moment: dt.datetime) -> str:
    return f"{timezone.localtime(moment):%-d %B %Y at %H:%M}"


class Timeline(ContactScreen):
    """What a contact's page needs to show it, below the form."""

    change_form_outer_after_template = "admin/messaging/timeline/section.html"

    class Media:
        css = {"all": ["optline/timeline.css"]}

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Contact | None = None,
    ) -> HttpResponse:
        if obj:
            context["timeline"] = story(obj, signed_in(request), request.GET)
        return super().render_change_form(request, context, add, change, form_url, obj)
