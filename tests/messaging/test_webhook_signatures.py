"""What the provider did not sign changes nothing. The same vectors run against every webhook.

Expected signatures are computed here as Twilio describes them, not with the SDK: HMAC-SHA1 with the auth token over the
public URL with its query, then each sorted name with each of its sorted unique values, in base64. Some are literals.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlencode

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from consent.models import Contact
from messaging import outbound, provider
from messaging.models import Message, PhoneMenu, Receipt, SignUp, Template
from tests.make import JANE, make_agent, make_line

pytestmark = pytest.mark.django_db

HOST = "https://sms.example.com"
TOKEN, NEXT_TOKEN = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
Pairs = list[tuple[str, str]]


@pytest.fixture(autouse=True)
def public(settings) -> None:
    settings.PUBLIC_URL = HOST
    settings.TWILIO_AUTH_TOKENS = [TOKEN, NEXT_TOKEN]


def signature(url: str, pairs: Iterable[tuple[str, str]] = (), token: str = TOKEN, digest=hashlib.sha1) -> str:
    text = url + "".join(name + value for name, value in sorted(set(pairs)))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), digest).digest()).decode()


@dataclass
class Webhook:
    """One of our webhooks, a form that it takes, and what must stay as it is if the form is not signed."""

    path: str
    pairs: Pairs
    message: Message | None = None
    client: Client = field(default_factory=lambda: Client(enforce_csrf_checks=True))

    @property
    def url(self) -> str:
        return HOST + self.path

    def post(
        self,
        signed: str | None,
        pairs: Pairs | None = None,
        *,
        path: str | None = None,
        body: str | bytes | None = None,
        content_type: str = FORM,
        **headers: str,
    ) -> HttpResponse:
        data = urlencode(self.pairs if pairs is None else pairs) if body is None else body
        if signed is not None:
            headers["X-Twilio-Signature"] = signed
        return self.client.post(path or self.path, data, content_type=content_type, headers=headers)

    def untouched(self) -> bool:
        if self.message:
            return Message.objects.get(pk=self.message.pk).status == "sent"
        heard = SignUp.objects.filter(reference="CA0001").exists()
        return not heard and not Receipt.objects.exists() and not Contact.objects.filter(number=JANE).exists()

    def accepts(self, answer: HttpResponse) -> None:
        assert answer.status_code == 200, answer.content

    def refuses(self, answer: HttpResponse) -> None:
        assert answer.status_code == 403
        assert self.untouched()


@pytest.fixture(params=["inbound", "status", "call", "key"])
def webhook(request: pytest.FixtureRequest) -> Webhook:
    line = make_line(mode="disclaimer")
    if request.param == "inbound":
        pairs = [("MessageSid", "SM0001"), ("From", JANE), ("To", line.number), ("Body", "Stop & go, é 🛑"), ("X", "")]
        return Webhook("/twilio/inbound/", pairs)
    if request.param in {"call", "key"}:
        PhoneMenu.objects.create(line=line)
        pairs = [("CallSid", "CA0001"), ("From", JANE), ("To", line.number), ("Direction", "inbound")]
        if request.param == "call":
            return Webhook("/twilio/voice/", pairs)
        wording = Template.objects.get(kind="phone_menu").current
        SignUp.objects.create(
            channel="ivr", reference="CA0002", line=line, wording=wording, language="en", created=timezone.now()
        )
        return Webhook("/twilio/voice/key/?try=1", [("CallSid", "CA0002"), *pairs[1:], ("Digits", "1")])
    text = outbound.submit(line=line, to=JANE, body="hi", author=make_agent(line))
    Message.objects.filter(pk=text.pk).update(status="sent", provider_id="SM0001")
    pairs = [("MessageSid", "SM0001"), ("MessageStatus", "delivered"), ("From", line.number), ("To", JANE)]
    return Webhook(f"/twilio/status/?m={text.uuid}", pairs, text)


# ---- taken ----------------------------------------------------------------------------------------------------------


def test_a_signed_form(webhook: Webhook) -> None:
    webhook.accepts(webhook.post(signature(webhook.url, webhook.pairs)))
    assert not webhook.untouched()


def test_parameters_nobody_has_heard_of_are_covered(webhook: Webhook) -> None:
    pairs = [*webhook.pairs, ("NewIn2027", "yes"), ("Empty", "")]
    webhook.accepts(webhook.post(signature(webhook.url, pairs), pairs))


def test_repeated_parameters(webhook: Webhook) -> None:
    pairs = [*webhook.pairs, ("MediaUrl", "b"), ("MediaUrl", "a"), ("MediaUrl", "b")]
    webhook.accepts(webhook.post(signature(webhook.url, pairs), pairs))


def test_a_token_being_rotated(webhook: Webhook) -> None:
    webhook.accepts(webhook.post(signature(webhook.url, webhook.pairs, NEXT_TOKEN)))
    assert not webhook.untouched()


def test_with_the_port_that_goes_without_saying(webhook: Webhook) -> None:
    url = webhook.url.replace(HOST, HOST + ":443")
    webhook.accepts(webhook.post(signature(url, webhook.pairs)))


@pytest.mark.parametrize("signed_with", ["http://127.0.0.1:8000", "http://127.0.0.1"])
def test_a_public_address_with_a_port(webhook: Webhook, settings, signed_with: str) -> None:
    settings.PUBLIC_URL = "http://127.0.0.1:8000"
    webhook.accepts(webhook.post(signature(signed_with + webhook.path, webhook.pairs)))


def test_more_in_the_query(webhook: Webhook) -> None:
    path = webhook.path + ("&" if "?" in webhook.path else "?") + "rc=5&name=a%20b%2Bc"
    webhook.accepts(webhook.post(signature(HOST + path, webhook.pairs), path=path))


def test_a_json_body_is_covered_by_its_hash(webhook: Webhook) -> None:
    body = json.dumps(dict(webhook.pairs))
    path = with_hash(webhook.path, body)
    webhook.accepts(webhook.post(signature(HOST + path), path=path, body=body, content_type=JSON))


def test_the_newer_algorithm_with_our_token(webhook: Webhook) -> None:
    newer = signature(webhook.url, webhook.pairs, digest=hashlib.sha256)
    header = {"X-Twilio-Webhooks-Signature-Settings": "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"}
    webhook.accepts(webhook.post(newer, **header))


def with_hash(path: str, body: str) -> str:
    digest = hashlib.sha256(body.encode()).hexdigest()
    return f"{path}{'&' if '?' in path else '?'}bodySHA256={digest}"


# ---- refused --------------------------------------------------------------------------------------------------------

WRONG = {
    "none": None,
    "empty": "",
    "not base64": "é" * 28,
    "of something else": signature("https://sms.example.com/"),
    "much too long": "A" * 5000,
}


@pytest.mark.parametrize("signed", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_signature(webhook: Webhook, signed: str | None) -> None:
    webhook.refuses(webhook.post(signed))


def test_somebody_elses_token(webhook: Webhook) -> None:
    webhook.refuses(webhook.post(signature(webhook.url, webhook.pairs, "somebody else's")))
    webhook.refuses(webhook.post(signature(webhook.url, webhook.pairs, "")))


def test_a_token_that_was_rotated_out(webhook: Webhook, settings) -> None:
    settings.TWILIO_AUTH_TOKENS = [NEXT_TOKEN]
    webhook.refuses(webhook.post(signature(webhook.url, webhook.pairs, TOKEN)))


def test_without_any_token_nothing_is_taken(webhook: Webhook, settings) -> None:
    settings.TWILIO_AUTH_TOKENS = []
    webhook.refuses(webhook.post(signature(webhook.url, webhook.pairs, "")))


def changed(pairs: Pairs, **changes: str) -> Pairs:
    return [(name, changes.get(name, value)) for name, value in pairs]


TAMPERED = {
    "a value": lambda pairs: changed(pairs, From="+12065550143"),
    "a name": lambda pairs: [(name.lower(), value) for name, value in pairs],
    "one more": lambda pairs: [*pairs, ("OptOutType", "START")],
    "one less": lambda pairs: pairs[1:],
    "a second value": lambda pairs: [*pairs, ("Body", "START")],
    "nothing left": lambda pairs: [],
}


@pytest.mark.parametrize("tamper", TAMPERED.values(), ids=TAMPERED.keys())
def test_a_tampered_form(webhook: Webhook, tamper) -> None:
    webhook.refuses(webhook.post(signature(webhook.url, webhook.pairs), tamper(webhook.pairs)))


@pytest.mark.parametrize(
    "url", ["http://sms.example.com", "https://sms.example.org", "https://sms.example.com:8443", "https://evil.example"]
)
def test_signed_for_another_address(webhook: Webhook, url: str) -> None:
    webhook.refuses(webhook.post(signature(url + webhook.path, webhook.pairs)))


def test_the_public_address_counts_not_the_one_the_request_names(webhook: Webhook, settings) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    signed = signature("https://evil.example" + webhook.path, webhook.pairs)
    webhook.refuses(webhook.post(signed, Host="evil.example"))


def test_a_tampered_query(webhook: Webhook) -> None:
    signed = signature(webhook.url, webhook.pairs)
    more = webhook.path + ("&" if "?" in webhook.path else "?") + "x=1"
    webhook.refuses(webhook.post(signed, path=more))
    if "?" in webhook.path:
        webhook.refuses(webhook.post(signed, path=webhook.path.partition("?")[0]))


def test_a_signature_of_another_webhook(webhook: Webhook) -> None:
    other = "/twilio/status/" if "inbound" in webhook.path else "/twilio/inbound/"
    webhook.refuses(webhook.post(signature(HOST + other, webhook.pairs)))


def test_a_tampered_json_body(webhook: Webhook) -> None:
    body = json.dumps(dict(webhook.pairs))
    path = with_hash(webhook.path, body)
    webhook.refuses(webhook.post(signature(HOST + path), path=path, body=body + " ", content_type=JSON))


def test_json_without_the_hash_of_its_body(webhook: Webhook) -> None:
    body = json.dumps(dict(webhook.pairs))
    webhook.refuses(webhook.post(signature(webhook.url), body=body, content_type=JSON))
    webhook.refuses(webhook.post(signature(webhook.url), body=body, content_type="Application/JSON; charset=utf-8"))


def test_a_form_cannot_hide_behind_the_hash(webhook: Webhook) -> None:
    """The hash covers JSON bodies alone: a form's values are always signed."""
    body = urlencode(webhook.pairs)
    path = with_hash(webhook.path, body)
    webhook.refuses(webhook.post(signature(HOST + path), path=path, body=body))


