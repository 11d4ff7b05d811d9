"""The one clock that all hosts share."""

import datetime as dt

from django.db.models.functions import Now

from consent.models import Organisation


def database_now() -> dt.datetime:
    """The database's time at the start of this statement. Times that are compared across hosts are taken from it."""
    return Organisation.objects.values_list(Now(), flat=True)[0]
