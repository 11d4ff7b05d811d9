"""Sentences that ask us to stop, or may do so: patterns over words (messaging/reading/*.toml). Pure.

A rule says what is decided when one of its patterns is found anywhere in a text:

    [[rule]]
    id = "stop_texting_me"          # stored as "en.stop_texting_me"
    decision = "opt_out"            # or "review"
    says = ["<stop> [all] <texting> (me|us) $"]
    not_after = ["<negated>"]       # unless one of these stands directly before
    unless = ["waiting list"]       # or one of these anywhere in the text

A pattern is a row of words. ``<stop>`` is any entry of the list ``stop`` under ``[words]``, whose entries are patterns
themselves; ``[…]`` may be left out; ``(a|b)`` is one of several; ``~3`` is up to three words of any kind in the same
sentence; ``#`` is a number; ``!x`` means that x must not follow; ``$`` is the end of a sentence and ``^`` its start,
both but for courtesy. The rules of all languages are tried; one that opts out wins over one that asks a person.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from messaging import rulebook

OPT_OUT, REVIEW = "opt_out", "review"
_LEXER = re.compile(r"<\w+>|~\d|[\[\]()|!$^#]|[^\s\[\]()|!$^#<>~]+")
# How far before a match its guards look, in characters.
_LOOK_BACK = 80


class PatternError(ValueError):
    """A pattern that can't be read; says which and why."""


# A line is its words, each with one separator behind it. The separator tells what stands around the courtesies at the
# edges of a sentence, so that a pattern need not know them: OPENING behind those that begin it and behind its ".",
# CLOSING behind the last word that counts and the courtesies after it, else a space.
_OPENING, _CLOSING = "\t", "\n"
_SEPARATORS = re.compile(r"[\t\n]")
_SENTENCE_ENDS = rf"(?:(?<={_CLOSING})|(?=\.\s|\Z))"


def _line(words: Sequence[str]) -> str:
    sentence: list[str] = []
    parts: list[str] = []
    for word in [*words, "."]:
        if word != ".":
            sentence.append(word)
            continue
        opening, closing = _edges(sentence)
        for at, said in enumerate(sentence):
            parts.append(said + (_OPENING if at < opening else _CLOSING if at >= closing else " "))
        parts.append("." + _OPENING)
        sentence = []
    return "".join(parts[:-1])


def _edges(sentence: Sequence[str]) -> tuple[int, int]:
    """How many words of courtesy begin it, and the position of the last word that is none."""
    polite, first, last = _polite(), *_polite_edges()
    opening, end = 0, len(sentence)
    while opening < end and sentence[opening] in first:
        length = _polite_length(sentence[opening : opening + _LONGEST_POLITE], polite, forwards=True)
        if not length:
            break
        opening += length
    while end and sentence[end - 1] in last:
        length = _polite_length(sentence[max(0, end - _LONGEST_POLITE) : end], polite, forwards=False)
        if not length:
            break
        end -= length
    return opening, max(end - 1, 0)


def _polite_length(words: Sequence[str], polite: frozenset[tuple[str, ...]], *, forwards: bool) -> int:
    for length in range(len(words), 0, -1):
        if tuple(words[:length] if forwards else words[-length:]) in polite:
            return length
    return 0


@dataclass(frozen=True)
class _Part:
    """A piece of a pattern: its regular expression, the words it can begin with, whether it may match nothing.

    ``later`` are words of which one must stand further on; none where that can't be said.
    """

    regex: str
    first: frozenset[str]
    empty: bool
    later: frozenset[str] = frozenset()


_NOTHING = _Part("", frozenset(), True)


@cache
def _polite() -> frozenset[tuple[str, ...]]:
    phrases = rulebook.answers("courtesy") + rulebook.answers("greetings")
    return frozenset(tuple(phrase.split()) for phrase in phrases)


@cache
def _polite_edges() -> tuple[frozenset[str], frozenset[str]]:
    """The words that a courtesy can begin with, and those it can end with."""
    return frozenset(phrase[0] for phrase in _polite()), frozenset(phrase[-1] for phrase in _polite())


