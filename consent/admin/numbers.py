"""Who sees full numbers. The organisation may hide them from agents (Organisation.mask_numbers).

A number is masked where its row is loaded, so that no list, title, breadcrumb or message can show what was never there.
"""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.db.models import Model, QuerySet
from django.db.models.query import ModelIterable
from django.http import HttpRequest

from consent import phones, search
from consent.admin.paging import BoundedPaginator
from consent.admin.screens import Screen
from consent.admin.unfold import UnfoldAdminTextInputWidget
from consent.models import Contact, Organisation, User


def hidden_from(user: Any) -> bool:
    """True for people who may see only the last digits of contacts' numbers."""
    return not user.has_perm("consent.use_every_line") and Organisation.objects.current().mask_numbers


def for_display(rows: QuerySet[Any], user: Any, contact: str) -> QuerySet[Any]:
    """``rows`` with their contacts loaded along, and masked where the policy says so.

    ``contact`` is the way from a row to its contact ("conversation__contact"), empty for contacts themselves. What
    comes out is to be shown, never to be saved or texted to: ``full_number`` is for that.
    """
    rows = rows.select_related(contact) if contact else rows.all()
    if hidden_from(user):
        rows._iterable_class = _masked(contact.split("__") if contact else [])
    return rows


def _masked(steps: list[str]) -> type[ModelIterable]:
    class Masked(ModelIterable):
        def __iter__(self) -> Iterator[Model]:
            for row in super().__iter__():
                contact = row
                for step in steps:
                    contact = getattr(contact, step)
                assert isinstance(contact, Contact)
                contact.number = phones.mask(contact.number)
                yield row

    return Masked


class ContactScreen(Screen):
    """A page whose rows belong to contacts: numbers shown by policy, search by name and number.

    Where numbers are hidden the search knows names and the last four digits only, or it would confirm full numbers.
    """

    contact = ""
    paginator = BoundedPaginator

    def _of_contact(self, field: str) -> str:
        return f"{self.contact}__{field}" if self.contact else field

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = for_display(super().get_queryset(request), request.user, self.contact)
        # Lists ask for this themselves only where the queryset loads nothing along yet.
        return rows.select_related(*self.list_select_related) if self.list_select_related else rows

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        hidden = hidden_from(request.user)
        changelist.search_help_text = "Name, or the last four digits" if hidden else "Name, or any part of the number"
        return changelist

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        # Named for Django, which shows a search box where there are any; what they are searched for is said below.
        return [self._of_contact(name) for name in ("first_name", "last_name", "number")]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        fits = search.contacts(search_term, contact=self.contact, hidden=hidden_from(request.user))
        return queryset.filter(fits), False


class NumberField(forms.CharField):
    """A contact's number, however it is punctuated; gives E.164."""

    widget = UnfoldAdminTextInputWidget

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("help_text", "With its country code, like +12065550123.")
        super().__init__(max_length=40, **kwargs)

    def clean(self, value: Any) -> str:
        try:
            return self.normalise(super().clean(value))
        except phones.PhoneError as error:
            raise forms.ValidationError(str(error)) from None

    def normalise(self, raw: str) -> str:
        """``raw`` as it is stored. Raises phones.PhoneError."""
        return phones.normalise(raw)


class LineNumberField(NumberField):
    """A line's number: like a contact's, or a short code."""

    def normalise(self, raw: str) -> str:
        return phones.normalise_line(raw)


def full_number(contact: Contact) -> str:
    """The number itself, for verbs that act on a contact whose shown row may be masked."""
    return Contact.objects.values_list("number", flat=True).get(pk=contact.pk)


def signed_in(request: HttpRequest) -> User:
    """Who is asking. Admin pages are for signed-in people only."""
    assert isinstance(request.user, User)
    return request.user
