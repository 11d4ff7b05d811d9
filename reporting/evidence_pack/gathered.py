"""What goes into an evidence pack, read at one moment and told as plain data. Changes nothing."""

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from consent.admin.ledger import HAPPENED
from consent.models import Consent, Contact, DoNotContact, LedgerEntry, Line, OptInRequest, Organisation, User
from consent.verification import fault_of
from consent.vocabulary import Channel, EntryKind, RequestState, Status
from messaging import explanations
from messaging.models import HeldBackRead, Message, Notice, Review, TemplateVersion
from messaging.models.message import Direction, MessageStatus
from reporting.evidence_pack import latency, proof
from reporting.evidence_pack.latency import AfterStop
from reporting.models import ReportRun

# Where evidence says from which place somebody acted (PRODUCT "Capture channels").
_PLACES = {
    "address": "IP address",
    "user_agent": "browser",
    "url": "page",
    "framed_in": "came from",
    "call": "call",
    "digits": "key",
    "client": "client",
    "import": "import",
    "file_name": "file",
    "row": "row",
}
# Also in verify.py, which checks that an event quotes nothing else.
_QUOTED = ("text", "words", "proof", "page", "prompt", "wording", "disclosure")


@dataclass(frozen=True)
class Event:
    """One thing that happened. ``words`` are exact; ``what`` is ours. Every column is '' where there is nothing."""

    at: dt.datetime
    kind: str  # entry, text, request, review, reading, notice, pack
    what: str
    line: str = ""
    who: str = ""
    where: str = ""
    words: str = ""
    wording: str = ""
    state: str = ""
    why: str = ""
    recorded_at: dt.datetime | None = None
    # For machines alone: ids, hashes, codes.
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Standing:
    """Where the contact stands on one line."""

    line: str
    name: str
    status: str
    request: str
    since: dt.datetime | None
    source: str
    level: str
    told_at: dt.datetime | None
    review_since: dt.datetime | None


@dataclass(frozen=True)
class Wording:
    uuid: str
    name: str
    body: str
    saved_at: dt.datetime


@dataclass(frozen=True)
class Pack:
    """All of it. ``lines`` are those it is about, ``whole`` where that is every line."""

    run: UUID
    made_at: dt.datetime
    made_by: str
    reason: str
    company: str
    contact: Contact
    listed: bool
    lines: list[Line]
    whole: bool
    standings: list[Standing]
    events: list[Event]
    wordings: list[Wording]
    after_stops: list[AfterStop]
    proof: proof.Proof
    fault: str
    held_back: list[int]

    @property
    def head(self) -> str:
        return self.contact.ledger_head

    @property
    def length(self) -> int:
        return self.contact.ledger_seq


def gather(contact_pk: int, lines: Collection[int] | None, run: ReportRun, moment: dt.datetime) -> Pack:
    """Read everything about a contact on ``lines`` (primary keys; None: every line). Inside one moment of reading."""
    contact = Contact.objects.get(pk=contact_pk)
    chosen = list(Line.objects.all() if lines is None else Line.objects.filter(pk__in=lines))
    shown = proof.of(contact, lines)
    texts = list(_texts(contact, chosen))
    wordings = _wordings(
        {each.wording for each in shown.shown}
        | {text.request.wording for text in texts if text.request}
        | {text.wording.uuid for text in texts if text.wording}
    )
    fault = fault_of(contact.pk)
    return Pack(
        run=run.uuid,
        made_at=moment,
        made_by=name_of(run.user) if run.user else "the operator, at the command line",
        reason=run.filters.get("reason", ""),
        company=Organisation.objects.current().name,
        contact=contact,
        listed=DoNotContact.objects.matching(contact.number).exists(),
        lines=chosen,
        whole=lines is None,
        standings=_standings(contact, chosen),
        events=_in_order(_events(contact, chosen, shown, texts, wordings)),
        wordings=sorted(wordings.values(), key=lambda each: each.saved_at),
        after_stops=latency.after_stops(shown.shown, texts),
        proof=shown,
        fault=fault.what if fault else "",
        held_back=[text.pk for text in texts if text.status == MessageStatus.HELD_BACK],
    )


def name_of(user: User | None) -> str:
    return (user.get_full_name() or user.get_username()) if user else ""


