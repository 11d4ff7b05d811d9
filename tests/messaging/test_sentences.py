"""A sentence that plainly asks us to stop is a revocation like the word (47 CFR 64.1200(a)(10)); other talk is not."""

import pytest

from consent.models import LedgerEntry
from tests.make import make_agent, make_line
from tests.world import Phone, standing, texts_seen

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "words", ["Please stop texting me", "STOP NOW!!", "take me off your list", "Por favor no me manden más mensajes"]
)
def test_a_plain_request_opts_out(jane: Phone, words: str) -> None:
    line = make_line()
    jane.texts(line, "START")
    jane.news()
    jane.texts(line, words)
    assert standing(line)[0] == "opted_out"
    assert jane.news() == ["opt_out_confirmation"]
    assert LedgerEntry.objects.get(kind="opted_out").rule


@pytest.mark.parametrize(
    "words", ["Can you stop by at five?", "please cancel my order", "Liked “Reply STOP to opt out.”"]
)
def test_talk_that_holds_such_words_does_not(jane: Phone, words: str) -> None:
    line = make_line()
    ann = make_agent(line)
    jane.texts(line, "START")
    jane.texts(line, words)
    assert standing(line)[0] == "opted_in"
    assert texts_seen(ann, line) == [(words, "received")]
