"""Filling templates. Pure: ``{variable}`` and nothing else; no expressions, no attributes, nothing that can run.

Values are put in once and never read again, so a contact whose name is "{company_name}" stays just that.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from messaging import keypad
from messaging.wordings import NOTICES, REQUESTS, SIGN_UPS, Kind

_BRACES = re.compile(r"\{([^{}]*)\}|[{}]")
# What every line takes for a yes. Keywords of an officer's own may be named beside one of them.
_ACCEPTING = re.compile(r"\{accept_word\}|\b(?i:yes)\b|\b(?:START|UNSTOP)\b")

# Characters. The provider takes no longer text; nobody reads a longer notice.
LONGEST_TEXT = 1600
LONGEST_NOTICE = 1000


@dataclass(frozen=True)
class Variable:
    """``default`` stands in where nobody filled it in. ``longest`` is as long as people plausibly make it."""

    meaning: str
    default: str
    example: str
    longest: str


_TEXTS: dict[str, Variable] = {
    "agent_name": Variable(
        "The name that contacts see of whoever writes, else the line's name",
        "our team",
        "Ann",
        "Maria Fernanda Villanueva-Rodriguez",
    ),
    "company_name": Variable(
        "The organisation's name",
        "our company",
        "Harbor Dental",
        "Northern Valley Community Health and Wellness Center",
    ),
    "contact_first_name": Variable("The contact's first name", "there", "Jane", "Bartholomew-Christopher"),
    "line_name": Variable("The line's name", "this line", "Front desk", "Appointments and Billing, East Campus"),
    "line_number": Variable("The line's number", "this number", "+12065550123", "+123456789012345"),
    "support_contact": Variable(
        "The organisation's support contact, else the line's number",
        "this number",
        "help@harbor.example",
        "customer.support@northernvalley-health.example",
    ),
    "terms_address": Variable(
        "The address of the organisation's terms",
        "on request",
        "https://harbor.example/terms",
        "https://www.northernvalley-health.example/legal/text-messaging-terms",
    ),
    "privacy_address": Variable(
        "The address of the organisation's privacy policy",
        "on request",
        "https://harbor.example/privacy",
        "https://www.northernvalley-health.example/legal/privacy-policy",
    ),
    "frequency": Variable(
        "The organisation's words on how often it texts",
        "message frequency varies",
        "message frequency varies",
        "up to 10 messages a month, more around your appointments",
    ),
}
_OF_A_CONVERSATION = {"agent_name", "contact_first_name"}
_ANSWERS: dict[str, Variable] = {
    "accept_word": Variable(
        "The word that agrees: YES, or START where the provider answers opt-outs", "YES", "YES", "START"
    ),
    "sign_up_source": Variable(
        "Where the contact signed up, in a “confirm sign-up”",
        "one of our forms",
        "our web form",
        "the appointment form on our website",
    ),
}
_NOTICES: dict[str, Variable] = {
    "contact_name": Variable(
        "The contact's full name", "The contact", "Jane Doe", "Bartholomew-Christopher Villanueva-Rodriguez"
    ),
    "detail": Variable(
        "What else there is to say about this case; may be nothing",
        "",
        "The text that waited is on its way.",
        "It was said to Appointments and Billing, East Campus and is valid here too.",
    ),
}

# Variable → its default, for those that a text to a contact may use, and for those of notices alone.
VARIABLES: dict[str, str] = {name: each.default for name, each in {**_TEXTS, **_ANSWERS}.items()}
NOTICE_VARIABLES: dict[str, str] = {name: each.default for name, each in _NOTICES.items()}

# The defaults inside a wording of another language.
_IN_OTHER_LANGUAGES: dict[str, dict[str, str]] = {
    "es": {
        "agent_name": "nuestro equipo",
        "company_name": "nuestra empresa",
        "contact_first_name": "cliente",
        "line_name": "esta línea",
        "line_number": "este número",
        "support_contact": "este número",
        "terms_address": "a petición",
        "privacy_address": "a petición",
        "frequency": "la frecuencia de mensajes varía",
        "sign_up_source": "uno de nuestros formularios",
        "contact_name": "El contacto",
    },
    "fr": {
        "agent_name": "notre équipe",
        "company_name": "notre entreprise",
        "contact_first_name": "à vous",
        "line_name": "cette ligne",
        "line_number": "ce numéro",
        "support_contact": "ce numéro",
        "terms_address": "sur demande",
        "privacy_address": "sur demande",
        "frequency": "fréquence des messages variable",
        "sign_up_source": "un de nos formulaires",
        "contact_name": "Le contact",
    },
    "pt": {
        "agent_name": "nossa equipe",
        "company_name": "nossa empresa",
        "contact_first_name": "cliente",
        "line_name": "esta linha",
        "line_number": "este número",
        "support_contact": "este número",
        "terms_address": "a pedido",
        "privacy_address": "a pedido",
        "frequency": "a frequência das mensagens varia",
        "sign_up_source": "um de nossos formulários",
        "contact_name": "O contato",
    },
}


class WordingError(ValueError):
    """A wording can't be used as written. The message names the place and the remedy."""