def _texts(contact: Contact, lines: list[Line]) -> QuerySet[Message]:
    known = ["conversation__line", "author", "wording__template", "saved_text__saved_text", "request", "receipt"]
    return (
        Message.objects.filter(conversation__contact=contact.pk, conversation__line__in=lines)
        .select_related(*known)
        .order_by("created", "pk")
    )


def _wordings(uuids: Iterable[UUID | None]) -> dict[str, Wording]:
    versions = TemplateVersion.objects.filter(uuid__in={each for each in uuids if each}).select_related("template")
    return {
        str(each.uuid): Wording(str(each.uuid), f"{each.template}, version {each.number}", each.body, each.created)
        for each in versions
    }


def _standings(contact: Contact, lines: list[Line]) -> list[Standing]:
    known = {each.line_id: each for each in Consent.objects.filter(contact=contact.pk, line__in=lines)}
    found = []
    for line in sorted(lines, key=lambda each: each.name):
        consent = known.get(line.pk) or Consent(line=line)
        found.append(
            Standing(
                line.number,
                line.name,
                Status(consent.status).label,
                RequestState(consent.request_state).label,
                consent.since,
                Channel(consent.source).label if consent.source else "",
                consent.get_level_display() if consent.level else "",
                consent.told_at,
                consent.review_since,
            )
        )
    return found


def _in_order(events: Iterable[Event]) -> list[Event]:
    """By when it happened, then by when it was recorded; of one instant in the order in which it is told below."""
    return sorted(events, key=lambda event: (event.at, event.recorded_at or event.at))


def _events(
    contact: Contact, lines: list[Line], shown: proof.Proof, texts: list[Message], wordings: dict[str, Wording]
) -> Iterator[Event]:
    """Of one instant a text comes before the entry that it caused."""
    yield from (_text(text, wordings) for text in texts)
    yield from (_entry(entry, shown.data, wordings) for entry in shown.shown)
    for request in OptInRequest.objects.filter(contact=contact.pk, line__in=lines).select_related("line", "asked_by"):
        yield _request(request, wordings)
    for review in Review.objects.filter(conversation__contact=contact.pk, conversation__line__in=lines).select_related(
        "conversation__line", "decided_by", "message"
    ):
        yield from _review(review)
    reads = HeldBackRead.objects.filter(message__in=texts).select_related("reader", "message__conversation__line")
    for read in reads:
        yield Event(
            read.at,
            "reading",
            "Somebody read a text that is held back from agents.",
            line=read.message.conversation.line.number,
            who=name_of(read.reader),
            why=read.reason,
            more={"text": str(read.message.uuid)},
        )
    notices = Notice.objects.filter(conversation__contact=contact.pk, conversation__line__in=lines)
    for notice in notices.select_related("conversation__line", "to"):
        yield Event(
            notice.created,
            "notice",
            "Agents were told.",
            line=notice.conversation.line.number,
            who="Optline",
            where=f"shown to {name_of(notice.to)}" if notice.to else "shown to everyone on the line",
            words=notice.text,
        )
    for run in ReportRun.objects.evidence_of(contact).select_related("user"):
        yield Event(
            run.created,
            "pack",
            f"An evidence pack was asked for ({run.get_format_display()}).",
            who=name_of(run.user) or "the operator",
            where=run.get_origin_display(),
            state=run.get_state_display(),
            why=run.filters.get("reason", ""),
            more={"run": str(run.uuid), "sha256": run.sha256, "bytes": run.size},
        )


def _entry(entry: LedgerEntry, data: Mapping[str, Mapping[str, Any]], wordings: Mapping[str, Wording]) -> Event:
    told = data.get(entry.evidence_digest, {})
    place = [f"{label} {told[key]}" for key, label in _PLACES.items() if told.get(key)]
    erased = entry.evidence_digest and not told
    said = "Evidence: erased lawfully." if erased else ""
    why = [explanations.why(entry.rule) if entry.rule else "", str(told.get("reason", "")), said]
    wording = wordings.get(str(entry.wording))
    return Event(
        entry.occurred_at,
        "entry",
        HAPPENED.get(EntryKind(entry.kind), entry.get_kind_display()),
        line=entry.line.number if entry.line else "",
        who=_actor(entry),
        where=", ".join([entry.get_channel_display(), *place]) if entry.channel else ", ".join(place),
        words="\n".join(str(told[key]) for key in _QUOTED if told.get(key)),
        wording=wording.name if wording else "",
        state=_change(entry),
        why=" ".join(each for each in why if each),
        recorded_at=entry.recorded_at,
        more={
            "entry": entry.kind,
            "seq": entry.seq,
            "hash": entry.hash,
            "occurred_at": _utc(entry.occurred_at),
            "recorded_at": _utc(entry.recorded_at),
            "status_from": entry.status_from,
            "status_to": entry.status_to,
            "rule": entry.rule,
            "evidence": entry.evidence_digest,
            "evidence_data": dict(told),
        },
    )


