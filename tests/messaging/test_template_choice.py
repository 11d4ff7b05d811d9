"""Which wording speaks: the first language that has one, within it the line's own; only what is in use."""

from collections.abc import Iterable
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from consent.models import Contact, Line
from messaging import automatic
from messaging.models import Template
from messaging.wordings import DEFAULTS, Kind
from tests.make import JANE, make_agent, make_contact, make_line
from tests.world import Phone, write


@pytest.fixture
def line(db: None) -> Line:
    return make_line(name="Orders")


def add(language: str, line: Line | None, body: str = "", kind: Kind = Kind.HELP_REPLY, **fields: Any) -> Template:
    template, _ = Template.objects.get_or_create(kind=kind, line=line, language=language, defaults=fields)
    template.say(body or f"{language} {'own' if line else 'general'}")
    return template


def speaks(line: Line, contact: Contact | None = None, language: str = "", kind: Kind = Kind.HELP_REPLY) -> str:
    return automatic.wording(kind, line, contact, language).body


def test_keyword_then_contact_then_line_then_english(line: Line) -> None:
    jane = make_contact(JANE, language="fr")
    Line.objects.filter(pk=line.pk).update(language="pt")
    line.refresh_from_db()
    assert speaks(line, jane, "es") == DEFAULTS[Kind.HELP_REPLY]
    for language, expected in (("pt", "pt general"), ("fr", "fr general"), ("es", "es general")):
        add(language, None)
        assert speaks(line, jane, "es") == expected
    assert speaks(line, jane) == "fr general", "no keyword"
    assert speaks(line) == "pt general", "no contact"


def test_within_a_language_the_lines_own_goes_first(line: Line) -> None:
    jane = make_contact(JANE, language="fr")
    add("fr", None)
    add("en", line)
    assert speaks(line, jane) == "fr general", "the language decides before the line"
    add("fr", line)
    assert speaks(line, jane) == "fr own"
    assert speaks(make_line("+12065550102"), jane) == "fr general"


def test_what_is_switched_off_or_was_never_written_does_not_speak(line: Line) -> None:
    own = add("en", line)
    Template.objects.filter(pk=own.pk).update(in_use=False)
    Template.objects.create(kind=Kind.HELP_REPLY, line=line, language="fr")
    assert speaks(line, make_contact(JANE, language="fr")) == DEFAULTS[Kind.HELP_REPLY]


def test_the_general_english_one_stays_in_use(line: Line) -> None:
    general = Template.objects.get(kind=Kind.HELP_REPLY, line=None, language="en")
    general.in_use = False
    with pytest.raises(ValidationError, match="stays in use"):
        general.full_clean()
    own = add("en", line)
    own.in_use = False
    own.full_clean()


def test_a_choice_is_one_query(line: Line) -> None:
    jane = make_contact(JANE, language="fr")
    add("fr", line)
    with CaptureQueriesContext(connection) as queries:
        version = automatic.wording(Kind.HELP_REPLY, line, jane, "es")
        assert version.template.language == "fr"
    assert len(queries) == 1


def test_notices_speak_the_lines_language(line: Line) -> None:
    add("fr", None, "{contact_name} : oui", Kind.NOTICE_OPTED_IN)
    jane = make_contact(JANE, language="fr")
    assert speaks(line, jane, kind=Kind.NOTICE_OPTED_IN) == DEFAULTS[Kind.NOTICE_OPTED_IN]
    line.language = "fr"
    assert speaks(line, jane, kind=Kind.NOTICE_OPTED_IN) == "{contact_name} : oui"


def test_texts_and_their_footer_go_out_in_the_contacts_language(line: Line, jane: Phone) -> None:
    make_contact(JANE, language="es")
    add("es", None, "Hola {contact_first_name}", Kind.HELP_REPLY)
    add("es", None, "Responda STOP para cancelar", Kind.FOOTER)
    jane.texts(line, "HELP")
    assert jane.last_words() == "Hola cliente", "the stated default, in the wording's language"
    jane.texts(line, "START")
    write(make_agent(line), line, "Listo")
    assert jane.last_words() == "Listo\nResponda STOP para cancelar"


def test_a_request_and_its_evidence_name_the_same_wording(line: Line, jane: Phone) -> None:
    make_contact(JANE, language="es")
    spanish = add("es", None, "Hola. Responda {accept_word}", Kind.REQUEST_OURS)
    write(make_agent(line), line)
    assert spanish.current
    request = line.requests.get()
    assert request.wording == spanish.current.uuid
    assert request.messages.get().wording == spanish.current
    assert jane.last_words() == "Hola. Responda YES"


LANGUAGES = ["en", "es", "fr", "pt"]


class TheChoiceIsTheDocumentedOne(TestCase):
    @given(
        existing=st.sets(st.tuples(st.sampled_from(LANGUAGES), st.booleans(), st.booleans())),
        wanted=st.lists(st.sampled_from(["", *LANGUAGES]), max_size=3),
    )
    @hypothesis_settings(max_examples=40, deadline=None)
    def test_choice(self, existing: Iterable[tuple[str, bool, bool]], wanted: list[str]) -> None:
        line = make_line()
        there = {("en", False): True}
        for language, own, in_use in sorted(existing):
            if (language, own) != ("en", False):
                template = add(language, line if own else None)
                Template.objects.filter(pk=template.pk).update(in_use=in_use)
                there[language, own] = in_use
        found = Template.objects.for_line(Kind.HELP_REPLY, line, wanted)
        expected = next(
            (language, own)
            for language in [*wanted, "en"]
            for own in (True, False)
            if language and there.get((language, own))
        )
        assert (found.language, found.line_id is not None) == expected
