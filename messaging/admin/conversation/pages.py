"""The pages of conversations: the inbox, and a thread with what keeps it up to date."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse

from consent.admin.numbers import ContactScreen, signed_in
from consent.admin.standing import status_badge
from consent.models import Contact, Line, User
from messaging import outlook
from messaging.admin.conversation import compose, entries, inbox, live, panel
from messaging.admin.conversation.compose import ComposeForm
from messaging.admin.own_lines import on_own_lines
from messaging.models import Conversation
from messaging.thread import Place
from messaging.thread import entries as entries_of

# Entries of a thread on one page. Older ones are a page further.
PAGE = 60
TEMPLATES = "admin/messaging/conversation"


class Pages(ContactScreen):
    """Who sees which conversations, and how. Each verb on them asks for the permission it needs."""

    contact = "contact"
    list_select_related = ["line"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conversation]:
        return on_own_lines(super().get_queryset(request), request, "line")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return signed_in(request).has_perm("messaging.send_text") and self.has_view_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # the verbs below ask for what they need

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return signed_in(request).has_perm("messaging.view_conversation")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    # ---- inbox ------------------------------------------------------------------------------------------------------

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        wanted, lines, page = self._inbox(request)
        context = {
            "title": "Conversations",
            "rows": _versioned(page.rows),
            "wanted": wanted,
            "lines": lines,
            "states": inbox.STATES,
            "further": wanted.address(after=page.further) if page.further else "",
            "first": wanted.address(after=None),
            "news": reverse("admin:messaging_conversation_inbox_news") + wanted.address(),
            "tag": live.tag(self._news_of(request, page)),
            "may_start": self.has_add_permission(request),
        }
        return self.draw(request, "inbox", context)

    def inbox_news(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        _, _, page = self._inbox(request)
        news = self._news_of(request, page)

        def draw() -> dict[str, Any]:
            rows = render_to_string(f"{TEMPLATES}/rows.html", {"rows": _versioned(page.rows)}, request)
            return {"parts": {"rows": rows}, "unread": news["menu"]}

        return live.answer(request, news, draw)

    def _news_of(self, request: HttpRequest, page: inbox.Page) -> dict[str, Any]:
        """All that may change on the page while it is open."""
        return {"rows": page.rows, "menu": inbox.in_few_characters(inbox.unread_count(signed_in(request)))}

    def _inbox(self, request: HttpRequest) -> tuple[inbox.Wanted, list[Line], inbox.Page]:
        lines = list(signed_in(request).usable_lines())
        wanted = inbox.Wanted.read(request.GET, lines)
        return wanted, lines, inbox.page(request, wanted, lines, self.get_queryset(request))

    # ---- thread -----------------------------------------------------------------------------------------------------

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        return self.thread(request, self.found(request, object_id), ComposeForm())

    def thread(self, request: HttpRequest, conversation: Conversation, form: ComposeForm) -> HttpResponse:
        before = Place.read(request.GET.get("before", ""))
        state = self._state(request, conversation, before)
        user, contact = signed_in(request), in_full(conversation)
        context = {
            **self._drawn_from(conversation, state),
            "opts": self.opts,
            "original": conversation,
            "title": str(conversation),
            "before": before,
            "form": form,
            "saved_texts": compose.offered(conversation.line, contact) if state["may_send"] else [],
            "may_close": user.has_perm("messaging.change_conversation"),
            "tag": live.tag(state),
            "news": "" if before else reverse("admin:messaging_conversation_news", args=[conversation.pk]),
            "consent_modal": _address_if_there("admin:consent_contact_consent", conversation.contact_id),
        }
        return self.draw(request, "thread", context)

    def news(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """What an open page shows, where it has changed: parts of the page, to be put into it."""
        conversation = self.found(request, str(object_id))
        state = self._state(request, conversation)

        def draw() -> dict[str, Any]:
            context = self._drawn_from(conversation, state)
            parts = {
                name: render_to_string(f"{TEMPLATES}/{name}.html", context, request)
                for name in ("entries", "panel", "outlook", "standing")
            }
            return {
                "parts": parts,
                "unread": state["menu"],
                "seen": state["seen"],
                **for_compose(state["verdict"]),
            }

        return live.answer(request, state, draw)

    def _state(self, request: HttpRequest, conversation: Conversation, before: Place | None = None) -> dict[str, Any]:
        """All that a page shows of a conversation, as plain data."""
        user, line = signed_in(request), conversation.line
        may_send = user.has_perm("messaging.send_text") and user.may_use(line)
        found = entries_of(conversation, user, newest=PAGE + 1, before=before)
        verdict = {}
        if user.has_perm("messaging.check_consent"):
            contact = in_full(conversation)
            verdict = panel.verdict(outlook.of(line, contact.number, contact))
        unread = conversation.unread_since is not None
        return {
            "entries": entries.shown(found[-PAGE:], user, may_send=may_send),
            "older": str(Place.of(found[1])) if len(found) > PAGE else "",
            "panel": panel.standing(conversation),
            "verdict": verdict,
            "may_send": may_send,
            "is_open": conversation.is_open,
            "unread": unread,
            # What a page that is looked at by somebody of the line sends back, so that it counts as read.
            "seen": conversation.last_activity.isoformat() if unread and may_send and works_on(user, line) else "",
            "last_activity": conversation.last_activity.isoformat() if unread else "",
            "menu": inbox.in_few_characters(inbox.unread_count(user)),
        }

    def _drawn_from(self, conversation: Conversation, state: dict[str, Any]) -> dict[str, Any]:
        standing = state["panel"]
        return {
            **state,
            "entries": _versioned(state["entries"]),
            "conversation": conversation,
            "status": status_badge(standing["status"], told=standing["told"]),
        }

    def draw(self, request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
        request.current_app = self.admin_site.name
        return TemplateResponse(
            request, f"{TEMPLATES}/{name}.html", {**self.admin_site.each_context(request), **context}
        )


def for_compose(verdict: dict[str, Any]) -> dict[str, Any]:
    """What of the gate's answer the box to write in depends on."""
    return {
        "verdict": verdict.get("verdict", ""),
        "refused": verdict.get("refused", False),
        "asks_first": verdict.get("asks_first", False),
    }


def in_full(conversation: Conversation) -> Contact:
    """The contact with the number itself, where the row that is shown may hide it."""
    return Contact.objects.get(pk=conversation.contact_id)


def works_on(user: User, line: Line) -> bool:
    """True for those whose own line it is; who only watches over all lines reads nothing for them."""
    return user.lines.filter(pk=line.pk).exists()


def _versioned(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each item with its version, by which the page's script sees which ones are new."""
    return [{**item, "version": live.version(item)} for item in items]


def _address_if_there(name: str, *args: Any) -> str:
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return ""
