"""How log lines look, and what never gets into one: what contacts said, and their full numbers.

Our own code logs ids and codes. What libraries and exceptions say may quote a contact's words or a row of the
database, so of an exception the log has type and place; its own words only where they can't quote anything. All of it
is written at LOG_LEVEL=DEBUG. Anything that looks like a phone number keeps its last four digits, whatever the level.
"""

import json
import logging
import logging.config
import re
import threading
import traceback
from collections.abc import Iterator
from typing import Any

log = logging.getLogger(__name__)

# A character in an address (%2B, or as many bytes as UTF-8 takes for it), in JSON or in what repr() gives. A percent
# sign before a number that stands alone begins no escape.
_BYTE = r"(?:%|\\x)"
_ESCAPE = re.compile(
    rf"(?!%\d{{10,15}}(?![\w-])){_BYTE}"
    rf"(?:[cd][0-9a-f]{_BYTE}[89ab][0-9a-f]|e[0-9a-f](?:{_BYTE}[89ab][0-9a-f]){{2}}|[0-9a-f]{{2}})|\\u[0-9a-f]{{4}}",
    re.IGNORECASE,
)
# What else has many digits: days and times, UUIDs, digests and the provider's ids, places in memory.
_DAY = r"(?:19|20)\d\d-(?:0\d|1[0-2])-[0-3]\d"
_TIME = r"[0-2]\d:[0-5]\d(?::[0-5]\d)?(?:[.,]\d+)?(?:\ ?(?:Z|[+-]\d\d:?\d\d))?"
_NEVER_A_NUMBER = rf"""(?:
    (?<![\d+]) (?: {_DAY} (?:[T\ +_-]{_TIME})? | {_TIME} ) (?!\d)
    | (?<![^\W_])
      (?: 0x[0-9a-f]+ | [0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}} | (?:[a-z]{{2}})?[0-9a-f]{{32,128}} )
      (?![^\W_])
)"""
_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
# Blanks, invisible marks and dashes of any kind too; U+FFFD is what remains of a byte that is no UTF-8.
_GAP = r"[\s().+/_\-\u200b-\u2015\u202a-\u202f\u2060-\u2069\ufffd]{1,3}"
_NUMBER = re.compile(
    rf"""
    (?P<other> {_NEVER_A_NUMBER}
    | (?<![\d.+]) {_OCTET}(?:\.{_OCTET}){{3}} (?!\.?\d)  # an address of a host
    | (?<![\d.+]) (?: 0\.\d+ | \d+\.\d+(?=\ ?(?:s|ms|seconds?)\b) ) (?!\.?\d) )  # how long something took
    | (?<!\d) \+?\d{{10,15}} (?!\d)  # in one piece
    | (?<!\d) \+?\d{{1,9}} (?!\d) (?: {_GAP} (?!{_NEVER_A_NUMBER}) \d{{1,9}} (?!\d) )*
    """,
    re.IGNORECASE | re.VERBOSE,
)
# Exceptions about connections, settings and code: of these the first line is shown. Others quote values ("invalid
# literal for int(): 'what the contact wrote'"), and what stands below the first line of a database's error is rows.
_QUOTE_NOTHING = (OSError, ImportError, AttributeError, NameError, TypeError, MemoryError)
_QUOTE_NOTHING_BY_NAME = {"OperationalError", "InterfaceError", "ImproperlyConfigured", "FieldError", "PoolTimeout"}


def configure(declared: dict[str, Any]) -> None:
    """Set logging up as LOGGING declares it. What kills a thread is logged too: Python would print all it says."""
    logging.config.dictConfig(declared)
    threading.excepthook = _log_death


def _log_death(death: threading.ExceptHookArgs) -> None:
    if death.exc_value is None or isinstance(death.exc_value, SystemExit):
        return
    log.critical("thread %s died", death.thread.name if death.thread else "?", exc_info=death.exc_value)


