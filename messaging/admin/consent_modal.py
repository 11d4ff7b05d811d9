"""The consent modal: where a contact stands on every line, and what this user may do about it.

One address serves it as a fragment, which a dialog shows without leaving the page (static/optline/consent_modal.js),
and as a page of its own where there is no script. Any page can open it: a link to it with ``data-consent-modal``.
"""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from consent import kept_files, phones
from consent.admin.numbers import ContactScreen, hidden_from, signed_in
from consent.admin.unfold import action
from consent.kept_files import ENDINGS, FileLost
from consent.ledger import ConsentError
from consent.models import Contact, DoNotContact, KeptFile, Line
from messaging import bell
from messaging.admin.consent_forms import FORMS, VerbForm
from messaging.admin.consent_history import histories
from messaging.admin.consent_lines import TALK, Standing, allowed, shown_lines, standings
from messaging.models import Conversation

# Said by the script that asks, and by the answer that it may show: a sign-in page that came instead has no such header.
FRAGMENT = "X-Fragment"
_FOLDER = "admin/messaging/consent_modal"


class ConsentModal(ContactScreen):
    """What a contact's admin needs for it."""

    class Media:
        css = {"all": ["optline/consent_modal.css"]}
        js = ["optline/consent_modal.js"]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path(
                "<int:object_id>/consent/file/<uuid:file>/",
                view(self.consent_file),
                name="consent_contact_consent_file",
            ),
            path(
                "<int:object_id>/consent/<int:line>/<slug:verb>/",
                view(self.consent_verb),
                name="consent_contact_consent_verb",
            ),
            *super().get_urls(),
        ]

    @action(
        description="Consent on every line",
        url_path="consent/",
        icon="fact_check",
        permissions=["view"],
        attrs={"data-consent-modal": ""},
    )
    def consent(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """All lines. Changes nothing, whatever the method."""
        return self._overview(request, *self._known(request, object_id))

    def consent_verb(self, request: HttpRequest, object_id: int, line: int, verb: str) -> HttpResponse:
        """One form on one line: shown on GET, carried out on POST."""
        contact, number = self._known(request, object_id)
        if verb != TALK and verb not in FORMS:
            raise Http404
        on = next((each for each in shown_lines(contact) if each.pk == line), None)
        if on is None:
            raise Http404
        if not allowed(signed_in(request), verb, on):
            raise PermissionDenied
        if verb == TALK:
            return self._conversation(request, contact, on)
        return self._form(request, contact, number, on, FORMS[verb])

    def consent_file(self, request: HttpRequest, object_id: int, file: Any) -> HttpResponse:
        """A kept file, for officers and for agents of its line, to be saved and never to be shown by the browser."""
        contact, _ = self._known(request, object_id)
        kept = KeptFile.objects.filter(uuid=file, contact=contact.pk).select_related("line").first()
        if kept is None:
            raise Http404
        user = signed_in(request)
        sees_evidence = user.has_perm("consent.view_evidence")
        if not sees_evidence and (user.has_perm("consent.use_every_line") or not user.may_use(kept.line)):
            raise PermissionDenied
        try:
            content = kept_files.opened(kept)
        except FileLost as error:
            return HttpResponse(f"{error} Tell whoever runs Optline.", status=410, content_type="text/plain")
        name = f"evidence-{kept.uuid.hex[:8]}{ENDINGS[KeptFile.Kind(kept.kind)]}"
        answer = FileResponse(content, as_attachment=True, filename=name, content_type=kept.kind)
        answer["X-Content-Type-Options"] = "nosniff"
        answer["Content-Security-Policy"] = "default-src 'none'; sandbox"
        return answer

    # ---- answers ----------------------------------------------------------------------------------------------------

    def _known(self, request: HttpRequest, object_id: str | int) -> tuple[Contact, str]:
        """The contact as this user may see them, and the full number for verbs. 403 or 404 as ``found``, which would
        load all that the list shows."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        pk = str(object_id)
        contact = Contact.objects.filter(pk=int(pk)).first() if pk.isdecimal() and len(pk) < 19 else None
        if contact is None:
            raise Http404
        number = contact.number
        if hidden_from(request.user):
            contact.number = phones.mask(number)
        return contact, number

    def _form(
        self, request: HttpRequest, contact: Contact, number: str, line: Line, form_class: type[VerbForm]
    ) -> HttpResponse:
        user = signed_in(request)
        posted = request.method == "POST"
        form = form_class(
            request.POST if posted else None,
            request.FILES if posted else None,
            contact=contact,
            number=number,
            line=line,
            by=user,
        )
        if posted and form.is_valid():
            try:
                with transaction.atomic():
                    said = form.carry_out()
                    bell.ring_send()
            except ConsentError as error:
                form.add_error(None, str(error))
            else:
                return self._done(request, contact, number, said)
        [standing] = standings(contact, number, user, [line])
        offered = standing.action(form.verb)
        if not posted and (offered is None or offered.why_not):
            why = offered.why_not if offered else "There is nothing to do here: look at where they stand now."
            return self._overview(request, contact, number, warning=why)
        return self._answer(request, contact, "form.html", form.title, form=form, standing=standing)

    def _conversation(self, request: HttpRequest, contact: Contact, line: Line) -> HttpResponse:
        """To the conversation, which is begun if there is none yet."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not signed_in(request).has_perm("messaging.send_text"):
            raise PermissionDenied
        with transaction.atomic():
            conversation = Conversation.objects.between(Contact.objects.lock_pk(contact.pk), line)
        return HttpResponseRedirect(reverse("admin:messaging_conversation_change", args=[conversation.pk]))

    def _done(self, request: HttpRequest, contact: Contact, number: str, said: str) -> HttpResponse:
        if FRAGMENT in request.headers:
            return self._overview(request, contact, number, success=said)
        messages.success(request, said)
        return HttpResponseRedirect(reverse("admin:consent_contact_consent", args=[contact.pk]))

    def _overview(
        self, request: HttpRequest, contact: Contact, number: str, *, success: str = "", warning: str = ""
    ) -> HttpResponse:
        user = signed_in(request)
        rows = standings(contact, number, user, shown_lines(contact))
        past = histories(contact, number, user, [row.line for row in rows if row.own])
        return self._answer(
            request,
            contact,
            "overview.html",
            "Consent",
            rows=[(row, past.get(row.line.pk, [])) for row in rows],
            of_the_number=past.get(None, []),
            listed=_listed(rows, number),
            sees_reason=user.has_perm("consent.view_donotcontact"),
            success=success,
            warning=warning,
        )

    def _answer(self, request: HttpRequest, contact: Contact, template: str, title: str, **more: Any) -> HttpResponse:
        fragment = FRAGMENT in request.headers
        context = {
            **({} if fragment else self.admin_site.each_context(request)),
            "opts": self.opts,
            "original": contact,
            "contact": contact,
            "title": f"{title}: {contact}",
            "heading": title,
            "content": f"{_FOLDER}/{template}",
            "back": reverse("admin:consent_contact_consent", args=[contact.pk]),
            **more,
        }
        request.current_app = self.admin_site.name  # type: ignore[attr-defined]
        page = "fragment.html" if fragment else "page.html"
        answer = TemplateResponse(request, f"{_FOLDER}/{page}", context)
        answer["Vary"] = FRAGMENT
        if fragment:
            answer[FRAGMENT] = "1"
        return answer


def _listed(rows: list[Standing], number: str) -> DoNotContact | None:
    """The number's place on the do-not-contact list. Where there are lines, the gate has looked already."""
    if rows and not rows[0].facts.do_not_contact:
        return None
    return DoNotContact.objects.matching(number).first()
