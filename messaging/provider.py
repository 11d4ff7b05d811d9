"""Twilio, and nothing of Twilio beyond this module: send, verify, parse, look up.

Inward there are only our own enums and frozen dataclasses. The official SDK talks through an HTTP client of ours: with
time-outs, a pool as large as the sender's threads, no environment variables and no retries, because creating a message
is not idempotent.
"""

import datetime as dt
import hmac
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import format_datetime, parsedate_to_datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import urllib3
from django.conf import settings
from django.http import QueryDict
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.request_validator import RequestValidator, get_signature_algorithm
from twilio.rest import Client

from messaging.models.message import MessageStatus

TWILIO = "https://api.twilio.com"
# It serves messaging services, for which nothing stands in, and the lists of deactivated numbers, for which the
# simulator does.
TWILIO_MESSAGING = "https://messaging.twilio.com"


class Trouble(StrEnum):
    """What an error code means for consent or reachability."""

    OPTED_OUT = "opted_out"
    NOT_MOBILE = "not_mobile"
    DEACTIVATED = "deactivated"


# FACTS "Error codes".
TROUBLE = {
    "21610": Trouble.OPTED_OUT,
    "21211": Trouble.NOT_MOBILE,
    "21614": Trouble.NOT_MOBILE,
    "21635": Trouble.NOT_MOBILE,
    "30006": Trouble.NOT_MOBILE,
    "30005": Trouble.DEACTIVATED,
}

# The number is not registered with the carriers (10DLC): what else leaves from this line would fail too.
STOPS_THE_LINE = frozenset({"30034"})

# The words that Twilio and the networks answer themselves, where they do, if one of them is the whole text.
OPT_OUT_WORDS = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})

# What people are told about a refusal. Twilio's own words may hold the contact's full number.
_IN_WORDS = {
    "21211": "the number is not valid",
    "21610": "the contact opted out there",
    "21614": "the number can't receive texts",
    "21635": "the number can't receive texts",
    "30007": "carriers filtered it as unwanted",
    "30034": "this line is not registered with the carriers; an officer has to act",
}

# Callbacks come in any order: all that says "Twilio has it" is one step for us.
_STATUS = {
    **dict.fromkeys(["queued", "accepted", "scheduled", "sending", "sent"], MessageStatus.SENT),
    **dict.fromkeys(["delivered", "read", "partially_delivered"], MessageStatus.DELIVERED),
    "undelivered": MessageStatus.UNDELIVERED,
    **dict.fromkeys(["failed", "canceled"], MessageStatus.FAILED),
}


class OptOutWord(StrEnum):
    """What Twilio's Advanced Opt-Out says it read and answered itself."""

    STOP = "STOP"
    START = "START"
    HELP = "HELP"


_OPT_OUT_WORDS = {word.value: word for word in OptOutWord}


class ProviderError(Exception):
    """A text was not taken.

    ``permanent``: trying again is pointless. ``may_have_left``: nobody knows, so it is never sent again.
    """

    def __init__(self, code: str, message: str, *, permanent: bool, may_have_left: bool) -> None:
        super().__init__(message)
        self.code = code
        self.permanent = permanent
        self.may_have_left = may_have_left


@dataclass(frozen=True)
class Inbound:
    """A text from a contact. Numbers and words as the webhook gave them."""

    provider_id: str
    sender: str
    recipient: str
    body: str
    media_count: int
    answered_by_provider: OptOutWord | None


@dataclass(frozen=True)
class Delivery:
    """What became of a text of ours. ``status`` is None for words of Twilio's that we don't know."""

    provider_id: str
    recipient: str
    status: MessageStatus | None
    error_code: str


@dataclass(frozen=True)
class Call:
    """A call at one step. ``contact`` and ``line`` as the webhook gave them, whoever of the two called the other."""

    provider_id: str
    contact: str
    line: str
    digits: str


@dataclass(frozen=True)
class ListedSent:
    """A text of ours as the provider's list shows it. ``at``: when it was taken, in whole seconds."""

    delivery: Delivery
    body: str
    at: dt.datetime


@dataclass(frozen=True)
class ListedReceived:
    """A contact's text as the provider's list shows it, which does not say whether the provider answered it itself.

    ``at``: when it came in there, in whole seconds. ``form``: what its webhook would have carried.
    """

    inbound: Inbound
    at: dt.datetime
    form: bytes


Listed = TypeVar("Listed", ListedSent, ListedReceived)


@dataclass(frozen=True)
class Listing(Generic[Listed]):
    """What the provider's list shows, the newest first. Not ``complete``: there were more pages than we turn."""

    texts: tuple[Listed, ...]
    complete: bool


