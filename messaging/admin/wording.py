"""The editor for words that are saved as versions: preview while typing, history with differences, restore.

Shared by templates and saved texts, whose own pages say what else they have.
"""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from consent.admin.numbers import signed_in
from consent.admin.screens import Screen
from consent.admin.unfold import UnfoldAdminTextareaWidget
from consent.models import Line
from messaging import rendering, samples, text
from messaging.models.template import OvertakenError, Version, Worded
from messaging.rendering import Problem
from messaging.samples import Preview
from messaging.wordings import Kind

LONGEST_WORDING = 1000
# Versions on one page of a history.
PAGE = 25


@dataclass(frozen=True)
class Subject:
    """What is being worded. ``kind`` None: an ordinary text of an agent's; "" where it is still to be chosen."""

    kind: Kind | str | None
    line: Line | None = None
    language: str = "en"


class WordingWidget(UnfoldAdminTextareaWidget):
    """A text area with the variables to insert and the preview. Set ``subject`` and ``preview_address`` before use."""

    subject = Subject(None)
    preview_address = ""
    theirs: Version | None = None  # where somebody else saved meanwhile

    class Media:
        css = {"all": ["optline/wording.css"]}
        js = ["optline/wording.js"]

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        attrs = {**(attrs or {}), "data-wording": self.preview_address}
        area = super().render(name, value, attrs, renderer)
        words = str(value or "")
        return SafeString(
            render_to_string(
                "admin/messaging/wording/editor.html",
                {
                    "area": area,
                    "chips": _chips(self.subject.kind),
                    "preview": preview_of(words, self.subject) if words else None,
                    "theirs": self.theirs,
                    "pieces": text.differences(self.theirs.body, words) if self.theirs else [],
                },
            )
        )


@dataclass(frozen=True)
class Chip:
    name: str
    meaning: str
    default: str
    kinds: str = ""  # those that know it, where the kind is still to be chosen


def _chips(kind: Kind | str | None) -> list[Chip]:
    if kind == "":
        names: dict[str, list[Kind]] = {}
        for each in Kind:
            for name in rendering.variables(each):
                names.setdefault(name, []).append(each)
        every = {name: each for kind in Kind for name, each in rendering.variables(kind).items()}
        return [Chip(name, every[name].meaning, every[name].default, " ".join(kinds)) for name, kinds in names.items()]
    known = rendering.variables(None if kind is None else Kind(kind))
    return [Chip(name, each.meaning, each.default) for name, each in known.items()]


