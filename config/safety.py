"""Refuse to serve or work with settings that could text wrongly. Called where processes start."""

from django.core.checks import Tags, run_checks
from django.core.exceptions import ImproperlyConfigured


def refuse_unsafe_settings() -> None:
    """Raise ImproperlyConfigured with every finding and its remedy; say nothing where all is well."""
    unsafe = [message for message in run_checks(tags=[Tags.security]) if message.is_serious()]
    if unsafe:
        raise ImproperlyConfigured("\n".join(f"({each.id}) {each.msg} {each.hint or ''}" for each in unsafe))
