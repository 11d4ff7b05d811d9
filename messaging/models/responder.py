from collections.abc import Collection, Iterable
from dataclasses import dataclass
from dataclasses import field as part
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Prefetch, Q

from consent.models import Line, Organisation, Tag
from consent.remembered import recall
from consent.vocabulary import Language
from messaging import claims, keywords, rendering
from messaging.claims import Claim
from messaging.keywords import Action, Keyword, Meaning
from messaging.reading import read
from messaging.wordings import Kind

_DOES = {
    Action.OPT_IN: "opts in",
    Action.OPT_OUT: "opts out",
    Action.HELP: "asks for help",
    Action.REPLY: "gets a reply",
}
_CAN = {Action.OPT_IN: "opt in", Action.OPT_OUT: "opt out"}


@dataclass
class Switched:
    """What became of many responders: those switched, those that stood so already, and the refused, each with why."""

    done: list["KeywordResponder"] = part(default_factory=list)
    already: list["KeywordResponder"] = part(default_factory=list)
    refused: list[tuple["KeywordResponder", str]] = part(default_factory=list)


class KeywordResponderQuerySet(models.QuerySet["KeywordResponder"]):
    def on(self, line: Line) -> "KeywordResponderQuerySet":
        """The active responders of a line: its own and those of every line."""
        return self.filter(Q(every_line=True) | Q(lines=line), active=True).distinct()

    def keywords_on(self, line: Line) -> list[Keyword]:
        """The active responders of a line as the reader takes them.

        Built-in words are the same in every language, so English says nothing about who texts them: their answer is in
        the contact's or the line's language, unless an officer chose another one.
        """
        return recall(("keywords", line.pk), lambda: self._keywords_on(line))

    def _keywords_on(self, line: Line) -> list[Keyword]:
        rows = (
            self.on(line).order_by("pk").values_list("keyword", "action", "reply", "language", "tag", "pk", "built_in")
        )
        return [
            Keyword(word, action, reply, "" if built_in and language == Language.ENGLISH else language, tag, pk)
            for word, action, reply, language, tag, pk, built_in in rows
        ]

    def lock(self) -> None:
        """Hold back everybody else who changes a responder, until the transaction ends.

        The organisation's row stands for all of them: what two people claim at once may be two new rows.
        """
        Organisation.objects.select_for_update(no_key=True).get(pk=1)

    def claimed(self) -> list["KeywordResponder"]:
        """All active ones with their lines, built-in words first."""
        lines = Prefetch("lines", queryset=Line.objects.only("pk"), to_attr="its_lines")
        return list(self.filter(active=True).prefetch_related(lines).order_by("-built_in", "pk"))

    def switch(self, *, on: bool) -> Switched:
        """Switch these on or off, each by itself: one that may not be keeps its state and does not keep the others."""
        found = Switched()
        with transaction.atomic():
            KeywordResponder.objects.lock()
            for responder in self.order_by("keyword", "pk"):
                if responder.active == on:
                    found.already.append(responder)
                    continue
                responder.active = on
                try:
                    responder.enter()
                except ValidationError as error:
                    found.refused.append((responder, " ".join(error.messages)))
                else:
                    found.done.append(responder)
        return found