_LONGEST_POLITE = max(map(len, _polite()))


class Grammar:
    """Reads the patterns of one language."""

    def __init__(self, words: Mapping[str, Sequence[str]]) -> None:
        self._words = words
        self._parts: dict[str, _Part] = {}

    def read(self, pattern: str) -> _Part:
        tokens = _LEXER.findall(pattern)
        part, rest = self._choice(tokens, pattern)
        if rest:
            raise PatternError(f"{pattern!r}: {rest[0]!r} closes nothing.")
        return part

    def _choice(self, tokens: list[str], pattern: str) -> tuple[_Part, list[str]]:
        options: list[_Part] = []
        while True:
            option, tokens = self._row(tokens, pattern)
            options.append(option)
            if not tokens or tokens[0] != "|":
                break
            tokens = tokens[1:]
        return _either(options), tokens

    def _row(self, tokens: list[str], pattern: str) -> tuple[_Part, list[str]]:
        row: list[_Part] = []
        while tokens and tokens[0] not in {"|", ")", "]"}:
            part, tokens = self._one(tokens, pattern)
            row.append(part)
        return _in_a_row(row), tokens

    def _one(self, tokens: list[str], pattern: str) -> tuple[_Part, list[str]]:
        token, rest = tokens[0], tokens[1:]
        if token in {"(", "["}:
            part, rest = self._choice(rest, pattern)
            closing = {"(": ")", "[": "]"}[token]
            if not rest or rest[0] != closing:
                raise PatternError(f"{pattern!r}: {closing!r} is missing.")
            if token == "[":
                part = _Part(f"(?:{part.regex})?", part.first, True)
            return part, rest[1:]
        if token == "!":
            part, rest = self._one(rest, pattern)
            return _Part(f"(?!{part.regex})", frozenset(), True), rest
        if token == "$":
            return _Part(_SENTENCE_ENDS, frozenset(), True), rest
        if token == "^":
            return _Part("", frozenset(), True), rest
        if token == "#":
            return _Part(r"\d+\s", frozenset(), False), rest
        if token.startswith("~"):
            return _Part(rf"(?:[^\s.]+\s){{0,{token[1:]}}}", frozenset(), True), rest
        if token.startswith("<"):
            return self._named(token[1:-1], pattern), rest
        return _Part(re.escape(token) + r"\s", frozenset({token}), False), rest

    def _named(self, name: str, pattern: str) -> _Part:
        if name not in self._words:
            raise PatternError(f"{pattern!r}: there is no list {name!r}.")
        if name not in self._parts:
            self._parts[name] = _either([self.read(entry) for entry in self._words[name]])
        return self._parts[name]


def _either(options: Sequence[_Part]) -> _Part:
    if len(options) == 1:
        return options[0]
    first = frozenset[str]().union(*(option.first for option in options))
    return _Part(f"(?:{'|'.join(option.regex for option in options)})", first, any(option.empty for option in options))


def _in_a_row(row: Sequence[_Part]) -> _Part:
    if not row:
        return _NOTHING
    first: frozenset[str] = frozenset()
    for part in row:
        first |= part.first
        if not part.empty:
            break
    certain = [part for part in row if not part.empty]
    later = certain[-1].first if len(certain) > 1 else frozenset[str]()
    return _Part("".join(part.regex for part in row), first, not certain, later)


class _Pattern:
    """One line of ``says``; compiled when a text first contains a word that it begins with."""

    def __init__(self, rule: "_Rule", pattern: str, part: _Part) -> None:
        self.rule = rule
        self.first = part.first
        self.later = part.later
        self._starts_sentence = pattern.startswith("^")
        self._source = part.regex
        self._regex: re.Pattern[str] | None = None
        if not self.first or part.empty:
            raise PatternError(f"{pattern!r} must begin with a word.")

    def matches(self, line: str, position: int) -> bool:
        if self._regex is None:
            self._regex = re.compile(self._source)
        if not self._regex.match(line, position):
            return False
        before = line[max(0, position - _LOOK_BACK) : position]
        if self._starts_sentence and before and not before.endswith(_OPENING):
            return False
        return not self.rule.is_excused(line, before)


