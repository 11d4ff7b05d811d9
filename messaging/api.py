"""The REST API. A token acts as its user, with that user's lines and permissions.

Bad input is answered 400 with the field and what is wrong with it. A line that the user may not use is answered like
one that does not exist, so that nobody can sound out the others.
"""

import hashlib
import json
from typing import Any

from django.db import IntegrityError, transaction
from django.shortcuts import get_object_or_404
from rest_framework import serializers, status
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from consent import gate, phones
from consent.gate import Decision
from consent.models import Consent, Line, Organisation, User
from consent.vocabulary import RequestState, Status
from messaging import facts, outbound
from messaging.models import Conversation, IdempotencyKey, Message, Notice
from messaging.models.message import Direction, MessageStatus
from messaging.thread import entries

S = MessageStatus


class Json(JSONParser):
    """JSON that is nested too deeply for Python is bad input like any other, not a crash."""

    def parse(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().parse(*args, **kwargs)
        except RecursionError:
            raise ParseError("This JSON is nested too deeply.") from None


class May(BasePermission):
    """The view names the permission its method needs."""

    message = "Your account may not do this. Ask a compliance officer."

    def has_permission(self, request: Request, view: APIView) -> bool:
        wanted: str = view.needs  # type: ignore[attr-defined]
        return bool(request.user and request.user.is_authenticated and request.user.has_perm(wanted))


# ---- fields ---------------------------------------------------------------------------------------------------------


class PhoneField(serializers.CharField):
    """A contact's number in E.164."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, max_length=40, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        try:
            return phones.normalise(super().to_internal_value(data))
        except phones.PhoneError as error:
            raise serializers.ValidationError(str(error)) from None


def line_number(raw: str) -> str:
    """The number that names a line. Raises PhoneError."""
    return phones.normalise(raw) if raw.startswith(" ") else phones.normalise_line(raw)


class LineField(serializers.CharField):
    """One of the user's lines, named by its number."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> Line:  # type: ignore[override]
        raw = super().to_internal_value(data)
        try:
            number = line_number(raw)
        except phones.PhoneError as error:
            raise serializers.ValidationError(str(error)) from None
        line = self.context["request"].user.usable_lines().filter(number=number).first()
        if line is None:
            raise serializers.ValidationError(f"{number} is none of your lines.")
        return line


class NewMessage(serializers.Serializer):
    line = LineField()
    to = PhoneField()
    body = serializers.CharField(max_length=outbound.LONGEST_TEXT, trim_whitespace=False)
    basis = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")
    bulk = serializers.BooleanField(required=False, default=False)

    def validate_body(self, body: str) -> str:
        if not body.strip():
            raise serializers.ValidationError("Write what is to be sent.")
        if any(0xD800 <= ord(char) <= 0xDFFF for char in body):
            raise serializers.ValidationError(
                "The text holds half of a character (a lone surrogate). Send valid Unicode."
            )
        return body

    def validate(self, fields: dict[str, Any]) -> dict[str, Any]:
        if Line.objects.filter(number=fields["to"]).exists():
            raise serializers.ValidationError({"to": ["This is one of your own lines. Texts go to contacts."]})
        return fields


class Pair(serializers.Serializer):
    line = LineField()
    phone = PhoneField()


class PhoneOnly(serializers.Serializer):
    phone = PhoneField()


def _checked(serializer: type[serializers.Serializer], data: Any, request: Request) -> dict[str, Any]:
    bound = serializer(data=data, context={"request": request})
    bound.is_valid(raise_exception=True)
    return bound.validated_data


def _user(request: Request) -> User:
    assert isinstance(request.user, User)
    return request.user


# ---- messages -------------------------------------------------------------------------------------------------------


def shown_message(message: Message, user: User) -> dict[str, Any]:
    """A text as ``user`` may see it. Where numbers are hidden, agents see in full only those they gave themselves."""
    conversation = message.conversation
    number = conversation.contact.number
    if message.author_id != user.pk and not user.has_perm("consent.use_every_line"):
        number = phones.mask(number) if Organisation.objects.current().mask_numbers else number
    reason = {"code": message.reason, "text": message.reason_text} if message.reason else None
    return {
        "id": str(message.uuid),
        "line": conversation.line.number,
        "to": number,
        "body": message.body,
        "status": message.status,
        "reason": reason,
        "until": _iso(message.not_before) if message.status == S.DEFERRED else None,
        "created": _iso(message.created),
    }


def _iso(moment: Any) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None


class Messages(APIView):
    parser_classes = [Json]
    permission_classes = [May]
    needs = "messaging.send_text"

    def post(self, request: Request) -> Response:
        """Submit a text. 201 with what became of it; refused texts are answered 201 too, they are kept."""
        fields = _checked(NewMessage, request.data, request)
        key = request.headers.get("Idempotency-Key", "")
        if len(key) > 200 or not key.isprintable():
            raise serializers.ValidationError({"Idempotency-Key": ["Use at most 200 printable characters."]})
        if not key:
            return Response(self._submit(fields, request), status=status.HTTP_201_CREATED)
        return self._submit_once(fields, request, key)

    def _submit(self, fields: dict[str, Any], request: Request) -> dict[str, Any]:
        try:
            message = outbound.submit(**fields, author=_user(request))
        except outbound.TextError as error:
            raise serializers.ValidationError({"body": [str(error)]}) from None
        return shown_message(message, _user(request))

    def _submit_once(self, fields: dict[str, Any], request: Request, key: str) -> Response:
        same = {**fields, "line": fields["line"].number}
        body_hash = hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()
        try:
            with transaction.atomic():
                used = self._use(request, key, body_hash)
                used.answer = self._submit(fields, request)
                used.save(update_fields=["answer"])
        except KeyUsed:
            used = IdempotencyKey.objects.get(user=_user(request), key=key)
            if used.body_hash != body_hash:
                return Response(
                    {"Idempotency-Key": ["This key was used for another text. Use a new one for every text."]},
                    status=status.HTTP_409_CONFLICT,
                )
        return Response(used.answer, status=status.HTTP_201_CREATED)

    def _use(self, request: Request, key: str, body_hash: str) -> IdempotencyKey:
        """First of all, so that a second request with this key waits here for the first one's answer."""
        try:
            with transaction.atomic():
                return IdempotencyKey.objects.create(user=_user(request), key=key, body_hash=body_hash)
        except IntegrityError as error:
            raise KeyUsed from error


class KeyUsed(Exception):
    """The idempotency key was used before."""


def _own_message(request: Request, uuid: Any) -> Message:
    """A text to a contact on one of the user's lines, or 404."""
    texts = Message.objects.outgoing().select_related("conversation__line", "conversation__contact")
    return get_object_or_404(texts, uuid=uuid, conversation__line__in=_user(request).usable_lines())


class MessageDetail(APIView):
    permission_classes = [May]
    needs = "messaging.send_text"

    def get(self, request: Request, uuid: Any) -> Response:
        return Response(shown_message(_own_message(request, uuid), _user(request)))


class Withdraw(APIView):
    parser_classes = [Json]
    permission_classes = [May]
    needs = "messaging.send_text"

    def post(self, request: Request, uuid: Any) -> Response:
        """Take back a text of one's own that has not left. 409 with the reason where it can't be."""
        try:
            message = outbound.withdraw(_own_message(request, uuid), _user(request))
        except outbound.TextError as error:
            return Response({"detail": str(error)}, status=status.HTTP_409_CONFLICT)
        return Response(shown_message(message, _user(request)))


class Confirm(APIView):
    parser_classes = [Json]
    permission_classes = [May]
    needs = "messaging.send_text"

    def post(self, request: Request, uuid: Any) -> Response:
        """Stand by a text of one's own that is older than a day. 409 with the reason where it does not wait."""
        try:
            message = outbound.confirm(_own_message(request, uuid), _user(request))
        except outbound.TextError as error:
            return Response({"detail": str(error)}, status=status.HTTP_409_CONFLICT)
        return Response(shown_message(message, _user(request)))


# ---- consent --------------------------------------------------------------------------------------------------------


def check(line: Line, number: str) -> Decision:
    """What the gate would say to an ordinary text now."""
    return gate.decide(facts.gather(line, number))


def shown_decision(decision: Decision) -> dict[str, Any]:
    return {
        "verdict": decision.verdict,
        "reason": {"code": decision.reason, "text": decision.text},
        "until": _iso(decision.until),
    }


class ContactConsents(APIView):
    permission_classes = [May]
    needs = "messaging.check_consent"

    def get(self, request: Request, phone: str) -> Response:
        """The contact's status on each of the user's lines; a number never seen is Not Defined everywhere."""
        number = _checked(PhoneOnly, {"phone": phone}, request)["phone"]
        lines = {line.pk: line for line in _user(request).usable_lines().order_by("pk")}
        if "line" in request.query_params:
            only = _checked(Pair, {"phone": phone, "line": request.query_params["line"]}, request)["line"]
            lines = {only.pk: only}
        known = {c.line_id: c for c in Consent.objects.filter(contact__number=number, line__in=lines)}
        return Response([_shown_consent(line, known.get(pk)) for pk, line in lines.items()])


def _shown_consent(line: Line, consent: Consent | None) -> dict[str, Any]:
    if consent is None:
        consent = Consent(line=line, status=Status.NOT_DEFINED, request_state=RequestState.NOT_SENT)
    return {
        "line": line.number,
        "status": consent.status,
        "request": consent.request_state,
        "level": consent.level or None,
        "under_review": consent.review_since is not None,
        "since": _iso(consent.since),
        "source": consent.source or None,
        "told_how_to_stop": consent.told_at is not None,
        "blocked_at_provider": consent.blocked_at_provider,
    }


# ---- conversations --------------------------------------------------------------------------------------------------


class Thread(APIView):
    permission_classes = [May]
    needs = "messaging.view_conversation"

    def get(self, request: Request) -> Response:
        """Texts and notices of one contact on one line, in order, as this user may see them."""
        fields = _checked(Pair, request.query_params, request)
        conversation = Conversation.objects.filter(line=fields["line"], contact__number=fields["phone"]).first()
        return Response(thread(conversation, _user(request)) if conversation else [])


def thread(conversation: Conversation, user: User) -> list[dict[str, Any]]:
    """The whole conversation as ``user`` may see it (messaging.thread), a held-back text without its words."""
    return [
        _shown_notice(entry) if isinstance(entry, Notice) else _shown_text(entry)
        for entry in entries(conversation, user)
    ]


def _shown_notice(notice: Notice) -> dict[str, Any]:
    return {
        "type": "notice",
        "kind": notice.kind.removeprefix("notice_"),
        "text": notice.text,
        "created": _iso(notice.created),
    }


def _shown_text(text: Message) -> dict[str, Any]:
    hidden = text.status == S.HELD_BACK
    outgoing = text.direction == Direction.OUT
    return {
        "type": "text",
        "id": str(text.uuid),
        "direction": text.direction,
        "purpose": text.purpose or None,
        "body": None if hidden else text.body,
        "sent_body": text.sent_body or None if outgoing else None,
        "status": text.status,
        "marks": [*text.marks, *(["held back"] if hidden else [])],
        "author": text.author.get_username() if text.author else None,
        "reason": {"code": text.reason, "text": text.reason_text} if text.reason else None,
        "created": _iso(text.created),
    }
