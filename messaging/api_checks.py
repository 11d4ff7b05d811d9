"""The API's questions to the gate: may this contact be texted on this line now, or which of ten thousand may?

Nothing is changed and nothing promised: the gate is asked again when a text is submitted, and when it leaves.
"""

from collections.abc import Collection, Iterator
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from consent import gate, phones
from consent.gate import Decision
from consent.models import Line
from messaging import api, facts
from messaging.api import Json, LineField, May

MOST_NUMBERS = 10_000
LONGEST_PHONE = 40


class PhonesField(serializers.Field):
    """A list of what may be numbers. What is none spoils nothing but its own answer."""

    def to_internal_value(self, data: Any) -> list[Any]:
        if not isinstance(data, list):
            raise serializers.ValidationError("Send a list of numbers, like [“+12065550142”].")
        if len(data) > MOST_NUMBERS:
            raise serializers.ValidationError(
                f"At most {MOST_NUMBERS:,} numbers are checked at a time, and these are {len(data):,}. "
                "Send them in parts."
            )
        return data


class ManyPairs(serializers.Serializer):
    line = LineField()
    phones = PhonesField()


class Check(APIView):
    parser_classes = [Json]
    permission_classes = [May]
    needs = "messaging.check_consent"

    def get(self, request: Request) -> Response:
        """May this contact be texted on this line now? In the gate's own words; changes nothing."""
        decision = _at_once(request)
        if decision is None:
            fields = api._checked(api.Pair, request.query_params, request)
            decision = api.check(fields["line"], fields["phone"])
        return Response(api.shown_decision(decision))

    def post(self, request: Request) -> Response:
        """May these contacts be texted on this line now? An answer for each of up to 10,000, in the order given.

        Each is {phone, verdict, reason, until}, or {phone, error} where it is no number.
        """
        fields = api._checked(ManyPairs, request.data, request)
        return Response(list(answers(fields["line"], fields["phones"])))


def _at_once(request: Request) -> Decision | None:
    """The answer to a question without mistakes, in one statement. None where there may be one: the serializers know
    how to say which."""
    line, phone = request.query_params.get("line", ""), request.query_params.get("phone", "")
    if len(phone) > LONGEST_PHONE:
        return None
    try:
        named, number = api.line_number(line), phones.normalise(phone)
    except phones.PhoneError:
        return None
    found = facts.gather_named(named, number, api._user(request))
    return gate.decide(found) if found else None


def check_all(line: Line, numbers: Collection[str]) -> dict[str, Decision]:
    """As ``api.check``, for each of ``numbers``."""
    found = facts.gather_bulk(line, numbers)
    # Numbers that stand alike share their facts, so these are decided about once.
    decided = {id(each): gate.decide(each) for each in {id(each): each for each in found.values()}.values()}
    return {number: decided[id(each)] for number, each in found.items()}


def answers(line: Line, given: list[Any]) -> Iterator[dict[str, Any]]:
    """For each of ``given``, whatever they are, what the gate says or what is wrong with it."""
    read = [_read(phone) for phone in given]
    decisions = check_all(line, {number for number, _ in read if number})
    shown = {id(decision): api.shown_decision(decision) for decision in decisions.values()}
    for phone, (number, error) in zip(given, read, strict=True):
        if number:
            yield {"phone": number, **shown[id(decisions[number])]}
        else:
            yield {"phone": _as_given(phone), "error": error}


def _read(phone: Any) -> tuple[str, str]:
    """The number, or what is wrong with it."""
    if not isinstance(phone, str) or len(phone) > LONGEST_PHONE:
        return "", "This is not a phone number. Write it as text with its country code, like +12065550123."
    try:
        return phones.normalise(phone), ""
    except phones.PhoneError as error:
        return "", str(error)


def _as_given(phone: Any) -> str:
    """Short, and without halves of characters, which no answer could hold."""
    return str(phone)[:40].encode("utf-8", "replace").decode()
