"""What agents fill in to text somebody, and what they are told about it beforehand."""

import uuid
from typing import Any

from django import forms
from django.db import transaction

from consent import phones
from consent.admin.unfold import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)
from consent.models import Contact, Line, User
from messaging import automatic, outbound, outlook, segments
from messaging.models import Conversation, IdempotencyKey, Message, SavedText, SavedTextVersion

# PRODUCT "Rules around the flows": on what basis an agent texts somebody who is Not Defined.
OTHER = "other"
BASES = [
    ("", "Choose one"),
    ("asked us to", "They asked us to text them"),
    ("existing customer", "They are an existing customer"),
    ("agreed by phone", "They agreed by phone"),
    (OTHER, "Other, in my own words"),
]
NO_BASIS = "Say why you may text them. It is kept with the request that they get first."


class AlreadyTaken(Exception):
    """This form was sent before; its text was taken then."""


class ComposeForm(forms.Form):
    """One text. The key makes a form that is sent twice, by a second click or a reload, one text all the same."""

    body = forms.CharField(
        label="Your text",
        max_length=outbound.LONGEST_TEXT,
        widget=UnfoldAdminTextareaWidget(
            attrs={"rows": 3, "dir": "auto", "aria-describedby": "compose-outlook compose-size"}
        ),
        error_messages={"required": "Write what is to be sent."},
    )
    basis = forms.ChoiceField(
        label="Why you may text them", choices=BASES, required=False, widget=UnfoldAdminSelectWidget
    )
    basis_words = forms.CharField(
        label="In your words", max_length=180, required=False, widget=UnfoldAdminTextInputWidget
    )
    saved_text = forms.IntegerField(widget=forms.HiddenInput, required=False, min_value=1, max_value=2**63 - 1)
    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4, required=False)

    def clean_key(self) -> uuid.UUID:
        return self.cleaned_data["key"] or uuid.uuid4()

    def clean_body(self) -> str:
        # Browsers send line breaks as two characters, which the contact would pay for.
        return self.cleaned_data["body"].replace("\r\n", "\n")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("basis") == OTHER and not cleaned.get("basis_words", "").strip():
            self.add_error("basis_words", "Write in a few words why you may text them.")
        return cleaned

    def given_basis(self) -> str:
        """As it is kept with the request."""
        basis: str = self.cleaned_data["basis"]
        return f"{OTHER}: {self.cleaned_data['basis_words'].strip()}" if basis == OTHER else basis

    def again(self) -> "ComposeForm":
        """The same words, to be sent once more: a form of its own."""
        kept = {name: self.data.get(name, "") for name in self.fields if name != "key"}
        form = type(self)(initial=kept, **self.made_with())
        form.initial["key"] = uuid.uuid4()
        return form

    def made_with(self) -> dict[str, Any]:
        return {}


class StartForm(ComposeForm):
    """The first text to a number, or to a contact who is known."""

    line = forms.ModelChoiceField(Line.objects.none(), widget=UnfoldAdminSelectWidget, label="From which line")
    to = forms.CharField(
        label="To which number",
        max_length=40,
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "tel", "autocomplete": "off"}),
        help_text="Like +12065550123. Without a country code it is a number of the line's country.",
    )
    contact = forms.ModelChoiceField(Contact.objects.all(), widget=forms.HiddenInput, required=False)
    field_order = ["line", "to", "contact", "basis", "basis_words", "body"]

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._by = by
        self.fields["line"].queryset = by.usable_lines()

    def made_with(self) -> dict[str, Any]:
        return {"by": self._by}

    def clean(self) -> dict[str, Any]:
        """``number``: whom it goes to, in E.164."""
        cleaned = super().clean()
        line, contact = cleaned.get("line"), cleaned.get("contact")
        if contact:
            cleaned["number"] = contact.number
        elif line and "to" in cleaned:
            try:
                cleaned["number"] = number_beside(cleaned["to"], line)
            except phones.PhoneError as error:
                self.add_error("to", str(error))
        return cleaned


