"""Sentences that ask us to stop, or may do so: patterns over words (messaging/reading/*.toml). Pure.

A text is read clause by clause: its sentences, cut at commas, colons and brackets too. A rule says what is decided when
one of its patterns is found anywhere in a clause:

    [[rule]]
    id = "stop_texting"             # stored as "en.stop_texting"
    decision = "opt_out"            # or "review", or "talk"
    says = ["<stop> ~2 <texting> <me>"]
    not_after = ["<never>"]         # unless one of these stands directly before
    unless = ["<other_list>"]       # or one of these anywhere in the clause

How patterns are written is said in messaging/patterns.py.

The rules of all languages are tried; one that opts out wins over one that asks a person. A rule that is
``settled_by_a_word`` opts out where an opt-out word is a clause of its own beside it ("Not interested. Remove."), and
one that ``leaves_open_what`` ("stop them") where another clause says it, or is settled by a word. A rule that counts
``alone`` is for short answers ("I'm done"): it is void where another clause talks of something else; one that counts
with ``no_errand`` is void where the text, anywhere, also wants something of us ("My father died, can I get his
records?"). A rule that decides ``talk`` says that its clause, or with ``whole_text`` the text, asks no such thing,
whatever the others find: "I unsubscribed by mistake".
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from messaging import rulebook
from messaging.keywords import BUILT_IN, SHIPPED, Action
from messaging.patterns import CLOSING, LEXER, OPENING, Grammar, Part, PatternError
from messaging.spelling import END, MARKS, PAUSE

OPT_OUT, REVIEW, TALK = "opt_out", "review", "talk"
# How far before a match its guards look, in characters.
_LOOK_BACK = 80


def _clauses(words: Sequence[str]) -> Iterator[tuple[list[str], bool]]:
    """The clauses in ``words``, and whether each ends a sentence. What follows a word of reporting belongs to it."""
    if MARKS.isdisjoint(words):  # as most texts are written
        if words:
            yield list(words), True
        return
    clause: list[str] = []
    length = next((at for at in range(len(words), 0, -1) if words[at - 1] not in MARKS), 0)
    for word in [*words[:length], END]:  # whatever marks close the text, they end a sentence
        if word == PAUSE and clause and clause[-1] in _clause_words("reporting"):
            continue
        if word not in MARKS:
            clause.append(word)
            continue
        if clause:
            yield clause, word == END
        clause = []


def _line(clause: Sequence[str], opening: int, closing: int) -> str:
    if not opening and closing == len(clause) - 1:
        return " ".join(clause) + CLOSING
    return "".join(
        said + (OPENING if at < opening else CLOSING if at >= closing else " ") for at, said in enumerate(clause)
    )


def _edges(clause: Sequence[str]) -> tuple[int, int]:
    """How many words of courtesy begin it, and the position of the last word that is none."""
    polite, first, last = _polite(), *_polite_edges()
    opening, end = 0, len(clause)
    while opening < end and clause[opening] in first:
        length = _polite_length(clause[opening : opening + _LONGEST_POLITE], polite, forwards=True)
        if not length:
            break
        opening += length
    while end and clause[end - 1] in last:
        length = _polite_length(clause[max(0, end - _LONGEST_POLITE) : end], polite, forwards=False)
        if not length:
            break
        end -= length
    return opening, max(end - 1, 0)


def _polite_length(words: Sequence[str], polite: frozenset[tuple[str, ...]], *, forwards: bool) -> int:
    for length in range(len(words), 0, -1):
        if tuple(words[:length] if forwards else words[-length:]) in polite:
            return length
    return 0


@cache
def _polite() -> frozenset[tuple[str, ...]]:
    phrases = rulebook.answers("courtesy") + rulebook.answers("greetings")
    return frozenset(tuple(phrase.split()) for phrase in phrases)


@cache
def _polite_edges() -> tuple[frozenset[str], frozenset[str]]:
    """The words that a courtesy can begin with, and those it can end with."""
    return frozenset(phrase[0] for phrase in _polite()), frozenset(phrase[-1] for phrase in _polite())


_LONGEST_POLITE = max(map(len, _polite()))


class _Pattern:
    """One line of ``says``; compiled when a text first contains a word that it begins with."""

    def __init__(self, rule: "_Rule", pattern: str, part: Part) -> None:
        self.rule = rule
        self.first = part.first
        self.later = part.later
        self.starts_clause = pattern.startswith("^")
        self._source = part.regex
        self._regex: re.Pattern[str] | None = None
        if not self.first or part.empty:
            raise PatternError(f"{pattern!r} must begin with a word.")

    def matches(self, line: str, position: int) -> bool:
        if self.starts_clause and position and line[position - 1] != OPENING:
            return False
        if self._regex is None:
            self._regex = re.compile(self._source)
        if not self._regex.match(line, position):
            return False
        before = line[max(0, position - _LOOK_BACK) : position]
        return not self.rule.is_excused(line, before)


class _Rule:
    def __init__(self, language: str, table: Mapping[str, Any], grammar: Grammar) -> None:
        self.id = f"{language}.{table['id']}"
        self.decision: str = table["decision"]
        if self.decision not in {OPT_OUT, REVIEW, TALK}:
            raise PatternError(f"{self.id}: decides {self.decision!r}.")
        self.found = Found(
            self.decision,
            self.id,
            table.get("settled_by_a_word", False),
            table.get("leaves_open_what", False),
            table.get("alone", False),
            table.get("no_errand", False),
        )
        self.whole_text: bool = table.get("whole_text", False)
        self.patterns = [_Pattern(self, pattern, grammar.read(pattern)) for pattern in table["says"]]
        guards = [grammar.read(pattern).regex for pattern in table.get("not_after", [])]
        self._guard_source = rf"(?:^|(?<=\s))(?:{'|'.join(guards)})\Z" if guards else ""
        self._guard: re.Pattern[str] | None = None
        excuses = [grammar.read(pattern).regex for pattern in table.get("unless", [])]
        self._excuse_source = rf"(?:^|(?<=\s))(?:{'|'.join(excuses)})" if excuses else ""
        self._excuse: re.Pattern[str] | None = None

    def is_excused(self, line: str, before: str) -> bool:
        if self._guard_source and before:
            self._guard = self._guard or re.compile(self._guard_source)
            if self._guard.search(before):
                return True
        if self._excuse_source:
            self._excuse = self._excuse or re.compile(self._excuse_source)
            return bool(self._excuse.search(line))
        return False


@dataclass(frozen=True)
class Found:
    decision: str
    rule: str
    settled_by_a_word: bool = False
    leaves_open_what: bool = False
    alone: bool = False
    no_errand: bool = False


class _Index:
    """Finds which patterns may stand where in a clause, by the words they begin with and two they need further on.

    A set of patterns is kept as the bits of a number, so that a few operations on a word rule out thousands of them.
    """

    def __init__(self, patterns: Sequence[_Pattern]) -> None:
        self._patterns = patterns
        everything = (1 << len(patterns)) - 1
        anywhere = everything
        free = [everything, everything]
        first: dict[str, int] = {}
        needs: tuple[dict[str, int], dict[str, int]] = ({}, {})
        for order, pattern in enumerate(patterns):
            bit = 1 << order
            anywhere ^= bit if pattern.starts_clause else 0
            for word in pattern.first:
                first[word] = first.get(word, 0) | bit
            for which, words in enumerate(sorted(pattern.later, key=len)[:2]):
                free[which] ^= bit
                for word in words:
                    needs[which][word] = needs[which].get(word, 0) | bit
        self.first = frozenset(first)
        self._free = free
        # Of each word: what begins with it, at a clause's start or anywhere; what needs it first, or besides.
        self._words = {
            word: (first.get(word, 0), first.get(word, 0) & anywhere, needs[0].get(word, 0), needs[1].get(word, 0))
            for word in first.keys() | needs[0].keys() | needs[1].keys()
        }

    def places(self, clause: Sequence[str], opening: int) -> list[tuple[int, int]]:
        """Where in the clause's line patterns may begin, from left to right, and which, as the bits of a number."""
        known = self._words
        needed, also_needed = self._free
        found: list[tuple[int, int]] = []
        at = len(clause)
        for word in reversed(clause):
            at -= 1
            if word in known:
                at_start, anywhere, needs, also_needs = known[word]
                may = (anywhere if at > opening else at_start) & needed
                if may:
                    may &= also_needed
                    if may:
                        found.append((at, may))
                if needs:
                    needed |= needs
                if also_needs:
                    also_needed |= also_needs
        found.reverse()
        position = reached = 0
        for order, (at, may) in enumerate(found):
            while reached < at:
                position += len(clause[reached]) + 1
                reached += 1
            found[order] = position, may
        return found

    def possible(self, places: Sequence[tuple[int, int]], among: int = -1) -> Iterator[tuple[int, _Pattern]]:
        """The patterns ``among`` those wanted that may be found, and the position of each, from left to right."""
        for position, may in places:
            may &= among
            while may:
                lowest = may & -may
                yield position, self._patterns[lowest.bit_length() - 1]
                may ^= lowest