def without_numbers(text: str) -> str:
    """``text`` with "…0142" in place of anything like a phone number, however it is written or quoted: 10 to 15
    digits with up to three blanks or signs between them, or 7 and more after a plus. More than 15 digits in one piece,
    days, times and ids stay."""
    said, places = text, list(range(len(text) + 1))
    for _ in range(2):  # an address may be quoted within another
        said, places = _unquoted(said, places)
    shown, end = [], 0
    for found in _NUMBER.finditer(said):
        digits = re.sub(r"\D", "", found[0])
        if not found["other"] and len(digits) >= (7 if found[0].startswith("+") else 10):
            shown += [text[end : places[found.start()]], f"…{digits[-4:]}"]
            end = places[found.end()]
    return "".join([*shown, text[end:]])


def _unquoted(text: str, places: list[int]) -> tuple[str, list[int]]:
    """``text`` with one character for each escape, and the place of each character in what was there at first."""
    said, begin, end = [], [], 0
    for escape in _ESCAPE.finditer(text):
        said += [text[end : escape.start()], _character(escape[0])]
        begin += places[end : escape.start() + 1]
        end = escape.end()
    return "".join([*said, text[end:]]), begin + places[end:]


def _character(escape: str) -> str:
    code = re.sub(r"%|\\[xu]", "", escape, flags=re.IGNORECASE)
    return chr(int(code, 16)) if escape[1] in "uU" else bytes.fromhex(code).decode(errors="replace")[0]


class Plain(logging.Formatter):
    """One line for people to read, and below it where an exception came from."""

    def format(self, record: logging.LogRecord) -> str:
        line = f"{self.formatTime(record)} {record.levelname} {record.name}: {_message(record)}"
        return without_numbers("\n".join([line, *_exception(record)]))


class Json(logging.Formatter):
    """One JSON object a line: time, level, logger, message, exception. No other attributes: libraries put whole
    requests into them."""

    def format(self, record: logging.LogRecord) -> str:
        shown = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "message": without_numbers(_message(record)),
        }
        if exception := "\n".join(_exception(record)):
            shown["exception"] = without_numbers(exception)
        return json.dumps(shown, ensure_ascii=False)


def _message(record: logging.LogRecord) -> str:
    error = record.exc_info[1] if record.exc_info else None
    if error is None or _everything():
        return record.getMessage()
    if isinstance(record.args, dict):  # Celery's: beside the task's name, what it raised and was called with
        return str(record.msg) % {**record.args, "exc": _named(error), "traceback": "", "args": "", "kwargs": ""}
    message = record.getMessage()
    for words in (repr(error), str(error)):
        message = message.replace(words, _named(error)) if words else message
    return message


def _exception(record: logging.LogRecord) -> Iterator[str]:
    if not record.exc_info or record.exc_info[1] is None:
        return
    if _everything():
        yield "".join(traceback.format_exception(record.exc_info[1])).rstrip()
        return
    for error in reversed(_chain(record.exc_info[1])):
        yield "Traceback (most recent call last):"
        yield "".join(traceback.format_tb(error.__traceback__)).rstrip()
        yield _named(error)


def _chain(error: BaseException) -> list[BaseException]:
    """The exception, the one that it was raised from or while handling, and so on."""
    chain = [error]
    while before := chain[-1].__cause__ or (None if chain[-1].__suppress_context__ else chain[-1].__context__):
        if before in chain:
            break
        chain.append(before)
    return chain


def _named(error: BaseException) -> str:
    """An exception's type, with what it says where that quotes nothing."""
    kind = type(error)
    if not isinstance(error, _QUOTE_NOTHING) and kind.__name__ not in _QUOTE_NOTHING_BY_NAME:
        return kind.__qualname__
    return f"{kind.__qualname__}: {str(error).partition(chr(10))[0]}"


def _everything() -> bool:
    return logging.getLogger().getEffectiveLevel() <= logging.DEBUG
