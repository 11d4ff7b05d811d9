"""What can be done in a thread: by POST alone, each with the permission it needs, and on one's own lines only."""

import uuid

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.loader import render_to_string
from django.urls import reverse

from consent.admin.numbers import signed_in
from messaging import outbound
from messaging.admin.conversation import compose, live
from messaging.admin.conversation.compose import AlreadyTaken, ComposeForm
from messaging.admin.conversation.pages import TEMPLATES, Pages, in_full, works_on
from messaging.models import Conversation, Message
from messaging.models.message import MessageStatus
from messaging.thread import moment

TAKEN_ALREADY = "This text was taken already. It is not sent twice."


class Verbs(Pages):
    def send(self, request: HttpRequest, object_id: int) -> HttpResponse:
        conversation = self._theirs(request, object_id, "messaging.send_text")
        form = ComposeForm(request.POST)
        message = None
        if form.is_valid():
            to = in_full(conversation).number
            try:
                message = compose.submit(form, line=conversation.line, to=to, author=signed_in(request))
            except AlreadyTaken:
                return self._done(request, conversation, messages.INFO, TAKEN_ALREADY)
        if message is None:
            if live.wants_json(request):
                return JsonResponse({"done": False, "errors": form.errors})
            return self.thread(request, conversation, form)
        level, said = what_became_of(message)
        if level != messages.ERROR:
            return self._done(request, conversation, level, said)
        if live.wants_json(request):
            return JsonResponse({"done": False, "said": said, "level": "error", "key": uuid.uuid4()})
        messages.error(request, said)
        return self.thread(request, conversation, form.again())

    def insert(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The words of a saved text, for the box; nothing is sent. Without a script: the page, with them in the box."""
        conversation = self._theirs(request, object_id, "messaging.send_text")
        chosen = request.POST.get("saved", "")
        found = compose.insert(chosen, conversation.line, in_full(conversation), signed_in(request))
        if found is None:
            said = "Choose a saved text that is offered here."
            if live.wants_json(request):
                return JsonResponse({"done": False, "said": said, "level": "error"})
            messages.error(request, said)
            return self.thread(request, conversation, ComposeForm(request.POST).again())
        version, words = found
        if live.wants_json(request):
            return JsonResponse({"done": True, "words": words, "version": version.pk})
        form = ComposeForm(request.POST).again()
        form.initial["body"] = f"{form.initial['body']} {words}".strip()
        form.initial["saved_text"] = version.pk
        return self.thread(request, conversation, form)

    def preview(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """How long the text would be that is being written. Changes nothing; the words are not for an address."""
        conversation = self._theirs(request, object_id, "messaging.send_text")
        conversation.contact = in_full(conversation)
        number = conversation.contact.number
        size = compose.size(conversation, conversation.line, number, request.POST.get("body", ""), signed_in(request))
        return JsonResponse({"parts": {"size": render_to_string(f"{TEMPLATES}/size.html", {"size": size}, request)}})

    def withdraw(self, request: HttpRequest, object_id: int) -> HttpResponse:
        conversation, text = self._text(request, object_id)
        try:
            outbound.withdraw(text, signed_in(request))
        except outbound.TextError as error:
            return self._done(request, conversation, messages.ERROR, str(error))
        return self._done(request, conversation, messages.SUCCESS, "Your text is withdrawn. It will not be sent.")

    def confirm(self, request: HttpRequest, object_id: int) -> HttpResponse:
        conversation, text = self._text(request, object_id)
        try:
            message = outbound.confirm(text, signed_in(request))
        except outbound.TextError as error:
            return self._done(request, conversation, messages.ERROR, str(error))
        return self._done(request, conversation, *what_became_of(message))

    def read(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Nobody need look at it any more: by itself for who works on the line, for others when they say so."""
        conversation = self._theirs(request, object_id, "messaging.send_text")
        by_itself = "by_itself" in request.POST
        at = moment(request.POST.get("seen", ""))
        if by_itself and not works_on(signed_in(request), conversation.line):
            raise PermissionDenied
        done = at is not None and conversation.seen(at)
        if by_itself:
            return JsonResponse({"done": done})
        if done:
            return self._done(request, conversation, messages.SUCCESS, "The conversation is marked as read.")
        return self._done(request, conversation, messages.INFO, "Something has come since. Look at it first.")

    def close(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self._set_open(request, object_id, is_open=False)

    def reopen(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self._set_open(request, object_id, is_open=True)

    def _set_open(self, request: HttpRequest, object_id: int, *, is_open: bool) -> HttpResponse:
        conversation = self._theirs(request, object_id, "messaging.change_conversation")
        Conversation.objects.filter(pk=conversation.pk).update(is_open=is_open)
        said = "The conversation is open again." if is_open else "The conversation is closed."
        return self._done(request, conversation, messages.SUCCESS, said)

    def _theirs(self, request: HttpRequest, object_id: int, permission: str) -> Conversation:
        """The conversation, for somebody with this permission who works on its line. Else 403 or 404."""
        user = signed_in(request)
        if not user.has_perm(permission):
            raise PermissionDenied
        conversation: Conversation = self.found(request, str(object_id))
        if not user.may_use(conversation.line):
            raise PermissionDenied
        return conversation

    def _text(self, request: HttpRequest, object_id: int) -> tuple[Conversation, Message]:
        """The text that a verb is about, in the conversation it is in."""
        conversation = self._theirs(request, object_id, "messaging.send_text")
        sought = request.POST.get("text", "")
        text = conversation.messages.filter(uuid=sought).first() if outbound.is_uuid(sought) else None
        if text is None:
            raise Http404
        return conversation, text

    def _done(self, request: HttpRequest, conversation: Conversation, level: int, said: str) -> HttpResponse:
        """Tell what was done: to the page's script, or on the page that is shown next."""
        if live.wants_json(request):
            name = messages.DEFAULT_TAGS[level]
            return JsonResponse({"done": True, "said": said, "level": name, "key": uuid.uuid4()})
        messages.add_message(request, level, said)
        return to_thread(conversation.pk)


def to_thread(conversation_pk: int) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:messaging_conversation_change", args=[conversation_pk]) + "#newest")


def what_became_of(message: Message) -> tuple[int, str]:
    """The gate's own sentence."""
    if message.status == MessageStatus.REFUSED:
        return messages.ERROR, f"Not sent. {message.reason_text}"
    if message.status == MessageStatus.QUEUED:
        return messages.SUCCESS, "Your text is on its way."
    return messages.WARNING, f"{message.get_status_display()}. {message.reason_text}"