class Rules:
    """All rules of all languages, found by the words that their patterns begin with."""

    def __init__(self) -> None:
        asking: list[_Pattern] = []
        talking: list[_Pattern] = []
        for language, tables in rulebook.languages().items():
            grammar = Grammar(tables["words"], tables["short"])
            for table in tables["rule"]:
                rule = _Rule(language, table, grammar)
                (talking if rule.decision == TALK else asking).extend(rule.patterns)
        self._asking = _Index(asking)
        self._opting_out = sum(1 << order for order, pattern in enumerate(asking) if pattern.rule.decision == OPT_OUT)
        self._talking = _Index(talking)
        of_whole_texts = [pattern for pattern in talking if pattern.rule.whole_text]
        self._of_whole_texts = _Index(of_whole_texts)
        self._telling = frozenset[str]().union(*(_telling(pattern) for pattern in of_whole_texts))
        self._words = self._asking.first

    def judge(self, words: Sequence[str]) -> Found | None:
        """What the clauses in ``words`` ask for, by the first rule that opts out, else the first that doubts."""
        doubts: list[tuple[int, Found]] = []
        about_texts = not _clause_words("topics").isdisjoint(words)
        said_word = said_stop = talks = False
        for at, (clause, ends_sentence) in enumerate(_clauses(words)):
            opening, closing = _edges(clause)
            core = " ".join(clause[opening : closing + 1])
            if core in _opt_out_words():
                if core in rulebook.shared_words("unsubscribing") and (not at or ends_sentence):
                    return Found(OPT_OUT, "sentence_of_its_own")
                said_word = True
                if core in rulebook.shared_words("unmistakable") and (not at or ends_sentence or about_texts):
                    if not rulebook.shared_words("asking").isdisjoint(clause):
                        return Found(OPT_OUT, "sentence_of_its_own")
                    said_stop = True
                continue
            silent = self._words.isdisjoint(clause) or _is_about_something_else(clause)
            found = None if silent else self._judge(clause, opening, closing, words)
            if found and found.decision == OPT_OUT:
                return None if self._is_talk(words) else found
            if found:
                doubts.append((at, found))
            elif core and core not in _clause_words("asides"):
                talks = True
        if talks:
            doubts = [(at, found) for at, found in doubts if not found.alone]
        if said_stop:
            doubts.append((-1, Found(REVIEW, "sentence_of_its_own", leaves_open_what=True)))
        if not doubts or self._is_talk(words):
            return None
        for at, found in doubts:  # what clauses add up to of which each alone is doubtful
            settled = any(other.settled_by_a_word for place, other in doubts if place != at)
            if (said_word and found.settled_by_a_word) or (found.leaves_open_what and (settled or about_texts)):
                return replace(found, decision=OPT_OUT)
        return doubts[0][1]

    def _judge(self, clause: Sequence[str], opening: int, closing: int, words: Sequence[str]) -> Found | None:
        places = self._asking.places(clause, opening)
        if not places:
            return None
        line = _line(clause, opening, closing)
        for position, pattern in self._asking.possible(places, self._opting_out):
            if pattern.matches(line, position) and not (pattern.rule.found.no_errand and _is_an_errand(words)):
                return None if self._is_talk_of(self._talking, clause, opening, line) else pattern.rule.found
        doubt: Found | None = None
        for position, pattern in self._asking.possible(places, ~self._opting_out):
            found = pattern.rule.found
            better = doubt is None or found.leaves_open_what or (doubt.alone and not found.alone)
            if better and pattern.matches(line, position) and not (found.no_errand and _is_an_errand(words)):
                doubt = found
        return None if doubt and self._is_talk_of(self._talking, clause, opening, line) else doubt

    @staticmethod
    def _is_talk_of(index: _Index, clause: Sequence[str], opening: int, line: str) -> bool:
        return any(pattern.matches(line, at) for at, pattern in index.possible(index.places(clause, opening)))

    def _is_talk(self, words: Sequence[str]) -> bool:
        """True if a clause says that nothing in the whole text is asked of us."""
        if self._telling.isdisjoint(words):
            return False
        for clause, _ in _clauses(words):
            if not self._telling.isdisjoint(clause):
                opening, closing = _edges(clause)
                if self._is_talk_of(self._of_whole_texts, clause, 0, _line(clause, opening, closing)):
                    return True
        return False


