"""The words of consent as choices: the stored value is the one the API speaks, the label the one people read."""

from django.db import models


class Mode(models.TextChoices):
    CONSENT = "consent", "Opt-in with consent"
    DISCLAIMER = "disclaimer", "Disclaimer only"


class Category(models.TextChoices):
    TRANSACTIONAL = "transactional", "Transactional"
    INFORMATIONAL = "informational", "Informational"
    MARKETING = "marketing", "Marketing"


class LineKind(models.TextChoices):
    LONG_CODE = "long_code", "Long code"
    TOLL_FREE = "toll_free", "Toll-free number"
    SHORT_CODE = "short_code", "Short code"


class Registration(models.TextChoices):
    """What carriers demand before a line may text: a 10DLC campaign or a toll-free verification."""

    NOT_NEEDED = "not_needed", "Not needed"
    PENDING = "pending", "Waiting for approval"
    VERIFIED = "verified", "Approved"
    REJECTED = "rejected", "Rejected"


class Status(models.TextChoices):
    NOT_DEFINED = "not_defined", "Not Defined"
    PENDING = "pending", "Opt-in requested"
    OPTED_IN = "opted_in", "Opted in"
    OPTED_OUT = "opted_out", "Opted out"


class Language(models.TextChoices):
    """The languages in which Optline reads and speaks."""

    ENGLISH = "en", "English"
    SPANISH = "es", "Spanish"
    FRENCH = "fr", "French"
    PORTUGUESE = "pt", "Portuguese"


class FooterFrequency(models.TextChoices):
    EVERY = "every", "Every text"
    FIRST = "first", "The first of a conversation"
    DAYS = "days", "At most once in so many days"
    NEVER = "never", "Never"


class RequestState(models.TextChoices):
    NOT_SENT = "not_sent", "Not Sent"
    SENT = "sent", "Sent"
    ACCEPTED = "accepted", "Accepted"
    REJECTED = "rejected", "Rejected"
    EXPIRED = "expired", "Expired"


class RequestKind(models.TextChoices):
    OURS = "ours", "We texted first"
    THEIRS = "theirs", "The contact texted first"
    CONFIRM_SIGN_UP = "confirm_sign_up", "Confirms a sign-up"


class RequestOutcome(models.TextChoices):
    OPEN = "", "Open"
    ACCEPTED = "accepted", "Accepted"
    REJECTED = "rejected", "Rejected"
    EXPIRED = "expired", "Expired"
    FAILED = "failed", "Could not be sent"
    WITHDRAWN = "withdrawn", "Withdrawn before it left"


class Level(models.TextChoices):
    """In rising order; a higher one includes the lower (see ``LEVEL_RANK``)."""

    IMPLIED = "implied", "Implied"
    EXPRESS = "express", "Express"
    WRITTEN = "written", "Written"


LEVEL_RANK = {"": 0, Level.IMPLIED: 1, Level.EXPRESS: 2, Level.WRITTEN: 3}


class Channel(models.TextChoices):
    KEYWORD = "keyword", "Text message"
    AGENT = "agent", "Recorded by hand"
    IVR = "ivr", "Phone menu"
    WEB_FORM = "web_form", "Web form"
    PAPER = "paper", "Paper"
    IMPORT = "import", "Import"
    API = "api", "API"
    PROVIDER = "provider", "Provider"


class Scope(models.TextChoices):
    LINE = "line", "This line only"
    CATEGORY = "category", "Every line of the same category"
    ALL = "all", "Every line"


class NumberList(models.TextChoices):
    """What others say about numbers: carriers, registries, and those who sell lists."""

    DEACTIVATED = "deactivated", "Deactivated numbers"
    REASSIGNED = "reassigned", "Reassigned numbers"
    DO_NOT_CALL = "do_not_call", "National do-not-call registry"
    LITIGATOR = "litigator", "Known litigators"


# Those that marketing texts are matched against (consent.gate). The others change contacts when they come in.
SCRUB_LISTS = (NumberList.DO_NOT_CALL, NumberList.LITIGATOR)


class EntryKind(models.TextChoices):
    ASKED = "asked", "Opt-in request sent"
    CAPTURED = "captured", "Sign-up captured, waiting for YES"
    REQUEST_EXPIRED = "request_expired", "Opt-in request expired"
    REQUEST_FAILED = "request_failed", "Opt-in request could not be delivered"
    TOLD = "told", "Told how to stop"
    NOT_TOLD = "not_told", "Disclaimer could not be delivered"
    OPTED_IN = "opted_in", "Opted in"
    OPT_IN_TOO_LATE = "opt_in_too_late", "Opt-in overruled by a later opt-out"
    OPTED_OUT = "opted_out", "Opted out"
    OPT_OUT_REPEATED = "opt_out_repeated", "Opt-out repeated"
    OPT_OUT_OUTDATED = "opt_out_outdated", "Opt-out overruled by the contact's own later opt-in"
    REVIEW_OPENED = "review_opened", "Put under review"
    REVIEW_CLOSED = "review_closed", "Review closed"
    CONSENT_ENDED = "consent_ended", "Consent ended"
    SUSPENDED = "suspended", "Consent suspended: the number may be somebody else's"
    RESUMED = "resumed", "Consent holds again: the number is still theirs"
    UNREACHABLE = "unreachable", "Number can't be reached any more"
    REACHABLE = "reachable", "Number can be reached again"
    DO_NOT_CONTACT = "do_not_contact", "Put on the do-not-contact list"
    DO_NOT_CONTACT_LIFTED = "do_not_contact_lifted", "Taken off the do-not-contact list"
    EVIDENCE_ERASED = "evidence_erased", "Evidence erased"
    ERASED = "erased", "Contact erased"


REVOCATIONS = (EntryKind.OPTED_OUT, EntryKind.OPT_OUT_REPEATED, EntryKind.OPT_OUT_OUTDATED)
