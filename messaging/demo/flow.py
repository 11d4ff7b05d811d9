"""One flow while it is played: who acts, what contacts and agents must see then, and what differs from that."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from consent.gate import Purpose
from consent.models import Contact, Line
from messaging.demo.actors import Agent, Phones
from messaging.demo.stage import TooLate, rest, until

LEFT = {"sent", "delivered", "undelivered"}


# ---- what is specified ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Arrives:
    """A text that the contact must receive: what it is for, and what its words must hold (case aside)."""

    purpose: str
    says: tuple[str, ...] = ()
    begins: str = ""

    def __str__(self) -> str:
        return f"“{self.begins}”" if self.begins else in_words(self.purpose)

    def lacks(self, body: str) -> list[str]:
        """What these words should hold and don't."""
        missing = [words for words in self.says if words.lower() not in body.lower()]
        return missing if body.startswith(self.begins) else [self.begins, *missing]


@dataclass(frozen=True)
class Shown:
    """An entry that the agent must see: a notice, or a text by a person. Automatic texts are compared on the phone."""

    kind: str
    body: str = ""
    mark: str = ""

    def __str__(self) -> str:
        return f"{self.kind}{f', marked “{self.mark}”' if self.mark else ''}{f' “{self.body}”' if self.body else ''}"

    def fits(self, entry: Mapping[str, Any]) -> bool:
        if kind_of(entry) != self.kind:
            return False
        if entry["type"] == "notice":
            return "automatic" in entry["text"].lower()
        return entry["body"] == self.body and (not self.mark or self.mark in entry["marks"])


def notice(kind: str) -> Shown:
    return Shown(f"notice: {kind.replace('_', ' ')}")


def from_contact(body: str, *, mark: str = "") -> Shown:
    return Shown("text from the contact", body, mark)


def from_agent(body: str, status: str) -> Shown:
    return Shown(f"{status} text", body)


def kind_of(entry: Mapping[str, Any]) -> str:
    """What an entry of the conversation is, in words."""
    if entry["type"] == "notice":
        return f"notice: {entry['kind'].replace('_', ' ')}"
    if entry["direction"] == "out":
        return f"{entry['status']} text"
    return "text from the contact" if entry["status"] == "received" else f"{entry['status']} text from the contact"


def described(entry: Mapping[str, Any]) -> Shown:
    """An entry as it would have been specified."""
    return Shown(kind_of(entry), entry.get("body") or "", ", ".join(entry.get("marks", ())))


def is_automatic(entry: Mapping[str, Any]) -> bool:
    return entry["type"] == "text" and entry["direction"] == "out" and entry["purpose"] != "ordinary"


# ---- what happened --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Event:
    """Something that somebody did or received, from the simulator's log or an answer of the API."""

    at: dt.datetime
    what: str
    words: str
    outcome: str = ""


def in_order(events: Sequence[Event]) -> list[Event]:
    return sorted(events, key=lambda event: event.at)


@dataclass(frozen=True)
class View:
    """What the API showed an agent of one conversation, and the state it gave."""

    line: Line
    contact: Contact
    threads: Mapping[str, Sequence[Mapping[str, Any]]]
    state: Mapping[str, Any]


