"""A wording as people would get it: filled with likely values and with long ones; what it costs, what is wrong with it.

The organisation's own values are taken as they are, and a line's. For the people, and for a line where a wording is for
every line, made-up ones stand in (rendering.examples, rendering.longest).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from consent.models import Contact, Line, Organisation, User
from messaging import automatic, lint, rendering, segments, text
from messaging.lint import Finding
from messaging.models import Template
from messaging.rendering import Problem
from messaging.segments import Outsider, Size
from messaging.wordings import NOTICES, SIGN_UPS, Kind


@dataclass(frozen=True)
class Sample:
    """The words as they would arrive. ``footer`` may follow them; the size counts it in."""

    title: str
    words: str
    size: Size
    footer: str = ""


@dataclass(frozen=True)
class Preview:
    """What an officer is shown of a wording that is being written."""

    is_notice: bool
    is_sign_up: bool = False  # seen on the web form or heard in the phone menu
    samples: list[Sample] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    outsiders: list[Outsider] = field(default_factory=list)
    from_values: list[Outsider] = field(default_factory=list)

    @property
    def replaceable(self) -> list[Outsider]:
        return [each for each in self.outsiders if each.plain is not None]

    @property
    def summary(self) -> str:
        """One line, for those who hear the page."""
        if self.problems:
            return self.problems[0].message
        size = self.samples[0].size
        length = _count(size.characters, "character") if self.is_sign_up else _count(size.segments, "segment")
        return ", ".join([length, _count(len(self.findings), "warning")])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def likely(kind: Kind | None, line: Line | None, company: Organisation) -> dict[str, str]:
    return _filled(rendering.examples(kind), line, company)


def long(kind: Kind | None, line: Line | None, company: Organisation) -> dict[str, str]:
    values = _filled(rendering.longest(kind), line, company)
    if line is None and "accept_word" in values:
        values["accept_word"] = rendering.longest(kind)["accept_word"]
    return values


def _filled(made_up: Mapping[str, str], line: Line | None, company: Organisation) -> dict[str, str]:
    line = line or Line(name=made_up["line_name"], number=made_up["line_number"])
    # Where people sign up, nobody knows them yet and nobody in person asks.
    contact = Contact(first_name=made_up.get("contact_first_name", ""))
    author = User(shown_name=made_up.get("agent_name", ""))
    real = automatic.values(line, contact, author, company)
    return {**made_up, **{name: value for name, value in real.items() if name in made_up}}


def preview(body: str, kind: Kind | None, *, line: Line | None = None, language: str = "en") -> Preview:
    """``body`` as it would be sent on ``line`` (None: on any), with all there is to say about it."""
    is_notice, is_texted = kind in NOTICES, kind not in NOTICES | SIGN_UPS
    if found := rendering.problems(body, kind):
        return Preview(is_notice, problems=found)
    company = Organisation.objects.current()
    values = likely(kind, line, company)
    footer = footer_after(body, line, values) if kind is None else ""
    samples = [
        _sample(title, rendering.render(body, kind, filled, language), footer)
        for title, filled in (
            ("With likely values", values),
            ("With long values", long(kind, line, company)),
        )
    ]
    return Preview(
        is_notice,
        kind in SIGN_UPS,
        samples=samples[:1] if samples[0].words == samples[1].words else samples,
        findings=lint.lint(body, kind, values, footer),
        outsiders=segments.outsiders(body) if is_texted else [],
        from_values=list(_brought_in(samples[0].words, body)) if is_texted else [],
    )


def _sample(title: str, words: str, footer: str) -> Sample:
    return Sample(title, words, segments.measure(f"{words}\n{footer}" if footer else words), footer)


def _brought_in(words: str, body: str) -> Iterator[Outsider]:
    """The characters outside GSM-7 that only the values have."""
    return (each for each in segments.outsiders(words) if each.character not in body)


def footer_after(body: str, line: Line | None, values: Mapping[str, str]) -> str:
    """The footer that may follow an ordinary text; none where the text tells how to stop by itself."""
    if text.tells_how_to_stop(body):
        return ""
    template = Template.objects.for_line(Kind.FOOTER, line, [line.language] if line else [])
    return rendering.render(template.current.body if template.current else "", Kind.FOOTER, values, template.language)


def faults(body: str, kind: Kind | None, line: Line | None, company: Organisation, footer: str = "") -> list[Finding]:
    """What is wrong with a saved wording: what would keep it from being saved today, else its warnings."""
    if found := rendering.problems(body, kind):
        return [Finding("unusable", each.message, lint.OWN) for each in found]
    return lint.lint(body, kind, likely(kind, line, company), footer)