def number_beside(raw: str, line: Line) -> str:
    """A contact's number as somebody wrote it, in E.164. Raises phones.PhoneError."""
    number = phones.normalise_beside(raw, line.number)
    if Line.objects.filter(number=number).exists():
        raise phones.PhoneError("This is one of your own lines. Texts go to contacts.")
    return number


# ---- sending --------------------------------------------------------------------------------------------------------


def submit(form: ComposeForm, *, line: Line, to: str, author: User) -> Message | None:
    """Give a text to the gate, once per form. None where it can't be taken: the form then says why.

    Raises AlreadyTaken for a form that was sent before.
    """
    contact = Contact.objects.filter(number=to).first()
    if outlook.of(line, to, contact).asks_first and not form.given_basis():
        form.add_error("basis", NO_BASIS)
        return None
    key = f"form:{form.cleaned_data['key']}"
    with transaction.atomic():
        # First of all, so that the same form a second time waits here for the first one.
        _, is_new = IdempotencyKey.objects.get_or_create(user=author, key=key, defaults={"body_hash": ""})
        if not is_new:
            raise AlreadyTaken
        try:
            return outbound.submit(
                line=line,
                to=to,
                body=form.cleaned_data["body"],
                author=author,
                basis=form.given_basis(),
                saved_text=_where_from(form, line, contact, author),
            )
        except outbound.TextError as error:
            transaction.set_rollback(True)
            form.add_error("body", str(error))
            return None


def _where_from(form: ComposeForm, line: Line, contact: Contact | None, author: User) -> SavedTextVersion | None:
    """The saved text that was inserted, if the words to be sent still hold its words."""
    offered = SavedText.objects.offered(line, contact or _nobody_yet(""))
    version = SavedTextVersion.objects.filter(pk=form.cleaned_data["saved_text"], saved_text__in=offered).first()
    if version is None:
        return None
    words = automatic.filled(version, line, contact or _nobody_yet(""), author)
    return version if words.strip() in form.cleaned_data["body"] else None


def insert(chosen: str, line: Line, contact: Contact | None, author: User) -> tuple[SavedTextVersion, str] | None:
    """The words of a saved text that is offered here, filled. None where it is not."""
    if not chosen.isascii() or not chosen.isdigit() or len(chosen) > 18:
        return None
    person = contact or _nobody_yet("")
    saved = SavedText.objects.offered(line, person).filter(pk=chosen).first()
    if saved is None or saved.current is None:
        return None
    return saved.current, automatic.filled(saved.current, line, person, author)


def offered(line: Line, contact: Contact | None) -> list[tuple[int, str]]:
    """The saved texts that may be inserted here: id and name."""
    return list(SavedText.objects.offered(line, contact or _nobody_yet("")).values_list("pk", "name"))


def _nobody_yet(number: str) -> Contact:
    """Stands for a number that nobody texted yet: it has no tags, no name and no row."""
    return Contact(pk=0, number=number)


# ---- beforehand -----------------------------------------------------------------------------------------------------


def size(conversation: Conversation | None, line: Line, number: str, body: str, author: User) -> dict[str, Any]:
    """How ``body`` would be cut into segments if it left now, its footer included, and what makes it dear."""
    body = body.replace("\r\n", "\n").strip()
    if not body:
        return {}
    conversation = conversation or Conversation(line=line, contact=_nobody_yet(number))
    leaves = outlook.as_it_would_leave(conversation, body, author)
    longest = len(outbound.with_footer(conversation, body, author)[0])  # it may have to carry the footer later
    measured = segments.measure(leaves)
    odd = segments.outsiders(leaves)
    return {
        "encoding": measured.encoding.value,
        "characters": len(leaves),
        "segments": measured.segments,
        "left": measured.left,
        "footer": leaves.removeprefix(body).strip(),
        "too_long": max(longest - outbound.LONGEST_TEXT, 0),
        "odd": [{"character": each.character, "plain": each.plain} for each in odd[:5]],
    }
