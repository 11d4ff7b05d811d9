"""What may be wrong with a deployment, and what to do about it: for manage.py doctor and the page Alerts.

Each check gives its findings, none where all is well, and changes nothing. Rules that system checks hold already are
asked there.
"""

import base64
import datetime as dt
import hashlib
import hmac
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urldefrag, urlsplit

import urllib3
from celery import current_app
from django.conf import settings
from django.core.checks import ERROR, Tags, run_checks
from django.db.models import Max
from django.http.request import validate_host
from django.utils import timezone

from consent import clock
from consent.models import Line
from consent.vocabulary import Level as ConsentLevel
from messaging import bell, deactivated, health, levels, provider
from messaging.models import Message, Receipt
from messaging.provider import Number, ProviderError

PATIENCE = 3.0  # seconds for one answer over the network
CLOCKS_DIFFER = dt.timedelta(seconds=2)
LITTLE_ROOM, NO_ROOM = 2 << 30, 200 << 20  # bytes
# Of the newest texts and webhooks so many are looked at for signs of who answers a STOP.
TAIL = 10_000
LOOKED_THROUGH = 500
LISTS_MAY_LAG = dt.timedelta(days=3)


class Level(StrEnum):
    NOTE = "note"  # nothing to do: what could not be asked
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    level: Level
    words: str
    remedy: str = ""


Check = Callable[[], Iterable[Finding]]
NOTE, WARNING, PROBLEM = Level.NOTE, Level.WARNING, Level.PROBLEM


# ---- settings and this host -----------------------------------------------------------------------------------------


def settings_fit() -> Iterator[Finding]:
    yield from _system_checks(Tags.security)
    host = urlsplit(settings.PUBLIC_URL).hostname or ""
    if not validate_host(host, settings.ALLOWED_HOSTS):
        yield Finding(
            PROBLEM,
            f"PUBLIC_URL's host {host} is not among ALLOWED_HOSTS: webhooks and pages are answered with 400.",
            f"Add {host} to ALLOWED_HOSTS.",
        )


def rows_are_sound() -> Iterator[Finding]:
    """Lines, policies, keyword responders and counts in the tables."""
    yield from _system_checks(Tags.database, databases=["default"])


def _system_checks(tag: str, **more: Any) -> Iterator[Finding]:
    for found in run_checks(tags=[tag], **more):
        app = str(found.id).partition(".")[0]
        if app in {"consent", "messaging", "reporting"} and found.id != "consent.E004":  # the triggers: database()
            level = PROBLEM if found.level >= ERROR else WARNING
            yield Finding(level, f"{found.msg} ({found.id})", found.hint or "")


def database() -> Iterator[Finding]:
    for problem in health.problems():
        yield Finding(PROBLEM, problem["text"])


def clocks() -> Iterator[Finding]:
    """This host's clock and the database's."""
    before = timezone.now()
    theirs = clock.database_now()
    yield from _compared(theirs, theirs, before, timezone.now(), "the database's")


def _compared(
    first: dt.datetime, last: dt.datetime, before: dt.datetime, after: dt.datetime, whose: str
) -> Iterator[Finding]:
    """Their time was somewhere from ``first`` to ``last`` when ours was somewhere from ``before`` to ``after``."""
    off = max(first - after, before - last)
    if off > CLOCKS_DIFFER:
        yield Finding(
            PROBLEM,
            f"This host's clock and {whose} differ by {off.total_seconds():.0f} seconds.",
            "Let both follow a time server (NTP): opt-ins and opt-outs are compared by their times.",
        )


def disk() -> Iterator[Finding]:
    try:
        free = shutil.disk_usage(settings.DATA_DIR).free
    except OSError as error:
        yield Finding(
            PROBLEM,
            f"DATA_DIR can't be looked at ({type(error).__name__}).",
            "Mount or restore it: evidence, exports and, in the embedded default, the database are kept there.",
        )
        return
    if free < LITTLE_ROOM:
        yield Finding(
            PROBLEM if free < NO_ROOM else WARNING,
            f"The disk of DATA_DIR has {free >> 20:,} MB left.",
            "Make room: evidence, exports and, in the embedded default, the database are kept there.",
        )


