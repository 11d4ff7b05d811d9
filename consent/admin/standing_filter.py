"""What the list of contacts can be narrowed to. Line, status, source and review speak of one and the same consent:
"opted out" with a line means opted out on that line."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.admin import ListFilter
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest

from consent.admin.unfold import UnfoldAdminSelectWidget
from consent.models import Consent, Contact, DoNotContact, Line, Tag
from consent.vocabulary import Channel, Status

Choices = list[tuple[str, str]]


@dataclass(frozen=True)
class Select:
    """One question beside the list."""

    name: str
    label: str
    nothing: str
    choices: Callable[[], Choices]
    hint: str = ""


def _lines() -> Choices:
    return [(str(line.pk), line.name if line.active else f"{line.name} (switched off)") for line in Line.objects.all()]


def _tags() -> Choices:
    return [(str(pk), name) for pk, name in Tag.objects.values_list("pk", "name")]


SELECTS = (
    Select("line", "Line", "Any line", _lines),
    Select(
        "status",
        "Status",
        "Any status on record",
        lambda: list(Status.choices),
        "On the line chosen above. Without one: on any line, and Not Defined on every line.",
    ),
    Select("source", "Source of the status", "Any source", lambda: list(Channel.choices)),
    Select("review", "Review", "Whether under review or not", lambda: [("yes", "Under review")]),
    Select("tag", "Tag", "Any tag", _tags),
    Select(
        "list",
        "Do-not-contact list",
        "On the list or not",
        lambda: [("yes", "On the list"), ("no", "Not on the list")],
    ),
    Select(
        "unreachable",
        "Reachable",
        "Reachable or not",
        lambda: [("no", "Reachable, as far as we know"), *Contact.Unreachable.choices],
    ),
)


class StandingFilter(ListFilter):
    """All questions together, since the answers depend on each other. What is no choice, is not asked."""

    title = "what is known of them"
    template = "admin/consent/contact/filter.html"
    parameters = tuple(select.name for select in SELECTS)

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        self.chosen: dict[str, str] = {}
        self.offered = {select.name: select.choices() for select in SELECTS}
        for name in self.parameters:
            given = params.pop(name, [""])[-1]
            self.chosen[name] = given if given in dict(self.offered[name]) else ""
        self.used_parameters = {**self.chosen}  # Unfold keeps the others when the form is sent

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return list(self.parameters)

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:
        for select in SELECTS:
            widget = UnfoldAdminSelectWidget(choices=[("", select.nothing), *self.offered[select.name]])
            yield {
                "name": select.name,
                "label": select.label,
                "hint": select.hint,
                "widget": widget.render(select.name, self.chosen[select.name], {"id": f"filter-{select.name}"}),
            }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Contact]) -> QuerySet[Contact]:
        chosen = self.chosen
        queryset = queryset.filter(standing(**{name: chosen[name] for name in ("line", "status", "source", "review")}))
        if chosen["tag"]:
            tagged = Contact.tags.through.objects.filter(contact=OuterRef("pk"), tag=int(chosen["tag"]))
            queryset = queryset.filter(Exists(tagged))
        if chosen["list"]:
            listed = Exists(DoNotContact.objects.filter(number=OuterRef("number")))
            queryset = queryset.filter(listed if chosen["list"] == "yes" else ~listed)
        if chosen["unreachable"]:
            queryset = queryset.filter(unreachable="" if chosen["unreachable"] == "no" else chosen["unreachable"])
        return queryset


def standing(*, line: str = "", status: str = "", source: str = "", review: str = "") -> Q:
    """The contacts with one consent that fits all of this.

    Not Defined means that neither in nor out nor a request is on record, which may be the case without any row: on the
    line, or without a line on every one.
    """
    rows = Consent.objects.filter(contact=OuterRef("pk"))
    if line:
        rows = rows.filter(line=int(line))
    fits = Q()
    if status == Status.NOT_DEFINED:
        fits &= ~Q(Exists(rows.exclude(status=Status.NOT_DEFINED)))
    elif status:
        rows = rows.filter(status=status)
    if source:
        rows = rows.filter(source=source)
    if review:
        rows = rows.exclude(review_since=None)
    if source or review or ((status or line) and status != Status.NOT_DEFINED):
        fits &= Q(Exists(rows))
    return fits