def send(*, line: str, to: str, body: str, callback_url: str) -> str:
    """Give one text to the provider; returns its id. Raises ProviderError.

    Called once per text and outside any transaction.
    """
    try:
        message = _client().messages.create(from_=line, to=to, body=body, status_callback=callback_url)
        provider_id = message.sid
    except (TwilioRestException, TwilioServiceException) as error:
        raise _refused(int(error.status), str(error.code or "")) from error
    except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError) as error:
        raise ProviderError("", "The provider could not be reached.", permanent=False, may_have_left=False) from error
    except urllib3.exceptions.HTTPError as error:
        raise ProviderError("", "The provider did not answer.", permanent=False, may_have_left=True) from error
    except (TwilioException, ValueError, AttributeError, KeyError, TypeError) as error:
        # The SDK chokes in its own ways on an answer that is not what it expects; but the request got there.
        raise ProviderError("", "The provider's answer made no sense.", permanent=False, may_have_left=True) from error
    if not provider_id:
        raise ProviderError("", "The provider's answer names no id.", permanent=False, may_have_left=True)
    return str(provider_id)


def _refused(status: int, code: str) -> ProviderError:
    if status >= 500:
        return ProviderError(code, "The provider failed.", permanent=False, may_have_left=True)
    # 429 was never processed; 401 is a matter of our credentials, not of this text.
    later = status in {401, 429} or code == "20429"
    why = _IN_WORDS.get(code, "see its list of error codes")
    text = f"The provider refused it with code {code or status}: {why}."
    return ProviderError(code or str(status), text, permanent=not later, may_have_left=False)


# A pair of numbers exchanges few texts; a busy line gets many.
_PAGE_SIZE, _PAGES = 1000, 10


def list_sent(*, line: str, to: str, since: dt.datetime) -> Listing[ListedSent]:
    """The texts that the provider took for ``to`` from ``line``, by its own clock since that moment.

    A text that is not in the list may come to be: it lags behind, and a text without a time of sending is not found by
    it. Raises ProviderError where there is no answer that can be read.
    """
    return _listed(_sent, from_=line, to=to, date_sent_after=_in_utc(since))


def list_received(*, line: str, since: dt.datetime, until: dt.datetime) -> Listing[ListedReceived]:
    """The texts that came in for ``line`` between two moments of the provider's clock, both included.

    Raises ProviderError where there is no answer that can be read.
    """
    return _listed(_received, to=line, date_sent_after=_in_utc(since), date_sent_before=_in_utc(until))


def _in_utc(moment: dt.datetime) -> dt.datetime:
    """The SDK writes a time down as if it were UTC, without its fraction of a second."""
    return moment.astimezone(dt.UTC)


def _listed(parse: Callable[[Any], Listed | None], **query: Any) -> Listing[Listed]:
    found: list[Listed] = []
    try:
        page = _checked(_client().messages.page(page_size=_PAGE_SIZE, **query))
        found += [text for text in map(parse, page) if text]
        for _ in range(_PAGES - 1):
            if page.next_page_url is None:
                break
            page = _checked(page.next_page())
            found += [text for text in map(parse, page) if text]
        complete = page.next_page_url is None
    except (urllib3.exceptions.HTTPError, TwilioException, ValueError, AttributeError, KeyError, TypeError) as error:
        raise ProviderError(
            "", "The provider's list could not be read.", permanent=False, may_have_left=False
        ) from error
    return Listing(tuple(found), complete)


def _checked(page: Any) -> Any:
    """The SDK takes any object with a single field for a page: nothing would seem to have come in."""
    if not isinstance(page._payload["messages"], list):
        raise ValueError
    return page


def _sent(message: Any) -> ListedSent | None:
    at = message.date_created or message.date_sent
    if not message.sid or not at or message.direction == "inbound":
        return None
    # It is there, so the provider has it, whatever new word Twilio finds for that.
    status = _STATUS.get(message.status or "", MessageStatus.SENT)
    code = str(message.error_code or "")[:12]
    return ListedSent(Delivery(str(message.sid), str(message.to or ""), status, code), str(message.body or ""), at)


def _received(message: Any) -> ListedReceived | None:
    at = message.date_created or message.date_sent
    if not message.sid or not at or message.direction != "inbound":
        return None
    fields = {
        "MessageSid": str(message.sid),
        "From": str(message.from_ or ""),
        "To": str(message.to or ""),
        "Body": str(message.body or ""),
        "NumMedia": str(message.num_media or 0),
        "DateCreated": format_datetime(at),
    }
    return ListedReceived(parse_inbound(fields), at, urlencode(fields).encode())