# ---- broker and workers ---------------------------------------------------------------------------------------------


def broker(patience: float = PATIENCE) -> Iterator[Finding]:
    if settings.EMBEDDED:
        return
    options = {
        **settings.CELERY_BROKER_TRANSPORT_OPTIONS,
        "socket_connect_timeout": patience,
        "socket_timeout": patience,
        "max_retries": 0,
        "interval_start": 0,
    }
    try:
        with current_app.connection_for_write(transport_options=options) as connection:
            connection.default_channel.client.ping()
    except bell.BROKEN as error:
        yield Finding(
            PROBLEM,
            f"Redis does not answer ({type(error).__name__}). Webhooks are kept, but nothing is settled or sent.",
            "Bring it back, or correct REDIS_URL. What waits is then done by itself.",
        )


def workers() -> Iterator[Finding]:
    """Each queue needs a worker that takes from it. One that is busy still answers."""
    if settings.EMBEDDED:
        yield Finding(NOTE, "The worker lives inside the web process.")
        return
    if any(broker()):
        yield Finding(NOTE, "Without a broker workers can't be asked.")
        return
    answers = current_app.control.inspect(timeout=PATIENCE).active_queues() or {}
    taken = {queue["name"] for queues in answers.values() for queue in queues}
    if not answers:
        yield Finding(PROBLEM, "No worker answers. Nothing is settled or sent.", "Start one: celery -A config worker")
    elif missing := [name for name in settings.QUEUES if name not in taken]:
        yield Finding(
            PROBLEM,
            f"No worker takes from {' and '.join(missing)}.",
            f"Start one with -Q {','.join(missing)}, or without -Q, which takes from every queue.",
        )


# ---- the way in -----------------------------------------------------------------------------------------------------


def public_address() -> Iterator[Finding]:
    """Ask PUBLIC_URL as Twilio does: is it this install, and does a signed webhook pass?

    The webhook names no text, so it changes nothing.
    """
    http = urllib3.PoolManager(timeout=PATIENCE, retries=False)
    try:
        alive = http.request("GET", settings.PUBLIC_URL + "/healthz", redirect=False)
        path = "/twilio/status/"
        signed = {"X-Twilio-Signature": _signature(settings.PUBLIC_URL + path)}
        webhook = http.request("POST", settings.PUBLIC_URL + path, headers=signed, redirect=False)
    except urllib3.exceptions.SSLError:
        yield Finding(
            PROBLEM,
            "PUBLIC_URL's certificate is not accepted: Twilio will not deliver either.",
            "Renew or complete it.",
        )
        return
    except urllib3.exceptions.HTTPError as error:
        yield Finding(
            WARNING,
            f"PUBLIC_URL can't be reached from here ({type(error).__name__}).",
            "See from outside whether PUBLIC_URL/healthz answers. Some networks only let others in by this name.",
        )
        return
    if alive.status != 200 or b'"ok"' not in alive.data:
        yield Finding(
            PROBLEM,
            f"PUBLIC_URL/healthz answers {alive.status}, and not as Optline does.",
            "Let the proxy pass PUBLIC_URL on to the web processes, with its path and Host as they came.",
        )
    elif webhook.status == 403:
        yield Finding(
            PROBLEM,
            "A webhook signed for PUBLIC_URL is turned down there.",
            "Give each web process the same PUBLIC_URL and TWILIO_AUTH_TOKEN, and let the proxy keep path and query.",
        )
    elif webhook.status != 200:
        yield Finding(
            PROBLEM,
            f"A webhook to PUBLIC_URL{path} is answered with {webhook.status}.",
            "Let the proxy pass POST requests on to the web processes without redirecting them.",
        )


