"""What the database knows of numbers on lines: the one statement behind the gate's facts.

Each call reads anew, in statements that begin when it is made (READ COMMITTED). Nothing of it is ever kept: whoever
holds the contact's lock sees every webhook that was answered before.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS, models

from consent import statements, whereabouts
from consent.gate import LIMIT_WINDOW
from consent.models import Consent, Contact, Line, OptInRequest, Organisation
from consent.models.contact import suppression_digest
from consent.statements import Columns
from consent.vocabulary import NumberList
from messaging.models import Message


class LineState(NamedTuple):
    """What the gate asks about a line. Where the line says nothing, the organisation's word is in its place."""

    line: int
    is_open: bool
    registration: str
    required_level: str
    default_mode: str
    request_limit: int
    request_pause: dt.timedelta


class Standing(NamedTuple):
    """Where a number stands on a line. What belongs to the contact or their consent is None where there is no such row.

    Two numbers that stand alike are answered alike, but for the hour where they are and for when they were asked.
    """

    unreachable: str | None
    status: str | None
    source: str | None
    level: str | None
    consent_until: dt.datetime | None
    opted_out_at: dt.datetime | None
    blocked_at_provider: bool | None
    under_review: bool
    do_not_contact: bool
    in_do_not_call_registry: bool
    known_litigator: bool
    unsettled: bool
    request_open: bool
    asked_lately: bool
    opt_out_rule: str | None
    way_back_at: dt.datetime | None


class Known(NamedTuple):
    """One number on one line. Contact, postal code and time zone are None where nobody of that number is known.

    Rows that stand alike share their ``standing``. ``hint`` is what the number tells of the place (``whereabouts``).
    """

    hint: str
    line: int
    number: str
    contact: int | None
    postal_code: str | None
    time_zone: str | None
    standing: Standing


def _of(model: type[models.Model], name: str) -> "models.Field[Any, Any]":
    field = model._meta.get_field(name)
    assert isinstance(field, models.Field)
    return field


_BOOL = models.BooleanField()

# Which requests count against the limits.
_COUNTS = "r.left_at > %(window)s AND r.outcome NOT IN ('failed', 'withdrawn') AND r.id <> %(request)s"

# On a list that marketing texts are scrubbed against. Other lines are not asked about.
_ON_LIST = (
    "l.category = 'marketing'"
    " AND EXISTS (SELECT 1 FROM consent_scrubresult s WHERE s.number = n.number AND s.kind = '{}' AND s.listed)"
)

