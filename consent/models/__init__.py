from consent.models.consent import Consent, OptInRequest
from consent.models.contact import Contact, DoNotContact, Tag
from consent.models.holiday import Holiday
from consent.models.implied import ImpliedConsentPeriod
from consent.models.kept_file import KeptFile
from consent.models.ledger import Evidence, LedgerEntry
from consent.models.line import Line
from consent.models.number_lists import ListImport, ReassignmentAnswer, ScrubResult
from consent.models.organisation import Organisation
from consent.models.quiet_hours import ContactCap, SendingHours
from consent.models.user import User

__all__ = [
    "Consent",
    "Contact",
    "ContactCap",
    "DoNotContact",
    "Evidence",
    "Holiday",
    "ImpliedConsentPeriod",
    "KeptFile",
    "LedgerEntry",
    "Line",
    "ListImport",
    "OptInRequest",
    "Organisation",
    "ReassignmentAnswer",
    "ScrubResult",
    "SendingHours",
    "Tag",
    "User",
]
