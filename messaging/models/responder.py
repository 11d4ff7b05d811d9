from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from consent.models import Line, Tag
from consent.vocabulary import Language
from messaging import keywords


class KeywordResponderQuerySet(models.QuerySet["KeywordResponder"]):
    def on(self, line: Line) -> "KeywordResponderQuerySet":
        """The active responders of a line: its own and those of every line."""
        return self.filter(Q(every_line=True) | Q(lines=line), active=True).distinct()


class KeywordResponder(models.Model):
    """A word that contacts may text, with what happens then.

    The words that law and carriers fix are built in: word and action are locked, they are always active on every line.
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

    class Meta:
        ordering = ["action", "keyword"]

    def __str__(self) -> str:
        return self.keyword

    def clean(self) -> None:
        from messaging import rendering  # the reply may use the same variables as templates
        from messaging.wordings import Kind

        self.keyword = keywords.normalise(self.keyword)
        if not self.keyword:
            raise ValidationError({"keyword": "Write at least one letter or digit."})
        if self.keyword in keywords.RESERVED:
            raise ValidationError({"keyword": "YES and NO answer opt-in requests and can't be keywords."})
        if self.action == keywords.Action.REPLY and not self.reply:
            raise ValidationError({"reply": "Write what is replied."})
        if self.built_in and not self.active:
            raise ValidationError({"active": "Law and carriers fix this word. It can't be switched off."})
        try:
            rendering.check(self.reply, Kind.HELP_REPLY)
        except rendering.WordingError as error:
            raise ValidationError({"reply": str(error)}) from None
