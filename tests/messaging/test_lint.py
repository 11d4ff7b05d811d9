"""What a wording should say: warnings with their sources, in four languages. Pure."""

import pytest

from messaging.lint import SHORTENERS, lint
from messaging.wordings import DEFAULTS, NOTICES, Kind


def rules(body: str, kind: Kind | None, **values: str) -> set[str]:
    return {finding.rule for finding in lint(body, kind, values)}


@pytest.mark.parametrize("kind", list(Kind))
def test_what_is_shipped_has_no_warning(kind: Kind) -> None:
    assert lint(DEFAULTS[kind], kind) == []


MUST_SAY: dict[Kind, set[str]] = {
    Kind.REQUEST_OURS: {
        "automatic",
        "agent",
        "company",
        "kind_of_texts",
        "frequency",
        "refuse",
        "help",
        "rates",
    },
    Kind.REQUEST_THEIRS: {"automatic", "whom", "delivered", "refuse"},
    Kind.CONFIRM_SIGN_UP: {"automatic", "company", "sign_up_source", "frequency", "refuse", "help", "rates"},
    Kind.OPT_IN_CONFIRMATION: {"in", "company", "kind_of_texts", "frequency", "stop", "help", "rates"},
    Kind.OPT_OUT_CONFIRMATION: {"out", "way_back"},
    Kind.OPT_OUT_CONFIRMATION_DISCLAIMER: {"out", "way_back"},
    Kind.DISCLAIMER_OURS: {"automatic", "whom", "company", "kind_of_texts", "frequency", "stop"},
    Kind.DISCLAIMER_THEIRS: {"automatic", "whom", "stop"},
    Kind.HELP_REPLY: {"company", "support_contact", "stop"},
    Kind.WAY_BACK: {"way_back"},
    Kind.FOOTER: {"stop"},
    Kind.WEB_FORM: {
        *("company", "agree", "kind_of_texts", "frequency", "rates", "stop", "help"),
        *("no_condition", "terms", "privacy"),
    },
    Kind.PHONE_MENU: {
        *("company", "kind_of_texts", "frequency", "rates", "stop", "help"),
        *("refuse_key", "stop_key"),
    },
    **{kind: {"automatic", "contact"} for kind in NOTICES},
}


@pytest.mark.parametrize("kind", list(Kind))
def test_what_is_missing_is_named(kind: Kind) -> None:
    empty = "{accept_word}?" if "accept" in DEFAULTS[kind] else "Press 1." if kind == Kind.PHONE_MENU else "Hm."
    assert rules(empty, kind) == MUST_SAY[kind]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (
            Kind.REQUEST_OURS,
            "Mensaje automático: {agent_name} de {company_name} quiere escribirle sobre sus pedidos, {frequency}. "
            "Responda {accept_word} para aceptar, STOP para rechazar, AYUDA para ayuda. Puede haber cargos.",
        ),
        (
            Kind.REQUEST_OURS,
            "Message automatique : {agent_name} de {company_name} souhaite vous écrire à propos de vos demandes, "
            "{frequency}. Répondez {accept_word} pour accepter, STOP pour refuser, AIDE. Frais possibles.",
        ),
        (
            Kind.REQUEST_OURS,
            "Mensagem automática: {agent_name} da {company_name} quer escrever sobre seus pedidos, {frequency}. "
            "Responda {accept_word} para aceitar, SAIR para recusar, AJUDA. Taxas podem ser cobradas.",
        ),
        (Kind.FOOTER, "Responda BAJA para no recibir más."),
        (Kind.FOOTER, "Répondez STOP pour arrêter."),
        (Kind.FOOTER, "STOP au 36111"),
        (Kind.FOOTER, "Responda SAIR para sair."),
        (Kind.OPT_OUT_CONFIRMATION, "Ya no recibira mensajes. Para volver, responda START."),
        (Kind.OPT_OUT_CONFIRMATION, "Vous ne recevrez plus de messages. Pour revenir : START."),
        (Kind.OPT_OUT_CONFIRMATION, "Você saiu da lista. Para voltar: START."),
        (Kind.DISCLAIMER_THEIRS, "Mensagem automática: fala com {line_name}. Responda SAIR para parar."),
    ],
)
def test_the_four_languages(kind: Kind, body: str) -> None:
    assert rules(body, kind) <= {"segments"}, lint(body, kind)


def test_a_value_written_out_counts_as_its_variable() -> None:
    body = "Harbor Dental. Ask help@harbor.example. Reply STOP to end."
    assert rules(body, Kind.HELP_REPLY, company_name="Harbor Dental") == set()
    assert rules(body, Kind.HELP_REPLY, company_name="Somebody else") == {"company"}


@pytest.mark.parametrize("shortener", SHORTENERS)
def test_public_shorteners(shortener: str) -> None:
    for link in (f"https://{shortener}/x", f"see {shortener}/x.", f"HTTP://WWW.{shortener.upper()}/x"):
        found = [each for each in lint(link, None) if each.rule == "shortener"]
        assert found and shortener in found[0].message, link


@pytest.mark.parametrize("body", ["at.conduct", "rabbit.ly", "https://xt.co/a", "bit.lyon", "t.company", "me@t.co.uk"])
def test_what_only_looks_like_a_shortener(body: str) -> None:
    assert "shortener" not in rules(f"See {body} today", None)


@pytest.mark.parametrize(
    "words",
    ["20% off!", "Great deals await", "¡Descuentos!", "Offre du jour", "Promoção", "We'll miss you", "It's free"],
)
def test_an_opt_out_confirmation_sells_nothing(words: str) -> None:
    body = f"You're out. {words} Text START to come back."
    for kind in (Kind.OPT_OUT_CONFIRMATION, Kind.OPT_OUT_CONFIRMATION_DISCLAIMER):
        found = [each for each in lint(body, kind) if each.rule == "marketing"]
        assert len(found) == 1 and found[0].source == "47 CFR 64.1200(a)(12)"
    assert "marketing" not in rules(body, None), "an ordinary text may"


def test_friendly_words_are_no_advertising() -> None:
    assert rules("You're out. Feel free to text START to come back.", Kind.OPT_OUT_CONFIRMATION) == set()


def test_more_than_one_segment() -> None:
    assert "segments" not in rules("x" * 160, None)
    assert "segments" in rules("x" * 161, None)
    assert "segments" in rules("x" * 60 + "ç" * 11, None)
    named = next(each for each in lint("x" * 70 + "’", None) if each.rule == "segments")
    assert "“’” is not in GSM-7" in named.message
    assert "segments" not in rules("x" * 150, None) and lint("x" * 150, None, footer="Reply STOP to end."), (
        "with footer"
    )


def test_a_request_has_room_for_two() -> None:
    body = DEFAULTS[Kind.REQUEST_OURS]
    assert "segments" not in rules(body, Kind.REQUEST_OURS)
    assert "segments" in rules(body, Kind.REQUEST_OURS, company_name="x" * 120)


def test_a_yes_that_is_fixed_in_a_request() -> None:
    body = DEFAULTS[Kind.REQUEST_OURS].replace("{accept_word}", "YES")
    assert rules(body, Kind.REQUEST_OURS) == {"accept_word"}


def test_every_warning_says_why_and_who_says_so() -> None:
    for kind in Kind:
        for finding in lint("{accept_word} bit.ly/x 20% off", kind):
            assert finding.message.endswith(".") and finding.source


def test_what_can_t_be_saved_is_not_judged() -> None:
    assert lint("{nobody}", Kind.FOOTER) == []
