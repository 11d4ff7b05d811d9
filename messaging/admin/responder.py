from collections.abc import Collection
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from consent.admin.screens import Screen, plain
from consent.admin.unfold import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, action, badge
from consent.models import Line
from consent.vocabulary import Language
from messaging import rendering
from messaging.admin.trial import TrialPage
from messaging.keywords import SHIPPED, Action
from messaging.models import KeywordResponder
from messaging.models.responder import Switched

_TONES = {Action.OPT_IN: "success", Action.OPT_OUT: "danger", Action.HELP: "info"}
_NAMED = 3  # of many lines or words
TAG = plain("tag")


class ResponderForm(forms.ModelForm):
    """Held against the other responders while nobody else can change one."""

    def clean_reply(self) -> str:
        return self.cleaned_data["reply"].replace("\r\n", "\n").strip()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "lines" in self.fields:
            if cleaned.get("every_line"):
                cleaned["lines"] = Line.objects.none()
            self.instance.chosen = list(cleaned.get("lines", ()))
        KeywordResponder.objects.lock()  # held until the page has saved it
        return cleaned


class LanguageForm(forms.Form):
    language = forms.ChoiceField(widget=UnfoldAdminSelectWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["language"].choices = [
            (language.value, f"{language.label}: {', '.join(sorted(SHIPPED[language.value]))}")
            for language in Language
            if SHIPPED[language.value]
        ]
        self.fields["language"].initial = Language.SPANISH


class OnLineFilter(admin.SimpleListFilter):
    """The responders that work on a line, those of every line among them."""

    title = "line"
    parameter_name = "on"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(line.pk), str(line)) for line in Line.objects.all()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[KeywordResponder]) -> QuerySet[KeywordResponder]:
        chosen = self.value()
        if chosen is None or chosen not in {value for value, _ in self.lookup_choices}:
            return queryset
        return queryset.filter(pk__in=KeywordResponder.objects.on(Line.objects.get(pk=int(chosen))))


