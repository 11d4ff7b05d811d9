from messaging.models.conversation import Conversation, Notice
from messaging.models.footer import FooterCountry
from messaging.models.import_batch import ImportBatch, ImportChunk
from messaging.models.message import IdempotencyKey, Message
from messaging.models.pace import Turnstile
from messaging.models.receipt import Receipt
from messaging.models.reconciled import Reconciled
from messaging.models.responder import KeywordResponder
from messaging.models.review import HeldBackRead, PossibleAcceptance, Review
from messaging.models.saved_text import SavedText, SavedTextVersion
from messaging.models.sign_up import PhoneMenu, SignUp, SignUpTally, WebForm
from messaging.models.template import Template, TemplateVersion

__all__ = [
    "Conversation",
    "FooterCountry",
    "HeldBackRead",
    "IdempotencyKey",
    "ImportBatch",
    "ImportChunk",
    "KeywordResponder",
    "Message",
    "Notice",
    "PhoneMenu",
    "PossibleAcceptance",
    "Receipt",
    "Reconciled",
    "Review",
    "SavedText",
    "SavedTextVersion",
    "SignUp",
    "SignUpTally",
    "Template",
    "TemplateVersion",
    "Turnstile",
    "WebForm",
]
