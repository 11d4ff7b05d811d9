"""The same cast as in the tests of messages."""

from tests.messaging.conftest import clock, jane

__all__ = ["clock", "jane"]
