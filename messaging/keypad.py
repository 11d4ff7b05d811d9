"""The keys of the phone menu, and which of them a wording offers. Pure."""

import re
from enum import StrEnum


class Key(StrEnum):
    """What each key means wherever a wording names it."""

    AGREE = "1"
    REFUSE = "2"
    STOP = "9"


# A digit that stands alone: no part of a number, a time or an amount.
_DIGIT = re.compile(r"(?<![\w+:.,$€£-])([129])(?![\w:%€]|[.,-]\d)")


def offered(body: str) -> frozenset[Key]:
    """The keys that ``body``, with its variables unfilled, names. A caller who presses another one chose nothing: so
    a 9 is a revocation where the wording says what it does, and a slip where it does not."""
    return frozenset(Key(digit) for digit in _DIGIT.findall(body))


def chosen(body: str, digits: str) -> Key | None:
    """The key that ``digits`` are, if ``body`` offers it; else None."""
    return next((key for key in offered(body) if key == digits), None)
