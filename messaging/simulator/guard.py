"""Who may talk to the simulator, and answers whose consequences wait until they were given."""

import functools
import ipaddress
from collections.abc import Callable, Sequence
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse

from messaging.simulator import delivery

View = Callable[..., HttpResponseBase]


def simulator_only(view: View) -> View:
    """404 unless the simulator is on."""

    @functools.wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not settings.SIMULATOR:
            raise Http404
        delivery.wake()
        return view(request, *args, **kwargs)

    return guarded


def this_machine_only(view: View) -> View:
    """403 unless the request comes straight from a loopback address: nobody else may text in a contact's name."""

    @functools.wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not _is_loopback(request):
            return JsonResponse({"request": ["The simulator answers only on the machine that it runs on."]}, status=403)
        return view(request, *args, **kwargs)

    return guarded


def _is_loopback(request: HttpRequest) -> bool:
    # Behind a proxy on this machine everybody seems to be this machine.
    if "HTTP_X_FORWARDED_FOR" in request.META or "HTTP_FORWARDED" in request.META:
        return False
    try:
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


class AnsweredFirst(JsonResponse):
    """A JSON answer; the deliveries that it causes start when the server has sent it and closes it."""

    def __init__(self, data: object, *, jobs: Sequence[delivery.Job], **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self._jobs = list(jobs)
        delivery.expect(self._jobs)

    def close(self) -> None:
        super().close()
        jobs, self._jobs = self._jobs, []
        delivery.release(jobs)
