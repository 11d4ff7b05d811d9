"""Visitors of the page, in Jane's town and hour."""

from tests.messaging.conftest import clock, jane

__all__ = ["clock", "jane"]
