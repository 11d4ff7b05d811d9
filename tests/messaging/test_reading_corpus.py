"""Labelled texts in four languages must not be read worse than they were; and what must not change a decision.

The bars hold on texts by which the rules were made: they say that nothing got lost, not how well new texts are read.
"""

import collections

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.messaging.reading_corpus import BARS, FILES, Bar, decide, is_right, learned, measure, texts

ALL = list(texts())


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("bar", BARS, ids=str)
def test_the_bar_holds(bar: Bar, file: str) -> None:
    share, wrong = measure(bar, file)
    assert bar.least <= share <= bar.most, f"{file}, {bar}: {share:.1%}\n" + "\n".join(wrong)


def test_what_was_learned_stays_learned() -> None:
    assert [labelled for labelled in learned(missed=False) if not is_right(labelled)] == []


def test_the_known_misses_are_still_misses() -> None:
    """One that is read right by now belongs among the learned texts; so the list says neither more nor less."""
    misses = list(learned(missed=True))
    assert [labelled for labelled in misses if is_right(labelled)] == []
    assert [labelled for labelled in misses if labelled.kind == "talk" and decide(labelled.text)[0] == "opt_out"] == []


def test_the_corpus_is_large_and_says_nothing_twice() -> None:
    assert len(ALL) >= 800
    assert {labelled.language for labelled in ALL} == {"en", "es", "fr", "pt"}
    kinds = collections.defaultdict(set)
    for labelled in ALL:
        kinds[labelled.text].add(labelled.kind)
    # A yes is an acceptance while we ask and looks like one when we do not; everything else has one kind.
    assert {text: kind for text, kind in kinds.items() if len(kind) > 1 and kind != {"look_alike", "acceptance"}} == {}


# ---- what must not change a decision --------------------------------------------------------------------------------
# This holds for every text but reactions, whose quotation marks say what they are.

WRITTEN = st.sampled_from([labelled.text for labelled in ALL if labelled.kind != "reaction"])
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u202a\u202c\u200e"
BOUNDED = settings(max_examples=100, deadline=None)


@given(WRITTEN, st.sampled_from([str.upper, str.lower, str.title, str.swapcase]), st.booleans())
@BOUNDED
def test_case_changes_nothing(text: str, change: object, request_open: bool) -> None:
    assert callable(change)
    assert decide(change(text), request_open) == decide(text, request_open)


@given(WRITTEN, st.text(alphabet="!.,;…-–*()~ \t\n", max_size=6), st.text(alphabet="!.,;…?-–*()~ \t\n", max_size=6))
@BOUNDED
def test_punctuation_around_it_changes_nothing(text: str, before: str, after: str) -> None:
    assert decide(f"{before}{text}{after}") == decide(text)


@given(
    WRITTEN, st.sampled_from(['"{}"', "“{}”", "«{}»", "« {} »", "({})", "'{}'", "*{}*", "_{}_", "🛑{}🛑", "{} 🙏🏽"])
)
@BOUNDED
def test_quotes_and_emoji_around_it_change_nothing(text: str, around: str) -> None:
    assert decide(around.format(text)) == decide(text)


@given(WRITTEN, st.sampled_from(["  ", "\t", "\n", "\u00a0", " \u2009 ", "\r\n"]), st.booleans())
@BOUNDED
def test_spacing_changes_nothing(text: str, space: str, request_open: bool) -> None:
    assert decide(space + text.replace(" ", space) + space, request_open) == decide(text, request_open)


@given(WRITTEN, st.data())
@BOUNDED
def test_invisible_characters_change_nothing(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    hidden = data.draw(st.text(alphabet=INVISIBLE, min_size=1, max_size=3))
    assert decide(text[:at] + hidden + text[at:]) == decide(text)


@given(st.text(max_size=60), st.booleans())
@BOUNDED
def test_whatever_is_written_is_decided(text: str, request_open: bool) -> None:
    decision, rule = decide(text, request_open)
    assert decision and rule and len(rule) <= 60
