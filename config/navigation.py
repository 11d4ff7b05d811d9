"""The admin's menu, in the words of the people who use it. Each link shows only to those who may open it.

Settings import this module, so it must not import a model, nor settings.
"""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.urls import reverse, reverse_lazy
from django.utils.functional import lazy


def _may(permission: str) -> Callable[[HttpRequest], bool]:
    return lambda request: request.user.has_perm(permission)


def _superuser(request: HttpRequest) -> bool:
    return bool(request.user.is_superuser)


def _simulator_is_on(request: HttpRequest) -> bool:
    from django.conf import settings

    return bool(settings.SIMULATOR)


def _page(title: str, icon: str, model: str, may: Callable[[HttpRequest], bool] | None = None) -> dict[str, Any]:
    """The list of ``model`` ("app.model"), for those who may view it unless ``may`` says otherwise."""
    app, name = model.split(".")
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app}_{name}_changelist"),
        "permission": may or _may(f"{app}.view_{name}"),
    }


def _refused(request: HttpRequest) -> bool:
    return request.GET.get("status__exact") == "refused"


_TEXTS = "admin:messaging_message_changelist"


def _lists_texts(request: HttpRequest) -> bool:
    return request.path.startswith(reverse(_TEXTS))


_RESPONDERS, _TRY = "admin:messaging_keywordresponder_changelist", "admin:messaging_keywordresponder_try_a_text"


def _answers_words(request: HttpRequest) -> bool:
    return request.path.startswith(reverse(_RESPONDERS))


def _tries_a_text(request: HttpRequest) -> bool:
    return request.path == reverse(_TRY)


_EXPORTS, _SNAPSHOT = "admin:reporting_reportrun_changelist", "admin:reporting_snapshot"
_FUNNEL = "admin:reporting_funnel"


def _is_on(page: str) -> Callable[[HttpRequest], bool]:
    return lambda request: request.path.startswith(reverse(page))


def _lists_exports(request: HttpRequest) -> bool:
    return _is_on(_EXPORTS)(request) and not (_is_on(_SNAPSHOT)(request) or _is_on(_FUNNEL)(request))


SIDEBAR: list[dict[str, Any]] = [
    {
        "title": "Consent",
        "items": [
            {"title": "Overview", "icon": "home", "link": reverse_lazy("admin:index")},
            {
                "title": "Alerts",
                "icon": "notification_important",
                "link": reverse_lazy("alerts"),
                "permission": _may("consent.change_organisation"),
            },
            _page("Contacts", "contacts", "consent.contact"),
            {
                **_page("Conversations", "forum", "messaging.conversation"),
                "badge": "messaging.admin.conversation.inbox.unread_badge",
            },
            _page("Review queue", "rate_review", "messaging.review"),
            _page("Possible acceptances", "thumb_up", "messaging.possibleacceptance", _may("messaging.view_review")),
            _page("Status per line", "fact_check", "consent.consent"),
            {
                **_page("Texts", "sms", "messaging.message"),
                "active": lambda request: _lists_texts(request) and not _refused(request),
            },
            _page("Notices", "notifications", "messaging.notice"),
        ],
    },
    {
        "title": "Reports",
        "items": [
            {
                "title": "Opt In & Out Snapshot",
                "icon": "lab_profile",
                "link": reverse_lazy(_SNAPSHOT),
                "permission": _may("reporting.export_reports"),
                "active": _is_on(_SNAPSHOT),
            },
            {
                "title": "Double opt-in funnel",
                "icon": "filter_alt",
                "link": reverse_lazy(_FUNNEL),
                "permission": _may("reporting.export_reports"),
                "active": _is_on(_FUNNEL),
            },
            {**_page("Exports", "download", "reporting.reportrun"), "active": _lists_exports},
        ],
    },
    {
        "title": "Policy",
        "items": [
            _page("Organisation", "domain", "consent.organisation"),
            _page("Lines", "call", "consent.line"),
            _page("Do not contact", "block", "consent.donotcontact"),
            _page("Sending hours", "schedule", "consent.sendinghours"),
            _page("Caps on texts", "speed", "consent.contactcap"),
            _page("Holidays", "event_busy", "consent.holiday"),
            _page("Implied consent", "hourglass_bottom", "consent.impliedconsentperiod"),
            _page("Footer countries", "public", "messaging.footercountry"),
            _page("Tags", "sell", "consent.tag"),
        ],
    },
    {
        "title": "Words",
        "items": [
            _page("Templates", "edit_note", "messaging.template"),
            _page("Saved texts", "bookmark", "messaging.savedtext"),
            {
                **_page("Keyword responders", "key", "messaging.keywordresponder"),
                "active": lambda request: _answers_words(request) and not _tries_a_text(request),
            },
            {
                "title": "Try a text",
                "icon": "science",
                "link": reverse_lazy(_TRY),
                "permission": _may("messaging.view_keywordresponder"),
                "active": lambda request: _tries_a_text(request),
            },
        ],
    },
    {
        "title": "Where consent comes from",
        "items": [
            _page("Web forms", "web", "messaging.webform"),
            _page("Phone menus", "dialpad", "messaging.phonemenu"),
            _page("Sign-ups", "how_to_reg", "messaging.signup"),
            _page("Imports", "upload_file", "messaging.importbatch"),
            _page("Imported lists", "playlist_add_check", "consent.listimport"),
            _page("Scrub results", "rule", "consent.scrubresult"),
        ],
    },
    {
        "title": "Audit",
        "items": [
            _page("Ledger", "menu_book", "consent.ledgerentry"),
            _page("Opt-in requests", "help_center", "consent.optinrequest"),
            _page("Evidence", "folder_managed", "consent.evidence"),
            _page("Seals", "verified", "reporting.seal"),
            {
                "title": "Refused texts",
                "icon": "cancel_schedule_send",
                "link": lazy(lambda: f"{reverse(_TEXTS)}?status__exact=refused", str)(),
                "permission": _may("messaging.view_message"),
                "active": lambda request: _lists_texts(request) and _refused(request),
            },
            _page("Readings of held-back texts", "visibility", "messaging.heldbackread"),
            _page("Receipts", "receipt_long", "messaging.receipt"),
            _page("Template versions", "history", "messaging.templateversion"),
        ],
    },
    {
        "title": "People",
        "items": [
            _page("Users", "person", "consent.user"),
            _page("Groups", "groups", "auth.group", _superuser),
            _page("Tokens", "vpn_key", "authtoken.tokenproxy", _superuser),
            _page("Idempotency keys", "fingerprint", "messaging.idempotencykey", _superuser),
        ],
    },
    {
        "title": "Simulator",
        "items": [
            {"title": "Phones", "icon": "smartphone", "link": "/simulator/", "permission": _simulator_is_on},
        ],
    },
]
