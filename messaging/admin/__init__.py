"""The admin of what is said. Each module registers its pages."""

from messaging.admin import (
    contact,
    conversation,
    do_not_contact,
    footer,
    held_back,
    importing,
    ledger,
    message,
    number_lists,
    receipt,
    responder,
    review,
    saved_text,
    sign_up,
    template,
)

__all__ = [
    "contact",
    "conversation",
    "do_not_contact",
    "footer",
    "held_back",
    "importing",
    "ledger",
    "message",
    "number_lists",
    "receipt",
    "responder",
    "review",
    "saved_text",
    "sign_up",
    "template",
]
