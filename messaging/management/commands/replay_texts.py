"""Run today's rules over texts that came in earlier, and say where they would decide otherwise."""

import datetime as dt
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from consent import phones
from consent.models import Line, OptInRequest
from messaging import reading
from messaging.keywords import Keyword, Reading
from messaging.models import KeywordResponder, Message
from messaging.models.message import Direction

# What the provider decided, no rule of ours decides again.
_PROVIDERS = "provider:"


class Command(BaseCommand):
    help = (
        "Reads the texts that came in since a day with today's rules and today's keywords of their lines. Prints one "
        "JSON object per line for each that would be decided otherwise, and then how many there were. Changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--since", required=True, metavar="DATE", help="2026-11-01, or 2026-11-01T15:00+01:00.")
        parser.add_argument("--words", action="store_true", help="With the contacts' words, which are personal data.")

    def handle(self, *args: Any, since: str, words: bool, **options: Any) -> None:
        readers: dict[Line, reading.Reader] = {}
        count = differing = 0
        for message in _texts(_moment(since)).iterator(chunk_size=2000):
            count += 1
            line = message.conversation.line
            if line not in readers:
                readers[line] = _reader(line)
            now = readers[line].read(message.body, message.request_was_open)
            if now.meaning != message.meaning:
                differing += 1
                self.stdout.write(json.dumps(_difference(message, now, words), ensure_ascii=False))
        self.stderr.write(
            f"{count} texts read with rules {reading.RULES_VERSION}; {differing} would be decided otherwise."
        )


def _moment(since: str) -> dt.datetime:
    try:
        moment = parse_datetime(since)
        day = parse_date(since)
    except ValueError:
        moment = day = None
    if day is not None:
        moment = dt.datetime.combine(day, dt.time.min)
    if moment is None:
        raise CommandError(f"--since: “{since}” is no date. Write it like 2026-11-01.")
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)


def _texts(since: dt.datetime) -> Any:
    requests = OptInRequest.objects.filter(
        Q(ended_at=None) | Q(ended_at__gt=OuterRef("created")),
        contact=OuterRef("conversation__contact"),
        line=OuterRef("conversation__line"),
        created__lte=OuterRef("created"),
    )
    return (
        Message.objects.filter(direction=Direction.IN, created__gte=since)
        .exclude(rule__startswith=_PROVIDERS)
        .select_related("conversation__line", "conversation__contact")
        .annotate(request_was_open=Exists(requests))
        .order_by("created", "pk")
    )


def _reader(line: Line) -> reading.Reader:
    rows = KeywordResponder.objects.on(line).values_list("keyword", "action", "reply")
    return reading.reader(tuple(Keyword(*row) for row in rows))


def _difference(message: Message, now: Reading, words: bool) -> dict[str, Any]:
    found = {
        "message": str(message.uuid),
        "received": message.created.isoformat(),
        "line": message.conversation.line.number,
        "from": phones.mask(message.conversation.contact.number),
        "was": {"decision": message.meaning, "rule": message.rule, "rules": message.rules_version},
        "would_be": {"decision": str(now.meaning), "rule": now.rule, "rules": reading.RULES_VERSION},
    }
    return {**found, "text": message.body} if words else found
