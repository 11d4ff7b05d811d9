"""Reactions that phones send as texts and that quote what was reacted to: Liked “…”, 👍 to “…”. Pure."""

import re
from collections.abc import Sequence
from functools import cache

from messaging import rulebook, spelling
from messaging.keywords import Meaning, Reading
from messaging.spelling import MARKS

_QUOTE = re.compile(r"[\"“”„‟«»]|(?<=\s)['‘‚‹]")
# After the quotation nothing but signs; a quotation that was cut short ends in an ellipsis.
_CLOSED = re.compile(r"(?:[\"“”„‟«»'’‘›]|…|\.\.\.)[\W_]*\Z")
_SYMBOL = re.compile(r"[^\w\s\"“”„‟«»'‘’‚‹›.,:;!?¡¿()\-\u200b-\u200f\u2028-\u202f\u2060-\u2069\ufeff\x00-\x1f]")
_LEAD = 60
_QUOTES_TRIED = 4


@cache
def _leads() -> tuple[dict[tuple[str, ...], str], dict[tuple[str, ...], str], frozenset[tuple[str, ...]]]:
    """What stands before a quotation, what does behind an emoji only, and what may stand for a quotation."""
    words: dict[tuple[str, ...], str] = {}
    behind_emoji: dict[tuple[str, ...], str] = {}
    things: set[tuple[str, ...]] = set()
    for tables in rulebook.languages().values():
        for kind, leads in tables["reactions"].items():
            for lead in leads:
                key = tuple(_words(lead))
                if kind == "things":
                    things.add(key)
                else:
                    (behind_emoji if kind == "emoji" else words).setdefault(key, f"reaction.{kind}")
    return words, behind_emoji, frozenset(things)


@cache
def _first_words() -> frozenset[str]:
    return frozenset(lead[0] for lead in _leads()[0])


def _words(text: str) -> list[str]:
    return [word for word in spelling.split(text.replace("’", " ").replace("'", " ")) if word not in MARKS]


def reaction(text: str, said: Sequence[str]) -> Reading | None:
    """The reaction that ``text`` is, or None. ``said`` are its words."""
    words, behind_emoji, things = _leads()
    for count, quote in enumerate(_QUOTE.finditer(text, 0, _LEAD)):
        if count == _QUOTES_TRIED:
            break
        lead = text[: quote.start()]
        key = tuple(_words(lead))
        rule = words.get(key) or (behind_emoji.get(key) if _SYMBOL.search(lead) else None)
        if rule and _CLOSED.search(text, quote.end()):
            return Reading(Meaning.REACTION, rule)
    if said and said[0] in _first_words() and len(text) < _LEAD:
        for cut in range(1, len(said)):
            rule = words.get(tuple(said[:cut]))
            if rule and tuple(said[cut:]) in things:
                return Reading(Meaning.REACTION, rule)
    return None
