"""Reactions that phones send as texts and that quote what was reacted to: Liked “…”, Ana loved “…”, 👍 to “…”. Pure."""

import re
from collections.abc import Sequence
from functools import cache

from messaging import rulebook, spelling
from messaging.keywords import BUILT_IN, SHIPPED, Meaning, Reading
from messaging.spelling import MARKS

_SIGNS = '"“”„‟«»＂″〝〞「」『』'
_QUOTE = re.compile(rf"[{_SIGNS}]|(?<=\s)(?:['‘‚‹]|`+)")
# After the quotation nothing but signs; a quotation that was cut short ends in an ellipsis.
_CLOSED = re.compile(rf"(?:[{_SIGNS}'’‘›`]|…|\.\.\.)[\W_]*\Z")
_SYMBOL = re.compile(rf"[^\w\s{_SIGNS}'‘’‚‹›.,:;!?¡¿()\-\u200b-\u200f\u2028-\u202f\u2060-\u2069\ufeff\x00-\x1f]")
_LEAD = 60
_QUOTES_TRIED = 4
# Who reacted is named before it: a first and a family name or two, or a number in its groups.
_NAME_WORDS = 5
_BEFORE_NAMES = frozenset({"a", "mi", "my", "mon", "ma", "meu", "minha", "o", "de", "da", "del", "la", "dr"})

_Leads = dict[tuple[str, ...], str]


@cache
def _leads() -> tuple[_Leads, _Leads, frozenset[tuple[str, ...]]]:
    """What stands before a quotation, what does behind an emoji only, and what may stand for a quotation."""
    words: _Leads = {}
    behind_emoji: _Leads = {}
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


@cache
def _opt_out_words() -> frozenset[str]:
    phrases = [*BUILT_IN, *(word for words in SHIPPED.values() for word in words)]
    return frozenset(word.lower() for phrase in phrases for word in phrase.split())


def _words(text: str) -> list[str]:
    return [word for word in spelling.split(text.replace("’", " ").replace("'", " ")) if word not in MARKS]


def _is_capitalised(word: str) -> bool:
    return word[0].isupper() and (len(word) < 3 or not word.isupper())


def _is_name(typed: Sequence[str]) -> bool:
    """True for "Ana", "A María José", "+1 555 201 9987"; not for words of a request."""
    return all(
        word in _BEFORE_NAMES or word.isdecimal() or (_is_capitalised(word) and word.lower() not in _opt_out_words())
        for word in typed
    )


def _named(lead: str) -> str | None:
    """The rule of a lead that names who reacted: Ana liked, A Lucía le encantó."""
    words = _leads()[0]
    typed = re.findall(r"[^\W_]+", lead)
    key = _words(lead)
    if len(key) != len(typed):
        return None
    for cut in range(1, min(_NAME_WORDS, len(key) - 1) + 1):
        rule = words.get(tuple(key[cut:]))
        if rule and _is_name(typed[:cut]):
            return rule
    return None


def reaction(text: str, said: Sequence[str]) -> Reading | None:
    """The reaction that ``text`` is, or None. ``said`` are its words."""
    words, behind_emoji, things = _leads()
    for count, quote in enumerate(_QUOTE.finditer(text, 0, _LEAD)):
        if count == _QUOTES_TRIED:
            break
        lead = text[: quote.start()]
        key = tuple(_words(lead))
        rule = words.get(key) or (behind_emoji.get(key) if _SYMBOL.search(lead) else None) or _named(lead)
        if rule and _CLOSED.search(text, quote.end()):
            return Reading(Meaning.REACTION, rule)
    if said and said[0] in _first_words() and len(text) < _LEAD:
        for cut in range(1, len(said)):
            rule = words.get(tuple(said[:cut]))
            if rule and tuple(said[cut:]) in things:
                return Reading(Meaning.REACTION, rule)
    return None
