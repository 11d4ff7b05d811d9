"""What the provider may answer to a text, over the wire: each answer is an id or says what is known (ARCHITECTURE)."""

import datetime as dt
import json
from types import SimpleNamespace
from typing import Any

import pytest

from messaging import provider
from messaging.provider import ProviderError
from tests.make import JANE


def answered(monkeypatch: pytest.MonkeyPatch, status: int, body: str) -> str:
    """Send a text to a provider that answers with these."""
    answer = SimpleNamespace(status=status, data=body.encode(), headers={})
    monkeypatch.setattr("urllib3.PoolManager.request", lambda *args, **kwargs: answer)
    return provider.send(line="+12065550100", to=JANE, body="hello", callback_url="http://127.0.0.1/?m=1")


def refused(monkeypatch: pytest.MonkeyPatch, status: int, body: str) -> ProviderError:
    with pytest.raises(ProviderError) as error:
        answered(monkeypatch, status, body)
    assert JANE not in str(error.value) and JANE[1:] not in str(error.value)
    return error.value


def test_it_took_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    assert answered(monkeypatch, 201, json.dumps({"sid": "SM1", "status": "queued"})) == "SM1"


def as_rest(status: int, code: int) -> str:
    return json.dumps({"status": status, "code": code, "message": f"About {JANE}.", "more_info": "https://x"})


def as_problem(status: int, code: int) -> str:
    """RFC 9457, as the provider's newer services answer."""
    return json.dumps(
        {"type": "https://x", "title": "Refused", "status": status, "code": code, "detail": f"About {JANE}."}
    )


# Status, code, and what follows: trying again is pointless; nobody knows whether it left.
REFUSALS = [
    (400, 21610, True, False),
    (400, 21211, True, False),
    (429, 20429, False, False),
    (401, 20003, False, False),
    (500, 20500, False, True),
    (503, 20503, False, True),
]


@pytest.mark.parametrize("form", [as_rest, as_problem])
@pytest.mark.parametrize(("status", "code", "permanent", "may_have_left"), REFUSALS)
def test_it_refused_the_text(
    monkeypatch: pytest.MonkeyPatch, form: Any, status: int, code: int, permanent: bool, may_have_left: bool
) -> None:
    error = refused(monkeypatch, status, form(status, code))
    assert (error.code, error.permanent, error.may_have_left) == (str(code), permanent, may_have_left)


NONSENSE = ["", "<html>", "{", "[]", '"text"', "null", "12", "{}", '{"sid": null}', '{"sid": ""}', '{"status": "sent"}']


@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize("body", NONSENSE)
def test_taken_with_words_that_make_no_sense_it_may_have_left(
    monkeypatch: pytest.MonkeyPatch, status: int, body: str
) -> None:
    assert refused(monkeypatch, status, body).may_have_left


@pytest.mark.parametrize("body", NONSENSE)
def test_a_failure_in_words_that_make_no_sense_may_have_left_too(monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """As a proxy before the provider answers."""
    assert refused(monkeypatch, 502, body).may_have_left


@pytest.mark.parametrize("status", [301, 400, 404, 429])
@pytest.mark.parametrize("body", NONSENSE)
def test_any_other_answer_is_an_error_we_know(monkeypatch: pytest.MonkeyPatch, status: int, body: str) -> None:
    refused(monkeypatch, status, body)


@pytest.mark.parametrize("status", [200, 301, 401, 404, 429, 500, 503])
@pytest.mark.parametrize("body", [*NONSENSE, '{"messages": 1}', '{"messages": [1]}', as_rest(500, 20500)])
def test_a_list_in_words_that_make_no_sense_is_an_error_we_know(
    monkeypatch: pytest.MonkeyPatch, status: int, body: str
) -> None:
    answer = SimpleNamespace(status=status, data=body.encode(), headers={})
    monkeypatch.setattr("urllib3.PoolManager.request", lambda *args, **kwargs: answer)
    now = dt.datetime.now(dt.UTC)
    with pytest.raises(ProviderError) as error:
        provider.list_sent(line="+12065550100", to=JANE, since=now)
    assert not error.value.may_have_left
    with pytest.raises(ProviderError):
        provider.list_received(line="+12065550100", since=now, until=now)
