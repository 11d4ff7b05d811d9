from django.contrib import admin

from consent.admin.screens import Screen
from consent.models import ImpliedConsentPeriod


@admin.register(ImpliedConsentPeriod)
class ImpliedConsentPeriodAdmin(Screen):
    """How long implied consent holds where. It counts for what is recorded from then on."""

    list_display = ["country", "follows_from", "months", "source", "as_of"]
    search_fields = ["country", "follows_from"]
    search_help_text = "The two letters, or what it follows from."
    fieldsets = [
        (
            None,
            {
                "fields": ["country", "follows_from", "months", "source", "as_of"],
                "description": "Consent that somebody records as implied for a number of this country ends after the "
                "longest of its periods at the latest, and after the shortest one where they give no day. What is "
                "recorded already keeps its end.",
            },
        )
    ]
