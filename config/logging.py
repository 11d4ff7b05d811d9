"""How log lines look, and what never gets into one: what contacts said, and their full numbers.

Our own code logs ids and codes. What libraries and exceptions say may quote a contact's words or a row of the
database, so of an exception the log has type and place; its own words only where they can't quote anything. All of it
is written at LOG_LEVEL=DEBUG. Anything that looks like a phone number keeps its last four digits, whatever the level.
"""

import json
import logging
import re
import traceback
from collections.abc import Iterator

# With a plus, written in any way; or without one, as addresses and queries have it.
_NUMBER = re.compile(
    r"(?<![\w+])(?:\+|%2B)\d(?:[ ().-]{0,2}\d){6,14}(?!\d)|(?<![\w.-])\d{10,15}(?![\w-])", re.IGNORECASE
)
# Exceptions about connections, settings and code: of these the first line is shown. Others quote values ("invalid
# literal for int(): 'what the contact wrote'"), and what stands below the first line of a database's error is rows.
_QUOTE_NOTHING = (OSError, ImportError, AttributeError, NameError, TypeError, MemoryError)
_QUOTE_NOTHING_BY_NAME = {"OperationalError", "InterfaceError", "ImproperlyConfigured", "FieldError", "PoolTimeout"}


def without_numbers(text: str) -> str:
    """``text`` with "…0142" in place of anything like +12065550142."""
    return _NUMBER.sub(lambda found: "…" + re.sub(r"\D", "", found[0])[-4:], text)


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
