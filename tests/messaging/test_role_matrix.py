"""Every address of the install and who gets in: a view without a row here fails.

The pages that Django makes for each model are in test_admin_access; here is the rest, and that nothing is missing.
"""

import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.template.response import TemplateResponse
from django.test import Client
from django.urls import get_resolver, reverse
from rest_framework.authtoken.models import Token, TokenProxy

from consent.models import Contact, Line, User
from messaging.models import Conversation, ImportBatch, Message, Receipt, Review, SavedText, Template
from messaging.models.review import Doubt
from reporting.models import ReportRun, Seal
from tests.make import JANE, make_agent, make_line
from tests.messaging.test_admin_access import ACCESS, _doubtful_texts, people  # noqa: F401  (a fixture)

pytestmark = pytest.mark.django_db

# o(fficer), s(upervisor), a(gent of the line), b: an agent of another line, i(ntegrator), everybody: also who did not
# sign in. What is not named is refused with 403, 404, or the way to the login page.
EVERYBODY = "osabi-"
SIGNED_IN = "osab"
ROLES = {"o": "officer", "s": "supervisor", "a": "agent", "b": "elsewhere", "i": "integrator", "-": "nobody"}
VERBS: dict[str, str] = {
    "index": "osabi",  # with nothing in it for an integrator
    "alerts": "o",
    "password_change": "osabi",
    "password_change_done": "osabi",
    "auth_user_password_change": "",
    "consent_contact_consent": SIGNED_IN,
    "consent_contact_consent_verb": "osa",  # to record a revocation; the other verbs have tests of their own
    "consent_contact_consent_file": "",  # there is no such file; tests of the files have their own
    "consent_contact_new_number": "o",
    "consent_contact_settle_number": "o",
    "consent_contact_evidence": "o",
    "consent_contact_erase": "o",
    "reporting_seal_download": "o",
    "consent_donotcontact_look_up": "os",
    "consent_listimport_take": "o",
    "consent_listimport_query": "o",
    "messaging_conversation_inbox_news": SIGNED_IN,
    "messaging_conversation_start_preview": SIGNED_IN,
    "messaging_conversation_news": "osa",
    "messaging_conversation_send": "osa",
    "messaging_conversation_insert": "osa",
    "messaging_conversation_preview": "osa",
    "messaging_conversation_withdraw": "osa",
    "messaging_conversation_confirm": "osa",
    "messaging_conversation_read": "osa",
    "messaging_conversation_close": "osa",
    "messaging_conversation_reopen": "osa",
    "messaging_heldbackread_read": "o",
    "messaging_importbatch_new_import": "o",
    "messaging_import": "o",
    "messaging_import_state": "o",
    "messaging_import_columns": "o",
    "messaging_import_start": "o",
    "messaging_import_cancel": "o",
    "messaging_import_go_on": "o",
    "messaging_import_refused": "o",
    "messaging_message_settle_unknown": "o",
    "messaging_receipt_try_again": "o",
    "messaging_keywordresponder_try_a_text": "os",
    "messaging_keywordresponder_switch_on_language": "o",
    "messaging_review_decide": "o",
    "messaging_possibleacceptance_decide": "o",
    "messaging_savedtext_preview": "os",
    "messaging_savedtext_preview_of": "os",
    "messaging_savedtext_restore": "o",
    "messaging_template_check": "os",
    "messaging_template_preview": "os",
    "messaging_template_preview_of": "os",
    "messaging_template_restore": "o",
    "reporting_snapshot": "os",
    "reporting_snapshot_totals": "os",
    "reporting_export_snapshot": "os",
    "reporting_funnel": "os",
    "reporting_export_funnel": "os",
    # Of the supervisor's own export; that others don't see it is in tests.reporting.test_export_pages.
    "reporting_run_progress": "os",
    "reporting_run_state": "os",
    "reporting_run_cancel": "os",
    "reporting_run_download": "os",
}
# By Django and Unfold themselves, with rules of their own that tests elsewhere hold.
OF_DJANGO = {"search", "login", "logout", "autocomplete", "jsi18n", "view_on_site", "app_list", ""}
OPEN_ROUTES = {  # outside the admin: who may is decided by a signature, a token or the loopback address
    "healthz",
    "readyz",
    "metrics",
    "twilio/inbound/",
    "twilio/status/",
    "twilio/voice/",
    "twilio/voice/key/",
    "sign-up/<slug:slug>/",
    "sign-up/<slug:slug>/<str:language>/",
    "sign-up/<slug:slug>/<str:language>/done/",
    "api/v1/messages/",
    "api/v1/messages/<uuid:uuid>/",
    "api/v1/messages/<uuid:uuid>/withdraw/",
    "api/v1/messages/<uuid:uuid>/confirm/",
    "api/v1/consents/check/",
    "api/v1/contacts/<str:phone>/consents/",
    "api/v1/conversations/",
    "api/v1/reports/snapshot/",
    "api/v1/reports/runs/<uuid:uuid>/",
}
# Pages of the admin that belong to no model have their name without its namespace.
OUTSIDE = {"alerts"}
FAMILY = re.compile(r"(\w+?)_(\w+)_(changelist|add|history|delete|change)")


