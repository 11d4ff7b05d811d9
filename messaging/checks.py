"""System checks about the provider and the simulator: messaging.E… must not run, messaging.W… should be looked at."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

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
    return found
