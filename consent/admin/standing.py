"""How consent is shown: the same words and colours wherever a contact appears (PRODUCT "Consent status")."""

from django.utils.safestring import SafeString

from consent.admin.unfold import badge
from consent.vocabulary import Status

_TONES = {Status.PENDING: "warning", Status.OPTED_IN: "success", Status.OPTED_OUT: "danger"}


def status_badge(status: str | None, *, told: bool = False) -> SafeString:
    """The status of a pair; None is Not Defined. Opted out always carries the red cross."""
    known = Status(status or Status.NOT_DEFINED)
    words = f"✕ {known.label}" if known == Status.OPTED_OUT else known.label
    if known == Status.NOT_DEFINED and told:
        words += ", told how to stop"
    return badge(words, _TONES.get(known, ""))
