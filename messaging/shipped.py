"""What an install starts with: default wordings, built-in keywords and the roles' permissions on messages."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from consent.roles import AGENT, INTEGRATOR, OFFICER, SUPERVISOR
from consent.vocabulary import Language
from messaging.keywords import BUILT_IN, SHIPPED, compared
from messaging.wordings import DEFAULTS

PERMISSIONS: Mapping[str, Sequence[str]] = {
    OFFICER: [
        "messaging.send_text",
        "messaging.check_consent",
        "messaging.settle_text",
        "messaging.view_importbatch",
        "messaging.import_consents",
        "messaging.decide_review",
        "messaging.read_held_back",
        "messaging.view_review",
        "messaging.view_heldbackread",
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
        "messaging.view_savedtext",
        "messaging.add_savedtext",
        "messaging.change_savedtext",
        "messaging.view_savedtextversion",
        "messaging.view_footercountry",
        "messaging.add_footercountry",
        "messaging.change_footercountry",
        "messaging.delete_footercountry",
        *(f"messaging.{verb}_{model}" for model in ("webform", "phonemenu") for verb in ("view", "add", "change")),
        "messaging.view_signup",
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
        "messaging.view_savedtext",
        "messaging.view_savedtextversion",
        "messaging.view_footercountry",
        "messaging.view_keywordresponder",
        "messaging.view_webform",
        "messaging.view_phonemenu",
        "messaging.view_signup",
        "messaging.view_review",
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
    install_templates(apps)
    Responder = apps.get_model("messaging", "KeywordResponder")
    for word, action in BUILT_IN.items():
        Responder.objects.update_or_create(keyword=word, built_in=True, defaults={"action": action, "active": True})


def install_templates(apps: Any) -> None:
    Template = apps.get_model("messaging", "Template")
    Version = apps.get_model("messaging", "TemplateVersion")
    for kind, body in DEFAULTS.items():
        template, new = Template.objects.get_or_create(kind=kind.value, line=None, language="en")
        if new:
            template.current = Version.objects.create(template=template, number=1, body=body)
            template.save()


def install_languages(apps: Any) -> None:
    """Add the keywords of FACTS "Opt-out words in use" that are missing. All but the English ones are switched off,
    and so are those that an officer's own responder answers already."""
    Responder = apps.get_model("messaging", "KeywordResponder")
    in_use = {compared(word) for word in Responder.objects.filter(active=True).values_list("keyword", flat=True)}
    for language, words in SHIPPED.items():
        for word, action in words.items():
            if not Responder.objects.filter(keyword=word, language=language).exists():
                active = language == Language.ENGLISH and compared(word) not in in_use
                Responder.objects.create(keyword=word, action=action, language=language, active=active, every_line=True)


# FACTS "Elsewhere": what vendors report, not the laws' own texts.
_REPORTED = dt.date(2026, 11, 1)
FOOTER_COUNTRIES = {
    "AU": ("Every commercial text needs a working way to unsubscribe.", "Secondary source on the Spam Act"),
    "FR": ("Promotional texts must carry a STOP mention.", "Vendor's help page, disputed"),
    "IL": ("Every marketing text needs a removal route.", "Vendor's help page"),
    "TR": ("Every marketing text needs a removal route.", "Vendor's help page"),
}


def install_footer_countries(apps: Any) -> None:
    Country = apps.get_model("messaging", "FooterCountry")
    for country, (reason, source) in FOOTER_COUNTRIES.items():
        Country.objects.get_or_create(
            country=country, defaults={"reason": reason, "source": source, "as_of": _REPORTED}
        )
