"""Twilio's lists of numbers that carriers deactivated: one text file a day, in ``DATA_DIR/simulator-deactivated``."""

from datetime import date, timedelta
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from messaging.simulator.fields import Fields
from messaging.simulator.guard import simulator_only, this_machine_only
from messaging.simulator.rest import authenticated, error
from messaging.simulator.traffic import Refusal


def _file(day: date) -> Path:
    return settings.DATA_DIR / "simulator-deactivated" / f"{day:%Y-%m-%d}.txt"


def _day(written: str) -> date | None:
    """A day that is over, or None."""
    try:
        day = date.fromisoformat(written)
    except ValueError:
        return None
    return day if day < timezone.now().date() else None


@simulator_only
@require_http_methods(["GET"])
def listing(request: HttpRequest) -> HttpResponse:
    """Where that day's list is, as a redirect, like Twilio's. A day that is not over has none."""
    if not authenticated(request):
        return error(Refusal(401, 20003, "Authenticate"))
    day = _day(request.GET.get("Date", ""))
    if day is None:
        return error(Refusal(404, 20404, "There is no list of this day"))
    path = reverse("simulator:deactivated_numbers", args=[f"{day}"])
    base = settings.TWILIO_BASE_URL.partition("/simulator/")[0]
    return JsonResponse({"redirect_to": base + path}, status=307)


@simulator_only
@require_http_methods(["GET"])
def numbers(request: HttpRequest, day: str) -> HttpResponse:
    """One number a line, without a plus."""
    known = _day(day)
    if known is None:
        return HttpResponse(status=404)
    file = _file(known)
    return HttpResponse(file.read_text() if file.exists() else "", content_type="text/plain")


@csrf_exempt
@simulator_only
@this_machine_only
@require_http_methods(["POST"])
def add(request: HttpRequest) -> HttpResponse:
    """A carrier deactivates a number: {number, date?: a day that is over, else yesterday}; 201."""
    fields = Fields(request)
    number = fields.sender("number")
    written = fields.text("date", required=False)
    if refusal := fields.refusal():
        return refusal
    day = _day(written) if written else timezone.now().date() - timedelta(days=1)
    if day is None:
        return JsonResponse({"date": ["Give a day that is over, like 2026-11-30."]}, status=400)
    file = _file(day)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as out:
        out.write(number.removeprefix("+") + "\n")
    return JsonResponse({"number": number, "date": f"{day}"}, status=201)