def verify(path_and_query: str, content_type: str, body: bytes, headers: Mapping[str, str]) -> bool:
    """Is this webhook signed by the provider?

    The URL that was signed is the public one, so it is built from PUBLIC_URL, with and without its port. Every
    parameter that came is covered, known or not. Each configured token may have signed.
    """
    signature = headers.get("X-Twilio-Signature", "")
    algorithm = get_signature_algorithm(headers.get("X-Twilio-Webhooks-Signature-Settings", ""))
    if not signature or algorithm not in {"HMAC_SHA1", "HMAC_SHA256"}:
        return False
    url = settings.PUBLIC_URL + path_and_query
    params: QueryDict | None = None
    if content_type.partition(";")[0].strip().lower() == "application/json":
        digest = parse_qs(urlsplit(url).query).get("bodySHA256", [""])[0]
        if not _same(RequestValidator("").compute_hash(body.decode("utf-8", "replace")), digest):
            return False
    else:
        params = form(body)
    return any(
        _same(RequestValidator(token).compute_signature(spelling, params, algorithm), signature)
        for token in settings.TWILIO_AUTH_TOKENS
        for spelling in _with_and_without_port(url)
    )


def form(body: bytes) -> QueryDict:
    """A webhook's form. Unreadable bytes are replaced, so that they can't hide a STOP behind an exception."""
    return QueryDict(body, encoding="utf-8")


def parse_inbound(fields: Mapping[str, str]) -> Inbound:
    media = fields.get("NumMedia", "0")
    word = fields.get("OptOutType", "").upper()
    return Inbound(
        provider_id=fields.get("MessageSid") or fields.get("SmsSid") or "",
        sender=fields.get("From", ""),
        recipient=fields.get("To", ""),
        body=fields.get("Body", ""),
        media_count=int(media) if media.isdecimal() and len(media) < 4 else 0,
        answered_by_provider=_OPT_OUT_WORDS.get(word),
    )


def parse_delivery(fields: Mapping[str, str]) -> Delivery:
    return Delivery(
        provider_id=fields.get("MessageSid") or fields.get("SmsSid") or "",
        recipient=fields.get("To", ""),
        status=_STATUS.get((fields.get("MessageStatus") or fields.get("SmsStatus") or "").lower()),
        error_code=fields.get("ErrorCode", "")[:12],
    )


def parse_call(fields: Mapping[str, str]) -> Call:
    sides = fields.get("From", ""), fields.get("To", "")
    contact, line = reversed(sides) if fields.get("Direction", "").startswith("outbound") else sides
    return Call(
        provider_id=fields.get("CallSid", ""),
        contact=contact,
        line=line,
        digits=fields.get("Digits", "")[:20],
    )


def failure_form(recipient: str, line: str, code: str) -> bytes:
    """The form a failed create call would have had as a callback, so that both are settled alike."""
    return urlencode({"To": recipient, "From": line, "MessageStatus": "failed", "ErrorCode": code}).encode()


def _same(one: str, other: str) -> bool:
    """Constant-time; the SDK's own comparison leaks the length and is not."""
    return hmac.compare_digest(one.encode(), other.encode())


def _with_and_without_port(url: str) -> Iterator[str]:
    """As it stands first, which is nearly always what was signed."""
    yield url
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = parts.port or (443 if parts.scheme == "https" else 80)
    for netloc in (host, f"{host}:{port}"):
        if netloc != parts.netloc:
            yield urlunsplit(parts._replace(netloc=netloc))