def _telling(pattern: _Pattern) -> frozenset[str]:
    """Of the sets of words without which ``pattern`` is not found, the one that tells most: long words are rare."""
    return max((pattern.first, *pattern.later), key=lambda words: sum(map(len, words)) / len(words))


@cache
def _clause_words(kind: str) -> frozenset[str]:
    """The words of one list under [clauses], in all languages."""
    return frozenset(word for language in rulebook.languages().values() for word in language["clauses"][kind])


@cache
def _ours() -> frozenset[str]:
    return _clause_words("topics") | _clause_words("reaching")


def _is_about_something_else(clause: Sequence[str]) -> bool:
    """True for "Take the fee off my invoice": another matter is named, neither our texts nor how to reach anybody."""
    return not _clause_words("matters").isdisjoint(clause) and _ours().isdisjoint(clause)


def _is_an_errand(words: Sequence[str]) -> bool:
    """True for texts that want something of us: an appointment, an order, papers, a new address."""
    return not _clause_words("errands").isdisjoint(words)


@cache
def _opt_out_words() -> frozenset[str]:
    shipped = (word for words in SHIPPED.values() for word, action in words.items() if action == Action.OPT_OUT)
    built_in = (word for word, action in BUILT_IN.items() if action == Action.OPT_OUT)
    return frozenset(word.lower() for word in [*built_in, *shipped])


@cache
def rules() -> Rules:
    return Rules()


def vocabulary() -> set[str]:
    """Every single word that a rule or a list of words mentions: none of them is a typo of another."""
    return {
        word
        for tables in rulebook.languages().values()
        for entries in [
            *tables["words"].values(),
            *(rule.get(field, []) for rule in tables["rule"] for field in ("says", "not_after", "unless")),
        ]
        for entry in entries
        for word in LEXER.findall(entry)
        if word.isalpha()
    }


def patterns_words() -> set[str]:
    """The words by which sentences are found: those of ``says`` and of the lists it names."""
    found: set[str] = set()
    for tables in rulebook.languages().values():
        todo = [pattern for rule in tables["rule"] for pattern in rule["says"]]
        named: set[str] = set()
        while todo:
            for token in LEXER.findall(todo.pop()):
                if token.isalpha():
                    found.add(token)
                elif token[0] == "<" and token not in named:
                    named.add(token)
                    todo += tables["words"][token[1:-1]]
    return found
