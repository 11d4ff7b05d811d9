"""Pages of a list that may have a million rows: nobody counts them all to show fifty."""

from typing import Any

from django.core.paginator import EmptyPage, Page, Paginator
from django.db.models import QuerySet
from django.utils.functional import cached_property

COUNTED = 1000
# Further on nobody turns pages; a larger number only makes the database skip rows, or not understand it.
LAST_PAGE = 100_000


class BoundedPaginator(Paginator):
    """Counts up to a thousand rows. Beyond, it knows only that there are more, and pages go on one by one."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        assert isinstance(rows, QuerySet)
        return rows.order_by().values("pk")[: COUNTED + 1].count()

    @property
    def has_more(self) -> bool:
        return self.count > COUNTED

    @property
    def template_name(self) -> str:
        """Unfold shows page numbers where this is empty."""
        return "admin/consent/contact/pages.html" if self.count >= COUNTED else ""

    def validate_number(self, number: Any) -> int:
        if not self.has_more:
            return super().validate_number(number)
        if not 1 <= int(number) <= LAST_PAGE:
            raise EmptyPage("There is no such page.")
        return int(number)

    def page(self, number: Any) -> Any:
        number = self.validate_number(number)
        if not self.has_more:
            return super().page(number)
        bottom = (number - 1) * self.per_page
        return Page(self.object_list[bottom : bottom + self.per_page], number, self)
