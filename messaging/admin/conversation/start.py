"""The first text to a number, or to a contact who has no conversation on the line yet."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.loader import render_to_string
from django.urls import reverse

from consent import phones
from consent.admin.numbers import signed_in
from consent.models import Contact, Line, User
from messaging import outlook
from messaging.admin.conversation import compose, panel
from messaging.admin.conversation.compose import AlreadyTaken, StartForm
from messaging.admin.conversation.pages import TEMPLATES, Pages, for_compose
from messaging.admin.conversation.verbs import TAKEN_ALREADY, to_thread, what_became_of
from messaging.models import Conversation


class Start(Pages):
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Start a conversation by number, or with a contact (``?contact=…&line=…``)."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        user = signed_in(request)
        form = StartForm(request.POST or None, by=user, initial=self._start_with(request, user))
        if request.method == "POST" and form.is_valid():
            try:
                message = compose.submit(
                    form, line=form.cleaned_data["line"], to=form.cleaned_data["number"], author=user
                )
            except AlreadyTaken:
                messages.info(request, TAKEN_ALREADY)
                return HttpResponseRedirect(reverse("admin:messaging_conversation_changelist"))
            if message:
                level, said = what_became_of(message)
                messages.add_message(request, level, said)
                if level != messages.ERROR:
                    return to_thread(message.conversation_id)
                form = form.again()  # type: ignore[assignment]
        known = self._shown_contact(request, form)
        context = {
            "opts": self.opts,
            "title": "New conversation",
            "form": form,
            "known": known,
            "preview": reverse("admin:messaging_conversation_start_preview"),
        }
        return self.draw(request, "start", context)

    def _start_with(self, request: HttpRequest, user: User) -> dict[str, Any]:
        lines = list(user.usable_lines()[:2])
        asked = {name: request.GET.get(name, "") for name in ("line", "contact", "to")}
        given = {name: value for name, value in asked.items() if value}
        return {"line": lines[0].pk if len(lines) == 1 else None, **given}

    def _shown_contact(self, request: HttpRequest, form: StartForm) -> str:
        """Whom the form is for, where it came with a contact; shown as the policy says."""
        pk = str(form["contact"].value() or "")
        if not pk.isascii() or not pk.isdigit() or len(pk) > 18:
            return ""
        shown = self.admin_site.get_model_admin(Contact).get_queryset(request).filter(pk=pk).first()
        return str(shown) if shown else ""

    def start_preview(self, request: HttpRequest) -> HttpResponse:
        """What would become of the text that is being written. Changes nothing."""
        user = signed_in(request)
        if not self.has_add_permission(request):
            raise PermissionDenied
        data = request.POST
        line = user.usable_lines().filter(pk=data["line"]).first() if data.get("line", "").isdecimal() else None
        verdict: dict[str, Any] = {}
        size: dict[str, Any] = {}
        there = ""
        if line:
            number, contact = _sought(data, line)
            if number:
                verdict = panel.verdict(outlook.of(line, number, contact))
                existing = Conversation.objects.filter(line=line, contact=contact).first() if contact else None
                there = reverse("admin:messaging_conversation_change", args=[existing.pk]) if existing else ""
            size = compose.size(None, line, number, data.get("body", ""), user)
        context = {"verdict": verdict, "size": size, "there": there}
        parts = {name: render_to_string(f"{TEMPLATES}/{name}.html", context, request) for name in ("outlook", "size")}
        return JsonResponse({"parts": parts, **for_compose(verdict)})


def _sought(data: Any, line: Line) -> tuple[str, Contact | None]:
    """Whom a form that is being filled in is for, as far as it says: the number, and who is known by it."""
    chosen = data.get("contact", "")
    if chosen.isascii() and chosen.isdigit() and len(chosen) <= 18:
        contact = Contact.objects.filter(pk=chosen).first()
        return (contact.number, contact) if contact else ("", None)
    try:
        number = compose.number_beside(data.get("to", "")[:40], line)
    except phones.PhoneError:
        return "", None
    return number, Contact.objects.filter(number=number).first()
