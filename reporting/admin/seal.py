"""The daily seals: to look at, and to take away."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from consent.admin.screens import ReadOnlyScreen
from consent.admin.unfold import preformatted
from reporting import seals
from reporting.models import Seal


def _blocks(lines: Iterator[str]) -> Iterator[bytes]:
    while page := list(islice(lines, 1000)):
        yield "".join(page).encode()


@admin.register(Seal)
class SealAdmin(ReadOnlyScreen):
    """One hash a day over the heads of all chains. What is kept elsewhere proves that nothing was rewritten since."""

    list_display = ["number", "day", "taken_at", "entries", "chains", "short", "sent"]
    list_filter = ["day"]
    list_select_related = ["mailed"]
    search_fields = ["sha256__startswith"]
    search_help_text = "The hash, or how it begins."
    readonly_fields = ["words", "download", "sent", "how_to_check"]
    fieldsets = [
        (None, {"fields": ["number", "day", "taken_at", "entries", "chains", "up_to", "sent"]}),
        ("To keep elsewhere", {"fields": ["words", "download", "how_to_check"]}),
    ]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_safe(self._download))
        return [path("<int:number>/download/", view, name="reporting_seal_download"), *super().get_urls()]

    def _download(self, request: HttpRequest, number: int) -> Any:
        """What was hashed, as the entries have it now: its SHA-256 is the seal, if nothing was rewritten."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        seal = get_object_or_404(Seal, number=number)
        answer = StreamingHttpResponse(_blocks(seals.document(seal)), content_type="text/plain; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="optline-seal-{seal.number}-{seal.day}.txt"'
        answer["Cache-Control"] = "private, no-store"
        return answer

    @admin.display(description="hash")
    def short(self, seal: Seal) -> SafeString:
        return format_html("<code>{}…</code>", seal.sha256[:16])

    @admin.display(description="mailed", empty_value="–")
    def sent(self, seal: Seal) -> str | None:
        mailed = getattr(seal, "mailed", None)
        return f"to {mailed.to}" if mailed else None

    @admin.display(description="the seal")
    def words(self, seal: Seal) -> SafeString:
        return preformatted(seals.said(seal))

    @admin.display(description="what was hashed")
    def download(self, seal: Seal) -> SafeString:
        address = reverse("admin:reporting_seal_download", args=[seal.number])
        return format_html('<a class="text-link" href="{}" download>Download</a>', address)

    @admin.display(description="how to check it")
    def how_to_check(self, seal: Seal) -> SafeString:
        return format_html(
            "The SHA-256 of the download has to be the seal’s hash: <code>sha256sum optline-seal-{}-{}.txt</code>. It "
            "names each contact by the id that evidence packs show too, so that a pack’s chain can be found in it. "
            "<code>manage.py verify_ledger</code> checks every seal.",
            seal.number,
            seal.day,
        )
