"""The words of an outgoing text: the footer that tells how to stop, and how two wordings differ. Pure."""

import difflib
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from messaging.keywords import BUILT_IN, SHIPPED, Action

# Opt-out words as an instruction ("Reply STOP to …"), not in passing ("stop by at five", "I'll text end of day"):
# behind a verb of answering in capitals or quotes, or followed by what they are good for. In the four languages.
_WORDS = {word for word, action in BUILT_IN.items() if action == Action.OPT_OUT} | {
    word for words in SHIPPED.values() for word, action in words.items() if action == Action.OPT_OUT
}
_WORD = rf"(?:{'|'.join(word.replace(' ', '[ -]?') for word in sorted(_WORDS, key=lambda w: (-len(w), w)))})"
_ENGLISH_WORD = r"(?:STOP ?ALL|STOP|UNSUBSCRIBE|CANCEL|END|QUIT|REVOKE|OPT[ -]?OUT)"
_VERB = (
    r"\b(?i:(?:reply|text|send|txt|answer|respond)(?:ing)?"
    r"|respond[ae]|responder|envi[ae]r?|escrib[ae]|mand[ae]|conteste"  # Spanish
    r"|repondez|repondre|envoyez|envoyer|tapez|ecrivez"  # French
    r"|digite|escreva)"  # Portuguese, which shares the others with Spanish
)
_LINK = r"(?i:\s+with|\s+back|\s+con|\s+avec|\s+par|\s+com)?(?i:\s+la palabra|\s+le mot|\s+a palavra)?[\s:]{1,3}"
_AIM = r"\s+to\s+(?:end|stop|opt|unsubscribe|cancel|quit|leave|refuse)\b"
_AIM_ELSEWHERE = (
    r"\s+(?:para\s+(?:cancelar|salir|detener|terminar|rechazar|dejar|darse|no\s)"
    r"|pour\s+(?:arreter|stopper|refuser|annuler|mettre|ne\s+plus|se\s+|vous\s+)"
    r"|au\s+[0-9]{4,6}\b"
    r"|para\s+(?:sair|parar|recusar|encerrar|deixar|nao\s))"
)
_INSTRUCTIONS = (
    re.compile(rf"{_VERB}{_LINK}{_ENGLISH_WORD}\b"),
    re.compile(rf"{_VERB}{_LINK}[\"'“‘«]\s?{_WORD}\s?[\"'”’»]", re.IGNORECASE),
    re.compile(rf"(?:\b{_ENGLISH_WORD}|[\"'“‘](?i:{_ENGLISH_WORD})[\"'”’])(?:(?i:{_AIM})|\s*=)"),
    re.compile(rf"{_VERB}{_LINK}{_ENGLISH_WORD}{_AIM}", re.IGNORECASE),
    re.compile(rf"\b{_WORD}(?i:{_AIM_ELSEWHERE})"),
)


def tells_how_to_stop(body: str) -> bool:
    """True where the text already instructs how to opt out, in one of the four languages."""
    words = without_accents(body)
    return any(instruction.search(words) for instruction in _INSTRUCTIONS)


def with_footer(body: str, footer: str) -> str:
    """The text as it leaves: ``footer`` on a line of its own, unless the text says it already."""
    return body if not footer or tells_how_to_stop(body) else f"{body}\n{footer}"


def printable(text: str) -> str:
    """``text`` without NUL and lone surrogates, which no text column takes. The raw webhook keeps them."""
    return text.replace("\x00", "").encode("utf-8", "ignore").decode()


def without_accents(text: str) -> str:
    return "".join(char for char in unicodedata.normalize("NFD", text) if unicodedata.category(char) != "Mn")


# ---- how two wordings differ ----------------------------------------------------------------------------------------

_TOKENS = re.compile(r"\{\w*\}|\w+|\s+|[^\w\s]")


@dataclass(frozen=True)
class Piece:
    """A stretch of words: kept, only in the older wording, or only in the newer one."""

    words: str
    change: str = ""  # "", "removed" or "added"


def differences(old: str, new: str) -> list[Piece]:
    """What became of ``old``, word by word. The pieces not added are ``old``, those not removed are ``new``."""
    return list(_differences(_TOKENS.findall(old), _TOKENS.findall(new)))


def _differences(old: list[str], new: list[str]) -> Iterator[Piece]:
    matcher = difflib.SequenceMatcher(a=old, b=new, autojunk=False)
    for what, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        if what == "equal":
            yield Piece("".join(old[old_from:old_to]))
            continue
        if removed := "".join(old[old_from:old_to]):
            yield Piece(removed, "removed")
        if added := "".join(new[new_from:new_to]):
            yield Piece(added, "added")
