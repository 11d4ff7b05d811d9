"""Templates: variables, defaults, versions, and what each automatic text must say (PRODUCT)."""

import re

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from consent.models import Line, Organisation
from consent.models.ledger import AuditRowError
from messaging import automatic
from messaging.models import Template, TemplateVersion
from messaging.rendering import VARIABLES, WordingError, allowed, check, longest, problems, render
from messaging.wordings import DEFAULTS, NOTICES, REQUESTS, SIGN_UPS, Kind
from tests.make import JANE, make_agent, make_contact, make_line
from tests.world import Phone, write

# PRODUCT's own list; accept_word and sign_up_source are ours.
NAMED = {
    "agent_name",
    "company_name",
    "contact_first_name",
    "line_name",
    "line_number",
    "support_contact",
    "terms_address",
    "privacy_address",
    "frequency",
}


# ---- variables ------------------------------------------------------------------------------------------------------


def test_every_named_variable_may_be_used_in_every_template() -> None:
    for kind in Kind:
        # Nobody is known yet where people sign up, and nobody in person asks.
        named = NAMED - {"agent_name", "contact_first_name"} if kind in SIGN_UPS else {*NAMED, "accept_word"}
        assert set(allowed(kind)) >= named
        check("Press 1 " + " ".join(f"{{{name}}}" for name in named), kind)


@pytest.mark.parametrize(
    "body",
    [
        "{nobody}",
        "{}",
        "{ company_name }",
        "{company_name",
        "company_name}",
        "{{company_name}}",
        "{company_name.name}",
        "{company_name!r}",
        "{company_name:>10}",
        "{0}",
        "{__class__}",
        "a } b",
        "a { b",
        "{contact_name}",  # of notices only
    ],
)
def test_what_is_no_variable_is_refused(body: str) -> None:
    with pytest.raises(WordingError) as wrong:
        check(body, Kind.REQUEST_OURS)
    assert "character" in str(wrong.value), "says where"


def test_notices_know_who_it_is_about() -> None:
    check("{contact_name}: {detail}", Kind.NOTICE_ASKED)


def test_values_are_filled_in() -> None:
    assert (
        render(
            "Hi {contact_first_name}, {company_name}.",
            Kind.HELP_REPLY,
            {"contact_first_name": "Jane", "company_name": "Acme"},
        )
        == "Hi Jane, Acme."
    )


@pytest.mark.parametrize("value", [None, "", "   "])
@pytest.mark.parametrize("name", sorted(VARIABLES))
def test_a_missing_value_falls_back_and_is_never_blank(name: str, value: str | None) -> None:
    values = {} if value is None else {name: value}
    text = render(f"[{{{name}}}]", Kind.HELP_REPLY, values)
    assert text == f"[{VARIABLES[name]}]" and len(text) > 2


@pytest.mark.parametrize("value", ["{company_name}", "{0.__class__}", "%s", "\\1", "{", "}}"])
def test_values_are_never_read_again(value: str) -> None:
    assert (
        render(
            "{contact_first_name}|{company_name}",
            Kind.HELP_REPLY,
            {"contact_first_name": value, "company_name": "Acme"},
        )
        == f"{value}|Acme"
    )


PIECES = st.lists(
    st.one_of(st.text(max_size=12), st.sampled_from([f"{{{name}}}" for name in [*VARIABLES, "contact_name", "x"]])),
    max_size=8,
).map("".join)


@given(PIECES, st.sampled_from([None, *Kind]), st.dictionaries(st.sampled_from(sorted(VARIABLES)), st.text(max_size=9)))
@hypothesis_settings(max_examples=300, deadline=None)
def test_each_variable_becomes_its_value_and_all_else_stays(
    body: str, kind: Kind | None, values: dict[str, str]
) -> None:
    if problems(body, kind):
        return
    defaults = allowed(kind)
    expected = "".join(
        (values.get(part[1:-1], "").strip() or defaults[part[1:-1]]) if part.startswith("{") else part
        for part in re.split(r"(\{\w+\})", body)
    )
    assert render(body, kind, values) == expected


@given(PIECES, st.sampled_from([None, *Kind]))
@hypothesis_settings(max_examples=300, deadline=None)
def test_a_place_points_at_the_offending_bit(body: str, kind: Kind | None) -> None:
    for problem in problems(body, kind):
        if problem.place is not None:
            assert body[problem.place - 1 :].startswith(problem.bit) and problem.bit
            assert f"character {problem.place}" in problem.message and problem.bit in problem.message


