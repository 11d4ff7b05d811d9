from django.contrib import admin

from consent.admin.screens import Screen
from messaging.models import FooterCountry


@admin.register(FooterCountry)
class FooterCountryAdmin(Screen):
    """Where every ordinary text must tell how to stop. What is known of it, with its source and date."""

    list_display = ["country", "reason", "source", "as_of"]
    search_fields = ["country", "reason"]
    search_help_text = "The two letters, or part of the reason."
    fieldsets = [
        (
            None,
            {
                "fields": ["country", "reason", "source", "as_of"],
                "description": "Every ordinary text to a number of this country ends with the footer, however often "
                "the line is set to add it. A text that tells how to stop by itself needs none.",
            },
        )
    ]
