"""System checks about secrets, policies and lines: consent.E… must not run, consent.W… should be looked at."""

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError, connections
from django.utils import timezone

from consent import search, triggers
from consent.vocabulary import LineKind

# How long before a change of the revocation scope the check begins to remind of it.
REMIND_BEFORE = dt.timedelta(days=90)


@register(Tags.security)
def secrets_are_set(**kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    weak = len(settings.SECRET_KEY) < 32 or settings.SECRET_KEY.startswith(("django-insecure", "change"))
    if weak and not settings.DEBUG:
        found.append(
            Error(
                "SECRET_KEY is missing or too easy to guess.",
                hint="Set SECRET_KEY to at least 32 random characters; every web and worker process needs the same.",
                id="consent.E001",
            )
        )
    if len(settings.SUPPRESSION_KEY) < 32:
        found.append(
            Error(
                "SUPPRESSION_KEY is missing or too short: erased numbers could not be recognised.",
                hint="Set SUPPRESSION_KEY to at least 32 random characters once and never change it.",
                id="consent.E002",
            )
        )
    if settings.DEBUG and settings.PUBLIC_URL.startswith("https://"):
        found.append(
            Error(
                "DEBUG is on under a public address: error pages would show personal data.",
                hint="Unset DEBUG.",
                id="consent.E003",
            )
        )
    return found


@register(Tags.database)
def triggers_are_there(databases: Iterable[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    from consent.models import LedgerEntry

    found: list[CheckMessage] = []
    for alias in databases or []:
        connection = connections[alias]
        try:
            if LedgerEntry._meta.db_table not in connection.introspection.table_names():
                continue  # not migrated yet
            gone = triggers.missing(connection)
        except DatabaseError:
            continue  # an unreachable database is readyz's to report
        if gone:
            found.append(
                Error(
                    f"The database does not protect the ledger: {', '.join(gone)} missing.",
                    hint="Run manage.py migrate; it installs them. Find out who removed them.",
                    id="consent.E004",
                )
            )
    return found


@register(Tags.database)
def contacts_are_found_fast(databases: Iterable[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for alias in databases or []:
        connection = connections[alias]
        try:
            if search.TABLE not in connection.introspection.table_names():
                continue  # not migrated yet
            gone = search.missing(connection)
        except DatabaseError:
            continue  # an unreachable database is readyz's to report
        if gone:
            found.append(
                Warning(
                    f"Searching contacts reads every one of them: {', '.join(gone)} missing.",
                    hint="Let a superuser of the database run CREATE EXTENSION pg_trgm in it, then run manage.py "
                    "migrate, which makes the indexes.",
                    id="consent.W002",
                )
            )
    return found


@register(Tags.database)
def policies_are_sound(databases: Iterable[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Rows that the forms refuse but a script could have written, and policies that are about to change."""
    if not databases:
        return []
    try:
        return [*_lines(), *_scope_change()]
    except DatabaseError:
        return []  # not migrated yet


def _lines() -> Iterable[CheckMessage]:
    from consent.models import Line

    for line in Line.objects.filter(kind=LineKind.TOLL_FREE, opt_outs_answered_by_provider=False):
        yield Error(
            f"{line.name} is toll-free, but set to answer opt-outs itself: contacts would get two answers.",
            hint="Tick “the provider answers STOP” on this line.",
            id="consent.E005",
        )
    for line in Line.objects.all():
        if line.disclaims_too_little():
            yield Error(
                f"{line.name} sends marketing texts to US numbers on a disclaimer only.",
                hint="Set its opt-in mode to “Opt-in with consent”. The gate treats it so already.",
                id="consent.E006",
            )


def _scope_change() -> Iterable[CheckMessage]:
    from consent.models import Organisation

    policy = Organisation.objects.current()
    day = policy.next_revocation_scope_on
    today = timezone.localdate()
    if day and today < day <= today + REMIND_BEFORE:
        yield Warning(
            f"From {day:%d %B %Y} a STOP is valid for: {policy.get_next_revocation_scope_display().lower()}.",
            hint="The change happens by itself. Tell the people who text, or change it on the organisation's page.",
            id="consent.W001",
        )
