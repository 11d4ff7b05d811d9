"""A default that is changed before the flows are played, to see that the play notices: ``demo --once --set``."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.core.exceptions import ValidationError

from consent.models import Organisation
from messaging import rendering
from messaging.models import Template
from messaging.wordings import Kind

POLICIES = {field.name: field for field in Organisation._meta.fields if not field.primary_key}


class ChangeError(ValueError):
    """A change that was asked for can't be made. The message says why."""


@dataclass(frozen=True)
class Change:
    """A default that is changed before the play: a policy of the organisation, or the wording of a template."""

    name: str
    policy: object = None
    words: str | None = None


def change(wish: str) -> Change:
    """What ``organisation.FIELD=VALUE`` or ``template.KIND=words`` asks for. Raises ChangeError."""
    name, equals, value = wish.partition("=")
    what, _, detail = name.partition(".")
    if not equals or what not in {"organisation", "template"}:
        raise ChangeError(f"“{wish}”: write organisation.FIELD=VALUE or template.KIND=words.")
    return _new_policy(detail, value) if what == "organisation" else _new_wording(detail, value)


def _new_policy(name: str, value: str) -> Change:
    if name not in POLICIES:
        raise ChangeError(f"An organisation has no “{name}”. It has: {', '.join(POLICIES)}.")
    field = POLICIES[name]
    try:
        return Change(name, policy=None if value == "" and field.null else field.clean(value, None))
    except ValidationError as error:
        raise ChangeError(f"organisation.{name}: {' '.join(error.messages)}") from None


def _new_wording(kind: str, words: str) -> Change:
    if kind not in Kind.values:
        raise ChangeError(f"There is no template “{kind}”. There are: {', '.join(Kind.values)}.")
    try:
        rendering.check(words, Kind(kind))
    except rendering.WordingError as error:
        raise ChangeError(f"template.{kind}: {error}") from None
    return Change(kind, words=words)


def apply(changes: Iterable[Change]) -> None:
    """Make them, all policies at once. Raises ChangeError where they don't fit together."""
    company = Organisation.objects.current()
    for each in changes:
        if each.words is None:
            setattr(company, each.name, each.policy)
        else:
            Template.objects.get(kind=each.name, line=None, language="en").say(each.words)
    try:
        company.full_clean()
    except ValidationError as error:
        raise ChangeError(" ".join(error.messages)) from None
    company.save()
