"""The labelled texts in corpus/ and what must not get worse on them (PRODUCT "Reading what people write").

Regression sets: the rules were tuned on tuned.toml, whose texts were selected, and learned from learned.toml. So no bar
here measures how well texts are read that nobody has seen.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from messaging import reading

FILES = ("tuned", "held_out")
_FOLDER = Path(__file__).parent / "corpus"


@dataclass(frozen=True)
class Labelled:
    text: str
    kind: str
    language: str


@dataclass(frozen=True)
class Bar:
    """At least ``least`` or at most ``most`` of a kind's texts are decided as one of ``decisions``."""

    kind: str
    decisions: frozenset[str]
    least: float = 0.0
    most: float = 1.0
    request_open: bool = False

    def __str__(self) -> str:
        limit = f"at least {self.least:.0%}" if self.least else f"at most {self.most:.0%}"
        return (
            f"{self.kind}{' while asked' if self.request_open else ''}: {limit} {' or '.join(sorted(self.decisions))}"
        )


OUT, REVIEW, IN = frozenset({"opt_out"}), frozenset({"review"}), frozenset({"opt_in"})
BARS = (
    Bar("revocation", OUT, least=0.98),
    Bar("revocation", OUT | REVIEW, least=1.0),
    Bar("talk", OUT, most=0.0),
    Bar("talk", REVIEW, most=0.03),
    Bar("reaction", OUT | REVIEW, most=0.0),
    Bar("reaction", OUT | REVIEW, most=0.0, request_open=True),
    Bar("look_alike", IN, most=0.0),
    Bar("look_alike", OUT | REVIEW, most=0.0),
    Bar("everyday", frozenset({"conversation"}), least=1.0),
    Bar("doubtful", OUT | REVIEW, least=0.9),
    Bar("obfuscated", OUT | REVIEW, least=0.95),
    Bar("acceptance", frozenset({"possible_acceptance"}), least=1.0, request_open=True),
    Bar("acceptance", OUT | REVIEW | IN, most=0.0),
)


# Decisions that are right for a kind in learned.toml; of the other kinds, all that change nothing.
RIGHT = {"revocation": OUT, "doubtful": OUT | REVIEW, "obfuscated": OUT | REVIEW}
_CHANGING = OUT | REVIEW | IN


@cache
def texts(*files: str) -> tuple[Labelled, ...]:
    return tuple(labelled for file in files or FILES for labelled in _labelled(_tables(file)))


def learned(*, missed: bool) -> Iterator[Labelled]:
    """The texts of learned.toml that are read right, or those ``missed`` still."""
    tables = _tables("learned")
    misses = tables.pop("misses", {})
    return _labelled(misses if missed else tables)


def is_right(labelled: Labelled) -> bool:
    decision = decide(labelled.text)[0]
    right = RIGHT.get(labelled.kind)
    return decision not in _CHANGING if right is None else decision in right


def _tables(file: str) -> dict[str, Any]:
    with (_FOLDER / f"{file}.toml").open("rb") as source:
        return tomllib.load(source)


def _labelled(kinds: dict[str, Any]) -> Iterator[Labelled]:
    for kind, languages in kinds.items():
        for language, said in languages.items():
            yield from (Labelled(text, kind, language) for text in said)


@cache
def decide(text: str, request_open: bool = False) -> tuple[str, str]:
    """Decision and rule, with the words of all languages active. Each text is read once in a run."""
    found = reading.every_language().read(text, request_open)
    return reading.decision(found.meaning, request_open), found.rule


def measure(bar: Bar, file: str) -> tuple[float, list[str]]:
    """The share that is so decided, and the texts on the wrong side of the bar."""
    kind = [labelled.text for labelled in texts(file) if labelled.kind == bar.kind]
    hits = [text for text in kind if decide(text, bar.request_open)[0] in bar.decisions]
    wrong = [text for text in kind if text not in set(hits)] if bar.least else hits
    return len(hits) / len(kind), wrong