@pytest.mark.parametrize(("kind", "limit"), [(Kind.FOOTER, 1600), (None, 1600), (Kind.NOTICE_ASKED, 1000)])
def test_no_text_is_longer_than_its_limit_with_long_values(kind: Kind | None, limit: int) -> None:
    name = len(longest(kind)["agent_name"])
    fits = "{agent_name}" + "x" * (limit - name)
    assert problems(fits, kind) == []
    assert [problem.place for problem in problems(fits + "y", kind)] == [len(fits) + 1]
    assert [problem.place for problem in problems("x" * limit + "{agent_name}", kind)] == [limit + 1]


@pytest.mark.parametrize("kind", [Kind.REQUEST_OURS, Kind.REQUEST_THEIRS, Kind.CONFIRM_SIGN_UP])
def test_a_request_must_be_answerable(kind: Kind) -> None:
    for body in ("Reply {accept_word}", "yes?", "Text START", "UNSTOP it"):
        assert problems(body, kind) == []
    for body in ("Hello {agent_name}", "to get started, yesterday", "Sí o NO"):
        assert "{accept_word}" in problems(body, kind)[0].message


def test_nothing_else_is_demanded() -> None:
    for kind in set(Kind) - REQUESTS - {Kind.PHONE_MENU}:
        assert problems("Hm.", kind) == []
    assert problems("To agree, press 1.", Kind.PHONE_MENU) == []
    assert "no key" in problems("Press the 1st key, or call +1 206.", Kind.PHONE_MENU)[0].message
    assert "empty" in problems("{detail}", Kind.NOTICE_ASKED)[0].message


def test_a_near_miss_is_recognised() -> None:
    assert "Did you mean {company_name}?" in problems("{Company_Name}", None)[0].message
    assert "Possible are: " in problems("{zzz}", None)[0].message


@pytest.mark.parametrize("language", ["en", "es", "fr", "pt"])
def test_defaults_speak_the_wordings_language(language: str) -> None:
    said = render("{agent_name}|{contact_first_name}|{accept_word}", Kind.REQUEST_OURS, {}, language)
    assert said.endswith("|YES") and "" not in said.split("|")
    assert (said == "our team|there|YES") == (language == "en")


@given(st.text(max_size=60))
@hypothesis_settings(max_examples=200, deadline=None)
def test_what_the_check_lets_through_can_be_rendered(body: str) -> None:
    try:
        check(body, Kind.HELP_REPLY)
    except WordingError:
        return
    assert render(body, Kind.HELP_REPLY, {}) == body


# ---- what each must say ---------------------------------------------------------------------------------------------

VALUES = {
    "agent_name": "<agent>",
    "company_name": "<company>",
    "line_name": "<line>",
    "line_number": "<number>",
    "support_contact": "<support>",
    "frequency": "<frequency>",
    "terms_address": "<terms>",
    "privacy_address": "<privacy>",
    "accept_word": "<accept>",
    "sign_up_source": "<source>",
    "contact_name": "<contact>",
    "detail": "<detail>",
}
AUTOMATIC, RATES = "automatic", "rates"

MUST_SAY: dict[Kind, list[str]] = {
    Kind.REQUEST_OURS: [AUTOMATIC, "<agent>", "<company>", "<frequency>", "<accept>", "stop", "help", RATES],
    Kind.REQUEST_THEIRS: [AUTOMATIC, "<line>", "<company>", "deliver", "<accept>", "stop"],
    Kind.CONFIRM_SIGN_UP: [
        AUTOMATIC,
        "<company>",
        "<source>",
        "<accept>",
        "finish",
        "stop",
        "<frequency>",
        RATES,
        "help",
    ],
    Kind.OPT_IN_CONFIRMATION: ["<company>", "<frequency>", "stop", "help", RATES],
    Kind.OPT_OUT_CONFIRMATION: ["out", "start", "<number>"],
    Kind.OPT_OUT_CONFIRMATION_DISCLAIMER: ["out", "start", "<number>"],
    Kind.DISCLAIMER_OURS: [AUTOMATIC, "<agent>", "<company>", "<frequency>", "stop"],
    Kind.DISCLAIMER_THEIRS: [AUTOMATIC, "<line>", "<company>", "stop"],
    Kind.HELP_REPLY: ["<company>", "<support>", "stop"],
    Kind.WAY_BACK: ["start", "<number>"],
    Kind.FOOTER: ["stop"],
    Kind.WEB_FORM: [
        *("you agree", "<company>", "<frequency>", RATES, "stop", "help", "not a condition", "<terms>", "<privacy>"),
        "automatic",
    ],
    Kind.PHONE_MENU: ["<company>", "<frequency>", RATES, "stop", "help", "press 1", "press 2", "press 9"],
    **{kind: [AUTOMATIC, "<contact>"] for kind in NOTICES},
}


