"""Patterns over words, as messaging/reading/*.toml writes them, made into regular expressions. Pure.

A pattern is a row of words. ``<stop>`` is any entry of the list ``stop`` under ``[words]``, whose entries are patterns
themselves; ``[…]`` may be left out; ``(a|b)`` is one of several; ``~3`` is up to three words of any kind; ``*ing`` is
any word that ends so, ``mand*`` one that begins so; ``#`` is a number, ``#7`` one of at least seven digits; ``!x``
means that x must not follow; ``$`` is the end of a clause and ``^`` its start, both but for courtesy. A word listed
under ``[short]`` stands for its short forms, too.

A pattern is found in a line: words, each with one separator behind it. The separator tells what stands around the
courtesies at a clause's edges, so that a pattern need not know them: OPENING behind those that begin it, CLOSING behind
the last word that counts and the courtesies after it, else a space.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

OPENING, CLOSING = "\t", "\n"
LEXER = re.compile(r"<\w+>|~\d|\*\w+|\w+\*|#\d?|[\[\]()|!$^]|[^\s\[\]()|!$^#<>~*]+")
_CLAUSE_ENDS = rf"(?:(?<={CLOSING})|\Z)"


class PatternError(ValueError):
    """A pattern that can't be read; says which and why."""


@dataclass(frozen=True)
class Part:
    """A piece of a pattern: its regular expression, the words it can begin with, whether it may match nothing.

    It is ``open`` where it can begin with words that can't be listed. ``later`` are sets of words: of each at least one
    word stands further on wherever it is found.
    """

    regex: str
    first: frozenset[str] = frozenset()
    empty: bool = False
    open: bool = False
    later: tuple[frozenset[str], ...] = ()


class Grammar:
    """Reads the patterns of one language: its lists of ``words``, and how some of them are written in ``short``."""

    def __init__(self, words: Mapping[str, Sequence[str]], short: Mapping[str, Sequence[str]]) -> None:
        self._words = words
        self._short = short
        self._parts: dict[str, Part] = {}

    def read(self, pattern: str) -> Part:
        """Raises PatternError."""
        part, rest = self._choice(LEXER.findall(pattern), pattern)
        if rest:
            raise PatternError(f"{pattern!r}: {rest[0]!r} closes nothing.")
        return part

    def _choice(self, tokens: list[str], pattern: str) -> tuple[Part, list[str]]:
        options: list[Part] = []
        while True:
            option, tokens = self._row(tokens, pattern)
            options.append(option)
            if not tokens or tokens[0] != "|":
                break
            tokens = tokens[1:]
        return _either(options), tokens

    def _row(self, tokens: list[str], pattern: str) -> tuple[Part, list[str]]:
        row: list[Part] = []
        while tokens and tokens[0] not in {"|", ")", "]"}:
            part, tokens = self._one(tokens, pattern)
            row.append(part)
        return _in_a_row(row), tokens

    def _one(self, tokens: list[str], pattern: str) -> tuple[Part, list[str]]:
        token, rest = tokens[0], tokens[1:]
        if token in {"(", "["}:
            part, rest = self._choice(rest, pattern)
            closing = {"(": ")", "[": "]"}[token]
            if not rest or rest[0] != closing:
                raise PatternError(f"{pattern!r}: {closing!r} is missing.")
            if token == "[":
                part = Part(f"(?:{part.regex})?", part.first, empty=True, open=part.open)
            return part, rest[1:]
        if token == "!":
            part, rest = self._one(rest, pattern)
            return Part(f"(?!{part.regex})", empty=True), rest
        return self._word(token, pattern), rest

    def _word(self, token: str, pattern: str) -> Part:
        if token == "$":
            return Part(_CLAUSE_ENDS, empty=True)
        if token == "^":
            return Part("", empty=True)
        if token[0] == "#":
            return Part(rf"\d{{{token[1:] or 1},}}\s", open=True)
        if token[0] == "*":
            return Part(rf"\S+{token[1:]}\s", open=True)
        if token[-1] == "*":
            return Part(rf"{token[:-1]}\S*\s", open=True)
        if token[0] == "~":
            return Part(rf"(?:\S+\s){{0,{token[1:]}}}", empty=True)
        if token[0] == "<":
            return self._named(token[1:-1], pattern)
        written = [token, *self._short.get(token, ())]
        return Part(rf"(?:{'|'.join(map(re.escape, written))})\s", frozenset(written))

    def _named(self, name: str, pattern: str) -> Part:
        if name not in self._words:
            raise PatternError(f"{pattern!r}: there is no list {name!r}.")
        if name not in self._parts:
            self._parts[name] = _either([self.read(entry) for entry in self._words[name]])
        return self._parts[name]


def _either(options: Sequence[Part]) -> Part:
    if len(options) == 1:
        return options[0]
    later = frozenset[str]().union(*(min(option.later, key=len, default=frozenset()) for option in options))
    return Part(
        f"(?:{'|'.join(option.regex for option in options)})",
        frozenset[str]().union(*(option.first for option in options)),
        empty=any(option.empty for option in options),
        open=any(option.open for option in options),
        later=(later,) if all(option.later for option in options) else (),
    )


def _in_a_row(row: Sequence[Part]) -> Part:
    first: frozenset[str] = frozenset()
    is_open = False
    for part in row:
        first |= part.first
        is_open = is_open or part.open
        if not part.empty:
            break
    certain = [part for part in row if not part.empty]
    later = [words for part in certain for words in part.later]
    later += [part.first for part in certain[1:] if not part.open]
    return Part("".join(part.regex for part in row), first, empty=not certain, open=is_open, later=tuple(later))