def signatures() -> Iterator[Finding]:
    """Each configured token must verify what it signed for the URL as Twilio will see it."""
    path = "/twilio/inbound/"
    for number, token in enumerate(settings.TWILIO_AUTH_TOKENS, 1):
        headers = {"X-Twilio-Signature": _signature(settings.PUBLIC_URL + path, token)}
        if not provider.verify(path, "application/x-www-form-urlencoded", b"", headers):
            yield Finding(
                PROBLEM,
                f"A webhook to {settings.PUBLIC_URL}{path}, signed with token {number}, is not recognised.",
                "Write PUBLIC_URL exactly as at Twilio: scheme, host and, if there is one, path.",
            )


def _signature(url: str, token: str | None = None) -> str:
    """Twilio's, of a webhook without fields; written down anew, so that it proves the other side."""
    key = (token or next(iter(settings.TWILIO_AUTH_TOKENS), "")).encode()
    return base64.b64encode(hmac.new(key, url.encode(), hashlib.sha1).digest()).decode()


# ---- the provider ---------------------------------------------------------------------------------------------------


def account() -> Iterator[Finding]:
    """Credentials, and the provider's clock."""
    before = timezone.now()
    try:
        status, theirs = provider.account()
    except ProviderError as error:
        remedy = "Let this host reach api.twilio.com, or correct TWILIO_BASE_URL."
        yield Finding(PROBLEM, str(error), "Start the web process." if settings.SIMULATOR else remedy)
        return
    if status == 401:
        yield Finding(
            PROBLEM,
            "Twilio does not accept the credentials.",
            "Correct TWILIO_ACCOUNT_SID and the first TWILIO_AUTH_TOKEN.",
        )
    elif status != 200:
        yield _not_offered("the account", status)
    if theirs:  # in whole seconds
        yield from _compared(theirs, theirs + dt.timedelta(seconds=1), before, timezone.now(), "the provider's")


def numbers() -> Iterator[Finding]:
    """Where each line's texts go at the provider, and whom its messaging service would block at one STOP."""
    lines = list(Line.objects.filter(active=True))
    try:
        known = provider.numbers()
    except ProviderError as error:
        if error.code == "404" and settings.TWILIO_BASE_URL:
            yield _not_offered("its numbers", 404)
        else:
            yield Finding(PROBLEM, f"Twilio does not tell which numbers it has. {error}")
        return
    shared: defaultdict[str, list[str]] = defaultdict(list)
    for line in lines:
        number = known.get(line.number)
        if number is None:
            yield Finding(
                PROBLEM,
                f"{line.name}: its number is not one of this Twilio account.",
                "Buy or move the number, correct the line, or switch it off.",
            )
            continue
        if number.service:
            shared[number.service].append(line.name)
        yield from _webhook(line, number)
    for names in shared.values():
        if len(names) > 1:
            yield Finding(
                PROBLEM,
                f"{', '.join(names)} share a messaging service: Twilio blocks all of them at one STOP.",
                "Take them out of it, or give each a messaging service of its own.",
            )
    if lines and any(number.service is None for number in known.values()):
        yield Finding(NOTE, "Messaging services can't be asked for here; lines that share one would not be noticed.")


def _webhook(line: Line, number: Number) -> Iterator[Finding]:
    ours = settings.PUBLIC_URL + "/twilio/inbound/"
    where = f"“A message comes in” → Webhook, HTTP POST, {ours}#rc=5&rp=all"
    address, retries = urldefrag(number.webhook)
    if number.application:
        yield Finding(
            PROBLEM,
            f"{line.name}: a TwiML app of Twilio's gets its texts.",
            f"Take the app off the number and set {where}",
        )
    elif address != ours or number.method != "POST":
        told = f"{number.method} {address}" if address else "nowhere"
        yield Finding(PROBLEM, f"{line.name}: its texts go to {told}, not to Optline.", f"At Twilio, set {where}")
    elif "rc=" not in retries:
        yield Finding(WARNING, f"{line.name}: Twilio does not repeat a webhook that failed.", f"At Twilio, set {where}")
    elif urldefrag(number.fallback)[0] != ours:
        yield Finding(
            WARNING, f"{line.name}: it has no fallback, or another one.", f"Set the fallback at Twilio to {ours} too."
        )