def _actor(entry: LedgerEntry) -> str:
    if entry.actor:
        return name_of(entry.actor)
    return "the contact" if entry.channel == Channel.KEYWORD and entry.rule else "Optline"


def _change(entry: LedgerEntry) -> str:
    if not entry.status_to:
        return ""
    if entry.status_from == entry.status_to:
        return f"stays {entry.get_status_to_display()}"
    return f"{entry.get_status_from_display()} → {entry.get_status_to_display()}"


def _text(text: Message, wordings: Mapping[str, Wording]) -> Event:
    ours = text.direction == Direction.OUT
    line = text.conversation.line
    wording = wordings.get(str(text.wording.uuid)) if text.wording else None
    saved = text.saved_text
    if ours:
        what = "A text to the contact" if text.purpose == "ordinary" else f"{text.get_purpose_display()}, automatic"
        who = name_of(text.author) or ("Optline" if text.is_automatic else "a program")
    else:
        what, who = "A text from the contact", "the contact"
    read_as = f"Read as {text.meaning.replace('_', ' ')}: {explanations.why(text.rule)}" if text.meaning else ""
    return Event(
        text.said_at if not ours else text.created,
        "text",
        what,
        line=line.number,
        who=who,
        where="from their phone" if not ours else "",
        words=(text.sent_body or text.body) if ours else text.body,
        wording=f"{wording.name}" if wording else (f"Saved text “{saved}”" if saved else ""),
        state=text.get_status_display(),
        why=text.reason_text if ours else read_as,
        recorded_at=text.created,
        more={
            "id": str(text.uuid),
            "direction": text.direction,
            "purpose": text.purpose,
            "status": text.status,
            "reason": text.reason,
            "body": text.body,
            "sent_body": text.sent_body,
            "sent_at": _utc(text.sent_at),
            "claimed_at": _utc(text.claimed_at),
            "provider_id": text.provider_id or "",
            "error_code": text.error_code,
            "rule": text.rule,
            "rules_version": text.rules_version,
            "marks": list(text.marks),
            "media": text.media_count,
        },
    )


def _request(request: OptInRequest, wordings: Mapping[str, Wording]) -> Event:
    wording = wordings.get(str(request.wording))
    outcome = request.get_outcome_display()
    return Event(
        request.created,
        "request",
        f"An opt-in request was made: {request.get_kind_display().lower()}.",
        line=request.line.number,
        who=name_of(request.asked_by) or "Optline",
        where=request.get_channel_display(),
        wording=wording.name if wording else "",
        state=outcome,
        why=f"Basis: {request.basis}" if request.basis else "",
        more={
            "id": str(request.uuid),
            "level": request.level,
            "batch": request.batch,
            "left_at": _utc(request.left_at),
            "sent_at": _utc(request.sent_at),
            "expires_at": _utc(request.expires_at),
            "ended_at": _utc(request.ended_at),
        },
    )


def _review(review: Review) -> Iterator[Event]:
    line = review.conversation.line.number
    more = {"text": str(review.message.uuid), "last_day": review.last_day.isoformat() if review.last_day else ""}
    yield Event(
        review.opened_at,
        "review",
        "A person was asked to read this text.",
        line=line,
        who="Optline",
        words=review.message.body,
        state=review.get_doubt_display(),
        more=more,
    )
    if review.decided_at:
        yield Event(
            review.decided_at,
            "review",
            "The review was closed.",
            line=line,
            who=name_of(review.decided_by) or "Optline",
            state=review.get_outcome_display(),
            why=review.reason,
            more=more,
        )


def _utc(moment: dt.datetime | None) -> str:
    """As the ledger hashes it; '' for none."""
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if moment else ""


__all__ = ["Event", "Pack", "Standing", "Wording", "gather", "name_of"]