def test_every_kind_has_a_wording() -> None:
    assert set(DEFAULTS) == set(Kind) == set(MUST_SAY)


@pytest.mark.parametrize("kind", list(Kind))
def test_what_the_shipped_wording_says(kind: Kind) -> None:
    text = render(DEFAULTS[kind], kind, VALUES).lower()
    missing = [said for said in MUST_SAY[kind] if said not in text]
    assert not missing


@pytest.mark.parametrize("kind", [Kind.OPT_OUT_CONFIRMATION, Kind.OPT_OUT_CONFIRMATION_DISCLAIMER])
def test_the_opt_out_confirmations_differ_per_mode_and_sell_nothing(kind: Kind) -> None:
    assert DEFAULTS[Kind.OPT_OUT_CONFIRMATION] != DEFAULTS[Kind.OPT_OUT_CONFIRMATION_DISCLAIMER]
    assert not {"offer", "deal", "discount", "%", "http", "miss you"} & set(DEFAULTS[kind].lower().split())


# ---- which wording speaks -------------------------------------------------------------------------------------------


@pytest.fixture
def line(db: None) -> Line:
    return make_line(name="Orders")


def test_the_lines_own_wording_wins(line: Line) -> None:
    other = make_line("+12065550102")
    Template.objects.create(kind=Kind.HELP_REPLY, line=line).say("Ours.")
    assert automatic.wording(Kind.HELP_REPLY, line).body == "Ours."
    assert automatic.wording(Kind.HELP_REPLY, other).body == DEFAULTS[Kind.HELP_REPLY]


def test_saving_makes_a_new_version_and_keeps_the_old(line: Line) -> None:
    template = Template.objects.get(kind=Kind.HELP_REPLY, line=None)
    first = template.current
    second = template.say("Call us.")
    assert template.say("Call us.") == second, "the same words again make none"
    assert (second.number, template.versions.count()) == (first.number + 1, 2)
    assert TemplateVersion.objects.get(pk=first.pk).body == DEFAULTS[Kind.HELP_REPLY]
    with pytest.raises(WordingError):
        template.say("{nobody}")
    assert template.versions.count() == 2


def test_a_version_is_never_changed_or_deleted(line: Line) -> None:
    version = TemplateVersion.objects.first()
    with pytest.raises(AuditRowError):
        version.save()
    with pytest.raises(AuditRowError):
        version.delete()


def test_texts_keep_the_version_and_the_words_they_left_with(line: Line, jane: Phone) -> None:
    template = Template.objects.get(kind=Kind.HELP_REPLY, line=None)
    jane.texts(line, "HELP")
    template.say("Call us.")
    jane.texts(line, "HELP")
    assert jane.last_words() == "Call us."
    texts = list(line.conversations.get().messages.filter(purpose="help_reply").order_by("pk"))
    assert [text.wording.number for text in texts] == [1, 2]
    assert texts[0].sent_body.startswith("Our company, Orders.")


def test_entries_name_the_wording_that_was_answered(line: Line, jane: Phone) -> None:
    write(make_agent(line), line)
    version = automatic.wording(Kind.REQUEST_OURS, line)
    assert line.entries.get(kind="asked").wording == version.uuid
    assert line.requests.get().wording == version.uuid


def test_what_the_variables_stand_for(line: Line) -> None:
    Organisation.objects.update(name="Acme", support_contact="help@acme.example", frequency="4 a month")
    contact = make_contact(JANE, first_name="Jane")
    values = automatic.values(line, contact, make_agent(line, shown_name="Ann"))
    assert (values["agent_name"], values["company_name"], values["contact_first_name"]) == ("Ann", "Acme", "Jane")
    assert (values["line_name"], values["line_number"]) == ("Orders", line.number)
    assert (values["support_contact"], values["frequency"]) == ("help@acme.example", "4 a month")
    assert automatic.values(line, contact)["agent_name"] == "Orders", "falls back to the line's name"


def test_a_contacts_name_is_put_in_as_it_is(line: Line, jane: Phone) -> None:
    make_contact(JANE, first_name="{company_name}<b>")
    Template.objects.get(kind=Kind.HELP_REPLY, line=None).say("Hi {contact_first_name}")
    jane.texts(line, "HELP")
    assert jane.last_words() == "Hi {company_name}<b>"


def test_notices_name_the_contact(line: Line, jane: Phone) -> None:
    make_contact(JANE, first_name="Jane", last_name="Doe")
    jane.texts(line, "START")
    assert "Jane Doe" in line.conversations.get().notices.get().text
