"""The 17 flows of PRODUCT.md ("The flows"), one function each, played through the running stack.

Agents act through the REST API with their own tokens, contacts on the simulator's phones; a real worker and the real
sweep do the rest. Every flow has people of its own, and lines of its own where another one's would disturb it.
"""

import datetime as dt
from collections.abc import Callable, Iterable

from django.db import transaction
from django.utils import timezone

from consent.models import Contact, Line
from messaging import capture
from messaging.demo.actors import Phones, UnexpectedAnswer
from messaging.demo.changes import Change, apply
from messaging.demo.company import (
    HELP,
    IN,
    Stage,
    disclaimer_ours,
    disclaimer_theirs,
    out,
    request_ours,
    request_theirs,
    set_up,
    way_back,
    written,
)
from messaging.demo.flow import Flow, from_agent, from_contact, notice
from messaging.demo.stage import wait_for_open_lines
from messaging.demo.transcript import told

CONSENT, DISCLAIMER, BOTH = "with consent", "disclaimer only", "both modes"
# An opt-out after which the contact may be asked again, or told the way back (flows 13 and 14: 24 hours or more).
OLD_ENOUGH = dt.timedelta(hours=26)

Play = Callable[[Stage, Flow], None]
FLOWS: dict[int, tuple[str, str, Play]] = {}


def flow(number: int, mode: str, title: str) -> Callable[[Play], Play]:
    def register(play: Play) -> Play:
        FLOWS[number] = (mode, title, play)
        return play

    return register


@flow(1, CONSENT, "An agent texts a contact who is Not Defined")
def asked_first(s: Stage, f: Flow) -> None:
    mia, hello = f.contact("Mia", "Torres"), "Hi Mia, your boiler check is due. Does Tuesday at 9 suit you?"
    f.agent_texts(s.ana, mia, s.scheduling, hello)
    f.expect(
        mia,
        s.scheduling,
        receives=[request_ours(s.ana)],
        sees={s.ana: [notice("asked"), from_agent(hello, "held")]},
        status="pending",
        request="sent",
    )


@flow(2, CONSENT, "Agents text again while the contact has not answered")
def held_too(s: Stage, f: Flow) -> None:
    leo, texts = (
        f.contact("Leo", "Brandt"),
        ["Hi Leo, your filters are here.", "They fit your model.", "Shall we come?"],
    )
    f.agent_texts(s.ana, leo, s.scheduling, texts[0])
    f.agent_texts(s.ana, leo, s.scheduling, texts[1])
    f.agent_texts(s.ben, leo, s.scheduling, texts[2])
    held = [from_agent(text, "held") for text in texts]
    f.expect(
        leo,
        s.scheduling,
        receives=[request_ours(s.ana)],
        sees={s.ana: [notice("asked"), *held], s.ben: held},
        status="pending",
        request="sent",
    )


@flow(3, CONSENT, "The contact replies YES")
def held_texts_leave(s: Stage, f: Flow) -> None:
    zoe, texts = f.contact("Zoe", "Lindqvist"), ["Hi Zoe, the plumber can come on Friday.", "Or on Monday at 8."]
    f.agent_texts(s.ana, zoe, s.scheduling, texts[0])
    f.agent_texts(s.ben, zoe, s.scheduling, texts[1])
    f.contact_texts(zoe, s.scheduling, "Yes!")
    left = [from_agent(text, "delivered") for text in texts]
    f.expect(
        zoe,
        s.scheduling,
        receives=[request_ours(s.ana), IN, *map(written, texts)],
        sees={s.ana: [notice("asked"), *left, notice("opted_in")], s.ben: [*left, notice("opted_in")]},
        status="opted_in",
        request="accepted",
    )


@flow(4, CONSENT, "The contact replies STOP or NO")
def held_texts_cancelled(s: Stage, f: Flow) -> None:
    for first_name, word in (("Ravi", "STOP"), ("Nora", "No")):
        contact, hello = f.contact(first_name, "Okafor"), f"Hi {first_name}, time for your heating check."
        f.agent_texts(s.ana, contact, s.scheduling, hello)
        f.contact_texts(contact, s.scheduling, word)
        f.expect(
            contact,
            s.scheduling,
            receives=[request_ours(s.ana), out(s.scheduling)],
            sees={s.ana: [notice("asked"), from_agent(hello, "cancelled"), notice("opted_out")]},
            status="opted_out",
            request="rejected",
        )


