"""Reading what people write: words that answer, opt in, opt out or ask for help. Pure.

Here a keyword counts only if it is the whole text. Case, surrounding punctuation, emoji, invisible characters and
spacing are read over; a sentence that merely contains "stop" is conversation (FACTS "What goes wrong in others").
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from django.db.models import TextChoices


class Action(TextChoices):
    OPT_IN = "opt_in", "Opt in"
    OPT_OUT = "opt_out", "Opt out"
    HELP = "help", "Help"
    REPLY = "reply", "Reply only"


class Meaning(StrEnum):
    """What a text says. YES and NO mean something only while a request can be answered; opt_in.py decides that."""

    OPT_IN = "opt_in"
    OPT_OUT = "opt_out"
    HELP = "help"
    REPLY = "reply"
    YES = "yes"
    NO = "no"
    CONVERSATION = "conversation"


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
    """An active responder as the reader sees it. ``word`` is normalised."""

    word: str
    action: str
    reply: str = ""


@dataclass(frozen=True)
class Reading:
    """What a text means, by which rule, and the responder's own reply where it has one."""

    meaning: Meaning
    rule: str
    reply: str = ""
    every_line: bool = False


BUILT_IN_KEYWORDS = tuple(Keyword(word, action) for word, action in BUILT_IN.items())


def normalise(text: str) -> str:
    """Upper-case words with single spaces between them; what is neither letter nor digit only separates words."""
    text = unicodedata.normalize("NFKC", text)
    # Invisible characters sit inside words ("ST\u200bOP"), so they vanish instead of separating.
    text = "".join(
        char for char in text if unicodedata.category(char) not in {"Cf", "Cc", "Mn", "Me"} or char.isspace()
    )
    return re.sub(r"[\W_]+", " ", text).strip().upper()


def read(text: str, keywords: Iterable[Keyword]) -> Reading:
    """What ``text`` means to a line with these active keywords. Built-in words count whatever ``keywords`` holds."""
    word = normalise(text)
    own = {keyword.word: keyword for keyword in keywords}
    if word in BUILT_IN or word in own:
        action = BUILT_IN.get(word) or Action(own[word].action)
        reply = own[word].reply if word in own else ""
        return Reading(Meaning(action), f"keyword:{word}", reply, every_line=word in STOP_EVERYWHERE)
    if word == YES:
        return Reading(Meaning.YES, "reserved:YES")
    if word == NO:
        return Reading(Meaning.NO, "reserved:NO")
    return Reading(Meaning.CONVERSATION, "conversation")
