import datetime as dt

from django.conf import settings
from django.db import models

from consent.models import Contact, Line
from messaging.wordings import NOTICES, Kind


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def between(self, contact: Contact, line: Line) -> "Conversation":
        """The thread of one contact on one line, made if missing, under the contact's lock."""
        conversation, _ = self.get_or_create(contact=contact, line=line)
        conversation.contact, conversation.line = contact, line  # or each would be read again
        return conversation

    def unread(self) -> "ConversationQuerySet":
        return self.filter(unread_since__isnull=False)


class Conversation(models.Model):
    """The thread of one contact on one line."""

    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, related_name="conversations")
    line = models.ForeignKey(Line, on_delete=models.PROTECT, related_name="conversations")
    is_open = models.BooleanField(default=True)
    last_activity = models.DateTimeField(auto_now=True)
    # Since when a text of the contact's waits to be looked at by somebody who works on the line.
    unread_since = models.DateTimeField(null=True, editable=False)
    # The last place given out in this conversation's queue (Message.place).
    last_place = models.PositiveIntegerField(default=0, editable=False)

    objects = ConversationQuerySet.as_manager()

    class Meta:
        ordering = ["-last_activity"]
        constraints = [
            models.UniqueConstraint(fields=["contact", "line"], name="one_conversation_per_contact_and_line")
        ]
        indexes = [
            models.Index(fields=["line", "-last_activity"]),
            models.Index(fields=["is_open", "-last_activity"], name="conversations_by_activity"),
            models.Index(
                fields=["is_open", "-last_activity"],
                condition=models.Q(unread_since__isnull=False),
                name="unread_ones_by_activity",
            ),
            models.Index(
                fields=["line", "unread_since"],
                condition=models.Q(unread_since__isnull=False),
                name="unread_conversations",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.contact} on {self.line.name}"

    def seen(self, at: dt.datetime) -> bool:
        """Somebody who works on the line has read it as it stood when ``last_activity`` was ``at``.

        False, and still unread, where anything came since: a text that arrives in between must not go unnoticed.
        """
        as_seen = Conversation.objects.filter(pk=self.pk, last_activity=at)
        return bool(as_seen.update(unread_since=None))

    def next_place(self) -> int:
        """The next place in the queue, under the contact's lock. Places, not ids, say what leaves first: a held text is
        older than the confirmation that goes before it."""
        Conversation.objects.filter(pk=self.pk).update(last_place=models.F("last_place") + 1)
        self.refresh_from_db(fields=["last_place"])
        return self.last_place


class Notice(models.Model):
    """An automatic entry in a conversation that only agents see."""

    conversation = models.ForeignKey(Conversation, on_delete=models.PROTECT, related_name="notices")
    kind = models.CharField(max_length=40, choices=[(kind.value, kind.label) for kind in Kind if kind in NOTICES])
    text = models.TextField()
    wording = models.ForeignKey("TemplateVersion", on_delete=models.PROTECT)
    to = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, help_text="Empty: everyone on the line."
    )
    receipt = models.ForeignKey("Receipt", on_delete=models.PROTECT, null=True)
    created = models.DateTimeField()

    class Meta:
        ordering = ["created", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["receipt", "kind", "conversation", "to"],
                condition=models.Q(receipt__isnull=False),
                name="a_receipt_gives_a_notice_once",
            )
        ]

    def __str__(self) -> str:
        return self.text
