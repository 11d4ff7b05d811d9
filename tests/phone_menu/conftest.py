"""Callers, in Jane's town and hour."""

from tests.messaging.conftest import clock, jane

__all__ = ["clock", "jane"]
