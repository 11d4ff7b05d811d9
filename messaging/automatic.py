"""What Optline says by itself: automatic texts to contacts, through the gate like any other, and notices to agents.

Everything here runs under the contact's lock.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence

from django.utils import timezone

from consent import clock, gate
from consent.gate import Purpose, Verdict
from consent.models import Contact, Line, OptInRequest, Organisation, User
from consent.remembered import recall
from consent.vocabulary import LineKind
from messaging import facts, pace, rendering
from messaging.models import (
    Conversation,
    Message,
    Notice,
    Receipt,
    SavedTextVersion,
    Template,
    TemplateVersion,
)
from messaging.models.message import Direction, MessageStatus
from messaging.wordings import NOTICES, Kind

STATUS_FOR = {
    Verdict.SEND: MessageStatus.QUEUED,
    Verdict.HOLD: MessageStatus.HELD,
    Verdict.DEFER: MessageStatus.DEFERRED,
    Verdict.REFUSE: MessageStatus.REFUSED,
}


def wording(kind: Kind, line: Line, contact: Contact | None = None, language: str = "") -> TemplateVersion:
    """The version that speaks for ``kind`` on ``line`` now.

    To a contact in the first language that has a wording: ``language`` (of the keyword that is answered), the
    contact's, the line's, English. Notices are for those who work on the line, so the contact's does not count there.
    """
    known = [] if kind in NOTICES else [language, contact.language if contact else ""]
    languages = (*known, line.language)
    return recall(("wording", kind, line.pk, languages), lambda: _current(kind, line, languages))


def _current(kind: Kind, line: Line, languages: Sequence[str]) -> TemplateVersion:
    template = Template.objects.for_line(kind, line, languages)
    version = template.current
    assert version is not None  # for_line finds none without
    version.template = template
    return version


def filled(version: SavedTextVersion, line: Line, contact: Contact, author: User | None = None) -> str:
    """The words of a saved text as ``author`` would text them to this contact from this line."""
    return rendering.render(version.body, None, values(line, contact, author))


def values(
    line: Line, contact: Contact, author: User | None = None, company: Organisation | None = None
) -> dict[str, str]:
    """What the variables of a template stand for in a text between these two."""
    company = company or Organisation.objects.current()
    return {
        "agent_name": (author.shown_name if author else "") or line.name,
        "company_name": company.name,
        "contact_first_name": contact.first_name,
        "line_name": line.name,
        "line_number": line.number,
        "support_contact": company.support_contact or line.number,
        "terms_address": company.terms_address,
        "privacy_address": company.privacy_address,
        "frequency": company.frequency,
        # Where the provider answers, YES does not lift its block; START does (FACTS "Opt-outs on Twilio's side").
        "accept_word": "START" if line.opt_outs_answered_by_provider or line.kind == LineKind.TOLL_FREE else "YES",
    }


def say(
    conversation: Conversation,
    purpose: Purpose,
    *,
    kind: Kind | None = None,
    receipt: Receipt | None = None,
    request: OptInRequest | None = None,
    author: User | None = None,
    send_before: dt.datetime | None = None,
    words: str = "",
    extra: Mapping[str, str] | None = None,
    language: str = "",
    bulk: bool = False,
) -> Message:
    """Queue one automatic text, or keep it as refused with the gate's reason: an automatic text is never held.

    ``words`` replace the template's, with the same variables (a responder's own reply). ``language`` is that of the
    keyword which is answered, where there is one. A receipt causes at most one text per purpose, whoever reads it.
    ``bulk``: nobody waits for it.
    """
    line, contact = conversation.line, conversation.contact
    kind = kind or Kind(purpose.value)
    version = None if words else wording(kind, line, contact, language)
    text = rendering.render(
        words or (version.body if version else ""),
        kind,
        {**values(line, contact, author), **(extra or {})},
        version.template.language if version else language,
    )
    found = facts.gather(line, contact.number, purpose=purpose, now=clock.database_now())
    if bulk and line.has_a_pace:
        found = found.but(pace_until=pace.until(line, found.now, bulk=True))
    decision = gate.decide(found)
    return Message.objects.create(
        conversation=conversation,
        line=line,
        bulk=bulk,
        direction=Direction.OUT,
        purpose=purpose,
        body=text,
        sent_body=text,
        status=MessageStatus.REFUSED if decision.verdict is Verdict.HOLD else STATUS_FOR[decision.verdict],
        reason="" if decision.may_send else decision.reason,
        reason_text="" if decision.may_send else decision.text,
        not_before=decision.until if decision.verdict is Verdict.DEFER else None,
        send_before=send_before,
        place=conversation.next_place(),
        author=author,
        wording=version,
        request=request,
        receipt=receipt,
        created=clock.database_now(),
    )


def notify(
    conversation: Conversation,
    kind: Kind,
    *,
    to: Iterable[User | None] = (None,),
    receipt: Receipt | None = None,
    detail: str = "",
) -> None:
    """Leave a notice in the conversation, for everybody on the line or for each of ``to``."""
    line, contact = conversation.line, conversation.contact
    version = wording(kind, line)
    known = {**values(line, contact), "contact_name": contact.name, "detail": detail}
    text = rendering.render(version.body, kind, known, version.template.language)
    text = " ".join(text.split())  # a detail may be empty
    for user in to:
        same = {"conversation": conversation, "kind": kind, "to": user, "receipt": receipt}
        # Looked up and then made: the contact's lock keeps everybody else away.
        if receipt is None or not Notice.objects.filter(**same).exists():
            Notice.objects.create(**same, text=text, wording=version, created=timezone.now())
    conversation.save(update_fields=["last_activity"])