# How each is read, and which field its values are of, in the order of ``LineState``, ``Known`` and ``Standing``. ``l``
# is the line, ``o`` the organisation, ``n`` the number asked about, ``c`` its contact, ``k`` their consent on the line;
# the last two may be missing. What only matters after an opt-out is not looked for otherwise.
_Column = tuple[str, "models.Field[Any, Any]"]
# Of a number that was erased only the digest is left. Without any there is no need for ten thousand digests.
_SOME_ERASED: _Column = ("EXISTS (SELECT 1 FROM consent_donotcontact d WHERE d.number IS NULL)", _BOOL)
_OF_THE_LINE: dict[str, _Column] = {
    "line": ("l.id", _of(Line, "id")),
    "is_open": ("l.active AND l.opened_at IS NOT NULL", _BOOL),
    "registration": ("l.registration", _of(Line, "registration")),
    "required_level": ("l.required_level", _of(Line, "required_level")),
    "default_mode": ("o.mode", _of(Organisation, "mode")),
    "request_limit": ("COALESCE(l.request_limit, o.request_limit)", _of(Organisation, "request_limit")),
    "request_pause": ("COALESCE(l.request_pause, o.request_pause)", _of(Organisation, "request_pause")),
}
_OF_THE_NUMBER: dict[str, _Column] = {
    "line": ("l.id", _of(Line, "id")),
    "number": ("n.number", _of(Contact, "number")),
    "contact": ("c.id", _of(Contact, "id")),
    "postal_code": ("c.postal_code", _of(Contact, "postal_code")),
    "time_zone": ("c.time_zone", _of(Contact, "time_zone")),
}
_OF_THE_STANDING: dict[str, _Column] = {
    "unreachable": ("c.unreachable", _of(Contact, "unreachable")),
    "status": ("k.status", _of(Consent, "status")),
    "source": ("k.source", _of(Consent, "source")),
    "level": ("k.level", _of(Consent, "level")),
    "consent_until": ("k.until", _of(Consent, "until")),
    "opted_out_at": ("k.opted_out_at", _of(Consent, "opted_out_at")),
    "blocked_at_provider": ("k.blocked_at_provider", _of(Consent, "blocked_at_provider")),
    "under_review": ("k.review_since IS NOT NULL", _BOOL),
    "do_not_contact": (
        "EXISTS (SELECT 1 FROM consent_donotcontact d WHERE d.number = n.number)"
        " OR EXISTS (SELECT 1 FROM consent_donotcontact d WHERE d.digest = n.digest)",
        _BOOL,
    ),
    "in_do_not_call_registry": (_ON_LIST.format(NumberList.DO_NOT_CALL.value), _BOOL),
    "known_litigator": (_ON_LIST.format(NumberList.LITIGATOR.value), _BOOL),
    "unsettled": (
        "EXISTS (SELECT 1 FROM messaging_receipt q WHERE q.number = n.number AND q.settled_at IS NULL)",
        _BOOL,
    ),
    "request_open": (
        "EXISTS (SELECT 1 FROM consent_optinrequest r"
        " WHERE r.contact_id = c.id AND r.line_id = l.id AND r.outcome = '')",
        _BOOL,
    ),
    # Exactly where ``requests`` finds some.
    "asked_lately": (
        f"EXISTS (SELECT 1 FROM consent_optinrequest r WHERE r.contact_id = c.id AND r.line_id = l.id AND {_COUNTS})",
        _BOOL,
    ),
    "opt_out_rule": (
        "CASE WHEN k.status = 'opted_out' THEN (SELECT e.rule FROM consent_ledgerentry e"
        " WHERE e.line_id = k.line_id AND e.contact_id = k.contact_id AND e.kind = 'opted_out'"
        " ORDER BY e.seq DESC LIMIT 1) END",
        models.CharField(),
    ),
    # When they were last shown the way back, or will be.
    "way_back_at": (
        "CASE WHEN k.status = 'opted_out' THEN (SELECT MAX(m.created)"
        " FROM messaging_conversation v JOIN messaging_message m ON m.conversation_id = v.id"
        " WHERE v.contact_id = k.contact_id AND v.line_id = k.line_id AND m.direction = 'out'"
        " AND m.purpose = 'way_back' AND m.status NOT IN ('refused', 'cancelled', 'failed') AND m.id <> %(text)s) END",
        _of(Message, "created"),
    ),
}
assert tuple(_OF_THE_LINE) == LineState._fields
assert ("hint", *_OF_THE_NUMBER, "standing") == Known._fields and tuple(_OF_THE_STANDING) == Standing._fields


def _select(*columns: _Column) -> str:
    return f"SELECT {', '.join(expression for expression, _ in columns)}\n"


def _columns(*columns: _Column) -> Columns:
    return Columns(*(field for _, field in columns))


_FROM_LINES = "FROM consent_line l CROSS JOIN consent_organisation o WHERE o.id = 1 AND {lines}"
_FROM_NUMBERS = """FROM {numbers} CROSS JOIN consent_line l
LEFT JOIN consent_contact c ON c.number = n.number
LEFT JOIN consent_consent k ON k.contact_id = c.id AND k.line_id = l.id
WHERE {lines}"""
_FROM_BOTH = _FROM_NUMBERS.replace("WHERE", "CROSS JOIN consent_organisation o WHERE o.id = 1 AND")
_LINE, _NUMBER = tuple(_OF_THE_LINE.values()), (*_OF_THE_NUMBER.values(), *_OF_THE_STANDING.values())
_BOTH = (*_LINE, *_NUMBER)
_LINES, _NUMBERS = (*_LINE, _SOME_ERASED), (*_NUMBER, _SOME_ERASED)
_SELECT_LINES, _SELECT_NUMBERS, _SELECT_BOTH = _select(*_LINES), _select(*_NUMBERS), _select(*_BOTH)
_LINE_COLUMNS, _NUMBER_COLUMNS, _BOTH_COLUMNS = _columns(*_LINES), _columns(*_NUMBERS), _columns(*_BOTH)