def who_answers_stop() -> Iterator[Finding]:
    """Lines that answer STOP themselves although there are signs that Twilio does too. Twilio tells no setting."""
    silent = {line.number: line for line in Line.objects.filter(active=True, opt_outs_answered_by_provider=False)}
    if not silent:
        return
    answered = set()
    inbound = Receipt.objects.filter(kind=Receipt.Kind.INBOUND).order_by("-pk")
    for raw in inbound.values_list("raw", flat=True)[:LOOKED_THROUGH]:
        text = provider.parse_inbound(provider.form(bytes(raw)))
        if text.answered_by_provider and text.recipient in silent:
            answered.add(text.recipient)
    newest = Message.objects.aggregate(last=Max("pk"))["last"] or 0
    opted_out = [code for code, trouble in provider.TROUBLE.items() if trouble is provider.Trouble.OPTED_OUT]
    blocked = Message.objects.filter(
        pk__gt=newest - TAIL, error_code__in=opted_out, conversation__line__in=silent.values()
    )
    answered |= set(blocked.values_list("conversation__line__number", flat=True))
    for number in sorted(answered):
        yield Finding(
            PROBLEM,
            f"{silent[number].name}: Twilio answers STOP here too, so contacts get two answers.",
            "Tick “the provider answers STOP” on the line, or switch opt-out handling off at Twilio.",
        )


def requests_give_enough() -> Iterator[Finding]:
    """Lines on which no YES can be enough for the consent that they need."""
    for line, given in levels.asking_for_too_little():
        needed = ConsentLevel(line.required_level).label.lower()
        yield Finding(
            WARNING,
            f"{line.name} needs {needed} consent, but a YES to its opt-in request gives {given.label.lower()} consent.",
            f"Put what the law wants of {needed} consent into the wording of the request and declare it in the "
            "template, or let the line need less. Until then contacts who said YES can't be texted there.",
        )


def deactivated_numbers() -> Iterator[Finding]:
    """Days whose list of deactivated numbers is not here, though the provider should have had it for a while."""
    late = [day for day in deactivated.missing() if timezone.now().date() - day > LISTS_MAY_LAG]
    if late:
        days = f"{late[0]}" if len(late) == 1 else f"{len(late)} days, the first of them {late[0]}"
        yield Finding(
            WARNING,
            f"The list of numbers that carriers deactivated is missing of {days}.",
            "See in the worker's log why it could not be read, then run manage.py import_deactivated.",
        )


def _not_offered(what: str, status: int) -> Finding:
    if settings.SIMULATOR or settings.TWILIO_BASE_URL:
        return Finding(NOTE, f"What stands in for Twilio does not tell about {what}.")
    return Finding(WARNING, f"Twilio answers {status} when asked about {what}.", "Try again, or see its status page.")


# ---- all of them ----------------------------------------------------------------------------------------------------

# With what is true where nothing is found.
CHECKS: dict[str, Check] = {
    "The settings fit together.": settings_fit,
    "The database answers, is as new as the code and protects the ledger.": database,
    "Lines, policies and keyword responders are sound; every active line has a way in and a way out.": rows_are_sound,
    "This host's clock agrees with the database's.": clocks,
    "The disk of DATA_DIR has room.": disk,
    "The broker answers.": broker,
    "Every queue has a worker.": workers,
    "Webhooks signed for PUBLIC_URL are recognised.": signatures,
    "PUBLIC_URL leads here, and a signed webhook gets through.": public_address,
    "The provider accepts the credentials, and its clock agrees.": account,
    "At the provider each line's texts come here, and no two share a messaging service.": numbers,
    "A YES to the opt-in request is enough on every line.": requests_give_enough,
    "The lists of deactivated numbers are up to date.": deactivated_numbers,
    "No sign of two answers to a STOP.": who_answers_stop,
}
