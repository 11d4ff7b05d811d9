"""Who looks at the install, what of it they may open, and what an index counts for them live."""

import datetime as dt
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.db.models import Exists, F, Func, IntegerField, JSONField, Min, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from consent.admin.numbers import signed_in
from consent.models import Line, Organisation, User
from messaging.models import Receipt, Review
from reporting.models import Mark

# A webhook is settled within seconds; one that waited for this long has no worker.
UNSETTLED = dt.timedelta(minutes=1)


@dataclass
class Page:
    """What one person may see of the first page and of the alerts, now."""

    request: HttpRequest
    now: dt.datetime = field(default_factory=timezone.now)

    def __post_init__(self) -> None:
        self.user = signed_in(self.request)
        self.today = timezone.localdate(self.now)

    def may(self, permission: str) -> bool:
        return self.user.has_perm(permission)

    def list_of(self, model: str, **filters: Any) -> str:
        """The address of a model's list ("app.model"), narrowed; empty for those who may not open it."""
        app, name = model.split(".")
        # A proxy is opened by whoever may see what it stands for.
        if not self.may(f"{app}.view_{'review' if name == 'possibleacceptance' else name}"):
            return ""
        query = urlencode(
            {key: value.isoformat() if isinstance(value, dt.datetime) else value for key, value in filters.items()}
        )
        return reverse(f"admin:{app}_{name}_changelist") + (f"?{query}" if query else "")

    def versions_of(self, model: str, pk: int) -> str:
        """The address of the versions of a template or saved text; empty for those who may not open it."""
        may = self.may(f"messaging.view_{model}")
        return reverse(f"admin:messaging_{model}_history", args=[pk]) if may else ""

    @cached_property
    def install(self) -> Any:
        """The organisation, and beside it what is counted live because an index holds just that. One query."""
        unsettled = Receipt.objects.unsettled()
        reviews = Review.objects.open()
        first = reviews.revocations().order_by().values("outcome").annotate(first=Min("last_day")).values("first")
        return Organisation.objects.annotate(
            has_lines=Exists(Line.objects.all()),
            has_people=Exists(User.objects.exclude(pk=self.user.pk)),
            overdue=_number_of(unsettled.filter(received_at__lt=self.now - UNSETTLED)),
            needs_person=_number_of(unsettled.filter(needs_person=True)),
            revocations=_number_of(reviews.revocations()),
            acceptances=_number_of(reviews.acceptances()),
            first_last_day=Subquery(first),
            problem=Subquery(Mark.objects.values("problem")[:1]),
            versions=Coalesce(Subquery(Mark.objects.values("versions")[:1]), Value({}, JSONField())),
        ).get(pk=1)


def _number_of(rows: QuerySet[Any]) -> Subquery:
    counted = rows.order_by().annotate(how_many=Func(F("pk"), function="COUNT", output_field=IntegerField()))
    return Subquery(counted.values("how_many"))