class _Rule:
    def __init__(self, language: str, table: Mapping[str, Any], grammar: Grammar) -> None:
        self.id = f"{language}.{table['id']}"
        self.decision: str = table["decision"]
        if self.decision not in {OPT_OUT, REVIEW}:
            raise PatternError(f"{self.id}: decides {self.decision!r}.")
        self.patterns = [_Pattern(self, pattern, grammar.read(pattern)) for pattern in table["says"]]
        guards = [grammar.read(pattern).regex for pattern in table.get("not_after", [])]
        self._guard_source = rf"(?:^|(?<=\s))(?:{'|'.join(guards)})\Z" if guards else ""
        self._guard: re.Pattern[str] | None = None
        self._unless = [f" {words} " for words in table.get("unless", [])]

    def is_excused(self, line: str, before: str) -> bool:
        if self._guard_source and before:
            self._guard = self._guard or re.compile(self._guard_source)
            if self._guard.search(before):
                return True
        if not self._unless:
            return False
        spaced = " " + _SEPARATORS.sub(" ", line)
        return any(words in spaced for words in self._unless)


@dataclass(frozen=True)
class Found:
    decision: str
    rule: str


class _Start:
    """The patterns that begin with one word, in the order of the files; found by a word that each needs later."""

    def __init__(self, patterns: Sequence[_Pattern]) -> None:
        self._at_once = [(order, pattern) for order, pattern in enumerate(patterns) if not pattern.later]
        self._later: dict[str, list[tuple[int, _Pattern]]] = {}
        for order, pattern in enumerate(patterns):
            for word in pattern.later:
                self._later.setdefault(word, []).append((order, pattern))

    def possible(self, said: frozenset[str]) -> list[_Pattern]:
        found = dict(self._at_once)
        for word in said:
            found.update(self._later.get(word, ()))
        return [found[order] for order in sorted(found)]


class Rules:
    """All rules of all languages, found by the words that their patterns begin with."""

    def __init__(self) -> None:
        starting: dict[str, list[_Pattern]] = {}
        for language, tables in rulebook.languages().items():
            grammar = Grammar(tables["words"])
            for table in tables["rule"]:
                rule = _Rule(language, table, grammar)
                for pattern in rule.patterns:
                    for word in pattern.first:
                        starting.setdefault(word, []).append(pattern)
        self._starting = {word: _Start(patterns) for word, patterns in starting.items()}
        self._words = frozenset(self._starting)

    def judge(self, words: Sequence[str]) -> Found | None:
        """What the sentences in ``words`` ask for, by the first rule that opts out, else the first that doubts."""
        if self._words.isdisjoint(words):
            return None
        said = frozenset(words)
        line = ""
        position = 0
        doubt: Found | None = None
        for word in words:
            start = self._starting.get(word)
            for pattern in start.possible(said) if start else ():
                line = line or _line(words)
                if (doubt is None or pattern.rule.decision == OPT_OUT) and pattern.matches(line, position):
                    found = Found(pattern.rule.decision, pattern.rule.id)
                    if found.decision == OPT_OUT:
                        return found
                    doubt = found
            position += len(word) + 1
        return doubt


@cache
def rules() -> Rules:
    return Rules()


def vocabulary() -> set[str]:
    """Every single word that a rule or a list of words mentions: none of them is a typo of another."""
    return _words_of("says", "not_after", "unless")


def patterns_words() -> set[str]:
    """The words by which sentences are found."""
    return _words_of("says")


def _words_of(*fields: str) -> set[str]:
    found: set[str] = set()
    for tables in rulebook.languages().values():
        lists = [*tables["words"].values(), *(rule.get(field, []) for rule in tables["rule"] for field in fields)]
        for entry in (entry for entries in lists for entry in entries):
            found.update(word for word in _LEXER.findall(entry) if word.isalpha())
    return found
