"""What an install starts with: default wordings, built-in keywords and the roles' permissions on messages."""

from collections.abc import Mapping, Sequence
from typing import Any

from consent.roles import AGENT, INTEGRATOR, OFFICER, SUPERVISOR
from messaging.keywords import BUILT_IN
from messaging.wordings import DEFAULTS

PERMISSIONS: Mapping[str, Sequence[str]] = {
    OFFICER: [
        "messaging.send_text",
        "messaging.check_consent",
        "messaging.settle_text",
        "messaging.view_conversation",
        "messaging.change_conversation",
        "messaging.view_message",
        "messaging.view_notice",
        "messaging.view_receipt",
        "messaging.change_receipt",
        "messaging.view_template",
        "messaging.add_template",
        "messaging.change_template",
        "messaging.view_templateversion",
        "messaging.view_keywordresponder",
        "messaging.add_keywordresponder",
        "messaging.change_keywordresponder",
        "messaging.delete_keywordresponder",
    ],
    SUPERVISOR: [
        "messaging.send_text",
        "messaging.check_consent",
        "messaging.view_conversation",
        "messaging.change_conversation",
        "messaging.view_message",
        "messaging.view_notice",
        "messaging.view_template",
        "messaging.view_templateversion",
        "messaging.view_keywordresponder",
    ],
    AGENT: [
        "messaging.send_text",
        "messaging.check_consent",
        "messaging.view_conversation",
        "messaging.change_conversation",
        "messaging.view_message",
        "messaging.view_notice",
    ],
    INTEGRATOR: ["messaging.send_text", "messaging.check_consent"],
}


def install_words(apps: Any) -> None:
    """Add the templates and built-in keywords that are missing. What officers have edited stays as it is."""
    Template = apps.get_model("messaging", "Template")
    Version = apps.get_model("messaging", "TemplateVersion")
    Responder = apps.get_model("messaging", "KeywordResponder")
    for kind, body in DEFAULTS.items():
        template, new = Template.objects.get_or_create(kind=kind.value, line=None, language="en")
        if new:
            template.current = Version.objects.create(template=template, number=1, body=body)
            template.save()
    for word, action in BUILT_IN.items():
        Responder.objects.update_or_create(
            keyword=word, defaults={"action": action.value, "active": True, "built_in": True}
        )