class KeywordResponder(models.Model):
    """A word that contacts may text, with what happens then.

    The words that law and carriers fix are built in: word and action are locked, they are always active on every line.
    On a line no word has two active responders, and every active line has at least one to opt out and one to opt in.
    These rules hold for what is written by ``enter``, ``switch`` and ``delete``, and by forms that hold ``lock``.
    """

    keyword = models.CharField(max_length=40, help_text="One or more words. Case does not matter.")
    action = models.CharField(max_length=8, choices=keywords.Action.choices)
    every_line = models.BooleanField("on every line", default=True)
    lines = models.ManyToManyField(Line, blank=True, help_text="Where it is not on every line.")
    reply = models.CharField(
        max_length=500, blank=True, help_text="Where given, it is sent in place of the template's text."
    )
    language = models.CharField(
        max_length=2,
        choices=Language.choices,
        default=Language.ENGLISH,
        help_text="In which Optline answers it, where there is a wording in it.",
    )
    tag = models.ForeignKey(
        Tag, on_delete=models.PROTECT, null=True, blank=True, help_text="Put on the contact who texts this word."
    )
    active = models.BooleanField(default=True)
    built_in = models.BooleanField(default=False, editable=False)

    objects = KeywordResponderQuerySet.as_manager()

    # The lines it is about to be given. None: those it has.
    chosen: Collection[Line] | None = None

    class Meta:
        ordering = ["action", "keyword"]

    def __str__(self) -> str:
        return self.keyword

    # ---- verbs ------------------------------------------------------------------------------------------------------

    def enter(self, lines: Collection[Line] | None = None) -> None:
        """Check and save it, with ``lines`` where given. Raises ValidationError, and then nothing is written."""
        with transaction.atomic():
            KeywordResponder.objects.lock()
            self.chosen = lines
            self.full_clean()
            self.save()
            if self.every_line:
                self.lines.clear()
            elif lines is not None:
                self.lines.set(lines)
            self.chosen = None

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        """Raises ValidationError for a built-in word, and for the last way out of a line or into it."""
        with transaction.atomic():
            KeywordResponder.objects.lock()
            if why := self.why_it_stays():
                raise ValidationError(why)
            return super().delete(*args, **kwargs)

    def why_it_stays(self) -> str:
        """Why it can't be deleted, as a sentence for people; empty where it can."""
        if self.built_in:
            return f"Law and carriers fix the word {self.keyword}. It can't be deleted."
        stored = _stored(self.pk)
        return self._what_is_missing(stored, None) if stored else ""

    # ---- rules ------------------------------------------------------------------------------------------------------

    def clean(self) -> None:
        typed, self.keyword = self.keyword, keywords.normalise(self.keyword)
        stored = _stored(self.pk)
        if self.built_in:
            self._check_lock(stored)
        else:
            self._check_word(typed)
        if self.action == Action.REPLY and not self.reply.strip():
            raise ValidationError({"reply": "Write what is replied."})
        try:
            rendering.check(self.reply, Kind.HELP_REPLY)
        except rendering.WordingError as error:
            raise ValidationError({"reply": str(error)}) from None
        claim = self._claim()
        if claim.lines == frozenset():
            raise ValidationError({"lines": "Choose at least one line, or tick “on every line”."})
        before = stored.its_claim() if stored else None
        if claim != before:
            self._check_conflict(before, claim)
        if stored and before and (missing := self._what_is_missing(stored, claim)):
            changed = "active" if not claim.active else "action" if claim.action != before.action else "lines"
            raise ValidationError({changed: missing})

    def _check_lock(self, stored: "KeywordResponder | None") -> None:
        if not (self.active and self.every_line):
            raise ValidationError("Law and carriers fix this word. It works on every line, always.")
        if stored and (self.keyword, self.action) != (stored.keyword, stored.action):
            raise ValidationError("Law and carriers fix this word and what it does.")

    def _check_word(self, typed: str) -> None:
        if not self.keyword:
            raise ValidationError({"keyword": "Write at least one letter or digit."})
        if len(self.keyword) > 40:
            raise ValidationError({"keyword": "This is too long. A keyword has at most 40 letters."})
        if keywords.compared(self.keyword) in _RESERVED:
            raise ValidationError({"keyword": "YES and NO answer opt-in requests and can't be keywords."})
        if read(typed, [Keyword(self.keyword, Action.REPLY)]).rule != f"keyword:{self.keyword}":
            raise ValidationError(
                {"keyword": "A text with these signs can't be told from other texts. Use letters and digits only."}
            )
        if keywords.compared(self.keyword) in _FIXED:
            raise ValidationError(
                {"keyword": f"{self.keyword} is built in: it works on every line already, and law fixes what it does."}
            )
        # A responder is read before the sentences: it would turn a revocation into something else.
        if self.action != Action.OPT_OUT and read(self.keyword, ()).meaning is Meaning.OPT_OUT:
            raise ValidationError(
                {"keyword": "Who texts this asks us to stop, so all that it can do is opt out. Choose other words."}
            )

    def _check_conflict(self, before: Claim | None, claim: Claim) -> None:
        others = {other.pk: other for other in KeywordResponder.objects.claimed() if other.pk != self.pk}
        found = claims.conflict(claim, [other.its_claim() for other in others.values()])
        if not found or found.responder is None:
            return
        other = others[found.responder]
        where = _named(claim.shares(found))
        if other.action == self.action != Action.REPLY:
            text = f"This word works already: {other.described()} is switched on for it {where}."
        else:
            text = (
                f"{other.described()} has this word already {where}. Switch that one off first, or choose other lines."
            )
        if before is None or before.word != claim.word:
            field = "keyword"
        elif not before.active:
            field = "active"
        else:
            field = "every_line" if claim.lines is None else "lines"
        raise ValidationError({field: text})

    def _what_is_missing(self, stored: "KeywordResponder", after: Claim | None) -> str:
        others = [other.its_claim() for other in KeywordResponder.objects.claimed() if other.pk != self.pk]
        lines = dict(Line.objects.filter(active=True).in_bulk())
        found = claims.left_without(stored.its_claim(), after, others, lines)
        if found is None:
            return ""
        action, lost = found
        where = ", ".join(str(lines[pk]) for pk in lost[:3]) + (f" and {len(lost) - 3} more" if len(lost) > 3 else "")
        return (
            f"{stored.keyword} is the last word by which contacts can {_CAN[action]} on {where}. "
            "Give that line another one first."
        )

    def _claim(self) -> Claim:
        """What it is about to claim."""
        if self.chosen is not None and not self.every_line:
            lines: frozenset[int] | None = frozenset(line.pk for line in self.chosen)
        else:
            lines = self._its_lines()
        return Claim(self.keyword, self.action, lines, self.active, self.pk)

    def its_claim(self) -> Claim:
        """What it claims as stored."""
        return Claim(self.keyword, self.action, self._its_lines(), self.active, self.pk)

    def _its_lines(self) -> frozenset[int] | None:
        if self.every_line:
            return None
        if not self.pk:
            return frozenset()
        fetched: Iterable[Line] | None = getattr(self, "its_lines", None)
        return frozenset(line.pk for line in (self.lines.all() if fetched is None else fetched))

    def described(self) -> str:
        """For people: the word, its language and what it does."""
        return f"{self.keyword} ({self.get_language_display()}, {_DOES[Action(self.action)]})"


def _stored(pk: int | None) -> KeywordResponder | None:
    return KeywordResponder.objects.filter(pk=pk).first() if pk else None


def _named(lines: frozenset[int] | None) -> str:
    if lines is None:
        return "on every line"
    names = [str(line) for line in Line.objects.filter(pk__in=lines)]
    return f"on {', '.join(names[:3])}" + (f" and {len(names) - 3} more" if len(names) > 3 else "")


_RESERVED = {keywords.compared(word) for word in keywords.RESERVED}
_FIXED = {keywords.compared(word) for word in keywords.BUILT_IN}
