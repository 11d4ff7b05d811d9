"""The review queue: texts that may be a revocation, with their clock, and beside it those that may be an acceptance."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import SimpleListFilter
from django.core.exceptions import PermissionDenied
from django.db.models import BooleanField, Case, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from consent.admin.consents import status_badge
from consent.admin.numbers import ContactScreen, signed_in
from consent.admin.screens import ReadOnlyScreen
from consent.admin.unfold import UnfoldAdminTextareaWidget, badge
from consent.gate import Reason
from consent.ledger import ConsentError
from consent.models import Consent, User
from messaging import explanations, review
from messaging.admin.own_lines import HELD_BACK_WORDS
from messaging.models import Message, PossibleAcceptance, Review
from messaging.models.message import MessageStatus
from messaging.models.review import Outcome

# How much of the conversation is shown before and after the text in question.
BEFORE, AFTER = 12, 12


@dataclass(frozen=True)
class Decision:
    """One of the two answers an officer can give: the button, what it does, and the verb."""

    label: str
    effect: str
    done: str
    verb: Callable[..., None]
    tone: str


OPT_OUTS: Mapping[str, Decision] = {
    "opt_out": Decision(
        "It was an opt-out",
        "They are opted out from the moment of their text, as far as your policy reaches. What waits is cancelled.",
        "They are opted out. What waited for them is cancelled.",
        review.it_was_an_opt_out,
        "danger",
    ),
    "not_an_opt_out": Decision(
        "It was no opt-out",
        "Texting goes on. What was held because of this leaves, each text through the gate again.",
        "Texting goes on. What waited goes through the gate again.",
        review.it_was_no_opt_out,
        "default",
    ),
}
ACCEPTANCES: Mapping[str, Decision] = {
    "agreed": Decision(
        "They agreed",
        "They are opted in from the moment of their text and get the confirmation. Held texts leave.",
        "They are opted in.",
        review.they_agreed,
        "default",
    ),
    "not_agreed": Decision(
        "They did not agree",
        "Nothing changes. The request stays open for their YES.",
        "Noted. The request stays open for their YES.",
        review.they_did_not_agree,
        "default",
    ),
}


class ReasonForm(forms.Form):
    # The last text in question when the page was drawn, so that nobody decides about one they have not read.
    seen = forms.IntegerField(widget=forms.HiddenInput, required=False)
    reason = forms.CharField(
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        max_length=500,
        label="Why you decide so",
        help_text="Kept with the decision, for whoever asks in some years.",
        error_messages={"required": "Say why in a few words. It is kept with the decision."},
    )


class OutcomeFilter(SimpleListFilter):
    """Open ones, unless somebody asks for those that are settled."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("settled", "Settled"), ("all", "All")]

    def choices(self, changelist: Any) -> Any:
        yield {
            "selected": self.value() is None,
            "query_string": changelist.get_query_string(remove=[self.parameter_name]),
            "display": "Open",
        }
        yield from list(super().choices(changelist))[1:]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "all":
            return queryset
        return queryset.exclude(outcome=Outcome.OPEN) if self.value() == "settled" else queryset.open()