def addresses(patterns: Any, space: str = "", route: str = "") -> Iterator[tuple[str, str, str]]:
    for each in patterns:
        here = route + str(each.pattern)
        if hasattr(each, "url_patterns"):
            yield from addresses(each.url_patterns, each.namespace or space, here)
        else:
            yield space, each.name or "", here


ALL = list(addresses(get_resolver().url_patterns))


def test_every_address_has_a_row() -> None:
    models = {(each._meta.app_label, each._meta.model_name) for each in ACCESS}
    for space, name, route in ALL:
        if space == "simulator" or route == "":
            continue  # the simulator exists only where nobody is texted, and asks for the loopback address
        if space != "admin" and name not in OUTSIDE:
            assert route in OPEN_ROUTES, f"{route} has no row"
            continue
        family = FAMILY.fullmatch(name)
        if name in OF_DJANGO or name in VERBS:
            continue
        assert family and (family[1], family[2]) in models, f"{name} ({route}) has no row"
    names = {name for space, name, _ in ALL if space == "admin"} | OUTSIDE
    assert set(VERBS) <= names, "rows for addresses that are no more"


@pytest.fixture
def cast(people: dict[str, User]) -> dict[str, Client]:  # noqa: F811
    everybody = {**people, "elsewhere": make_agent(make_line("+12065550101", name="Billing"), name="ben")}
    clients = {"nobody": Client()}
    for letter in "osabi":
        clients[ROLES[letter]] = client = Client()
        client.force_login(everybody[ROLES[letter]])
    return clients


def arguments(name: str) -> list[Any]:
    """Of an existing row, on the line of the agent."""
    line, contact = Line.objects.get(name="Sales"), Contact.objects.get(number=JANE)
    conversation = Conversation.objects.get(contact=contact, line=line)
    text = Message.objects.get(conversation=conversation, purpose="ordinary")
    if name in OUTSIDE | {"index", "password_change", "password_change_done"}:
        return []
    if name == "auth_user_password_change":
        return [User.objects.get(username="sam").pk]
    if name.startswith("consent_contact"):
        more = {"consent_contact_consent_verb": [line.pk, "revoke"], "consent_contact_consent_file": [uuid.uuid4()]}
        return [contact.pk, *more.get(name, [])]
    if name == "messaging_heldbackread_read":
        return [Message.objects.filter(status="held_back").latest("pk").pk]
    if name.endswith("_restore"):
        return [(Template if "template" in name else SavedText).objects.filter(current__isnull=False)[0].pk, 1]
    if name.endswith("_preview_of"):
        return [(Template if "template" in name else SavedText).objects.filter(current__isnull=False)[0].pk]
    if name.startswith("messaging_conversation") and "inbox" not in name and "start" not in name:
        return [conversation.pk]
    if name == "messaging_message_settle_unknown":
        return [text.pk]
    if name == "messaging_receipt_try_again":
        return [Receipt.objects.get(provider_id="SM1").pk]
    if name == "reporting_seal_download":
        return [Seal.objects.get().number]
    if name.startswith("reporting_run"):
        return [ReportRun.objects.get().uuid]
    if name.startswith("messaging_import") and name != "messaging_importbatch_new_import":
        return [ImportBatch.objects.get().uuid]
    if name.endswith("_decide"):
        doubt = Doubt.REVOCATION if "_review_" in name else Doubt.ACCEPTANCE
        return [Review.objects.get(doubt=doubt).pk]
    return []


def gets_in(client: Client, address: str, data: dict[str, Any]) -> bool:
    """By GET, or by POST where the address takes nothing else."""
    answer = client.get(address)
    if answer.status_code == 405:
        answer = client.post(address, data)
    if answer.status_code in {301, 302}:
        return not answer["Location"].startswith("/admin/login")
    assert answer.status_code in {200, 204, 304, 400, 403, 404, 409, 422}, (address, answer.status_code)
    return answer.status_code not in {403, 404}


@pytest.mark.parametrize("name", sorted(VERBS))
def test_who_gets_in(name: str, cast: dict[str, Client], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TemplateResponse, "rendered_content", property(lambda response: ""))
    address = reverse(name if name in OUTSIDE else f"admin:{name}", args=arguments(name))
    text = Message.objects.get(purpose="ordinary")
    data = {"text": text.uuid, "body": "Hello"}
    found = "".join(letter for letter, role in ROLES.items() if gets_in(cast[role], address, data))
    assert set(found) == set(VERBS[name]), f"{address}: {found}, but should be {VERBS[name]}"


def test_the_api_wants_a_token(db: None) -> None:
    for route in sorted(OPEN_ROUTES):
        if route.startswith("api/"):
            address = "/" + re.sub(r"<\w+:uuid>", str(uuid.uuid4()), route).replace("<str:phone>", JANE)
            for answer in (Client().get(address), Client().post(address, {}, content_type="application/json")):
                assert answer.status_code in {401, 403, 405}, (address, answer.status_code)
                assert answer.status_code != 405 or answer.request["REQUEST_METHOD"] in {"GET", "POST"}
    assert Group and Token and TokenProxy
