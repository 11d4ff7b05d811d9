"""Who may answer which word where: no word twice on a line, and on every line a way in and a way out. Pure.

PRODUCT "Keyword responders". Lines are ids; no set of lines stands for every line, those to come included.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from messaging.keywords import Action, compared

# Without one of each on a line, nobody could leave it, or come back.
NEEDED = (Action.OPT_OUT, Action.OPT_IN)


@dataclass(frozen=True)
class Claim:
    """What one responder answers, and where. ``lines`` is None for every line."""

    word: str
    action: str
    lines: frozenset[int] | None = None
    active: bool = True
    responder: int | None = None

    def covers(self, line: int) -> bool:
        return self.active and (self.lines is None or line in self.lines)

    def shares(self, other: "Claim") -> frozenset[int] | None:
        """The lines of both, None for every line; switched off, nothing is claimed."""
        if not (self.active and other.active):
            return frozenset()
        if self.lines is None:
            return other.lines
        return self.lines if other.lines is None else self.lines & other.lines


def conflict(claim: Claim, others: Iterable[Claim]) -> Claim | None:
    """The first of ``others`` that answers the same word on a line of this claim's."""
    word = compared(claim.word)
    for other in others:
        if compared(other.word) == word and claim.shares(other) != frozenset():
            return other
    return None


def left_without(
    before: Claim, after: Claim | None, others: Collection[Claim], lines: Iterable[int]
) -> tuple[Action, list[int]] | None:
    """What the change takes from ``lines``: the action, and those that nobody would answer it on any more.

    ``after`` is None for a responder that is deleted. None where nothing is missing, or was missing before.
    """
    kept = [*others, *([after] if after else [])]
    for action in NEEDED:
        if before.action != action:
            continue
        lost = [
            line
            for line in lines
            if before.covers(line) and not any(claim.action == action and claim.covers(line) for claim in kept)
        ]
        if lost:
            return action, lost
    return None