@admin.register(KeywordResponder)
class KeywordResponderAdmin(TrialPage, Screen):
    """Words that contacts may text. Of the built-in ones, which law and carriers fix, only the answer can be edited."""

    form = ResponderForm
    list_display = ["keyword", "shown_action", "language", "shown_lines", "state", TAG, "shown_reply"]
    list_filter = ["action", "language", "active", OnLineFilter, "built_in"]
    list_select_related = ["tag"]
    ordering = ["-active", "action", "keyword", "language"]
    search_fields = ["keyword"]
    search_help_text = "The word, or part of it."
    autocomplete_fields = ["lines"]
    conditional_fields = {"lines": "every_line == false"}
    actions = ["switch_on", "switch_off"]
    actions_list = ["try_a_text", "switch_on_language"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[KeywordResponder]:
        return super().get_queryset(request).prefetch_related("lines")

    def get_readonly_fields(self, request: HttpRequest, obj: KeywordResponder | None = None) -> list[str]:
        return ["keyword", "shown_action", "shown_lines", "state"] if obj and obj.built_in else ["shown_lines"]

    def get_fieldsets(self, request: HttpRequest, obj: KeywordResponder | None = None) -> list[Any]:
        answer = ("What it answers", {"fields": ["reply", "language", "tag"], "description": _variables()})
        if obj and obj.built_in:
            fixed = {
                "fields": ["keyword", "shown_action", "shown_lines", "state"],
                "description": "Law and carriers fix this word: it works on every line, always. "
                "What it answers is yours to write. With English as its language it is answered in the contact's or "
                "the line's own language, where there is a wording in it.",
            }
            return [("The word", fixed), answer]
        changes = self.has_change_permission(request, obj) if obj else True
        where = ["every_line", "lines"] if changes else ["shown_lines"]
        return [
            ("The word", {"fields": ["keyword", "action", "active"]}),
            ("Where it works", {"fields": where}),
            answer,
        ]

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "reply":
            kwargs["widget"] = UnfoldAdminTextareaWidget(attrs={"rows": 4, "maxlength": 500})
        if db_field.name == "keyword":
            kwargs["help_text"] = (
                "One or more words, as a contact's whole text. Capitals, accents and punctuation make no difference."
            )
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    # ---- what is shown ----------------------------------------------------------------------------------------------

    @admin.display(description="action", ordering="action")
    def shown_action(self, responder: KeywordResponder) -> SafeString:
        return badge(responder.get_action_display(), _TONES.get(Action(responder.action), ""))

    @admin.display(description="lines")
    def shown_lines(self, responder: KeywordResponder) -> str:
        if responder.every_line:
            return "Every line"
        return _listed([line.name for line in responder.lines.all()]) or "None"

    @admin.display(description="state", ordering="active")
    def state(self, responder: KeywordResponder) -> SafeString:
        if responder.built_in:
            return badge("Always on", "info")
        return badge("On", "success") if responder.active else badge("Off")

    @admin.display(description="reply")
    def shown_reply(self, responder: KeywordResponder) -> str:
        return Truncator(responder.reply).chars(60) or "-"

    # ---- deleting ---------------------------------------------------------------------------------------------------

    def has_delete_permission(self, request: HttpRequest, obj: KeywordResponder | None = None) -> bool:
        return super().has_delete_permission(request, obj) and not (obj and obj.built_in)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Own ones only; the last of its kind on a line stays, and the page says where."""
        responder: KeywordResponder = self.found(request, object_id)
        with transaction.atomic():
            if request.method == "POST":
                KeywordResponder.objects.lock()
            why = responder.why_it_stays()
            if self.has_delete_permission(request, responder) and why:
                messages.error(request, why)
                return HttpResponseRedirect(reverse("admin:messaging_keywordresponder_change", args=[responder.pk]))
            return super().delete_view(request, object_id, extra_context)

    # ---- many at once -----------------------------------------------------------------------------------------------

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Nothing is deleted many at a time."""
        return {name: each for name, each in super().get_actions(request).items() if name != "delete_selected"}

    @admin.action(description="Switch on", permissions=["change"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[KeywordResponder]) -> None:
        self._switch(request, queryset, on=True)

    @admin.action(description="Switch off", permissions=["change"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[KeywordResponder]) -> None:
        self._switch(request, queryset, on=False)

    @action(
        description="Switch on a language",
        url_path="switch-on-language",
        icon="translate",
        permissions=["change"],
    )
    def switch_on_language(self, request: HttpRequest) -> HttpResponse:
        """A question on GET; on POST all shipped words of a language are switched on."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        form = LanguageForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            language = form.cleaned_data["language"]
            words = KeywordResponder.objects.filter(language=language, keyword__in=list(SHIPPED[language]))
            self._switch(request, words, on=True)
            overview = reverse("admin:messaging_keywordresponder_changelist")
            return HttpResponseRedirect(f"{overview}?language__exact={language}")
        return self.form_page(
            request,
            form,
            title="Switch on the words of a language",
            submit="Switch on",
            intro="These words then answer on every line. A word that two languages share is switched on once; words "
            "that your own responders answer already stay with those.",
        )

    def _switch(self, request: HttpRequest, responders: QuerySet[KeywordResponder], *, on: bool) -> None:
        with transaction.atomic():
            found = KeywordResponder.objects.filter(pk__in=responders.values("pk")).switch(on=on)
            for responder in found.done:
                self.log_change(request, responder, "Switched on." if on else "Switched off.")
        _tell(request, found, "on" if on else "off")


def _tell(request: HttpRequest, found: Switched, state: str) -> None:
    if found.done:
        messages.success(request, f"Switched {state}: {_words(found.done)}.")
    if found.already:
        messages.info(request, f"Already {state}: {_words(found.already)}.")
    for responder, why in found.refused:
        messages.warning(request, f"{responder.keyword} is not switched {state}. {why}")
    if not (found.done or found.already or found.refused):
        messages.info(request, "There are no such words.")


def _words(responders: Collection[KeywordResponder]) -> str:
    return ", ".join(responder.keyword for responder in responders)


def _listed(names: Collection[str]) -> str:
    named = ", ".join(list(names)[:_NAMED])
    return named if len(names) <= _NAMED else f"{named} and {len(names) - _NAMED} more"


def _variables() -> str:
    names = ", ".join(f"{{{name}}}" for name in sorted(rendering.VARIABLES))
    return f"Variables you can use in the reply: {names}."
