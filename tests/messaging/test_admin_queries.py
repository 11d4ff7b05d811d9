"""Lists cost the same number of queries however many rows they show."""

import uuid

import pytest
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from rest_framework.authtoken.models import Token

from consent import ledger
from consent.ledger import Proof
from consent.models import Contact, ContactCap, DoNotContact, Line, OptInRequest, SendingHours, Tag, User
from messaging.models import (
    Conversation,
    FooterCountry,
    IdempotencyKey,
    KeywordResponder,
    Message,
    Notice,
    Receipt,
    SavedText,
    Template,
    TemplateVersion,
)
from messaging.wordings import Kind
from tests.make import make_agent, make_line, make_officer

pytestmark = pytest.mark.django_db
ALONE = {"organisation", "group"}  # one row; rows that tests don't multiply


def add_rows(start: int, count: int) -> None:
    """One more of everything, ``count`` times."""
    now = timezone.now()
    version = TemplateVersion.objects.get(template__kind=Kind.NOTICE_ASKED)
    for serial in range(start, start + count):
        line = make_line(f"+1206555{serial:04}")
        user = make_agent(line)
        contact = Contact.objects.create(number=f"+1425555{serial:04}")
        ledger.told(contact, line, Proof("agent", {"text": str(serial)}, actor=user), at=now)
        OptInRequest.objects.create(
            contact=contact, line=line, kind="ours", channel="agent", asked_by=user, created=now
        )
        conversation = Conversation.objects.create(contact=contact, line=line)
        receipt = Receipt.objects.create(kind="inbound", provider_id=str(serial), raw=b"Body=x", received_at=now)
        Message.objects.create(
            conversation=conversation,
            direction="out",
            purpose="ordinary",
            body="x",
            status="held",
            author=user,
            receipt=receipt,
            created=now,
        )
        Notice.objects.create(
            conversation=conversation, kind="notice_asked", text="x", wording=version, to=user, created=now
        )
        DoNotContact.objects.create(number=contact.number, digest=uuid.uuid4().hex, reason="x", added_by=user)
        KeywordResponder.objects.create(keyword=f"WORD {serial}", action="reply", reply="x").lines.add(line)
        own = Template.objects.create(kind=Kind.FOOTER, line=line)
        own.say("Reply STOP to end", author=user)
        saved = SavedText.objects.create(name=str(serial))
        saved.say("Hello", author=user)
        saved.lines.add(line)
        tag = Tag.objects.create(name=str(serial))
        saved.tags.add(tag)
        contact.tags.add(tag)
        FooterCountry.objects.create(
            country=f"{chr(65 + serial // 26 % 26)}{serial % 10}", reason="x", source="y", as_of=now.date()
        )
        SendingHours.objects.create(place="US-GA", source=str(serial))
        ContactCap.objects.create(place="US-GA", source=str(serial))
        Token.objects.create(user=user)
        IdempotencyKey.objects.create(user=user, key=str(serial), body_hash="")


def counts(client: Client) -> dict[str, int]:
    found = {}
    for model in admin.site._registry:
        name = model._meta.model_name
        if name in ALONE:
            continue
        with CaptureQueriesContext(connection) as queries:
            answer = client.get(reverse(f"admin:{model._meta.app_label}_{name}_changelist"))
        if answer.status_code == 200:
            found[str(name)] = len(queries)
    return found


def test_lists_cost_the_same_with_more_rows(client: Client) -> None:
    add_rows(100, 2)
    agent = make_agent(*Line.objects.all())
    readers = [User.objects.create_superuser("root"), agent]
    ContentType.objects.get_for_models(*admin.site._registry)  # cached per process
    before = []
    for user in readers:
        client.force_login(user)
        before.append(counts(client))
    add_rows(200, 5)
    agent.lines.set(Line.objects.all())
    for user, expected in zip(readers, before, strict=True):
        client.force_login(user)
        assert counts(client) == expected
    assert len(before[0]) == len(admin.site._registry) - len(ALONE)


def test_object_pages_cost_the_same_with_more_rows(client: Client) -> None:
    add_rows(100, 1)
    client.force_login(make_officer())
    contact = Contact.objects.get()
    template = Template.objects.get(kind=Kind.FOOTER, line__isnull=False)
    conversation = Conversation.objects.get()
    pages = [
        reverse("admin:consent_contact_change", args=[contact.pk]),
        reverse("admin:messaging_template_change", args=[template.pk]),
        reverse("admin:messaging_conversation_change", args=[conversation.pk]),
    ]

    def cost() -> list[int]:
        found = []
        for page in pages:
            with CaptureQueriesContext(connection) as queries:
                assert client.get(page).status_code == 200
            found.append(len(queries))
        return found

    cost()
    before = cost()
    now = timezone.now()
    for serial in range(4):
        line, user = make_line(f"+1206555030{serial}"), make_agent()
        ledger.told(contact, line, Proof("agent", {"text": "x"}, actor=user), at=now)
        OptInRequest.objects.create(
            contact=contact, line=line, kind="ours", channel="agent", asked_by=user, created=now
        )
        Conversation.objects.create(contact=contact, line=line)
        template.say(f"Reply STOP to end {serial}", author=user)
        Message.objects.create(
            conversation=conversation,
            direction="out",
            purpose="ordinary",
            body="x",
            status="sent",
            author=user,
            created=now,
        )
    assert cost() == before
