"""The example that ``manage.py demo`` shows: a home service company, three lines, contacts in every state.

Company, lines and users are entered as an officer would; everything else really happens: agents text through the API,
contacts answer on the simulator's phones, and what comes from elsewhere goes through the public verbs.
"""

import datetime as dt
import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from consent import ledger, roles
from consent.ledger import Proof
from consent.models import Consent, Contact, Line, Organisation, Tag, User
from consent.vocabulary import Category, Channel, Level, Mode, RequestState
from messaging import capture
from messaging.demo.actors import Agent, Phones
from messaging.demo.stage import make_line, make_user, rest, token_of, until, wait_for_open_lines
from messaging.keywords import Action
from messaging.models import KeywordResponder

COMPANY = "Harbor Home Services"
KEPT = "demo.json"
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that are taken for each other


@dataclass(frozen=True)
class Person:
    """Somebody who works with the example. Who has no role may do everything."""

    username: str
    first_name: str
    last_name: str
    role: str
    does: str
    in_admin: bool = True
    lines: tuple[str, ...] = ()


SCHEDULING, REMINDERS, CARE = "Scheduling", "Service reminders", "Customer care"
EVERY = (SCHEDULING, REMINDERS, CARE)
PEOPLE = (
    Person("olivia", "Olivia", "Grant", roles.OFFICER, "lines, wording, policies, evidence"),
    Person("sam", "Sam", "Rivera", roles.SUPERVISOR, "the team's conversations"),
    Person("ana", "Ana", "Lopez", roles.AGENT, "texts on every line", lines=EVERY),
    Person("ben", "Ben", "Carter", roles.AGENT, f"texts on {SCHEDULING}", lines=(SCHEDULING,)),
    Person("owner", "Helen", "Harbor", "", "everything"),
    Person("booking", "Booking", "system", roles.INTEGRATOR, "sends through the API", in_admin=False, lines=EVERY),
)


# ---- what is kept beside the database -------------------------------------------------------------------------------


@dataclass
class Kept:
    """Passwords, the integrator's token, and whether the example is complete, in a file only its owner may read."""

    passwords: dict[str, str] = field(default_factory=dict)
    token: str = ""
    complete: bool = False

    @classmethod
    def read(cls, folder: Path) -> "Kept | None":
        """None where no demo was begun in this folder."""
        file = folder / KEPT
        return cls(**json.loads(file.read_text())) if file.is_file() else None

    def write(self, folder: Path) -> None:
        draft = folder / f".{KEPT}"
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(self.__dict__, indent=2))
        draft.replace(folder / KEPT)


def password() -> str:
    """Fifteen letters and digits, 74 bits, in groups that can be read out."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(5)) for _ in range(3))


def new_kept() -> Kept:
    return Kept(passwords={person.username: password() for person in PEOPLE if person.in_admin})


# ---- loading --------------------------------------------------------------------------------------------------------


def load() -> None:
    """Enter the company and play its history through the running demo, once. For a child process inside the demo."""
    kept = Kept.read(settings.DATA_DIR)
    if kept is None or kept.complete:
        return
    _enter_company()
    lines = _enter_lines()
    _enter_responders(lines)
    users = {person.username: _enter_user(person, kept, lines) for person in PEOPLE}
    kept.token = token_of(users["booking"])
    wait_for_open_lines()
    _History(lines, users).play()
    kept.complete = True
    kept.write(settings.DATA_DIR)


def _enter_company() -> None:
    company = Organisation.objects.current()
    company.name = COMPANY
    company.support_contact = "help@harborhome.example"
    company.terms_address = "https://harborhome.example/terms"
    company.privacy_address = "https://harborhome.example/privacy"
    company.frequency = "up to 6 messages a month"
    company.full_clean()
    company.save()


def _enter_lines() -> dict[str, Line]:
    return {
        SCHEDULING: make_line("+12065550100", SCHEDULING, mode=Mode.CONSENT, category=Category.TRANSACTIONAL),
        REMINDERS: make_line("+12065550101", REMINDERS, mode=Mode.DISCLAIMER, category=Category.INFORMATIONAL),
        CARE: make_line(
            "+18005550199",
            CARE,
            mode=Mode.CONSENT,
            category=Category.TRANSACTIONAL,
            opt_outs_answered_by_provider=True,
        ),
    }


def _enter_responders(lines: dict[str, Line]) -> None:
    """Two keywords of the company's own, beside the built-in ones."""
    hours = "{company_name}: we are here Monday to Friday, 8 to 6. Outside these hours write to {support_contact}."
    KeywordResponder(keyword="HOURS", action=Action.REPLY, reply=hours).enter()
    quote = "Thank you! {line_name} will send you a quote within two working days."
    wants_one = Tag.objects.create(name="wants a quote")
    KeywordResponder(keyword="QUOTE", action=Action.REPLY, reply=quote, tag=wants_one, every_line=False).enter(
        [lines[SCHEDULING]]
    )


