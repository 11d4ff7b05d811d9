"""System checks about the provider, the simulator and the keyword responders: messaging.E… must not run, messaging.W…
should be looked at."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError

LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@register(Tags.security)
def provider_is_configured(**kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    host = urlsplit(settings.PUBLIC_URL).hostname
    if settings.SIMULATOR and settings.HAS_TWILIO:
        found.append(
            Error(
                "The simulator is on although real Twilio credentials are set.",
                hint="Unset SIMULATOR to text for real, or unset TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN.",
                id="messaging.E001",
            )
        )
    if settings.SIMULATOR and host not in LOOPBACK:
        found.append(
            Error(
                f"The simulator is on under {settings.PUBLIC_URL}: anybody there could text as any contact.",
                hint="The simulator runs only where PUBLIC_URL is a loopback address like http://127.0.0.1:8000.",
                id="messaging.E002",
            )
        )
    if not settings.SIMULATOR and not (settings.TWILIO_ACCOUNT_SID and settings.TWILIO_AUTH_TOKENS):
        found.append(
            Error(
                "TWILIO_ACCOUNT_SID or TWILIO_AUTH_TOKEN is missing, and the simulator is off.",
                hint="Set both, or set SIMULATOR=true on a machine of your own.",
                id="messaging.E003",
            )
        )
    if not settings.SIMULATOR and not settings.PUBLIC_URL.startswith("https://"):
        found.append(
            Warning(
                "PUBLIC_URL is not an https address: Twilio's webhooks would travel in the clear, if at all.",
                hint="Set PUBLIC_URL to the address under which Twilio reaches this install.",
                id="messaging.W001",
            )
        )
    if settings.PROVIDER_CONNECT_SECONDS + settings.PROVIDER_READ_SECONDS >= settings.LOST_SECONDS:
        found.append(
            Error(
                "LOST_SECONDS is not longer than a call to the provider may take: texts under way would count as lost.",
                hint="Set LOST_SECONDS above PROVIDER_CONNECT_SECONDS + PROVIDER_READ_SECONDS.",
                id="messaging.E004",
            )
        )
    if bool(settings.DATABASE_URL) != bool(settings.REDIS_URL):
        found.append(
            Error(
                "Only one of DATABASE_URL and REDIS_URL is set.",
                hint="Set both for production, or neither for the embedded default.",
                id="messaging.E005",
            )
        )
    if settings.PUBLIC_URL.startswith("https://") and not settings.TRUSTED_PROXIES:
        found.append(
            Warning(
                "TRUSTED_PROXIES is 0 although a proxy ends https: on the web form everybody counts as one address.",
                hint="Set TRUSTED_PROXIES to the number of your proxies that stand before Optline, usually 1.",
                id="messaging.W010",
            )
        )
    if settings.TRUSTED_PROXIES < 0:
        found.append(
            Error(
                "TRUSTED_PROXIES is below 0.",
                hint="Set it to the number of your proxies that stand before Optline, or to 0.",
                id="messaging.E010",
            )
        )
    return found


@register(Tags.database)
def responders_are_sound(databases: Iterable[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Rows that the forms refuse but a script could have written."""
    if not databases:
        return []
    try:
        return [*_ways_in_and_out(), *_words_with_two_answers()]
    except DatabaseError:
        return []  # not migrated yet


def _ways_in_and_out() -> Iterable[CheckMessage]:
    from consent.models import Line
    from messaging.claims import NEEDED
    from messaging.models import KeywordResponder

    claims = [responder.its_claim() for responder in KeywordResponder.objects.claimed()]
    for line in Line.objects.filter(active=True):
        for action in NEEDED:
            if not any(claim.action == action and claim.covers(line.pk) for claim in claims):
                yield Error(
                    f"{line.name} has no keyword by which contacts can {action.label.lower()}.",
                    hint="Switch on a keyword responder with that action on this line. If a built-in one is missing, "
                    "find out who removed it.",
                    id="messaging.E006",
                )


def _words_with_two_answers() -> Iterable[CheckMessage]:
    from messaging.claims import Claim, conflict
    from messaging.keywords import compared
    from messaging.models import KeywordResponder

    alike: dict[str, list[Claim]] = {}
    for responder in KeywordResponder.objects.claimed():
        claim = responder.its_claim()
        if other := conflict(claim, alike.setdefault(compared(claim.word), [])):
            yield Warning(
                f"Two keyword responders answer the same text on one line: {other.word} and {claim.word}.",
                hint="Switch one of them off, or give them different lines.",
                id="messaging.W002",
            )
        alike[compared(claim.word)].append(claim)
