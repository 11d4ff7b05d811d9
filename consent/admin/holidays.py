from django.contrib import admin
from django.http import HttpRequest

from consent import holidays
from consent.admin.screens import Screen
from consent.models import Holiday


@admin.register(Holiday)
class HolidayAdmin(Screen):
    """Days on which offices are closed. Those of the United States stop the clock of the review queue."""

    list_display = ["day", "name", "country", "source"]
    list_filter = ["country"]
    search_fields = ["name"]
    date_hierarchy = "day"
    fields = ["day", "name", "country", "source"]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, str]:
        return {"country": holidays.CLOCK_COUNTRY}
