"""The admin of what is said. Each module registers its pages."""

from messaging.admin import contact, conversation, message, receipt, responder, template

__all__ = ["contact", "conversation", "message", "receipt", "responder", "template"]