def _enter_user(person: Person, kept: Kept, lines: dict[str, Line]) -> User:
    user = make_user(
        person.username,
        person.role,
        password=kept.passwords.get(person.username),
        first_name=person.first_name,
        last_name=person.last_name,
        shown_name=person.first_name if person.role == roles.AGENT else "",
        is_staff=person.in_admin,
        is_superuser=not person.role,
    )
    user.lines.set(lines[name] for name in person.lines)
    return user


class _History:
    """What happened between the company and its contacts so far: every state once, most of them more than once."""

    def __init__(self, lines: dict[str, Line], users: dict[str, User]) -> None:
        self.scheduling, self.reminders, self.care = lines[SCHEDULING], lines[REMINDERS], lines[CARE]
        self.officer, self.supervisor = users["olivia"], users["sam"]
        self.phones = Phones(settings.PUBLIC_URL)
        self.ana, self.ben = (
            Agent(settings.PUBLIC_URL, username=name, name=users[name].shown_name, token=token_of(users[name]))
            for name in ("ana", "ben")
        )
        self._next = 110

    def contact(self, first_name: str, last_name: str) -> Contact:
        self._next += 1
        return Contact.objects.create(number=f"+1206555{self._next:04d}", first_name=first_name, last_name=last_name)

    def play(self) -> None:
        for line in (self.scheduling, self.reminders, self.care):
            self.phones.name_line(line)
        self._a_request_expires()
        self._agents_text_first()
        self._contacts_text_first()
        rest(self.phones)
        self._contacts_answer()
        rest(self.phones)
        self._conversations_go_on()
        rest(self.phones)
        self._contacts_opt_out()
        rest(self.phones)
        self._afterwards()
        rest(self.phones)

    def _a_request_expires(self) -> None:
        """Mr Blake never answered. A week is made short for him."""
        blake = self.contact("Walter", "Blake")
        self._let_requests_expire_after(dt.timedelta(seconds=1))
        self.ana.text(blake, self.scheduling, "Hello Mr Blake, your gas safety check is due this month. May I book it?")
        rest(self.phones)
        expired = Consent.objects.filter(contact=blake, request_state=RequestState.EXPIRED)
        until(expired.exists, "The expiry of the request")
        self._let_requests_expire_after(None)

    def _let_requests_expire_after(self, delay: dt.timedelta | None) -> None:
        self.scheduling.request_expires_after = delay
        self.scheduling.save(update_fields=["request_expires_after"])

    def _agents_text_first(self) -> None:
        self.contact("Dana", "Whitfield")  # Not Defined: in the address book, never texted
        self.priya = self.contact("Priya", "Nair")
        self.ana.text(self.priya, self.scheduling, "Hi Priya, this is about your heat pump quote. Is Tuesday good?")
        self.marcus = self.contact("Marcus", "Bell")
        self.ben.text(self.marcus, self.scheduling, "Hi Marcus, the plumber can be with you on Friday at 9.")
        self.ana.text(self.marcus, self.scheduling, "He will call you from the van.")
        self.grace = self.contact("Grace", "Kim")
        self.ana.text(self.grace, self.reminders, "Hi Grace, your water filter is due for a change next week.")
        self.peter = self.contact("Peter", "Olsen")
        self.ana.text(self.peter, self.scheduling, "Hi Peter, shall we book your yearly boiler service?")

    def _contacts_text_first(self) -> None:
        self.lucia = self.contact("Lucia", "Romero")
        self.phones.text(self.lucia, self.scheduling, "Hello, my kitchen sink is leaking. Can someone come today?")
        self.noah = self.contact("Noah", "Adler")
        self.phones.text(self.noah, self.reminders, "When was my last filter change?")
        self.irene = self.contact("Irene", "Walsh")
        self.phones.text(self.irene, self.scheduling, "START")
        self.phones.text(self.irene, self.care, "START")
        self.victor = self.contact("Victor", "Hale")
        self.phones.text(self.victor, self.care, "START")
        self.june = self.contact("June", "Park")
        self.phones.text(self.june, self.scheduling, "START")
        self._signs_up_on_the_web(self.contact("Emma", "Clarke"))

    def _signs_up_on_the_web(self, emma: Contact) -> None:
        with transaction.atomic():
            capture.record_consent(
                emma.number,
                self.scheduling,
                channel=Channel.WEB_FORM,
                evidence={"form": "harborhome.example/book", "address": "203.0.113.24", "box": "ticked by the visitor"},
                occurred_at=timezone.now(),
                level=Level.EXPRESS,
                source="harborhome.example",
            )

    def _contacts_answer(self) -> None:
        self.phones.text(self.marcus, self.scheduling, "Yes")
        self.phones.text(self.peter, self.scheduling, "NO")

    def _conversations_go_on(self) -> None:
        self.phones.text(self.marcus, self.scheduling, "Friday at 9 is fine, thank you!")
        self.ana.text(self.noah, self.reminders, "Hi Noah, that was on 4 March. The next one is due in December.")
        self.ana.text(self.irene, self.care, "Hi Irene, is the new tap working well?")
        self.ana.text(self.victor, self.care, "Hi Victor, your refund is on its way.")
        self.ben.text(self.june, self.scheduling, "Hi June, the electrician comes tomorrow between 10 and 12.")
        self.phones.text(self.june, self.scheduling, "I think you have the wrong number, this is her son's phone now")
        self.phones.text(self.priya, self.scheduling, "Yes please")

    def _contacts_opt_out(self) -> None:
        self.phones.text(self.irene, self.scheduling, "STOP")  # and so on the other line of that category
        self.phones.text(self.victor, self.care, "STOP")  # which the network answers
        self.hugo = self.contact("Hugo", "Stein")
        self._by_phone(self.hugo, self.reminders, "He called: no more texts, please.")
        frank = self.contact("Frank", "Dorsey")
        self._by_phone(frank, self.scheduling, "His daughter called: he does not read texts any more.")
        self._do_not_contact(self.contact("Rita", "Molina"))

    def _by_phone(self, contact: Contact, line: Line, words: str) -> None:
        with transaction.atomic():
            capture.record_revocation(
                contact.number,
                line,
                by=self.supervisor,
                route="call",
                words=words,
                occurred_at=timezone.now() - dt.timedelta(days=2),
            )

    def _do_not_contact(self, rita: Contact) -> None:
        with transaction.atomic():
            contact = Contact.objects.lock_pk(rita.pk)
            proof = Proof(Channel.AGENT, {"route": "letter", "number": contact.number}, actor=self.officer)
            ledger.add_do_not_contact(contact, proof, reason="Her lawyer's letter asks for no contact at all.")

    def _afterwards(self) -> None:
        self.phones.text(self.hugo, self.reminders, "Hi, do you have a price for the solar panels?")
        self.ana.text(self.irene, self.care, "Irene, one more question about the tap.")
        self.ben.text(self.june, self.scheduling, "Hi June, the electrician is on his way.")
        self.ana.text(self.marcus, self.scheduling, "You're welcome, Marcus. See you on Friday.")
