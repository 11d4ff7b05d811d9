"""The words of an outgoing text: the footer that tells how to stop. Pure."""

import re

# Opt-out words as an instruction ("Reply STOP to …"), not in passing ("stop by at five", "I'll text end of day"):
# behind a verb of answering in capitals or quotes, or followed by what they are good for.
_WORD = r"(?:STOP ?ALL|STOP|UNSUBSCRIBE|CANCEL|END|QUIT|REVOKE|OPT[ -]?OUT)"
_VERB = r"\b(?i:reply|text|send|txt|answer|respond)(?i:\s+with|\s+back)?[\s:]{1,3}"
_AIM = r"\s+to\s+(?:end|stop|opt|unsubscribe|cancel|quit|leave|refuse)\b"
_INSTRUCTIONS = (
    re.compile(rf"{_VERB}{_WORD}\b"),
    re.compile(rf"{_VERB}[\"'“‘]{_WORD}[\"'”’]", re.IGNORECASE),
    re.compile(rf"\b{_WORD}(?:{_AIM}|\s*=)", re.IGNORECASE),
)


def tells_how_to_stop(body: str) -> bool:
    """True where the text already instructs how to opt out."""
    return any(instruction.search(body) for instruction in _INSTRUCTIONS)


def with_footer(body: str, footer: str) -> str:
    """The text as it leaves: ``footer`` on a line of its own, unless the text says it already."""
    return body if not footer or tells_how_to_stop(body) else f"{body}\n{footer}"


def printable(text: str) -> str:
    """``text`` without NUL and lone surrogates, which no text column takes. The raw webhook keeps them."""
    return text.replace("\x00", "").encode("utf-8", "ignore").decode()
