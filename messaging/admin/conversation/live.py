"""Answers to a page that asks every two seconds whether anything is new there."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified, JsonResponse


def version(data: Any) -> str:
    """The same for the same data, and different for other data."""
    return hashlib.sha256(json.dumps(data, default=str, sort_keys=True).encode()).hexdigest()[:20]


def tag(data: Any) -> str:
    """The entity tag of a page that shows ``data``."""
    return f'"{version(data)}"'


def answer(request: HttpRequest, data: Any, draw: Callable[[], dict[str, Any]]) -> HttpResponse:
    """304 where the page shows ``data`` already. Else what ``draw`` gives: only then is anything drawn."""
    response: HttpResponse
    shown = tag(data)
    response = HttpResponseNotModified() if request.headers.get("If-None-Match") == shown else JsonResponse(draw())
    response["ETag"] = shown
    response["Cache-Control"] = "private, no-store"
    return response


def wants_json(request: HttpRequest) -> bool:
    """True for the page's own script, which stays where it is; a browser that sends the form is sent to a page."""
    return request.headers.get("Accept") == "application/json"
