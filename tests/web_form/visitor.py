"""Somebody with a browser at a line's web form: no cookies kept, nothing but what the page holds."""

import re
from html import unescape
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.test import Client

from consent.models import Line
from messaging.models import WebForm
from tests.make import JANE


def make_form(line: Line, slug: str = "harbor", **fields: Any) -> WebForm:
    form = WebForm(line=line, slug=slug, **fields)
    form.full_clean()
    form.save()
    return form


class Visitor:
    """Opens the page, and sends it as the browser would. ``address``: where they come from."""

    def __init__(self, address: str = "198.51.100.7", page: str = "/sign-up/harbor/", **headers: str) -> None:
        self.address, self.page, self.headers = address, page, headers
        self.client = Client(enforce_csrf_checks=True)

    def opens(self, **headers: str) -> str:
        answer = self.client.get(self.page, REMOTE_ADDR=self.address, headers={**self.headers, **headers})
        assert answer.status_code == 200, answer.status_code
        assert not answer.cookies
        return answer.content.decode()

    def sends(self, page: str, number: str = JANE, *, agree: bool = True, **fields: str) -> HttpResponse:
        given = {"token": token_of(page), "country": "US", "number": number, **fields}
        if agree:
            given.setdefault("agree", "yes")
        action = unescape(re.findall(r'<form method="post" action="([^"]+)"', page)[0])
        return self.client.post(
            action,
            urlencode(given),
            content_type="application/x-www-form-urlencoded",
            REMOTE_ADDR=self.address,
            headers=self.headers,
        )

    def signs_up(self, number: str = JANE, **fields: Any) -> HttpResponse:
        return self.sends(self.opens(), number, **fields)


def token_of(page: str) -> str:
    return unescape(re.findall(r'name="token" value="([^"]+)"', page)[0])