@dataclass
class Flow:
    """One row of PRODUCT's table while it is played."""

    number: int
    mode: str
    title: str
    phones: Phones
    witness: Agent
    story: list[Event | View] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    _people: list[Contact] = field(default_factory=list)
    _untold: list[Event] = field(default_factory=list)
    _read: int = 0
    _compared: set[tuple[str, str]] = field(default_factory=set)
    _lines: dict[str, Line] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._read = len(self.phones.log)

    # ---- acts

    def contact(self, first_name: str, last_name: str) -> Contact:
        """Somebody in the address book whom nobody has texted yet."""
        number = f"+1206555{100 + Contact.objects.count():04d}"
        person = Contact.objects.create(number=number, first_name=first_name, last_name=last_name)
        self._people.append(person)
        return person

    def agent_texts(self, agent: Agent, contact: Contact, line: Line, body: str, *, settle: bool = True) -> None:
        """The agent submits a text; with ``settle`` all that follows from it has happened when this returns."""
        at = dt.datetime.now(dt.UTC)
        answer = agent.text(contact, line, body)
        outcome = answer["status"] + (f": {answer['reason']['text']}" if answer["reason"] else "")
        self._untold.append(Event(at, f"{agent.name}, to {contact.first_name} through {line.name}", body, outcome))
        self._lines[line.number] = line
        if settle:
            self.settle()

    def contact_texts(self, contact: Contact, line: Line, body: str) -> None:
        """The contact texts, and all that follows from it happens."""
        self._lines[line.number] = line
        self.phones.text(contact, line, body)
        self.settle()

    def settle(self) -> None:
        self._attempt(lambda: rest(self.phones))

    def wait(self, happened: Callable[[], bool], what: str) -> None:
        self._attempt(lambda: until(happened, what))

    def state(self, contact: Contact, line: Line) -> Mapping[str, Any]:
        return self.witness.consent(contact, line)

    def _attempt(self, act: Callable[[], None]) -> None:
        try:
            act()
        except TooLate as late:
            self.differences.append(f"{late}.")

    # ---- comparison

    def expect(
        self,
        contact: Contact,
        line: Line,
        *,
        receives: Sequence[Arrives] = (),
        sees: Mapping[Agent, Sequence[Shown]] | None = None,
        status: str,
        request: str,
        told: bool | None = None,
    ) -> None:
        """Compare what is so far: ``receives`` and ``sees`` are complete, from the flow's beginning and in order."""
        self._lines[line.number] = line
        self._compared.add((contact.number, line.number))
        self._tell()
        threads = {agent: agent.conversation(contact, line) for agent in (sees or {self.witness: ()})}
        state = self.state(contact, line)
        self.story.append(View(line, contact, {agent.name: thread for agent, thread in threads.items()}, state))
        self._compare_received(contact, line, receives, next(iter(threads.values())))
        for agent, expected in (sees or {}).items():
            self._compare_seen(agent, contact, expected, threads[agent])
        self._compare_state(contact, line, state, {"status": status, "request": request, "told_how_to_stop": told})

    def finish(self) -> None:
        """Compare what nobody asked about: no contact may have received anything else."""
        self._tell()
        for entry in self._log():
            if entry["kind"] == "create" and (entry["to"], entry["from"]) not in self._compared:
                self.differences.append(f"Nothing should have left to {entry['to']} from {entry['from']}.")

    def _compare_received(
        self, contact: Contact, line: Line, expected: Sequence[Arrives], thread: Sequence[Mapping[str, Any]]
    ) -> None:
        bodies = self._arrived(contact, line)
        if len(bodies) != len(expected):
            self.differences.append(
                f"{contact.first_name} should have received {_listed(expected)} from {line.name}, "
                f"and received {_listed([f'“{body}”' for body in bodies])}."
            )
            return
        left = [entry for entry in thread if entry["type"] == "text" and entry["status"] in LEFT]
        purposes = {entry["sent_body"]: entry["purpose"] for entry in left}
        for place, (text, body) in enumerate(zip(expected, bodies, strict=True), start=1):
            if purposes.get(body) != text.purpose:
                found = in_words(purposes.get(body) or "a text that the conversation does not show")
                self.differences.append(f"Text {place} to {contact.first_name} should be {text}; it is {found}.")
            for words in text.lacks(body):
                self.differences.append(f"Text {place} to {contact.first_name} ({text}) does not say “{words}”.")

    def _compare_seen(
        self, agent: Agent, contact: Contact, expected: Sequence[Shown], thread: Sequence[Mapping[str, Any]]
    ) -> None:
        entries = [entry for entry in thread if not is_automatic(entry)]
        if len(entries) != len(expected) or not all(
            entry.fits(found) for entry, found in zip(expected, entries, strict=False)
        ):
            found = [described(each) for each in entries]
            self.differences.append(f"{agent.name} should see {_listed(expected)}; sees {_listed(found)}.")
        for entry in entries:
            if entry["type"] == "notice" and contact.first_name not in entry["text"]:
                self.differences.append(f"{kind_of(entry).capitalize()} does not say whom it is about.")

    def _compare_state(
        self, contact: Contact, line: Line, state: Mapping[str, Any], expected: Mapping[str, Any]
    ) -> None:
        for name, value in expected.items():
            if value is not None and state[name] != value:
                what = f"{contact.first_name} on {line.name}: {name.replace('_', ' ')}"
                self.differences.append(f"{what} should be {value}, is {state[name]}.")

    # ---- the simulator's log

    def _log(self) -> list[dict[str, Any]]:
        """What it holds about this flow's people, from the flow's beginning."""
        numbers = {person.number for person in self._people}
        return [entry for entry in self.phones.log if {entry["from"], entry["to"]} & numbers]

    def _arrived(self, contact: Contact, line: Line) -> list[str]:
        """The words that reached the contact's phone from this line, in order."""
        between = {"from": line.number, "to": contact.number}
        log = [entry for entry in self._log() if between.items() <= entry.items()]
        delivered = {e["sid"] for e in self._log() if e["kind"] == "callback" and e["status"] == "delivered"}
        return [
            entry["body"]
            for entry in log
            if entry["kind"] == "network" or (entry["kind"] == "create" and entry["sid"] in delivered)
        ]

    def _tell(self) -> None:
        """Put what happened since the last time into the story, in order of time."""
        self.phones.read_log()
        new, self._read = self.phones.log[self._read :], len(self.phones.log)
        numbers = {person.number: person for person in self._people}
        for entry in new:
            person = numbers.get(entry["from"]) or numbers.get(entry["to"])
            if person and (event := self._event(entry, person)):
                self._untold.append(event)
        self.story += in_order(self._untold)
        self._untold.clear()

    def _event(self, entry: Mapping[str, Any], person: Contact) -> Event | None:
        line = self._lines.get(entry["from"]) or self._lines.get(entry["to"])
        name = line.name if line else "an unknown line"
        what = {
            "inbound": f"{person.first_name}, to {name}",
            "create": f"{person.first_name}'s phone, from {name}",
            "create_refused": f"not taken by the provider, {name} to {person.first_name}",
            "network": f"{person.first_name}'s phone, from the network",
        }.get(entry["kind"])
        if what is None:
            return None
        return Event(dt.datetime.fromisoformat(entry["at"]), what, entry["body"], entry["error"])


def in_words(purpose: str) -> str:
    """What a text is called, as people read it in the admin."""
    return Purpose(purpose).label if purpose in Purpose.values else purpose.replace("_", " ")


def _listed(things: Sequence[object]) -> str:
    return "; ".join(str(thing) for thing in things) or "nothing"
