"""Refuse to serve or work with settings that could text wrongly. Called where processes start."""

import logging

from django.core.checks import Tags, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

log = logging.getLogger(__name__)


def refuse_unsafe_settings() -> None:
    """Raise ImproperlyConfigured with every finding and its remedy; say nothing where all is well.

    What is wrong in the database (a line set up wrongly, a policy that changes soon) is logged and refuses nothing: a
    process that does not start would lose the STOPs of those who text meanwhile.
    """
    unsafe = [message for message in run_checks(tags=[Tags.security]) if message.is_serious()]
    if unsafe:
        raise ImproperlyConfigured("\n".join(f"({each.id}) {each.msg} {each.hint or ''}" for each in unsafe))
    for finding in run_checks(tags=[Tags.database], databases=["default"]):
        if str(finding.id).startswith(("consent.", "messaging.")):
            log.log(finding.level, "(%s) %s %s", finding.id, finding.msg, finding.hint or "")
    connections.close_all()  # nothing that forks or threads later may inherit these
