"""What the page says by itself, in the four languages. What people agree to is the officer's wording, not here."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from consent import phones
from messaging import text

_FOLDER = Path(__file__).parent
_COLUMN = {"en": 0, "es": 1, "fr": 2, "pt": 3}


@dataclass(frozen=True)
class Words:
    """Those with braces are completed with ``format``."""

    language: str
    heading: str
    number: str
    number_hint: str
    country: str
    agree: str
    sign_up: str
    other_languages: str
    wrong: str
    error: str
    number_missing: str
    number_wrong: str
    number_never_texted: str
    country_missing: str
    country_not_offered: str
    agree_missing: str
    read_again: str
    done_heading: str
    done: str
    done_out: str
    too_many_heading: str
    too_many: str
    elsewhere_heading: str
    elsewhere: str


@cache
def words(language: str) -> Words:
    """The page's words in one of the four languages."""
    with (_FOLDER / "words.toml").open("rb") as file:
        return Words(**tomllib.load(file)[language])


@cache
def countries(language: str) -> dict[str, str]:
    """Two letters → the country's name, in the order of the names."""
    with (_FOLDER / "countries.toml").open("rb") as file:
        named = {code: names[_COLUMN[language]] for code, names in tomllib.load(file).items()}
    return dict(sorted(named.items(), key=lambda each: text.without_accents(each[1]).casefold()))


@cache
def options(language: str, offered: str) -> list[tuple[str, str]]:
    """The countries to choose from: ``offered`` are their codes, empty for all. Each with its name and code to dial."""
    wanted = set(offered.split())
    return [
        (code, f"{name} (+{phones.country_code(code)})")
        for code, name in countries(language).items()
        if not wanted or code in wanted
    ]