class Queue(ReadOnlyScreen, ContactScreen):
    """What both lists share. A decision is a POST by somebody who may decide, with a reason, and is taken once."""

    contact = "conversation__contact"
    decisions: Mapping[str, Decision]
    list_filter = [OutcomeFilter, "conversation__line"]
    list_select_related = ["conversation__line", "message", "decided_by"]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("messaging.view_review")  # asked of people who log in, too

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def may_decide(self, request: HttpRequest) -> bool:
        return signed_in(request).has_perm("messaging.decide_review")

    @admin.display(description="contact", ordering="conversation__contact__first_name")
    def shown_contact(self, row: Review) -> str:
        return str(row.conversation.contact)

    @admin.display(description="line", ordering="conversation__line__name")
    def line(self, row: Review) -> str:
        return row.conversation.line.name

    @admin.display(description="text")
    def words(self, row: Review) -> str:
        return Truncator(_words(row.message, row.may_be_read)).chars(80)  # type: ignore[attr-defined]

    @admin.display(description="why")
    def why(self, row: Review) -> str:
        return explanations.why(row.message.rule)

    @admin.display(description="since", ordering="opened_at")
    def since(self, row: Review) -> dt.datetime:
        return row.opened_at

    @admin.display(description="state", ordering="outcome")
    def state(self, row: Review) -> SafeString:
        if row.outcome == Outcome.OPEN:
            return badge("Open", "warning")
        return badge(f"{row.get_outcome_display()}{f', {row.decided_by}' if row.decided_by else ''}")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Review]:
        """With whether this person may read the text in question, should it be held back."""
        may_decide = Value(self.may_decide(request), output_field=BooleanField())
        undecided = Case(When(outcome=Outcome.OPEN, then=may_decide), default=Value(False))
        return super().get_queryset(request).annotate(may_be_read=undecided)

    # ---- the page of one --------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        decide = path("<int:object_id>/decide/", self.admin_site.admin_view(self.decide), name=f"{self._name()}_decide")
        return [decide, *super().get_urls()]

    def _name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        return self._page(request, self.found(request, object_id), ReasonForm())

    def decide(self, request: HttpRequest, object_id: int) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.may_decide(request):
            raise PermissionDenied
        found = self.found(request, str(object_id))
        form = ReasonForm(request.POST)
        chosen = self.decisions.get(request.POST.get("decision", ""))
        if chosen is None:
            form.add_error(None, "Choose one of the two answers.")
        if not form.is_valid() or chosen is None:
            return self._page(request, found, form)
        try:
            seen = form.cleaned_data["seen"]
            chosen.verb(found, by=signed_in(request), reason=form.cleaned_data["reason"], seen=seen)
        except ConsentError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(reverse(f"admin:{self._name()}_change", args=[found.pk]))
        messages.success(request, chosen.done)
        return HttpResponseRedirect(self._next(found))

    def _next(self, done: Review) -> str:
        """The queue's next one, so that officers can work through it; the list where none is left."""
        following = self.model.objects.open().filter(doubt=done.doubt).first()
        if following is None:
            return reverse(f"admin:{self._name()}_changelist")
        return reverse(f"admin:{self._name()}_change", args=[following.pk])

    def _page(self, request: HttpRequest, found: Review, form: ReasonForm) -> HttpResponse:
        conversation = found.conversation
        consent = Consent.objects.filter(contact=conversation.contact_id, line=conversation.line).first() or Consent()
        waiting = conversation.messages.waiting().filter(status=MessageStatus.HELD, reason=Reason.UNDER_REVIEW)
        today = timezone.localdate()
        in_question = list(found.texts())
        form.initial["seen"] = in_question[-1].pk
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": found,
            "title": f"{conversation.contact} on {conversation.line.name}",
            "review": found,
            "conversation": conversation,
            "status": status_badge(consent.status, told=consent.told_at is not None),
            "why": explanations.why(found.message.rule),
            "days_left": review.days_left(found, today) if found.last_day else None,
            "waiting": waiting.count(),
            "questions": [_words(text, found.may_be_read) for text in in_question],  # type: ignore[attr-defined]
            "texts": _around(in_question, found.may_be_read),  # type: ignore[attr-defined]
            "form": form,
            "decisions": self.decisions.items(),
            "may_decide": self.may_decide(request) and found.outcome == Outcome.OPEN,
            "decide_url": reverse(f"admin:{self._name()}_decide", args=[found.pk]),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/messaging/review/review.html", context)


@admin.register(Review)
class ReviewAdmin(Queue):
    """Texts that may ask us to stop. Sending to their writers is suspended until somebody decides."""

    decisions = OPT_OUTS
    list_display = ["shown_contact", "line", "words", "why", "clock", "since", "state"]
    ordering = ["last_day", "opened_at", "pk"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Review]:
        return super().get_queryset(request).revocations()

    @admin.display(description="time left", ordering="last_day")
    def clock(self, row: Review) -> SafeString | str:
        if row.outcome != Outcome.OPEN:
            return "-"
        left = review.days_left(row, timezone.localdate())
        words = f"{left} business day{'' if left == 1 else 's'}" if left else "Last day: opting out"
        return badge(words, "danger" if left <= 2 else "warning" if left <= 5 else "info")


@admin.register(PossibleAcceptance)
class PossibleAcceptanceAdmin(Queue):
    """Texts that may be a yes to an opt-in request. They suspend nothing and have no clock; a YES settles them too."""

    decisions = ACCEPTANCES
    list_display = ["shown_contact", "line", "words", "why", "since", "state"]
    ordering = ["opened_at", "pk"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Review]:
        return super().get_queryset(request).acceptances()


def _words(text: Message, may_be_read: bool) -> str:
    """What was never held back is read by everybody here. A text in question, as long as it is one, by those who decide
    it; afterwards only on record (``held_back``)."""
    hidden = text.status == MessageStatus.HELD_BACK and not may_be_read
    return (HELD_BACK_WORDS if hidden else text.body) or "No words, only a picture or nothing at all."


def _name(author: User | None) -> str:
    return (author.get_full_name() or author.get_username()) if author else "API"


def _around(in_question: list[Message], may_be_read: bool) -> list[dict[str, Any]]:
    """The texts in question, oldest first, with those before, between and after them."""
    first, last = in_question[0], in_question[-1]
    texts = Message.objects.filter(conversation=first.conversation_id).select_related("author")
    before = list(texts.filter(created__lt=first.created).order_by("-created", "-pk")[:BEFORE])
    between = list(texts.filter(created__range=(first.created, last.created)).order_by("created", "pk"))
    after = list(texts.filter(created__gt=last.created).order_by("created", "pk")[:AFTER])
    asked = {text.pk for text in in_question}
    return [
        {
            "text": text,
            "words": _words(text, may_be_read and text.pk in asked),
            "in_question": text.pk in asked,
            "by": "Optline, automatic" if text.is_automatic else _name(text.author),
        }
        for text in [*reversed(before), *between, *after]
    ]