def read(
    lines: Collection[int], numbers: Collection[str], text: Message | None, now: dt.datetime
) -> tuple[dict[int, LineState], list[Known]]:
    """``lines`` (ids) by id, and each of ``numbers`` (E.164, none twice) on each of them, in any order.

    ``text`` itself, and the request that it is, are left out of account. One statement for one number. For several
    there are two, or the lines would come again with each number.
    """
    if len(numbers) > 1:
        return _read_many(lines, numbers, text, now)
    statement, params = _statement(_SELECT_BOTH + _FROM_BOTH, lines, numbers, text, now, digests=True)
    cut = len(_LINE)
    both = statements.fetch(statement, params, _BOTH_COLUMNS, again_and_again=len(lines) == 1)
    return {row[0]: LineState._make(row[:cut]) for row in both}, list(_known(row[cut:] for row in both))


_LINE_FIELDS = Line._meta.concrete_fields
_SELECT_ALL = _select(*_BOTH, *((f'l."{field.column}"', field) for field in _LINE_FIELDS))
_ALL_COLUMNS = Columns(*(field for _, field in _BOTH), *_LINE_FIELDS)
_NAMED = "l.number = %(named)s"
_OF_THEIRS = f"{_NAMED} AND EXISTS (SELECT 1 FROM consent_user_lines u WHERE u.line_id = l.id AND u.user_id = %(user)s)"


def read_named(named: str, number: str, user: int | None, now: dt.datetime) -> tuple[Line, LineState, Known] | None:
    """As ``read`` for one number on the line whose number is ``named``, with the line itself, in one statement.

    None where there is no such line, or where ``user`` (an id) is given and does not work on it.
    """
    params = {**_but(None, now), "named": named, "user": user}
    table = statements.table("n", {"number": [number], "digest": [suppression_digest(number)]}, params)
    statement = _SELECT_ALL + _FROM_BOTH.format(numbers=table, lines=_NAMED if user is None else _OF_THEIRS)
    rows = statements.fetch(statement, params, _ALL_COLUMNS, again_and_again=True)
    if not rows:
        return None
    row, cut = rows[0], len(_BOTH)
    line = Line.from_db(DEFAULT_DB_ALIAS, [field.attname for field in _LINE_FIELDS], row[cut:])
    return line, LineState._make(row[: len(_LINE)]), next(_known([row[len(_LINE) : cut]]))


def _read_many(
    lines: Collection[int], numbers: Collection[str], text: Message | None, now: dt.datetime
) -> tuple[dict[int, LineState], list[Known]]:
    statement, params = _statement(_SELECT_LINES + _FROM_LINES, lines, (), text, now)
    of_lines = statements.fetch(statement, params, _LINE_COLUMNS)
    some_erased = any(row[-1] for row in of_lines)
    rows = _read_numbers(lines, numbers, text, now, digests=some_erased)
    if not some_erased and any(row[-1] for row in rows):
        # The first number was erased between the two statements. The second one says so itself.
        rows = _read_numbers(lines, numbers, text, now, digests=True)
    return {row[0]: LineState._make(row[:-1]) for row in of_lines}, list(_known(row[:-1] for row in rows))


def _read_numbers(
    lines: Collection[int], numbers: Collection[str], text: Message | None, now: dt.datetime, *, digests: bool
) -> list[statements.Row]:
    statement, params = _statement(_SELECT_NUMBERS + _FROM_NUMBERS, lines, numbers, text, now, digests=digests)
    return statements.fetch(statement, params, _NUMBER_COLUMNS)


def _statement(
    template: str,
    lines: Collection[int],
    numbers: Collection[str],
    text: Message | None,
    now: dt.datetime,
    *,
    digests: bool = False,
) -> tuple[str, statements.Params]:
    """Without ``digests`` no number is recognised that was erased from the do-not-contact list."""
    params = _but(text, now)
    named = {"lines": statements.among("l.id", "lines", lines, params)}
    if numbers:
        digest = [suppression_digest(number) for number in numbers] if digests else [""] * len(numbers)
        named["numbers"] = statements.table("n", {"number": list(numbers), "digest": digest}, params)
    return template.format(**named), params


def _known(rows: Iterable[statements.Row]) -> Iterator[Known]:
    """``rows`` of the columns of ``_NUMBER``."""
    cut = len(_OF_THE_NUMBER)
    standings: dict[statements.Row, Standing] = {}
    for row in rows:
        cells = row[cut:]
        standing = standings.get(cells)
        if standing is None:
            standing = standings[cells] = Standing._make(cells)
        yield Known(whereabouts.hint(row[1]), *row[:cut], standing)


