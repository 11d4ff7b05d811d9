"""Filling templates. Pure: ``{variable}`` and nothing else; no expressions, no attributes, nothing that can run.

Values are put in once and never read again, so a contact whose name is "{company_name}" stays just that.
"""

import re
from collections.abc import Mapping

from messaging.wordings import NOTICES, Kind

_BRACES = re.compile(r"\{([^{}]*)\}|[{}]")

# Variable → what stands in where nobody filled it in. Never a blank.
VARIABLES: dict[str, str] = {
    "agent_name": "our team",
    "company_name": "our company",
    "contact_first_name": "there",
    "line_name": "this line",
    "line_number": "this number",
    "support_contact": "this number",
    "terms_address": "on request",
    "privacy_address": "on request",
    "frequency": "message frequency varies",
    "accept_word": "YES",
    "sign_up_source": "one of our forms",
}
NOTICE_VARIABLES: dict[str, str] = {"contact_name": "The contact", "detail": ""}


class WordingError(ValueError):
    """A template can't be used as written. The message names the place and the remedy."""


def allowed(kind: Kind) -> dict[str, str]:
    """The variables a template of this kind may use, with their defaults."""
    return {**VARIABLES, **NOTICE_VARIABLES} if kind in NOTICES else VARIABLES


def check(body: str, kind: Kind) -> None:
    """Raise WordingError for an unknown variable or a stray brace."""
    names = allowed(kind)
    for match in _BRACES.finditer(body):
        if match[1] is None:
            raise WordingError(
                f"A “{match[0]}” at character {match.start() + 1} has no partner. Remove it or close it."
            )
        if match[1] not in names:
            raise WordingError(
                f"“{{{match[1]}}}” at character {match.start() + 1} is no variable. "
                f"Possible are: {', '.join(sorted(names))}."
            )


def render(body: str, kind: Kind, values: Mapping[str, str]) -> str:
    """``body`` with its variables filled. A value that is missing or blank gives its stated default."""
    defaults = allowed(kind)
    return _BRACES.sub(lambda match: str(values.get(match[1] or "", "")).strip() or defaults[match[1]], body)
