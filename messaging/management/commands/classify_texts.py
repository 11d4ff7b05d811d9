import argparse
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator
from json.encoder import encode_basestring as quoted
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from messaging import reading

_AT_A_TIME = 200


class Command(BaseCommand):
    help = (
        'Say how texts are read: one JSON string, or object with "text", per line in; one JSON object with text, '
        "decision and rule per line out. The words and rules of all four languages count. Touches no database."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", nargs="?", help="UTF-8, one text per line; standard input where none is given.")
        parser.add_argument("--pending", action="store_true", help="Read as if an opt-in request were open.")

    def handle(self, *, file: str | None, pending: bool, **options: Any) -> None:
        """Exit 0 when every line was read. The first bad line ends it with exit 1; what came before it is out.

        Blank lines are passed over.
        """
        out: Any = self.stdout._out  # past the wrapper, which styles and ends lines
        if isinstance(out, io.TextIOWrapper):
            # A lone surrogate leaves as \udXXX: in a JSON string that is what it was.
            out.reconfigure(encoding="utf-8", errors="backslashreplace")
        try:
            if file is None:
                self._write(_decide(sys.stdin.buffer, pending), out)
            else:
                with open(file, "rb") as lines:
                    self._write(_decide(lines, pending), out)
        except BadLine as error:
            raise CommandError(str(error), returncode=1) from None
        except OSError as error:
            if isinstance(error, BrokenPipeError):  # whoever reads has read enough
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                return
            raise CommandError(f"{file}: {error.strerror or error}", returncode=1) from None

    def _write(self, decided: Iterator[str], out: Any) -> None:
        waiting: list[str] = []
        try:
            for line in decided:
                waiting.append(line)
                if len(waiting) == _AT_A_TIME:
                    out.write("".join(waiting))
                    waiting.clear()
        finally:  # also what came before a bad line
            out.write("".join(waiting))
            out.flush()


class BadLine(Exception):
    """A line that holds no text; says which and why."""


def _decide(lines: Iterable[bytes], pending: bool) -> Iterator[str]:
    read = reading.every_language().read
    for number, line in enumerate(lines, 1):
        text = _text(line, number)
        if text is not None:
            found = read(text, pending)
            decision = reading.decision(found.meaning, pending)
            # As json.dumps would write it, in a fifth of the time.
            yield f'{{"text": {quoted(text)}, "decision": "{decision}", "rule": {quoted(found.rule)}}}\n'


def _text(line: bytes, number: int) -> str | None:
    try:
        content = line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise BadLine(f"Line {number} is not UTF-8 (byte {error.start + 1}).") from None
    if not content.strip():
        return None
    try:
        found = json.loads(content)
    except ValueError as error:
        raise BadLine(f"Line {number} is not JSON: {error}.") from None
    except RecursionError:
        raise BadLine(f"Line {number} is nested too deeply.") from None
    if isinstance(found, dict):
        found = found.get("text")
    if not isinstance(found, str):
        raise BadLine(f'Line {number} is neither a JSON string nor an object with a string "text".')
    return found
