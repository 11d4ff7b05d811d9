from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import URLPattern, path

from messaging.admin.conversation.start import Start
from messaging.admin.conversation.verbs import Verbs
from messaging.models import Conversation


@admin.register(Conversation)
class ConversationAdmin(Verbs, Start):
    """The inbox is the list, a thread the page of one row, and adding one is texting a number."""

    def get_urls(self) -> list[URLPattern]:
        whole = [("inbox_news", "news/", self.inbox_news), ("start_preview", "add/preview/", self.start_preview)]
        one = ["news", "send", "insert", "preview", "withdraw", "confirm", "read", "close", "reopen"]
        routes = [*whole, *((name, f"<int:object_id>/{name}/", getattr(self, name)) for name in one)]
        own = [
            path(route, self.admin_site.admin_view(_with_method(view, name)), name=f"messaging_conversation_{name}")
            for name, route, view in routes
        ]
        return [*own, *super().get_urls()]


def _with_method(view: Any, name: str) -> Any:
    """``view``, for GET where it only looks, and else for POST alone."""
    allowed = {"GET", "HEAD"} if name in {"news", "inbox_news"} else {"POST"}

    def guarded(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return view(request, **kwargs) if request.method in allowed else HttpResponseNotAllowed(sorted(allowed))

    return guarded