_REQUESTS = Columns(
    _of(OptInRequest, "id"),
    _of(OptInRequest, "id"),
    _of(OptInRequest, "kind"),
    _of(OptInRequest, "left_at"),
)


def requests(
    contacts: Collection[int], lines: Collection[int], text: Message | None, now: dt.datetime
) -> dict[tuple[int, int], list[tuple[str, dt.datetime]]]:
    """Per contact and line, kind and time of the requests that count against the limits, newest first: those that left
    in the last 30 days, but for failed ones."""
    params = _but(text, now)
    statement = f"""SELECT r.contact_id, r.line_id, r.kind, r.left_at FROM consent_optinrequest r
WHERE {statements.among("r.contact_id", "contacts", contacts, params)}
AND {statements.among("r.line_id", "lines", lines, params)} AND {_COUNTS}
ORDER BY r.left_at DESC"""
    single = len(contacts) == len(lines) == 1
    found: dict[tuple[int, int], list[tuple[str, dt.datetime]]] = {}
    rows = statements.fetch(statement, params, _REQUESTS, again_and_again=single)
    for contact, line, kind, left_at in rows:
        found.setdefault((contact, line), []).append((kind, left_at))
    return found


_WORDS = Columns(_of(Contact, "id"), _of(Line, "id"), _of(Message, "created"))


def last_words(
    contacts: Collection[int], lines: Collection[int], since: dt.datetime
) -> dict[tuple[int, int], dt.datetime]:
    """Per contact and line, when the contact wrote last, where a text of theirs came in after ``since``."""
    params: statements.Params = {"since": statements.moment(since)}
    statement = f"""SELECT v.contact_id, v.line_id, MAX(COALESCE(q.occurred_at, q.received_at, m.created))
FROM messaging_conversation v JOIN messaging_message m ON m.conversation_id = v.id
LEFT JOIN messaging_receipt q ON q.id = m.receipt_id
WHERE {statements.among("v.contact_id", "contacts", contacts, params)}
AND {statements.among("v.line_id", "lines", lines, params)} AND m.direction = 'in' AND m.created >= %(since)s
GROUP BY v.contact_id, v.line_id"""
    single = len(contacts) == len(lines) == 1
    rows = statements.fetch(statement, params, _WORDS, again_and_again=single)
    return {(contact, line): at for contact, line, at in rows}


_LEFT = Columns(_of(Contact, "id"), _of(Line, "category"), _of(Message, "sent_at"))


def had(
    contacts: Collection[int], since: dt.datetime, text: Message | None
) -> dict[int, list[tuple[str, dt.datetime]]]:
    """Per contact, the category of the line and the time of each text that they had after ``since``, newest first.

    Counted are those that the provider has or may have, but for the opt-out confirmation and the help reply, which no
    cap holds back.
    """
    params: statements.Params = {"since": statements.moment(since), "text": text.pk if text else 0}
    statement = f"""SELECT v.contact_id, l.category, COALESCE(m.sent_at, m.claimed_at)
FROM messaging_conversation v JOIN messaging_message m ON m.conversation_id = v.id
JOIN consent_line l ON l.id = v.line_id
WHERE {statements.among("v.contact_id", "contacts", contacts, params)} AND m.direction = 'out'
AND m.status IN ('sent', 'delivered', 'undelivered', 'sending', 'unknown')
AND m.purpose NOT IN ('opt_out_confirmation', 'help_reply')
AND COALESCE(m.sent_at, m.claimed_at) > %(since)s AND m.id <> %(text)s
ORDER BY COALESCE(m.sent_at, m.claimed_at) DESC"""
    found: dict[int, list[tuple[str, dt.datetime]]] = {}
    for contact, category, at in statements.fetch(statement, params, _LEFT, again_and_again=len(contacts) == 1):
        found.setdefault(contact, []).append((category, at))
    return found


def _but(text: Message | None, now: dt.datetime) -> statements.Params:
    """The parameters of ``_COUNTS``, and of what else leaves ``text`` out of account."""
    return {
        "window": statements.moment(now - LIMIT_WINDOW),
        "text": text.pk if text else 0,
        "request": text.request_id or 0 if text else 0,
    }
