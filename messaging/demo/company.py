"""The company that all flows play in: its lines, its people, and what its automatic texts must say."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings

from consent import roles
from consent.models import Line, Organisation, User
from consent.vocabulary import Category, Mode
from messaging.demo.actors import Agent, Phones
from messaging.demo.flow import Arrives
from messaging.demo.stage import make_line, make_user, token_of

COMPANY = "Harbor Home Services"
SUPPORT = "help@harborhome.example"
FREQUENCY = "up to 6 messages a month"


@dataclass(frozen=True)
class Stage:
    """Who and what a flow may use."""

    ana: Agent
    ben: Agent
    officer: User
    scheduling: Line  # with consent
    reminders: Line  # disclaimer only
    waitlist: Line  # with consent; its requests expire after two seconds
    offers: Line  # with consent; one category with the next
    news: Line
    phones: Phones


def set_up() -> Stage:
    """Company, lines and users, as an officer would enter them; the lines are open when this returns."""
    company = Organisation.objects.current()
    company.name, company.support_contact, company.frequency = COMPANY, SUPPORT, FREQUENCY
    # So that the play is the same before and after the day on which the shipped scope changes.
    company.next_revocation_scope, company.next_revocation_scope_on = "", None
    company.full_clean()
    company.save()
    scheduling = make_line("+12065550001", "Scheduling", category=Category.TRANSACTIONAL)
    reminders = make_line("+12065550002", "Reminders", category=Category.INFORMATIONAL, mode=Mode.DISCLAIMER)
    soon = dt.timedelta(seconds=2)
    waitlist = make_line("+12065550003", "Waitlist", category=Category.TRANSACTIONAL, request_expires_after=soon)
    offers = make_line("+12065550004", "Offers", category=Category.MARKETING)
    news = make_line("+12065550005", "News", category=Category.MARKETING)
    lines = (scheduling, reminders, waitlist, offers, news)
    phones = Phones(settings.PUBLIC_URL)
    for line in lines:
        phones.name_line(line)
    officer = make_user("olga", roles.OFFICER)
    return Stage(
        _agent("Ana", lines), _agent("Ben", lines), officer, scheduling, reminders, waitlist, offers, news, phones
    )


def _agent(name: str, lines: Iterable[Line]) -> Agent:
    user = make_user(name.lower(), roles.AGENT, shown_name=name)
    user.lines.set(lines)
    return Agent(settings.PUBLIC_URL, username=user.username, name=name, token=token_of(user))


# ---- what the texts must say (PRODUCT "What each automatic text must say") -------------------------------------------


def request_ours(agent: Agent) -> Arrives:
    return Arrives("request_ours", ("automatic", agent.name, COMPANY, FREQUENCY, "YES", "STOP", "HELP", "rates"))


def request_theirs(line: Line) -> Arrives:
    return Arrives("request_theirs", ("automatic", line.name, COMPANY, "delivered once you agree", "YES", "STOP"))


IN = Arrives("opt_in_confirmation", (COMPANY, "you're in", FREQUENCY, "STOP", "HELP", "rates"))


def out(line: Line) -> Arrives:
    return Arrives("opt_out_confirmation", (COMPANY, "you're out", f"START to {line.number}"))


def disclaimer_ours(agent: Agent) -> Arrives:
    return Arrives("disclaimer_ours", ("automatic", agent.name, COMPANY, FREQUENCY, "STOP"))


def disclaimer_theirs(line: Line) -> Arrives:
    return Arrives("disclaimer_theirs", ("automatic", line.name, COMPANY, "STOP"))


HELP = Arrives("help_reply", (COMPANY, SUPPORT, "STOP"))


def way_back(line: Line) -> Arrives:
    return Arrives("way_back", ("automatic", f"START to {line.number}"))


def written(body: str) -> Arrives:
    """An agent's text, with the footer."""
    return Arrives("ordinary", ("STOP",), begins=body)
