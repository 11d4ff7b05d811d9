from messaging.models.conversation import Conversation, Notice
from messaging.models.message import IdempotencyKey, Message
from messaging.models.receipt import Receipt
from messaging.models.responder import KeywordResponder
from messaging.models.template import Template, TemplateVersion

__all__ = [
    "Conversation",
    "IdempotencyKey",
    "KeywordResponder",
    "Message",
    "Notice",
    "Receipt",
    "Template",
    "TemplateVersion",
]
