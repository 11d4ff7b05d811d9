"""The admin of what is said. Each module registers its pages."""

from messaging.admin import contact, conversation, held_back, message, receipt, responder, review, template

__all__ = ["contact", "conversation", "held_back", "message", "receipt", "responder", "review", "template"]