@flow(5, CONSENT, "Nobody answers before the request expires (here after two seconds)")
def request_expires(s: Stage, f: Flow) -> None:
    ida, hello = f.contact("Ida", "Moreau"), "Hi Ida, a place on the waiting list has come free."
    tom = f.contact("Tom", "Ferrari")
    f.agent_texts(s.ana, ida, s.waitlist, hello)
    f.contact_texts(tom, s.waitlist, "Is there a place for me?")
    asked = [ida, tom]
    f.wait(lambda: "sent" not in [f.state(each, s.waitlist)["request"] for each in asked], "The requests' expiry")
    f.settle()
    f.expect(
        ida,
        s.waitlist,
        receives=[request_ours(s.ana)],
        sees={s.ana: [notice("asked"), from_agent(hello, "cancelled"), notice("expired")]},
        status="not_defined",
        request="expired",
    )
    f.expect(
        tom,
        s.waitlist,
        receives=[request_theirs(s.waitlist)],
        sees={s.ana: [notice("wrote_and_asked"), notice("expired")]},
        status="not_defined",
        request="expired",
    )


@flow(6, CONSENT, "A contact who is Not Defined texts first")
def held_back(s: Stage, f: Flow) -> None:
    eva = f.contact("Eva", "Novak")
    f.contact_texts(eva, s.scheduling, "Hello, my sink leaks. Can someone come today?")
    f.expect(
        eva,
        s.scheduling,
        receives=[request_theirs(s.scheduling)],
        sees={s.ana: [notice("wrote_and_asked")], s.ben: [notice("wrote_and_asked")]},
        status="pending",
        request="sent",
    )


@flow(7, CONSENT, "That contact replies YES")
def held_back_texts_appear(s: Stage, f: Flow) -> None:
    jon, texts = f.contact("Jon", "Petersen"), ["Hello, do you repair dishwashers?", "It is a Brava 300."]
    for text in texts:
        f.contact_texts(jon, s.scheduling, text)
    f.contact_texts(jon, s.scheduling, "YES")
    first, second = map(from_contact, texts)
    f.expect(
        jon,
        s.scheduling,
        receives=[request_theirs(s.scheduling), IN],
        sees={s.ana: [first, notice("wrote_and_asked"), second, notice("opted_in")]},
        status="opted_in",
        request="accepted",
    )


@flow(8, CONSENT, "That contact replies STOP or NO")
def held_back_texts_stay_hidden(s: Stage, f: Flow) -> None:
    for first_name, word in (("Sara", "stop"), ("Paul", "NO")):
        contact = f.contact(first_name, "Haddad")
        f.contact_texts(contact, s.scheduling, "What does a new boiler cost?")
        f.contact_texts(contact, s.scheduling, word)
        f.expect(
            contact,
            s.scheduling,
            receives=[request_theirs(s.scheduling), out(s.scheduling)],
            sees={s.ana: [notice("wrote_and_asked"), notice("opted_out")]},
            status="opted_out",
            request="rejected",
        )


@flow(9, DISCLAIMER, "An agent texts a contact for the first time on that line")
def told_first(s: Stage, f: Flow) -> None:
    kim, texts = f.contact("Kim", "Sato"), ["Hi Kim, your filter change is on Thursday.", "The technician is Dora."]
    f.agent_texts(s.ana, kim, s.reminders, texts[0])
    f.agent_texts(s.ben, kim, s.reminders, texts[1])
    f.expect(
        kim,
        s.reminders,
        receives=[disclaimer_ours(s.ana), *map(written, texts)],
        sees={s.ana: [from_agent(text, "delivered") for text in texts]},
        status="not_defined",
        request="not_sent",
        told=True,
    )


@flow(10, DISCLAIMER, "A contact texts first")
def reaches_the_agent(s: Stage, f: Flow) -> None:
    amy, texts = f.contact("Amy", "Walsh"), ["When is my next filter change?", "Mornings are best."]
    f.contact_texts(amy, s.reminders, texts[0])
    f.expect(
        amy,
        s.reminders,
        receives=[disclaimer_theirs(s.reminders)],
        sees={s.ana: [from_contact(texts[0])]},
        status="not_defined",
        request="not_sent",
        told=True,
    )
    f.contact_texts(amy, s.reminders, texts[1])
    f.agent_texts(s.ana, amy, s.reminders, "Thursday at 9. See you then.")
    f.expect(
        amy,
        s.reminders,
        receives=[disclaimer_theirs(s.reminders), written("Thursday at 9. See you then.")],
        sees={s.ana: [*map(from_contact, texts), from_agent("Thursday at 9. See you then.", "delivered")]},
        status="not_defined",
        request="not_sent",
        told=True,
    )


