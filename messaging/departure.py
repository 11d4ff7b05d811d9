"""The statements that run for every text that leaves, written out (``consent.statements``): for each of them the ORM
would think longer than the database."""

import datetime as dt

from django.db import connection, models

from consent import clock, statements
from consent.models import Contact, Line
from consent.statements import Columns
from messaging.models import Conversation, Message

# How many of a conversation's texts are looked at for the next one to leave.
LOOKED_AT = 50


def _names(model: type[models.Model], alias: str = "") -> str:
    return ", ".join(f'{alias}"{field.column}"' for field in model._meta.concrete_fields)


def _made(model: type[models.Model], values: tuple[object, ...]) -> models.Model:
    return model.from_db("default", [field.attname for field in model._meta.concrete_fields], values)


_THREE = (Conversation, Contact, Line)
_LOCKED = f"""
SELECT {_names(Conversation, "c.")}, {_names(Contact, "p.")}, {_names(Line, "l.")}
FROM messaging_conversation c JOIN consent_contact p ON p.id = c.contact_id JOIN consent_line l ON l.id = c.line_id
WHERE c.id = %(conversation)s
"""
_LOCKED_COLUMNS = Columns(*(field for model in _THREE for field in model._meta.concrete_fields))

_WAITS = "status = 'queued' OR (status = 'deferred' AND (not_before <= %(now)s OR reason = 'line_pace'))"
_NEXT = f"""
SELECT {_names(Message)} FROM messaging_message
WHERE conversation_id = %(conversation)s AND status IN ('queued', 'deferred', 'sending', 'unknown')
    AND direction = 'out' AND (status = 'sending' OR purpose <> 'ordinary' OR {_WAITS})
ORDER BY CASE WHEN status = 'sending' THEN 0
    WHEN purpose IN ('opt_out_confirmation', 'help_reply') THEN 1 ELSE 2 END, place, id
LIMIT {LOOKED_AT}
"""
_NEXT_COLUMNS = Columns(*Message._meta.concrete_fields)

_HAS_MORE = f"""
SELECT id FROM messaging_message
WHERE conversation_id = %(conversation)s AND status IN ('queued', 'deferred') AND direction = 'out' AND ({_WAITS})
LIMIT 1
"""
_HAS_MORE_COLUMNS = Columns(Message._meta.pk)

_TAKEN = """
UPDATE messaging_message SET
    reason = CASE WHEN status IN ('sending', 'unknown') THEN '' ELSE reason END,
    reason_text = CASE WHEN status IN ('sending', 'unknown') THEN '' ELSE reason_text END,
    status = CASE WHEN status IN ('sending', 'unknown') THEN 'sent' ELSE status END,
    provider_id = %s,
    sent_at = COALESCE(sent_at, {now})
WHERE id = %s
"""


def locked(conversation_pk: int) -> Conversation:
    """The conversation with its line, and its contact under its lock."""
    lock = " FOR NO KEY UPDATE OF p" if connection.vendor == "postgresql" else ""
    [row] = statements.fetch(_LOCKED + lock, {"conversation": conversation_pk}, _LOCKED_COLUMNS, again_and_again=True)
    made, start = [], 0
    for model in _THREE:
        end = start + len(model._meta.concrete_fields)
        made.append(_made(model, row[start:end]))
        start = end
    conversation, contact, line = made
    assert isinstance(conversation, Conversation) and isinstance(contact, Contact) and isinstance(line, Line)
    conversation.contact, conversation.line = contact, line
    return conversation


def candidates(conversation: Conversation, now: dt.datetime) -> list[Message]:
    """The text that is being sent; those that wait for nobody; then by their places those that may leave now or wait
    for their turn, and those that nothing may overtake, which may not."""
    params = {"conversation": conversation.pk, "now": statements.moment(now)}
    made = [_made(Message, row) for row in statements.fetch(_NEXT, params, _NEXT_COLUMNS, again_and_again=True)]
    return [message for message in made if isinstance(message, Message)]


def has_more(conversation_pk: int) -> bool:
    """Whether a claim may find something here now: cheaper than a claim that finds nothing."""
    statement = _HAS_MORE.replace("%(now)s", clock.now_in_sql())
    params = {"conversation": conversation_pk}
    return bool(statements.fetch(statement, params, _HAS_MORE_COLUMNS, again_and_again=True))


def taken(message: Message, provider_id: str) -> None:
    """The provider took it: it is sent now, unless a callback was faster and knew more. The caller holds the lock."""
    with connection.cursor() as cursor:
        cursor.execute(_TAKEN.format(now=clock.now_in_sql()), [provider_id, message.pk])
