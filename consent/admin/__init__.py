"""The admin of who may be texted. Each module registers its pages."""

from django.contrib import admin

from consent.admin import (
    consents,
    contact,
    do_not_contact,
    holidays,
    implied,
    ledger,
    line,
    organisation,
    people,
    quiet_hours,
    tags,
)

admin.site.index_title = "Overview"

__all__ = [
    "consents",
    "contact",
    "do_not_contact",
    "holidays",
    "implied",
    "ledger",
    "line",
    "organisation",
    "people",
    "quiet_hours",
    "tags",
]