@flow(11, BOTH, "STOP while a text is queued on that line and one is held on another of its category")
def stop_in_scope(s: Stage, f: Flow) -> None:
    rosa, queued, held = f.contact("Rosa", "Keller"), "Rosa, 20 % off all filters.", "Rosa, our news for spring."
    f.contact_texts(rosa, s.offers, "START")
    f.contact_texts(rosa, s.scheduling, "START")
    f.contact_texts(rosa, s.reminders, "Do you open on Sundays?")
    f.agent_texts(s.ana, rosa, s.news, held)
    # The provider is busy: the text is tried again after 1, 2 and 4 seconds, and the STOP comes meanwhile.
    f.phones.fault("429", rosa, times=3)
    f.agent_texts(s.ana, rosa, s.offers, queued, settle=False)
    f.wait(lambda: _turned_down(s.phones, rosa) == 3, "The provider's third refusal")
    f.contact_texts(rosa, s.offers, "STOP")
    f.expect(
        rosa,
        s.offers,
        receives=[IN, out(s.offers)],
        sees={s.ana: [notice("opted_in"), from_agent(queued, "cancelled"), notice("opted_out")]},
        status="opted_out",
        request="not_sent",
    )
    f.expect(
        rosa,
        s.news,
        receives=[request_ours(s.ana)],
        sees={s.ana: [notice("asked"), from_agent(held, "cancelled"), notice("opted_out")]},
        status="opted_out",
        request="rejected",
    )
    f.expect(
        rosa,
        s.scheduling,
        receives=[IN],
        sees={s.ana: [notice("opted_in")]},
        status="opted_in",
        request="not_sent",
    )
    f.contact_texts(rosa, s.reminders, "STOP")
    f.expect(
        rosa,
        s.reminders,
        receives=[disclaimer_theirs(s.reminders), out(s.reminders)],
        sees={s.ana: [from_contact("Do you open on Sundays?"), notice("opted_out")]},
        status="opted_out",
        request="not_sent",
    )


def _turned_down(phones: Phones, contact: Contact) -> int:
    phones.read_log()
    return sum(entry["kind"] == "create_refused" and entry["to"] == contact.number for entry in phones.log)


@flow(12, BOTH, "An agent texts a contact who opted out")
def refused(s: Stage, f: Flow) -> None:
    for first_name, line in (("Max", s.scheduling), ("Una", s.reminders)):
        contact = f.contact(first_name, "Weber")
        f.contact_texts(contact, line, "STOP")
        f.agent_texts(s.ana, contact, line, f"{first_name}, are you still there?")
        f.expect(
            contact,
            line,
            receives=[out(line)],
            sees={s.ana: [notice("opted_out"), from_agent(f"{first_name}, are you still there?", "refused")]},
            status="opted_out",
            request="not_sent",
        )
        reason = s.ana.conversation(contact, line)[-1]["reason"] or {"code": None, "text": ""}
        since = dt.datetime.fromisoformat(f.state(contact, line)["since"] or timezone.now().isoformat())
        if reason["code"] != "opted_out":
            f.differences.append(f"The refusal's reason should be opted_out, is {reason['code']}.")
        for words in (f"{since:%d %B %Y}", "they texted STOP", f"text START to {line.number}"):
            if words not in reason["text"]:
                f.differences.append(f"The error does not say “{words}”: {reason['text']}")


@flow(13, CONSENT, "An opted-out contact writes an ordinary text, 26 hours after they opted out by phone")
def asked_again(s: Stage, f: Flow) -> None:
    finn, body = f.contact("Finn", "Jensen"), "Hi, are you open on Saturday?"
    _opted_out_by_phone(s, finn, s.scheduling)
    f.expect(finn, s.scheduling, sees={s.ana: [notice("opted_out")]}, status="opted_out", request="not_sent")
    f.contact_texts(finn, s.scheduling, body)
    f.expect(
        finn,
        s.scheduling,
        receives=[request_theirs(s.scheduling)],
        sees={s.ana: [notice("opted_out"), notice("wrote_and_asked")]},
        status="opted_out",
        request="sent",
    )
    f.contact_texts(finn, s.scheduling, "Hello?")
    f.contact_texts(finn, s.scheduling, "YES")
    f.expect(
        finn,
        s.scheduling,
        receives=[request_theirs(s.scheduling), IN],
        sees={
            s.ana: [
                notice("opted_out"),
                from_contact(body),
                notice("wrote_and_asked"),
                from_contact("Hello?"),
                notice("opted_in"),
            ]
        },
        status="opted_in",
        request="accepted",
    )


@flow(14, DISCLAIMER, "An opted-out contact writes an ordinary text, 26 hours after they opted out by phone")
def shown_the_way_back(s: Stage, f: Flow) -> None:
    gwen, texts = f.contact("Gwen", "Abbot"), ["Can you still come on Monday?", "Are you there?"]
    _opted_out_by_phone(s, gwen, s.reminders)
    f.expect(gwen, s.reminders, sees={s.ana: [notice("opted_out")]}, status="opted_out", request="not_sent")
    for text in texts:
        f.contact_texts(gwen, s.reminders, text)
    f.agent_texts(s.ana, gwen, s.reminders, "Yes, at ten.")
    f.expect(
        gwen,
        s.reminders,
        receives=[way_back(s.reminders)],
        sees={
            s.ana: [
                notice("opted_out"),
                *(from_contact(text, mark="opted out") for text in texts),
                from_agent("Yes, at ten.", "refused"),
            ]
        },
        status="opted_out",
        request="not_sent",
    )


