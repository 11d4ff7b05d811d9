"""What a wording should say and does not, or says and should not. Pure. It warns; what blocks is rendering.problems.

What each kind must say: PRODUCT "What each automatic text must say". A thing counts as said where its variable stands
in the wording, or its value, or words that say it in one of the four languages.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from messaging import keypad, rendering, segments, text
from messaging.wordings import NOTICES, OPT_OUT_CONFIRMATIONS, REQUESTS, SIGN_UPS, Kind

CALL_TO_ACTION = "CTIA Messaging Principles, May 2023, 5.1.1"
WRITTEN = "47 CFR 64.1200(f)(9)"
CONFIRMATION = "CTIA Messaging Principles, May 2023, 5.1.2.1"
OPT_OUT = "CTIA Messaging Principles, May 2023, 5.1.3"
ONE_CONFIRMATION = "47 CFR 64.1200(a)(12)"
ANY_MEANS = "47 CFR 64.1200(a)(10)"
LINKS = "Carriers' rules, such as T-Mobile's Code of Conduct; CTIA Messaging Principles, May 2023, 5.3.2"
COST = "Carriers and providers charge each segment"
OWN = "Our own rule"
BLOCKED = "Twilio: a number that the network blocked is freed by START or UNSTOP"


@dataclass(frozen=True)
class Finding:
    """``rule`` names it for filters and tests; ``message`` says what and why; ``source`` says who wants it."""

    rule: str
    message: str
    source: str


@dataclass(frozen=True)
class Element:
    """One thing that a wording must say: said by one of ``variables``, by its value, or by ``words``."""

    rule: str
    missing: str
    source: str
    variables: tuple[str, ...] = ()
    words: str = ""
    found: Callable[[str], bool] | None = None

    def is_said(self, body: str, values: Mapping[str, str]) -> bool:
        if rendering.used(body) & set(self.variables):
            return True
        bare = text.without_accents(body).casefold()
        known = (text.without_accents(values.get(name, "")).strip().casefold() for name in self.variables)
        if any(value and value in bare for value in known):
            return True
        if self.words and _pattern(self.words).search(bare):
            return True
        return bool(self.found and self.found(body))


@cache
def _pattern(words: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{words})")


# A request may also be refused by NO.
_REFUSING = re.compile(r"\b(?i:reply|text|send|or|responda|responde|o|ou|repondez|envoyez)\s+(?:with\s+)?[\"'“‘]?NO\b")

_AUTOMATIC = Element(
    "automatic",
    "It does not say that it is automatic. Begin with “Automatic message”, or people take it for somebody's own words.",
    OWN,
    words="automati|automated|auto-?(?:message|text|reply)",
)
_AGENT = Element(
    "agent",
    "It does not name who wants to text them. Use {agent_name}.",
    OWN,
    variables=("agent_name",),
)
_WHOM = Element(
    "whom",
    "It does not say whom they are writing to. Use {line_name} or {agent_name}.",
    OWN,
    variables=("line_name", "agent_name"),
)
_COMPANY = Element(
    "company",
    "It does not name the company. People agree to texts from somebody they know. Use {company_name}.",
    CALL_TO_ACTION,
    variables=("company_name",),
)
_KIND = Element(
    "kind_of_texts",
    "It does not say what the texts are about, like “about your orders”.",
    CALL_TO_ACTION,
    words="about|regarding|concerning|updates|alerts|reminders|news|offers|notifications|appointments?\\b"
    "|sobre|acerca|respecto|avisos|recordatorios|alertas|novedades|ofertas|notificaciones"
    "|au sujet|a propos|concernant|rappels|alertes|nouvelles|offres|informations"
    "|a respeito|lembretes|novidades|notificacoes",
)
_FREQUENCY = Element(
    "frequency",
    "It does not say how often you text. Use {frequency}.",
    CALL_TO_ACTION,
    variables=("frequency",),
    words="(?:message |msg )?frequency|(?:messages|msgs|texts)[ /](?:a|per) |per (?:day|week|month)"
    "|once\\b|one[- ]time"
    "|frecuencia|mensajes (?:al|por) |una (?:sola )?vez"
    "|frequence|messages par |sms par |une (?:seule )?fois"
    "|frequencia|mensagens por |uma (?:unica )?vez",
)
_ACCEPT = Element(
    "accept",
    "It does not say how to agree. Use {accept_word}.",
    CALL_TO_ACTION,
    variables=("accept_word",),
    words="yes\\b|start\\b|unstop\\b",
)
_REFUSE = Element(
    "refuse",
    "It does not say how to refuse, like “STOP to refuse”.",
    OPT_OUT,
    found=lambda body: text.tells_how_to_stop(body) or bool(_REFUSING.search(body)),
)
_STOP = Element(
    "stop",
    "It does not say how to stop the texts, like “Reply STOP to end”.",
    OPT_OUT,
    found=text.tells_how_to_stop,
)
_HELP = Element(
    "help",
    "It does not say how to get help, like “HELP for help”.",
    CALL_TO_ACTION,
    words="help\\b|info\\b|ayuda\\b|aide\\b|ajuda\\b",
)
_RATES = Element(
    "rates",
    "It does not say that texts may cost them something, like “Msg & data rates may apply”.",
    CALL_TO_ACTION,
    words="(?:(?:data )?rates|tarifas?|cargos|costos?|costes?|frais|tarifs?|taxas?|custos?)\\b|charges? may",
)
_DELIVERED = Element(
    "delivered",
    "It does not say that their text is delivered once they agree.",
    OWN,
    words="deliver|pass(?:ed)? on|will (?:be read|reach)|entreg|recibira|transmi|remis|sera lu|chegara",
)
_SOURCE = Element(
    "sign_up_source",
    "It does not say where they signed up. Use {sign_up_source}.",
    CONFIRMATION,
    variables=("sign_up_source",),
    words="on our (?:web)?site|web ?form|website|by phone|in (?:our )?store|formulari|formulair"
    "|sitio web|pagina web|site (?:web|internet)|por telefono|par telephone|por telefone",
)
_IN = Element(
    "in",
    "It does not say that they are in.",
    CONFIRMATION,
    words="(?:you'?re|you are|you’re) (?:now )?(?:in|opted|signed|subscribed|set)\\b|welcome|signed up|thanks for"
    "|bienvenid|se (?:ha )?(?:suscrit|inscrit|registrad)|ya (?:esta|recibira)|esta (?:dentro|inscrit|suscrit|registrad)"
    "|bienvenue|vous etes|inscription|inscrit"
    "|bem-vind|voce (?:esta|foi)|inscricao|inscrit",
)
_OUT = Element(
    "out",
    "It does not say that they are out and get no more texts.",
    ONE_CONFIRMATION,
    words="(?:you'?re|you are|you’re|opted) out|no (?:more|further|longer)|unsubscribed|won['’]?t (?:text|send|get)"
    "|no recibira|ya no|no (?:le )?enviaremos|dado de baja|cancelad|ningun"
    "|ne recevrez plus|n'enverrons plus|desabonne|desinscrit|plus de (?:messages|sms|textos)|plus aucun"
    "|nao recebera|nao enviaremos|descadastrad|cancelou|saiu da|nenhum",
)
_WAY_BACK = Element(
    "way_back",
    "It does not say how to come back, like “Text START to {line_number}”.",
    OWN,
    words="start\\b|unstop\\b",
)
_SUPPORT = Element(
    "support_contact",
    "It does not say where a person helps them. Use {support_contact}.",
    CALL_TO_ACTION,
    variables=("support_contact",),
    words="[\\w.+-]+@[\\w-]+\\.\\w+|https?://",
)
_CONTACT = Element("contact", "It does not say whom it is about. Use {contact_name}.", OWN, variables=("contact_name",))


_AGREE = Element(
    "agree",
    "It does not say that they agree to anything, like “you agree to get texts”.",
    WRITTEN,
    words="agree(?!ing)|consent(?!ing)|authori[sz]e|acept|autoriz|consient|acuerdo"
    "|acceptez|accepte\\b|autorisez|consentez|d'accord|concorda|autoriza|consente",
)
_NO_CONDITION = Element(
    "no_condition",
    "It does not say that people may buy without agreeing, like “Agreeing is not a condition of buying anything”.",
    WRITTEN,
    words="(?:not|never|isn['’]t|no)\\b[^.]{0,40}\\b(?:condition|required?|necessary|need)"
    "|need not (?:agree|consent)|without (?:agreeing|consenting)"
    "|no (?:es|son|sera)\\b[^.]{0,40}\\b(?:condicion|requisito|necesari|obligatori)"
    "|no (?:hace falta|tiene que|necesita)"
    "|(?:n'est|ne sont) pas[^.]{0,40}(?:condition|obligatoire|necessaire|requis)|sans (?:accepter|consentir)"
    "|nao (?:e|sera)\\b[^.]{0,40}\\b(?:condicao|requisito|necessari|obrigatori)|nao (?:precisa|e preciso)",
)
_ADVERTISING = Element(
    "advertising",
    "It does not say that the texts advertise, like “marketing texts” or “offers”.",
    WRITTEN,
    words="market|advertis|promo|offers?\\b|deals?\\b|publici|ofertas?\\b|offres?\\b",
)
_BY_MACHINE = Element(
    "by_machine",
    "It does not say that texts may be sent automatically, like “automated marketing texts”.",
    WRITTEN,
    words="automat|auto-?dial",
)
_TERMS = Element(
    "terms",
    "It does not say where your terms are. Use {terms_address}.",
    CALL_TO_ACTION,
    variables=("terms_address",),
)
_PRIVACY = Element(
    "privacy",
    "It does not say where your privacy policy is. Use {privacy_address}.",
    CALL_TO_ACTION,
    variables=("privacy_address",),
)
_REFUSE_KEY = Element(
    "refuse_key",
    "It does not say which key refuses, like “To refuse, press 2”.",
    OWN,
    found=lambda body: keypad.Key.REFUSE in keypad.offered(body),
)
_STOP_KEY = Element(
    "stop_key",
    "It offers no key that stops your texts, like “To stop all texts from us, press 9”. Who calls to be left alone "
    "should find one.",
    ANY_MEANS,
    found=lambda body: keypad.Key.STOP in keypad.offered(body),
)


def _by(source: str, *elements: Element) -> tuple[Element, ...]:
    """The same elements, in a text for which another rule asks."""
    return tuple(Element(each.rule, each.missing, source, each.variables, each.words, each.found) for each in elements)


_MUST_SAY: dict[Kind, tuple[Element, ...]] = {
    Kind.REQUEST_OURS: (_AUTOMATIC, _AGENT, _COMPANY, _KIND, _FREQUENCY, _ACCEPT, _REFUSE, _HELP, _RATES),
    Kind.REQUEST_THEIRS: (_AUTOMATIC, _WHOM, _DELIVERED, _ACCEPT, _REFUSE),
    Kind.CONFIRM_SIGN_UP: (_AUTOMATIC, _COMPANY, _SOURCE, _ACCEPT, _REFUSE, _FREQUENCY, _HELP, _RATES),
    Kind.OPT_IN_CONFIRMATION: (_IN, *_by(CONFIRMATION, _COMPANY, _KIND, _FREQUENCY, _STOP, _HELP, _RATES)),
    **dict.fromkeys(OPT_OUT_CONFIRMATIONS, (_OUT, _WAY_BACK)),
    Kind.DISCLAIMER_OURS: (_AUTOMATIC, *_by(OWN, _WHOM, _COMPANY, _KIND, _FREQUENCY), _STOP),
    Kind.DISCLAIMER_THEIRS: (_AUTOMATIC, _WHOM, _STOP),
    Kind.HELP_REPLY: (_COMPANY, _SUPPORT, _STOP),
    Kind.WEB_FORM: (
        *(_COMPANY, _AGREE, _KIND, _FREQUENCY, _RATES, *_by(CALL_TO_ACTION, _STOP), _HELP),
        *(_NO_CONDITION, _TERMS, _PRIVACY),
    ),
    Kind.PHONE_MENU: (
        *(_COMPANY, _KIND, _FREQUENCY, _RATES, *_by(CALL_TO_ACTION, _STOP), _HELP),
        *(_REFUSE_KEY, _STOP_KEY),
    ),
    Kind.WAY_BACK: (_WAY_BACK,),
    Kind.FOOTER: (_STOP,),
    **dict.fromkeys(NOTICES, (_AUTOMATIC, _CONTACT)),
}

# What an agreement must hold to be written consent, beside the number and the signature: the box, or the key.
_OF_WRITTEN_CONSENT = (*_by(WRITTEN, _COMPANY), _AGREE, _ADVERTISING, _BY_MACHINE, _NO_CONDITION)

# Addresses that anybody may use to hide where a link leads, shared with those who send spam.
SHORTENERS = (
    *("bit.ly", "bitly.com", "bit.do", "tinyurl.com", "tiny.cc", "t.co", "goo.gl", "ow.ly", "is.gd", "v.gd", "buff.ly"),
    *("rebrand.ly", "cutt.ly", "shorturl.at", "rb.gy", "t.ly", "s.id", "lnkd.in", "adf.ly", "soo.gd", "bl.ink"),
    *("short.io", "tr.im", "qr.ae", "x.co", "urlz.fr"),
)
_SHORTENED = re.compile(
    rf"(?<![\w@.-])(?:www\.)?({'|'.join(re.escape(each) for each in SHORTENERS)})(?![\w-]|\.\w)", re.IGNORECASE
)

_MARKETING = re.compile(
    r"\b(?:sales?|discounts?|deals?|offers?|coupons?|promo\w*|vouchers?|bargains?|giveaways?|gifts?|buy|shop|order now"
    r"|save (?:\d|up)|limited time|last chance|exclusive|(?<!feel )free(?! of charge to)|we(?:'|’)ll miss you|miss you"
    r"|descuentos?|ofertas?|rebajas?|cupon(?:es)?|gratis|regalos?|compre|ahorre"
    r"|soldes|remises?|offres?|promotions?|bons plans|gratuit\w*|cadeaux?|achetez|economisez"
    r"|descontos?|promocao|promocoes|cupo(?:m|ns)|brindes?|economize|aproveite)\b|\d+\s?%"
)


def lint(body: str, kind: Kind | None, values: Mapping[str, str] | None = None, footer: str = "") -> list[Finding]:
    """The warnings about a wording, in the order in which they matter. Without a kind: an agent's ordinary text.

    ``values`` are what the variables most likely stand for (the organisation's own name and so on); where they are
    missing, examples stand in. ``footer`` may follow it and is counted in. What can't be rendered yields none: it can't
    be saved either.
    """
    if rendering.problems(body, kind):
        return []
    return list(_warnings(body, kind, {**rendering.examples(kind), **(values or {})}, footer))


def lacks_for_written(body: str, values: Mapping[str, str] | None = None) -> list[Finding]:
    """What keeps an agreement to ``body`` from being written consent, as far as words tell (47 CFR 64.1200(f)(9))."""
    return [
        Finding(each.rule, each.missing, each.source)
        for each in _OF_WRITTEN_CONSENT
        if not each.is_said(body, values or {})
    ]


_PAGES = {"terms_address": "terms", "privacy_address": "privacy policy"}


def leading_nowhere(body: str, values: Mapping[str, str]) -> list[Finding]:
    """The addresses that a page people sign up on is to show, and the organisation has not given yet."""
    return [
        Finding(
            "no_address",
            f"The organisation has no address of its {page} yet, so “on request” stands there. Give it on the "
            "organisation's page.",
            CALL_TO_ACTION,
        )
        for name, page in _PAGES.items()
        if name in rendering.used(body) and not values.get(name, "").strip()
    ]


def _warnings(body: str, kind: Kind | None, values: Mapping[str, str], footer: str) -> Iterator[Finding]:
    for element in _MUST_SAY[kind] if kind else ():
        if not element.is_said(body, values):
            yield Finding(element.rule, element.missing, element.source)
    if kind in OPT_OUT_CONFIRMATIONS:
        yield from _advertising(body)
    for shortener in dict.fromkeys(match[1].lower() for match in _SHORTENED.finditer(body)):
        yield Finding(
            "shortener",
            f"It links through {shortener}, which anybody may use and carriers therefore filter. Write the full "
            "address, or one of your own.",
            LINKS,
        )
    if kind in REQUESTS and "accept_word" not in rendering.used(body):
        yield Finding(
            "accept_word",
            "The word that agrees is fixed in it. Where the network answers opt-outs, YES does not undo its block. "
            "Use {accept_word}, which becomes START there.",
            BLOCKED,
        )
    if kind not in NOTICES | SIGN_UPS:
        yield from _long(text.with_footer(rendering.render(body, kind, values), footer), kind)


def _advertising(body: str) -> Iterator[Finding]:
    bare = text.without_accents(body).casefold()
    if words := list(dict.fromkeys(match[0] for match in _MARKETING.finditer(bare))):
        named = ", ".join(f"“{word}”" for word in words)
        yield Finding(
            "marketing",
            f"{named} {'sounds' if len(words) == 1 else 'sound'} like advertising. The one confirmation of an opt-out "
            "must hold none.",
            ONE_CONFIRMATION,
        )


# A request must say so much that one segment rarely holds it.
_ROOM = dict.fromkeys(REQUESTS, 2)


def _long(words: str, kind: Kind | None) -> Iterator[Finding]:
    room = _ROOM.get(kind, 1) if kind else 1
    size = segments.measure(words)
    if size.segments <= room:
        return
    outside = [f"“{each.character}”" for each in segments.outsiders(words)]
    reason = ""
    if outside:
        reason = (
            f" {', '.join(outside[:5])} {'is' if len(outside) == 1 else 'are'} not in GSM-7, so a segment holds less "
            "than half as much."
        )
    yield Finding(
        "segments",
        f"It takes {size.segments} segments as it would be sent now; {_NUMBERS[room]} should be enough.{reason}",
        COST,
    )


_NUMBERS = {1: "one", 2: "two"}
