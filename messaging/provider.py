"""Twilio, and nothing of Twilio beyond this module: send, verify, parse.

Inward there are only our own enums and frozen dataclasses. The official SDK talks through an HTTP client of ours: with
time-outs, a pool as large as the sender's threads, no environment variables and no retries, because creating a message
is not idempotent.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
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


def failure_form(recipient: str, line: str, code: str) -> bytes:
    """The form a failed create call would have had as a callback, so that both are settled alike."""
    return urlencode({"To": recipient, "From": line, "MessageStatus": "failed", "ErrorCode": code}).encode()


def _same(one: str, other: str) -> bool:
    """Constant-time; the SDK's own comparison leaks the length and is not."""
    return hmac.compare_digest(one.encode(), other.encode())


def _with_and_without_port(url: str) -> set[str]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return {url, *(urlunsplit(parts._replace(netloc=netloc)) for netloc in (host, f"{host}:{port}"))}


class _PooledClient(HttpClient):
    """The SDK's HTTP over a urllib3 pool of ours; TWILIO_BASE_URL, which may carry a path, stands in for Twilio."""

    def __init__(self, base_url: str) -> None:
        self.is_async = False
        self.timeout = None
        self._base_url = base_url
        self._pool = urllib3.PoolManager(
            maxsize=settings.SENDER_THREADS,
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
