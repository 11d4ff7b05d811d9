"""Twilio's signature of a form-encoded webhook, written from its description (FACTS, "Signature"). Pure."""

import base64
import hashlib
import hmac
from collections.abc import Mapping


def sign(token: str, url: str, form: Mapping[str, str]) -> str:
    """The value of X-Twilio-Signature for ``form`` posted to exactly ``url``, its query included."""
    signed = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()).decode()
