"""What the provider calls. Verify, store, ring, answer: nothing else happens before the 200."""

import hashlib
from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from consent import phones
from messaging import bell, outbound, outcomes, provider
from messaging.models import Receipt
from messaging.text import printable

EMPTY_TWIML = '<?xml version="1.0" encoding="UTF-8"?><Response/>'

View = Callable[[HttpRequest], HttpResponse]


def signed(view: View) -> View:
    """Let only what the provider signed through. Everything else gets a 403 and leaves no trace in the tables."""

    @csrf_exempt  # the signature is the proof of origin
    @require_POST
    @wraps(view)
    def verified(request: HttpRequest) -> HttpResponse:
        query = request.META.get("QUERY_STRING", "")
        url = request.path_info + (f"?{query}" if query else "")
        if not provider.verify(url, request.content_type or "", request.body, request.headers):
            return HttpResponse("The signature does not fit.", status=403, content_type="text/plain")
        return view(request)

    return verified


@signed
def inbound(request: HttpRequest) -> HttpResponse:
    """Keep a contact's text as it came. Known already: nothing new. Can't be stored: 500, never a false 200."""
    text = provider.parse_inbound(provider.form(request.body))
    Receipt.objects.keep(
        kind=Receipt.Kind.INBOUND,
        provider_id=printable(text.provider_id)[:64] or hashlib.sha256(request.body).hexdigest(),
        number=_number(text.sender),
        raw=request.body,
    )
    bell.ring_settle_soon()
    return HttpResponse(EMPTY_TWIML, content_type="text/xml")


@signed
def status(request: HttpRequest) -> HttpResponse:
    """Move one of our texts forward. The id of ours in the signed URL finds it even before the answer is stored."""
    message_uuid = request.GET.get("m", "")
    if outbound.is_uuid(message_uuid):
        outcomes.delivery_reported(message_uuid, provider.parse_delivery(provider.form(request.body)))
    return HttpResponse(EMPTY_TWIML, content_type="text/xml")


def _number(sender: str) -> str:
    """The contact's number in E.164; '' where it can't be read: kept as unroutable, for a person to see."""
    try:
        return phones.normalise_sender(sender)
    except phones.PhoneError:
        return ""
