"""Words that answer, opt in, opt out or ask for help. Pure.

Here a keyword counts only if it is the whole text. Case, surrounding punctuation, emoji, invisible characters and
spacing are read over; a sentence that merely contains "stop" is conversation (FACTS "What goes wrong in others").
Courtesy, typos and sentences are read by messaging.reading.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from django.db.models import TextChoices

from messaging import rulebook, spelling


class Action(TextChoices):
    OPT_IN = "opt_in", "Opt in"
    OPT_OUT = "opt_out", "Opt out"
    HELP = "help", "Help"
    REPLY = "reply", "Reply only"


class Meaning(StrEnum):
    """What a text says. YES and NO mean something only while a request can be answered; opt_in.py decides that.

    ``read`` below answers with the first seven; the others are for messaging.reading.
    """

    OPT_IN = "opt_in"
    OPT_OUT = "opt_out"
    HELP = "help"
    REPLY = "reply"
    YES = "yes"
    NO = "no"
    CONVERSATION = "conversation"
    REVIEW = "review"
    POSSIBLE_ACCEPTANCE = "possible_acceptance"
    REACTION = "reaction"


YES, NO = "YES", "NO"
RESERVED = frozenset({YES, NO})
STOP_EVERYWHERE = frozenset({"STOPALL", "STOP ALL"})

# 47 CFR 64.1200(a)(10) and Twilio's own lists. "OPT-OUT" normalises to "OPT OUT".
BUILT_IN: dict[str, Action] = {
    **dict.fromkeys(
        ["STOP", "STOPALL", "STOP ALL", "QUIT", "END", "REVOKE", "OPT OUT", "OPTOUT", "CANCEL", "UNSUBSCRIBE"],
        Action.OPT_OUT,
    ),
    **dict.fromkeys(["START", "UNSTOP"], Action.OPT_IN),
    **dict.fromkeys(["HELP", "INFO"], Action.HELP),
}


@dataclass(frozen=True)
class Keyword:
    """An active responder as the reader sees it. ``word`` is normalised; ``responder`` and ``tag`` are their ids."""

    word: str
    action: str
    reply: str = ""
    language: str = ""
    tag: int | None = None
    responder: int | None = None


@dataclass(frozen=True)
class Reading:
    """What a text means and by which rule; of the responder that answers, where one does, what it says besides."""

    meaning: Meaning
    rule: str
    reply: str = ""
    every_line: bool = False
    language: str = ""
    tag: int | None = None
    responder: int | None = None


BUILT_IN_KEYWORDS = tuple(Keyword(word, action) for word, action in BUILT_IN.items())

# The words shipped beside them, by language (FACTS "Opt-out words in use").
SHIPPED: dict[str, dict[str, Action]] = {
    language: {word: Action(action) for action, words in tables["keywords"].items() for word in words}
    for language, tables in rulebook.languages().items()
}
SHIPPED_KEYWORDS = tuple(
    {word: Keyword(word, action) for words in SHIPPED.values() for word, action in words.items()}.values()
)


def answered(reading: Reading, keywords: Iterable[Keyword]) -> Reading:
    """``reading`` with its responder's reply, language and tag, where the rule that decided names one of ``keywords``.

    Not where the word is only suspected: what a person has to read first is answered by nobody.
    """
    word = reading.rule.partition(":")[2]
    for keyword in keywords:
        if keyword.word == word and keyword.action == reading.meaning:
            return replace(
                reading,
                reply=keyword.reply,
                language=keyword.language,
                tag=keyword.tag,
                responder=keyword.responder,
            )
    return reading


# ---- words as they are stored, and as they are compared ------------------------------------------------------------

# Marks that decorate any letter. Those of a script of its own (Devanagari, Thai, Arabic …) belong to the word.
_DECORATION = ("COMBINING ", "VARIATION SELECTOR")


def normalise(text: str) -> str:
    """Upper-case words with single spaces between them; what is neither letter nor digit only separates words.

    So keywords are stored and shown. Two of them are the same word where ``compared`` says so.
    """
    # Invisible characters sit inside words ("ST\u200bOP"), so they vanish instead of separating.
    text = "".join(char for char in text if unicodedata.category(char) not in {"Cf", "Cc"} or char.isspace())
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).upper())
    words = "".join(map(_letter, text)).split()
    return unicodedata.normalize("NFKC", " ".join(words))


def _letter(char: str) -> str:
    if char.isalnum():
        return char
    if not unicodedata.category(char).startswith("M"):
        return " "
    return "" if unicodedata.name(char, "").startswith(_DECORATION) else char


def compared(word: str) -> str:
    """``word`` as the reader compares it: without case, accents and marks. Equal keywords answer the same texts."""
    return " ".join(part for part in spelling.split(word) if any(map(str.isalnum, part)))  # the rest are marks