class _PooledClient(HttpClient):
    """The SDK's HTTP over a urllib3 pool of ours; TWILIO_BASE_URL, which may carry a path, stands in for Twilio."""

    def __init__(self, base_url: str) -> None:
        self.is_async = False
        self.timeout = None
        self._base_url = base_url
        self._pool = urllib3.PoolManager(
            maxsize=2 * settings.SENDER_THREADS,  # of either queue
            block=False,
            retries=False,
            timeout=urllib3.Timeout(connect=settings.PROVIDER_CONNECT_SECONDS, read=settings.PROVIDER_READ_SECONDS),
        )

    def request(  # type: ignore[override]
        self,
        method: str,
        uri: str,
        params: Mapping[str, object] | None = None,
        data: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        if self._base_url and uri.startswith(TWILIO):
            uri = self._base_url + uri.removeprefix(TWILIO)
        elif self._base_url and uri.startswith(f"{TWILIO_MESSAGING}/v1/Deactivations"):
            uri = self._base_url + uri.removeprefix(TWILIO_MESSAGING)
        if params:
            uri += "?" + urlencode(params, doseq=True)
        sent = dict(headers or {})
        if auth:
            sent |= urllib3.make_headers(basic_auth=":".join(auth))
        answer = self._pool.request(
            method, uri, headers=sent, body=urlencode(data, doseq=True) if data else None, redirect=allow_redirects
        )
        return Response(answer.status, answer.data.decode("utf-8", "replace"), answer.headers)


@lru_cache(maxsize=4)
def _client_for(sid: str, token: str, base_url: str) -> Client:
    # A non-empty environment of ours, or the SDK would read edge and region from the process's environment.
    return Client(sid, token, http_client=_PooledClient(base_url), environment={"TWILIO_ACCOUNT_SID": sid})


def _client() -> Client:
    return _client_for(settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKENS[0], settings.TWILIO_BASE_URL)


# ---- numbers that carriers deactivated ------------------------------------------------------------------------------

# A day's list has some hundred thousand numbers, a dozen bytes each.
_LONGEST_LIST = 64 * 1024 * 1024


def deactivated_on(day: dt.date) -> list[str]:
    """The US numbers (E.164) that carriers deactivated on that day, as the provider's list has them.

    A number is on it also when its owner took it to another carrier. Raises ProviderError where there is no list that
    can be read, or none yet.
    """
    try:
        # The SDK follows no redirect, and our client neither: the file's address needs no credentials of ours.
        address = _client().messaging.v1.deactivations().fetch(date=day).redirect_to or ""
        simulated = bool(settings.TWILIO_BASE_URL) and address.startswith(settings.TWILIO_BASE_URL)
        if not address.startswith("https://") and not simulated:
            raise ValueError
        answer = urllib3.PoolManager(retries=False).request(
            "GET", address, timeout=urllib3.Timeout(connect=10, read=60), preload_content=False
        )
        body = answer.read(_LONGEST_LIST + 1)
        answer.close()
        if answer.status != 200 or len(body) > _LONGEST_LIST:
            raise ValueError
    except TwilioRestException as error:
        words = f"The provider has no list of numbers deactivated on {day}: it answers {error.status}."
        raise ProviderError(str(error.status), words, permanent=False, may_have_left=False) from error
    except (urllib3.exceptions.HTTPError, TwilioException, ValueError, AttributeError, KeyError, TypeError) as error:
        words = f"The provider's list of numbers deactivated on {day} could not be read."
        raise ProviderError("", words, permanent=False, may_have_left=False) from error
    return [number for line in body.decode("utf-8", "replace").splitlines() if (number := _american(line))]


_AMERICAN = re.compile(r"1?([2-9][0-9]{9})")


def _american(written: str) -> str:
    """E.164 of a US number, in whichever of the usual ways it is written; empty for a heading or anything else."""
    found = _AMERICAN.fullmatch("".join(sign for sign in written.partition(",")[0] if sign.isdecimal()))
    return f"+1{found[1]}" if found else ""


# ---- for manage.py doctor -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Number:
    """What the provider does with texts to one of its numbers. ``service``: the messaging service it is in, empty for
    none, None where that can't be asked."""

    webhook: str
    method: str
    fallback: str
    application: str
    service: str | None


def account() -> tuple[int, dt.datetime | None]:
    """How the provider answers to our credentials (HTTP status), and its clock. Raises ProviderError."""
    try:
        answer = _client().request("GET", f"{TWILIO}/2010-04-01/Accounts/{settings.TWILIO_ACCOUNT_SID}.json")
    except (TwilioException, urllib3.exceptions.HTTPError) as error:
        raise ProviderError("", "The provider did not answer.", permanent=False, may_have_left=False) from error
    date = (answer.headers or {}).get("Date")
    return int(answer.status_code), parsedate_to_datetime(date) if date else None


def numbers() -> dict[str, Number]:
    """Every number and short code of the account. Raises ProviderError, with the HTTP status where there was one."""
    try:
        client = _client()
        found = [(each.phone_number, each) for each in client.incoming_phone_numbers.list(page_size=1000)]
        found += [(each.short_code, each) for each in client.short_codes.list(page_size=1000)]
        services = {}
        # Messaging services have a host of their own, which nothing stands in for.
        for service in [] if settings.TWILIO_BASE_URL else client.messaging.v1.services.list(page_size=100):
            members = [each.phone_number for each in service.phone_numbers.list(page_size=100)]
            members += [each.short_code for each in service.short_codes.list(page_size=100)]
            services |= dict.fromkeys(members, service)
    except (TwilioException, urllib3.exceptions.HTTPError, ValueError, AttributeError, KeyError, TypeError) as error:
        status = next((str(each.status_code) for each in error.args if isinstance(each, Response)), "")
        words = f"It answers {status}." if status else "It does not answer, or not in a way that can be read."
        raise ProviderError(status, words, permanent=False, may_have_left=False) from error
    return {number: _number(each, services.get(number)) for number, each in found}


def _number(each: Any, service: Any) -> Number:
    own = service is None or service.use_inbound_webhook_on_number
    return Number(
        webhook=(each.sms_url if own else service.inbound_request_url) or "",
        method=(each.sms_method if own else service.inbound_method) or "",
        fallback=(each.sms_fallback_url if own else service.fallback_url) or "",
        application=(getattr(each, "sms_application_sid", "") if own else "") or "",
        service=service.sid if service else None if settings.TWILIO_BASE_URL else "",
    )
