"""How often one address may sign somebody up, and how often one number may be signed up. Counted in the database, so
it holds for all processes on all hosts.

Windows are fixed: they begin on the hour, or at midnight UTC. Who fills one just before its end and the next one just
after it gets twice as much within minutes, which costs nobody anything.
"""

import datetime as dt
import hashlib
import hmac

from django.conf import settings
from django.db.models import F

from messaging.models import SignUpTally

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


def is_too_much_for_address(address: str, now: dt.datetime) -> bool:
    """Count one more sign-up from this address within the hour. True beyond WEB_FORM_PER_ADDRESS."""
    return _count("address", address, HOUR, now) > settings.WEB_FORM_PER_ADDRESS


def is_too_much_for_number(number: str, now: dt.datetime) -> bool:
    """Count one more sign-up of this number within the day, on whatever line. True beyond WEB_FORM_PER_NUMBER."""
    return _count("number", number, DAY, now) > settings.WEB_FORM_PER_NUMBER


def forget(now: dt.datetime) -> None:
    """Delete the windows that are over."""
    SignUpTally.objects.filter(since__lt=now - DAY).delete()


def _count(what: str, value: str, window: dt.timedelta, now: dt.datetime) -> int:
    """How often within this window, this time included. In the caller's transaction, whose lock on the row makes the
    number its own."""
    key = hmac.new(settings.SUPPRESSION_KEY.encode(), f"{what}:{value}".encode(), hashlib.sha256).hexdigest()
    seconds = window.total_seconds()
    since = dt.datetime.fromtimestamp(now.timestamp() // seconds * seconds, dt.UTC)
    SignUpTally.objects.bulk_create([SignUpTally(key=key, since=since)], ignore_conflicts=True)
    tally = SignUpTally.objects.filter(key=key, since=since)
    tally.update(times=F("times") + 1)
    return tally.values_list("times", flat=True).get()