def test_another_kind_of_body(webhook: Webhook) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="Body"\r\n\r\nSTART\r\n--x--\r\n'
    webhook.refuses(webhook.post(signature(webhook.url), body=body, content_type="multipart/form-data; boundary=x"))


@pytest.mark.parametrize("algorithm", ["HMAC_SHA256", "HMAC_SHA512", "none", "HMAC_MD5"])
def test_another_algorithm_than_the_header_says(webhook: Webhook, algorithm: str) -> None:
    header = {"X-Twilio-Webhooks-Signature-Settings": f"key=k,algorithm={algorithm}"}
    webhook.refuses(webhook.post(signature(webhook.url, webhook.pairs), **header))


@pytest.mark.parametrize("method", ["get", "head", "put", "patch", "delete", "options"])
def test_only_post(webhook: Webhook, method: str) -> None:
    headers = {"X-Twilio-Signature": signature(webhook.url, webhook.pairs)}
    answer = getattr(webhook.client, method)(webhook.path, headers=headers)
    assert answer.status_code == 405
    assert webhook.untouched()


# ---- literal vectors ------------------------------------------------------------------------------------------------


def test_twilios_own_example(settings) -> None:
    settings.PUBLIC_URL, settings.TWILIO_AUTH_TOKENS = "https://mycompany.com", ["12345"]
    body = b"CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212"
    headers = {"X-Twilio-Signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8="}
    assert provider.verify("/myapp.php?foo=1&bar=2", FORM, body, headers)
    assert not provider.verify("/myapp.php?foo=1&bar=3", FORM, body, headers)


