"""The words of an outgoing text: the footer that tells how to stop. Pure."""

import re

# Opt-out words as an instruction ("Reply STOP to …"), not in passing ("stop by at five").
_TELLS_HOW_TO_STOP = re.compile(
    r"\b(?:reply|text|send|txt|answer|respond|responde|envía|envia|répondez)\b(?:\s+with)?[\s\"'“”‘’:]{1,4}"
    r"(?:STOP|STOPALL|UNSUBSCRIBE|CANCEL|END|QUIT|REVOKE|OPT[ -]?OUT)\b",
    re.IGNORECASE,
)
_BARE_INSTRUCTION = re.compile(r"\bSTOP\b\s*(?:=|to\s+(?:end|stop|opt|unsubscribe|cancel|quit))", re.IGNORECASE)


def tells_how_to_stop(body: str) -> bool:
    """True where the text already instructs how to opt out."""
    return bool(_TELLS_HOW_TO_STOP.search(body) or _BARE_INSTRUCTION.search(body))


def with_footer(body: str, footer: str) -> str:
    """The text as it leaves: ``footer`` on a line of its own, unless the text says it already."""
    return body if not footer or tells_how_to_stop(body) else f"{body}\n{footer}"


def printable(text: str) -> str:
    """``text`` without NUL and lone surrogates, which no text column takes. The raw webhook keeps them."""
    return text.replace("\x00", "").encode("utf-8", "ignore").decode()
