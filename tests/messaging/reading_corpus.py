"""The labelled texts in corpus/ and the bars that reading must hold on them (PRODUCT "Reading what people write")."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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


def texts(*files: str) -> Iterator[Labelled]:
    for file in files or FILES:
        with (_FOLDER / f"{file}.toml").open("rb") as source:
            kinds = tomllib.load(source)
        for kind, languages in kinds.items():
            for language, said in languages.items():
                yield from (Labelled(text, kind, language) for text in said)


def decide(text: str, request_open: bool = False) -> tuple[str, str]:
    """Decision and rule, with the words of all languages active."""
    found = reading.every_language().read(text, request_open)
    return reading.decision(found.meaning, request_open), found.rule


def measure(bar: Bar, file: str) -> tuple[float, list[str]]:
    """The share that is so decided, and the texts on the wrong side of the bar."""
    kind = [labelled.text for labelled in texts(file) if labelled.kind == bar.kind]
    hits = [text for text in kind if decide(text, bar.request_open)[0] in bar.decisions]
    wrong = [text for text in kind if text not in hits] if bar.least else hits
    return len(hits) / len(kind), wrong
