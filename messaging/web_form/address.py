"""From which address a page was asked for."""

import ipaddress
import re

from django.conf import settings
from django.http import HttpRequest

_WITH_PORT = re.compile(r"(?:\[(.*)\]|([^:]*))(?::[0-9]+)?")


def of(request: HttpRequest) -> str:
    """The visitor's address as the outermost of our own proxies saw it; '' where nobody can tell.

    Each proxy appends whom it got the request from to X-Forwarded-For, so with TRUSTED_PROXIES of ours the last so many
    entries are true, and all before them is what the visitor wrote. Without proxies the header counts for nothing.
    """
    seen = [_read(request.META.get("REMOTE_ADDR", ""))]
    if settings.TRUSTED_PROXIES:
        said = request.headers.get("X-Forwarded-For", "").split(",")
        # A request that came past some of the proxies has fewer entries; the first one is the nearest to the truth.
        seen.insert(0, _read(said[-settings.TRUSTED_PROXIES :][0]))
    return next(filter(None, seen), "")


def counted(address: str) -> str:
    """What counts as one visitor: an IPv4 address, or the /64 of IPv6 that one connection is given as a whole."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address


def _read(text: str) -> str:
    found = _WITH_PORT.fullmatch(text.strip()[:60])
    # An IPv6 address without brackets has colons of its own.
    for candidate in ([found[1] or found[2] or ""] if found else []) + [text.strip()[:60]]:
        try:
            parsed = ipaddress.ip_address(candidate)
        except ValueError:
            continue
        return str(getattr(parsed, "ipv4_mapped", None) or parsed)
    return ""
