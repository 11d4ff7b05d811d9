"""The files that say how texts are read (messaging/reading/*.toml), loaded once. Pure.

shared.toml holds what is common to all languages, and the version of the whole; each language has a file of its own.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

LANGUAGES = ("en", "es", "fr", "pt")
_FOLDER = Path(__file__).parent / "reading"


@cache
def load(name: str) -> Mapping[str, Any]:
    """One file's tables, by its name without the ending."""
    with (_FOLDER / f"{name}.toml").open("rb") as file:
        return tomllib.load(file)


def shared() -> Mapping[str, Any]:
    return load("shared")


@cache
def shared_words(kind: str) -> frozenset[str]:
    """One of the lists of shared.toml as a set."""
    return frozenset(shared()[kind])


def languages() -> dict[str, Mapping[str, Any]]:
    return {language: load(language) for language in LANGUAGES}


def answers(kind: str) -> list[str]:
    """The words of one kind ("courtesy", "accepting" …) in all languages."""
    return [words for language in languages().values() for words in language["answers"][kind]]


RULES_VERSION: str = shared()["version"]
