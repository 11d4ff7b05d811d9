"""Spans of time as people write them: "24 hours", "7 days", "1 day 12 hours"."""

import datetime as dt
import re
from typing import Any

from django import forms
from django.utils.dateparse import parse_duration

from consent.admin.unfold import UnfoldAdminTextInputWidget

LONGEST = dt.timedelta(days=3650)
_UNITS = {"day": 86_400, "hour": 3_600, "minute": 60, "second": 1}
_PART = re.compile(r"(\d{1,9})\s*(day|hour|minute|second)s?", re.IGNORECASE)
_SPAN = re.compile(rf"\s*{_PART.pattern}(?:[\s,]+(?:and\s+)?{_PART.pattern})*\s*", re.IGNORECASE)
_EXAMPLE = "Write a number and a unit, like “24 hours”, “7 days” or “90 minutes”."


class PlainDurationField(forms.Field):
    """Gives a timedelta, None where it is empty."""

    widget = UnfoldAdminTextInputWidget

    def to_python(self, value: Any) -> dt.timedelta | None:
        if value in self.empty_values:
            return None
        if isinstance(value, dt.timedelta):
            return value
        try:
            span = _read(str(value))
        except OverflowError:
            span = None
        if span is None or not dt.timedelta(0) <= span <= LONGEST:
            raise forms.ValidationError(f"This is no span of time, or it is longer than ten years. {_EXAMPLE}")
        return span

    def prepare_value(self, value: Any) -> Any:
        return in_words(value) if isinstance(value, dt.timedelta) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return self.to_python(initial) != self.to_python(data)
        except forms.ValidationError:
            return True


def _read(text: str) -> dt.timedelta | None:
    if _SPAN.fullmatch(text):
        return dt.timedelta(seconds=sum(int(n) * _UNITS[unit.lower()] for n, unit in _PART.findall(text)))
    # As “days hours:minutes:seconds” too; but a bare number would be taken for seconds there.
    return None if text.strip().isdigit() else parse_duration(text.strip())


def in_words(span: dt.timedelta) -> str:
    """In the largest units that leave nothing out; whole hours up to three days, since that is how people say it."""
    left, said = int(span.total_seconds()), []
    if left % 3_600 == 0 and 0 < left < 3 * 86_400:
        return _counted(left // 3_600, "hour")
    for unit, size in _UNITS.items():
        count, left = divmod(left, size)
        if count:
            said.append(_counted(count, unit))
    return " ".join(said) or "0 seconds"


def _counted(count: int, unit: str) -> str:
    return f"{count} {unit}{'' if count == 1 else 's'}"
