"""Reading the JSON that people and tests send: every field is checked, and what is wrong is said per field."""

import json
import math
from typing import Any

from django.http import HttpRequest, JsonResponse

from messaging.simulator import carrier


class Fields:
    """The fields of one request. Take each with its method, then ask ``refusal()`` before using any of them."""

    def __init__(self, request: HttpRequest) -> None:
        self._problems: dict[str, list[str]] = {}
        self._taken: set[str] = set()
        self._values: dict[str, Any] = {}
        # Only JSON, which a page of another origin can't post without asking first.
        if request.content_type != "application/json":
            self._problem("request", "Send JSON with Content-Type: application/json.")
            return
        try:
            values = json.loads(request.body)
        except ValueError:
            self._problem("request", "This is not valid JSON.")
            return
        if isinstance(values, dict):
            self._values = values
        else:
            self._problem("request", "Send a JSON object.")

    def refusal(self) -> JsonResponse | None:
        """400 with what is wrong, field by field; None where nothing is."""
        if "request" not in self._problems:
            for name in self._values.keys() - self._taken:
                self._problem(name, "There is no such field.")
        return JsonResponse(self._problems, status=400) if self._problems else None

    def phone(self, name: str, *, required: bool = True) -> str:
        value = self.text(name, required=required)
        if value and not carrier.is_phone(value):
            self._problem(name, "Give the number with + and country code, like +14155550123.")
        return value

    def sender(self, name: str) -> str:
        value = self.text(name)
        if value and not carrier.is_sender(value):
            self._problem(name, "Give a number with + and country code, like +14155550123, or a short code.")
        return value

    def text(self, name: str, *, required: bool = True, limit: int = 200) -> str:
        """The text, '' where it is missing and may be."""
        value = self._take(name, required=required)
        if value is None:
            return ""
        if not isinstance(value, str):
            return self._problem(name, "This must be text.")
        if len(value) > limit:
            return self._problem(name, f"This has {len(value)} characters; at most {limit} are possible.")
        if any("\ud800" <= character <= "\udfff" for character in value):
            return self._problem(name, "This contains half of a character (a lone surrogate).")
        return value

    def body(self, name: str) -> str:
        """A text's words. They may be empty, as a phone can send nothing but a picture."""
        if self._values.get(name) == "":
            self._taken.add(name)
            return ""
        return self.text(name, limit=carrier.MAX_BODY)

    def number(self, name: str, *, default: int, least: int, most: int) -> int:
        value = self._take(name, required=False)
        if value is None:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            self._problem(name, f"This must be a whole number from {least} to {most}.")
            return default
        return value

    def seconds(self, name: str, *, most: float) -> float | None:
        value = self._take(name, required=False)
        if value is None:
            return None
        if not isinstance(value, int | float) or isinstance(value, bool) or not _within(value, most):
            self._problem(name, f"This must be a number of seconds from 0 to {most:g}.")
            return None
        return float(value)

    def switch(self, name: str) -> bool | None:
        value = self._take(name, required=False)
        if value is not None and not isinstance(value, bool):
            self._problem(name, "This must be true or false.")
            return None
        return value

    def choice(self, name: str, choices: list[str]) -> str:
        value = self.text(name)
        if value and value not in choices:
            self._problem(name, f"This must be one of: {', '.join(choices)}.")
        return value

    def given(self, name: str) -> bool:
        return self._values.get(name) is not None

    def reject(self, name: str, problem: str) -> None:
        self._problem(name, problem)

    def _take(self, name: str, *, required: bool) -> Any:
        self._taken.add(name)
        value = self._values.get(name)
        if required and value in (None, "") and "request" not in self._problems:
            self._problem(name, "This is required.")
            return None
        return value

    def _problem(self, name: str, problem: str) -> str:
        self._problems.setdefault(name, []).append(problem)
        return ""


def _within(value: float, most: float) -> bool:
    return math.isfinite(value) and 0 <= value <= most
