"""How texts and notices are shown in a thread: plain data, so that it can be told cheaply whether anything changed."""

import datetime as dt
from typing import Any

from django.urls import reverse
from django.utils import formats, timezone

from consent.gate import Purpose, Reason
from consent.models import User
from messaging.admin.own_lines import HELD_BACK_WORDS
from messaging.models import Message, Notice
from messaging.models.message import WAITING, Direction, MessageStatus
from messaging.opt_in import AUTHOR_CONFIRMS
from messaging.thread import Entry

S = MessageStatus

_STATES = {
    S.QUEUED: ("On its way", "info"),
    S.SENDING: ("Sending", "info"),
    S.HELD: ("Held: waiting for their yes", "warning"),
    S.DEFERRED: ("Deferred", "warning"),
    S.REFUSED: ("Refused", "danger"),
    S.CANCELLED: ("Cancelled", ""),
    S.SENT: ("Sent", "success"),
    S.DELIVERED: ("Delivered", "success"),
    S.UNDELIVERED: ("Not delivered", "danger"),
    S.FAILED: ("Not delivered", "danger"),
    S.UNKNOWN: ("Unknown: it may have left", "warning"),
    S.RECEIVED: ("", ""),
    S.HELD_BACK: ("Held back", "warning"),
    S.KEYWORD: ("Keyword", ""),
}

# Held for these, the words of the state say all there is to say.
_SAID_BY_THE_STATE = {Reason.CONSENT_MISSING, Reason.CONSENT_PENDING}


def shown(entries: list[Entry], user: User, *, may_send: bool) -> list[dict[str, Any]]:
    """``entries`` with a separator before the first of each day. ``may_send``: the user may text on this line."""
    found: list[dict[str, Any]] = []
    for entry in entries:
        day = timezone.localtime(entry.created).date()
        separator = {"id": f"day-{day.isoformat()}", "kind": "day", "words": day_name(day)}
        if separator not in found:
            found.append(separator)
        found.append(_notice(entry) if isinstance(entry, Notice) else _text(entry, user, may_send))
    return found


def day_name(day: dt.date) -> str:
    """A day as one speaks of it today."""
    ago = (timezone.localdate() - day).days
    if ago in {0, 1}:
        return "Yesterday" if ago else "Today"
    return formats.date_format(day, "l, j F Y")


def clock(moment: dt.datetime) -> str:
    """The time of day, with its date where that is not today."""
    local = timezone.localtime(moment)
    time = formats.date_format(local, "H:i")
    return time if local.date() == timezone.localdate() else f"{formats.date_format(local, 'j F Y')}, {time}"


def name_of(author: User | None) -> str:
    if author is None:
        return "Somebody"
    return author.get_full_name() or author.get_username()


def state(text: Message, user: User | None = None) -> tuple[str, str]:
    """What became of a text so far, in words, and the tone of it. Empty for an ordinary text from the contact."""
    words, tone = _STATES[S(text.status)]
    if text.status == S.HELD and text.reason == Reason.UNDER_REVIEW:
        words = "Held: under review"
    elif text.status == S.HELD and text.reason == AUTHOR_CONFIRMS:
        mine = user is not None and text.author_id == user.pk
        words = "Held: waiting for your word" if mine else f"Held: waiting for the word of {name_of(text.author)}"
    elif text.status == S.DEFERRED and text.not_before:
        words = f"Deferred until {clock(text.not_before)}"
    elif text.status == S.QUEUED and text.not_before and text.not_before > timezone.now():
        words = f"On its way, tried again at {clock(text.not_before)}"
    elif text.status == S.KEYWORD and text.meaning:
        words = f"Keyword: {text.meaning.replace('_', ' ')}"
    return words, tone


def _notice(notice: Notice) -> dict[str, Any]:
    return {
        "id": f"notice-{notice.pk}",
        "kind": "notice",
        "words": notice.text,
        **_when(notice.created),
    }


def _text(text: Message, user: User, may_send: bool) -> dict[str, Any]:
    ours, mine = text.direction == Direction.OUT, text.author_id == user.pk
    automatic = ours and text.is_automatic
    words, tone = state(text, user)
    hidden = text.status == S.HELD_BACK
    verbs = ours and mine and may_send and not automatic and text.status in WAITING
    return {
        "id": f"text-{text.uuid}",
        "kind": "text",
        "uuid": str(text.uuid),
        "ours": ours,
        "automatic": automatic,
        "by": _by(text) if ours else "",
        "words": HELD_BACK_WORDS if hidden else text.body,
        "hidden": hidden,
        "footer": text.sent_body.removeprefix(text.body).strip() if ours and text.sent_body != text.body else "",
        "state": words,
        "tone": tone,
        "why": text.reason_text if ours and text.reason not in _SAID_BY_THE_STATE else "",
        "marks": [_mark(mark) for mark in text.marks if mark != "withdrawn"] + _attachments(text.media_count),
        "may_confirm": verbs and text.reason == AUTHOR_CONFIRMS,
        "may_withdraw": verbs,
        "read": _reading(text, user) if hidden else "",
        **_when(text.created),
    }


def _by(text: Message) -> str:
    if not text.is_automatic:
        return name_of(text.author)
    purpose = Purpose(text.purpose).label
    return f"{purpose}, automatic"


def _mark(mark: str) -> str:
    return "written while opted out" if mark == "opted out" else mark


def _attachments(count: int) -> list[str]:
    return [f"with {count} attachment{'s' if count > 1 else ''}, not kept here"] if count else []


def _reading(text: Message, user: User) -> str:
    """Where an officer reads it, on record."""
    if not user.has_perm("messaging.read_held_back"):
        return ""
    return reverse("admin:messaging_heldbackread_read", args=[text.pk])


def _when(moment: dt.datetime) -> dict[str, str]:
    local = timezone.localtime(moment)
    return {"at": local.isoformat(timespec="seconds"), "time": formats.date_format(local, "H:i")}
