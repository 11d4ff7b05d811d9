"""Calls to a line: each step is asked of Optline and answered while the caller waits, as by Twilio, over signed HTTP.

Nothing is kept here: a call's state is the address to which its next key goes, and the caller holds it.
"""

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urljoin
from uuid import uuid4

import urllib3
from django.conf import settings

from messaging.simulator import carrier
from messaging.simulator.signing import sign

VOICE_PATH = "/twilio/voice/"
API_VERSION = "2010-04-01"
WAIT_SECONDS = 15.0
LARGEST_ANSWER = 65_536

_pool = urllib3.PoolManager(num_pools=2, timeout=WAIT_SECONDS, retries=False)


class CallFailed(Exception):
    """What a caller would notice as "an application error has occurred"."""


@dataclass(frozen=True)
class Heard:
    """``says``: what was read out. ``then``: where a key goes; empty once Optline has hung up."""

    says: list[str]
    then: str


def new_sid() -> str:
    return f"CA{uuid4().hex}"


def lead(sid: str, *, contact: str, line: str, to: str = "", digits: str | None = None) -> Heard:
    """One step of a call: its beginning, or with ``digits`` the key that goes ``to`` where the last step said.

    Raises CallFailed where the answer is none that Twilio could read.
    """
    url = to or settings.PUBLIC_URL + VOICE_PATH
    if not carrier.stays_here(url, settings.PUBLIC_URL):
        raise CallFailed("The simulator calls only this machine, and the key would go elsewhere.")
    form = {
        "CallSid": sid,
        "AccountSid": settings.TWILIO_ACCOUNT_SID,
        "ApiVersion": API_VERSION,
        "From": contact,
        "To": line,
        "Direction": "inbound",
        "CallStatus": "ringing" if digits is None else "in-progress",
    }
    if digits is not None:
        form |= {"Digits": digits, "msg": "Gather End"}
    return _read(url, _post(url, form))


def _post(url: str, form: Mapping[str, str]) -> bytes:
    headers = {
        "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
        "User-Agent": "TwilioProxy/1.1",
        "X-Twilio-Signature": sign(settings.TWILIO_AUTH_TOKENS[0], url, form),
        "I-Twilio-Idempotency-Token": str(uuid4()),
    }
    try:
        answer = _pool.request("POST", url, body=urlencode(form), headers=headers, redirect=False)
    except urllib3.exceptions.HTTPError:
        raise CallFailed("Nobody answered.") from None
    if answer.status != 200:
        raise CallFailed(f"Optline answered {answer.status}.")
    return bytes(answer.data)


def _read(url: str, twiml: bytes) -> Heard:
    try:
        # Our own answer, from this machine.
        response = ElementTree.fromstring(twiml[:LARGEST_ANSWER])
    except ElementTree.ParseError:
        raise CallFailed("The answer was no TwiML.") from None
    gather = response.find("Gather")
    says = [each.text or "" for each in response.iter("Say")]
    return Heard(says, "" if gather is None else urljoin(url, gather.get("action", url)))