@dataclass(frozen=True)
class Problem:
    """Why a wording can't be saved. ``place`` counts characters from 1; None where something is missing as a whole."""

    message: str
    place: int | None = None
    bit: str = ""


def variables(kind: Kind | None) -> dict[str, Variable]:
    """What a wording of this kind may use. Without a kind: an agent's ordinary text."""
    if kind is None:
        return _TEXTS
    if kind in SIGN_UPS:  # seen or heard before anybody knows by whom, and nobody in person asks
        return {name: each for name, each in _TEXTS.items() if name not in _OF_A_CONVERSATION}
    return {**_TEXTS, **_ANSWERS, **(_NOTICES if kind in NOTICES else {})}


def allowed(kind: Kind | None) -> dict[str, str]:
    """The variables a wording of this kind may use, with their English defaults."""
    return {name: each.default for name, each in variables(kind).items()}


def examples(kind: Kind | None) -> dict[str, str]:
    return {name: each.example for name, each in variables(kind).items()}


def longest(kind: Kind | None) -> dict[str, str]:
    return {name: each.longest for name, each in variables(kind).items()}


def check(body: str, kind: Kind | None) -> None:
    """Raise WordingError for what ``problems`` finds."""
    if found := problems(body, kind):
        raise WordingError(" ".join(problem.message for problem in found))


def problems(body: str, kind: Kind | None) -> list[Problem]:
    """All that keeps ``body`` from being used, in its order: stray braces, unknown variables, a request that could not
    be answered, nothing to read, too much to send."""
    found = list(_wrong_braces(body, kind))
    if found:
        return found
    if kind in REQUESTS and body.strip() and not _ACCEPTING.search(body):
        found.append(
            Problem(
                "Nobody could answer this request, since it names no word to agree with. "
                "Write {accept_word} where the contact is told what to reply."
            )
        )
    if kind == Kind.PHONE_MENU and body.strip() and keypad.Key.AGREE not in keypad.offered(body):
        found.append(
            Problem(
                "Nobody could agree, since it names no key for that. Write the digit 1 where callers are told what to "
                "press, like “To agree, press 1”."
            )
        )
    if body.strip() and not render(body, kind, {}).strip():
        found.append(Problem("This text could be empty when it is sent. Write words around the variables."))
    limit = LONGEST_NOTICE if kind in NOTICES else LONGEST_TEXT
    if (place := _place_beyond(body, kind, limit)) is not None:
        bit = body[place - 1 : place + 19]
        found.append(
            Problem(
                f"With long names this text has more than {limit:,} characters. Shorten it: what stands from character "
                f"{place} on, “{bit}”, would be too much.",
                place,
                bit,
            )
        )
    return found


def render(body: str, kind: Kind | None, values: Mapping[str, str], language: str = "en") -> str:
    """``body`` with its variables filled. A value that is missing or blank gives its stated default."""
    defaults = {**allowed(kind), **_IN_OTHER_LANGUAGES.get(language, {})}
    return _BRACES.sub(lambda match: str(values.get(match[1] or "", "")).strip() or defaults[match[1]], body)


def used(body: str) -> set[str]:
    """The names between braces, whether or not they are variables."""
    return {match[1] for match in _BRACES.finditer(body) if match[1] is not None}


def _wrong_braces(body: str, kind: Kind | None) -> Iterator[Problem]:
    names = allowed(kind)
    for match in _BRACES.finditer(body):
        place = match.start() + 1
        if match[1] is None:
            message = f"A “{match[0]}” at character {place} has no partner. Remove it or close it."
        elif match[1] not in names:
            close = difflib.get_close_matches(match[1].strip().lower(), names, n=1)
            remedy = f"Did you mean {{{close[0]}}}?" if close else f"Possible are: {', '.join(sorted(names))}."
            message = f"“{match[0]}” at character {place} is no variable here. {remedy}"
        else:
            continue
        yield Problem(message, place, match[0])


def _place_beyond(body: str, kind: Kind | None, limit: int) -> int | None:
    """Where in ``body`` the text grows longer than ``limit`` with the longest plausible values."""
    long, length, done = longest(kind), 0, 0
    for match in _BRACES.finditer(body):
        written = match.start() - done
        if length + written > limit:
            break
        length += written + max(len(long[match[1]]), len(allowed(kind)[match[1]]))
        done = match.end()
        if length > limit:
            return match.start() + 1
    return done + limit - length + 1 if length + len(body) - done > limit else None