def _opted_out_by_phone(s: Stage, contact: Contact, line: Line) -> None:
    """What was on record before the flow: a day can't be waited for."""
    with transaction.atomic():
        capture.record_revocation(
            contact.number,
            line,
            by=s.officer,
            route="call",
            words="Please stop texting me.",
            occurred_at=timezone.now() - OLD_ENOUGH,
        )


@flow(15, BOTH, "START, UNSTOP or another opt-in keyword")
def opted_in_by_keyword(s: Stage, f: Flow) -> None:
    lena = f.contact("Lena", "Fischer")
    for word in ("START", "STOP", "START"):
        f.contact_texts(lena, s.scheduling, word)
    f.expect(
        lena,
        s.scheduling,
        receives=[IN, out(s.scheduling), IN],
        sees={s.ana: [notice("opted_in"), notice("opted_out"), notice("opted_in")]},
        status="opted_in",
        request="not_sent",
    )
    f.expect(lena, s.waitlist, sees={s.ana: []}, status="opted_out", request="not_sent")
    omar, hello = f.contact("Omar", "Reyes"), "Hi Omar, your new pump is here."
    f.agent_texts(s.ana, omar, s.scheduling, hello)
    f.contact_texts(omar, s.scheduling, "start")
    f.expect(
        omar,
        s.scheduling,
        receives=[request_ours(s.ana), IN, written(hello)],
        sees={s.ana: [notice("asked"), from_agent(hello, "delivered"), notice("opted_in")]},
        status="opted_in",
        request="accepted",
    )
    dina = f.contact("Dina", "Costa")
    f.contact_texts(dina, s.reminders, "Unstop")
    f.expect(
        dina,
        s.reminders,
        receives=[IN],
        sees={s.ana: [notice("opted_in")]},
        status="opted_in",
        request="not_sent",
    )


@flow(16, BOTH, "HELP, whatever the status")
def help_reply(s: Stage, f: Flow) -> None:
    carl = f.contact("Carl", "Young")
    f.contact_texts(carl, s.scheduling, "STOP")
    f.contact_texts(carl, s.scheduling, "HELP")
    f.expect(
        carl,
        s.scheduling,
        receives=[out(s.scheduling), HELP],
        sees={s.ana: [notice("opted_out"), from_contact("HELP")]},
        status="opted_out",
        request="not_sent",
    )
    for first_name, line in (("Hana", s.scheduling), ("Igor", s.reminders)):
        contact = f.contact(first_name, "Young")
        f.contact_texts(contact, line, "Help?")
        f.expect(
            contact,
            line,
            receives=[HELP],
            sees={s.ana: [from_contact("Help?")]},
            status="not_defined",
            request="not_sent",
            told=False,
        )


@flow(17, BOTH, "STOP again when already out")
def stop_again(s: Stage, f: Flow) -> None:
    for first_name, line in (("Vera", s.scheduling), ("Otto", s.reminders)):
        contact = f.contact(first_name, "Lang")
        f.contact_texts(contact, line, "STOP")
        f.contact_texts(contact, line, "STOP")
        f.contact_texts(contact, line, "unsubscribe")
        f.expect(
            contact,
            line,
            receives=[out(line)],
            sees={s.ana: [notice("opted_out")]},
            status="opted_out",
            request="not_sent",
        )


# ---- the play -------------------------------------------------------------------------------------------------------


def play(numbers: Iterable[int], changes: Iterable[Change], tell: Callable[[str], object]) -> bool:
    """Play these flows and tell each; True where all went as specified. The last line told says so, or which differ.

    Raises ChangeError for changes that don't fit together.
    """
    stage = set_up()
    wait_for_open_lines()
    apply(changes)
    played = [_play(number, stage, tell) for number in numbers]
    differing = [each.number for each in played if each.differences]
    tell(summary(len(played), differing))
    return not differing


def _play(number: int, stage: Stage, tell: Callable[[str], object]) -> Flow:
    mode, title, act = FLOWS[number]
    current = Flow(number, mode, title, stage.phones, stage.ana)
    try:
        act(stage, current)
        current.finish()
    except UnexpectedAnswer as answer:
        current.differences.append(f"{answer}.")
    tell(told(current))
    return current


def summary(played: int, differing: Iterable[int]) -> str:
    differing = list(differing)
    line = f"{played - len(differing)} of {played} flows as specified"
    return f"{line}; differing: {', '.join(map(str, differing))}" if differing else line
