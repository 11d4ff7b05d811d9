"""The page with the phones."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from messaging.simulator.carrier import MAX_BODY
from messaging.simulator.guard import simulator_only, this_machine_only

# Nothing from elsewhere is loaded, and nothing is sent elsewhere.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@simulator_only
@this_machine_only
@require_safe
def phones(request: HttpRequest) -> HttpResponse:
    """One or more phones side by side: ?phone=<contact>&line=<number>, each as often as you like, opens them."""
    response = render(request, "simulator/phones.html", {"max_body": MAX_BODY})
    response["Content-Security-Policy"] = _POLICY
    return response
