"""What people see of texts: everything on every line, or only what is said on the lines they work on."""

from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest

from consent.admin.numbers import signed_in
from messaging.models import Message, Notice
from messaging.models.message import MessageStatus
from messaging.thread import notices_for, texts_for

HELD_BACK_WORDS = "Held back until the contact agrees."


def sees_all(request: HttpRequest) -> bool:
    return signed_in(request).has_perm("consent.use_every_line")


def on_own_lines(rows: QuerySet[Any], request: HttpRequest, line: str) -> QuerySet[Any]:
    """``rows`` without those of lines the user does not work on. ``line`` is the way from a row to its line."""
    return rows if sees_all(request) else rows.filter(**{f"{line}__in": signed_in(request).usable_lines()})


def shown_texts(rows: QuerySet[Message], request: HttpRequest) -> QuerySet[Message]:
    """The texts on the user's lines that they may see."""
    return texts_for(signed_in(request), on_own_lines(rows, request, "conversation__line"))


def shown_notices(rows: QuerySet[Notice], request: HttpRequest) -> QuerySet[Notice]:
    """The notices on the user's lines that they may see."""
    return notices_for(signed_in(request), on_own_lines(rows, request, "conversation__line"))


def words(text: Message) -> str:
    """The words of a text, for anybody: those held back are shown to nobody here, since reading them must be logged."""
    return HELD_BACK_WORDS if text.status == MessageStatus.HELD_BACK else text.body


class OwnLineFilter(SimpleListFilter):
    """One of the lines the user works on."""

    title = "line"
    parameter_name = "on"
    line = "line"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(line.pk), line.name) for line in signed_in(request).usable_lines()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        offered = {value for value, _ in self.lookup_choices}
        return queryset.filter(**{self.line: self.value()}) if self.value() in offered else queryset


class OwnConversationLineFilter(OwnLineFilter):
    line = "conversation__line"