class WordingField(forms.CharField):
    """The words. Browsers send line breaks as two characters, which the contact would pay for."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            max_length=LONGEST_WORDING,
            widget=WordingWidget(attrs={"rows": 7}),
            error_messages={
                "required": "Write the wording. It can't be empty.",
                "max_length": "At most %(limit_value)d characters can be saved and this has %(show_value)d. "
                f"Shorten it: what stands from character {LONGEST_WORDING + 1} on is too much.",
            },
            **kwargs,
        )

    def to_python(self, value: Any) -> Any:
        return super().to_python(str(value or "").replace("\r\n", "\n").replace("\r", "\n"))


def preview_of(raw: str, subject: Subject) -> Preview:
    """The preview of what somebody is writing, however wrong it is."""
    if subject.kind == "":
        return Preview(False, problems=[Problem("Choose which text this is, and the preview appears here.")])
    kind = None if subject.kind is None else Kind(subject.kind)
    try:
        words = WordingField().clean(raw)
    except ValidationError as error:
        return Preview(False, problems=[Problem(message) for message in error.messages])
    return samples.preview(words, kind, line=subject.line, language=subject.language)


class WordingForm(forms.ModelForm):
    """Edits a ``Worded``. ``seen`` is the version that the form was opened with: who saved a newer one is not overruled
    unseen."""

    body = WordingField(label="Wording", help_text="Saving adds a version. What was sent keeps the words it had.")
    seen = forms.IntegerField(widget=forms.HiddenInput, required=False)

    # Where the preview is asked for: the address of a saved one, and of one that is being added.
    preview_page = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        current = self.instance.current
        self.initial["seen"] = current.number if current else 0
        if current:
            self.initial["body"] = current.body
        if "body" in self.fields:
            widget = self.fields["body"].widget
            widget.subject = self.subject()
            widget.preview_address = (
                reverse(f"admin:{self.preview_page}_preview_of", args=[self.instance.pk])
                if self.instance.pk
                else reverse(f"admin:{self.preview_page}_preview")
            )

    def subject(self) -> Subject:
        raise NotImplementedError

    def kind(self) -> Kind | str | None:
        return self.subject().kind

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        kind = self.kind()
        if "body" in cleaned and kind != "":
            try:
                rendering.check(cleaned["body"], None if kind is None else Kind(kind))
            except rendering.WordingError as error:
                self.add_error("body", str(error))
        if self.instance.pk and cleaned.get("seen") is not None:
            self._refuse_what_is_overtaken(cleaned["seen"])
        return cleaned

    def is_the_same(self, current: Version) -> bool:
        """Whether saving this form over ``current`` would change nothing."""
        return current.body == self.cleaned_data.get("body")

    def _refuse_what_is_overtaken(self, seen: int) -> None:
        # The lock holds until the page's transaction ends, so nobody saves between this check and our own saving.
        rows = type(self.instance)._default_manager.select_for_update(no_key=True)
        current = rows.get(pk=self.instance.pk).current
        if current is None or current.number == seen or self.is_the_same(current):
            return
        self.add_error("body", str(OvertakenError(current)))
        self.fields["body"].widget.theirs = current
        # Saved again, the words replace those that the error shows.
        self.data = self.data.copy()
        self.data[self.add_prefix("seen")] = str(current.number)


class WordedScreen(Screen):
    """Pages of what has words: nothing is deleted, since what was sent points to its versions."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        view = self.admin_site.admin_view
        own = [
            path("preview/", view(self.preview), name=f"{name}_preview"),
            path("<int:object_id>/preview/", view(self.preview), name=f"{name}_preview_of"),
            path("<int:object_id>/restore/<int:number>/", view(self.restore), name=f"{name}_restore"),
        ]
        return [*own, *super().get_urls()]

    def subject_of(self, request: HttpRequest, row: Any) -> Subject:
        """What a preview is of: a row, or (None) what the form that adds one says so far."""
        raise NotImplementedError

    # ---- preview ----------------------------------------------------------------------------------------------------

    def preview(self, request: HttpRequest, object_id: int | None = None) -> HttpResponse:
        """The posted words as they would arrive, as a fragment of the page. Changes nothing."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = self.found(request, str(object_id)) if object_id else None
        shown = preview_of(request.POST.get("body", ""), self.subject_of(request, row))
        return TemplateResponse(request, "admin/messaging/wording/preview.html", {"preview": shown})

    # ---- versions ---------------------------------------------------------------------------------------------------

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The versions, the newest first, each with what differs from the one before it, or from a chosen one."""
        row = self.found(request, object_id)
        versions = row.versions.select_related("author", "restored_from").order_by("-number")
        against = _number(request.GET.get("against"))
        chosen = versions.filter(number=against).first() if against else None
        before = _number(request.GET.get("before"))
        shown = list((versions.filter(number__lt=before) if before else versions)[: PAGE + 1])
        older = shown[PAGE - 1].number if len(shown) > PAGE else None
        return self._page(
            request,
            "history.html",
            row,
            title=f"Versions of: {row}",
            where=self.where(row),
            entries=[
                {"version": version, "pieces": text.differences(other.body, version.body) if other else None}
                for version, other in zip(
                    shown[:PAGE],
                    [chosen] * PAGE if chosen else [*shown[1:], None],
                    strict=False,
                )
            ],
            numbers=list(versions.values_list("number", flat=True)[:500]),
            chosen=chosen,
            older=older,
            shows_level=self.shows_level(row),
            may_restore=self.has_change_permission(request, row),
        )

    def where(self, row: Any) -> str:
        """For what the words hold, in words."""
        return ""

    def shows_level(self, row: Any) -> bool:
        return False

    def restore(self, request: HttpRequest, object_id: int, number: int) -> HttpResponse:
        """Ask, then make an old version the wording again, as a new version."""
        row = self.found(request, str(object_id))
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        version = row.versions.filter(number=number).first()
        if version is None:
            raise Http404
        back = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_history", args=[row.pk])
        if request.method == "POST":
            self._restore(request, row, version)
            return HttpResponseRedirect(back)
        return self._page(
            request,
            "restore.html",
            row,
            title=f"Use version {version.number} again",
            version=version,
            current=row.current,
            pieces=text.differences(row.current.body, version.body),
            back=back,
            shows_level=self.shows_level(row),
        )

    def _restore(self, request: HttpRequest, row: Any, version: Any) -> None:
        try:
            saved = row.restore(version, author=signed_in(request), seen=_number(request.POST.get("seen")))
        except OvertakenError as error:
            messages.error(
                request,
                f"Nothing was restored: {error.current.author or 'somebody'} saved version {error.current.number} "
                "meanwhile. Look at it first.",
            )
        except rendering.WordingError as error:
            messages.error(request, f"Nothing was restored. {error} Open the wording and correct it there.")
        else:
            if saved.restored_from_id == version.pk and saved.number > version.number:
                messages.success(request, f"The words of version {version.number} are in use again, as {saved.number}.")
            else:
                messages.info(request, "These words are in use already. Nothing was changed.")

    def _page(self, request: HttpRequest, template: str, row: Worded | None, **context: Any) -> HttpResponse:
        request.current_app = self.admin_site.name
        return TemplateResponse(
            request,
            f"admin/messaging/wording/{template}",
            {**self.admin_site.each_context(request), "opts": self.opts, "original": row, **context},
        )


def _number(raw: str | None) -> int | None:
    """A version's number from an address or a form; None for anything else."""
    return int(raw) if raw and raw.isascii() and raw.isdigit() and len(raw) < 9 else None