LITERALS = [
    ("gI0iICfIZIBHPmL+se6UJuLo+wI=", ""),
    ("mmKeLwwq96ZNkHSXPYXQB47wWj2aaLDgJgr8oc4zyw4=", "key=k,algorithm=HMAC_SHA256"),
]


@pytest.mark.parametrize(("signed", "setting"), LITERALS)
def test_a_stop_as_a_literal(signed: str, setting: str) -> None:
    body = "MessageSid=SM0001&From=%2B12065550142&To=%2B12065550100&Body=STOP"
    headers = {"X-Twilio-Signature": signed, **({"X-Twilio-Webhooks-Signature-Settings": setting} if setting else {})}
    answer = Client().post("/twilio/inbound/", body, content_type=FORM, headers=headers)
    assert answer.status_code == 200
    assert Receipt.objects.get().provider_id == "SM0001"


def test_json_as_a_literal() -> None:
    path = "/twilio/inbound/?bodySHA256=711b2e48b3a17bf835132cf3072d64fb5ca42c1bf88ada1933790329dd51138b"
    headers = {"X-Twilio-Signature": "otL5IGBSrTHLv5gTiFg8j7ABTG4="}
    body = '{"MessageSid":"SM0002"}'
    assert Client().post(path, body, content_type=JSON, headers=headers).status_code == 200
    assert Client().post(path, body + "\n", content_type=JSON, headers=headers).status_code == 403
