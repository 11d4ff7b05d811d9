from collections.abc import Callable, Iterable
from typing import Any

from django.core.management.base import BaseCommand

from messaging import doctor
from messaging.doctor import Check, Finding, Level
from reporting import alerts

CHECKS: dict[str, Check] = {**doctor.CHECKS, "Worker and clock (beat) are alive.": alerts.heartbeat}


class Command(BaseCommand):
    help = "Check this deployment end to end, Twilio included. Prints what is wrong and what to do; changes nothing. "
    help += "Ends with 1 where there is a problem, with 0 where all is well or there are only warnings."
    requires_system_checks: list[str] = []  # it asks them itself and goes on

    def handle(self, *args: Any, **options: Any) -> None:
        style: dict[Level, Callable[[str], str]] = {
            Level.NOTE: str,
            Level.WARNING: self.style.WARNING,
            Level.PROBLEM: self.style.ERROR,
        }
        problems = 0
        for all_is_well, check in CHECKS.items():
            found = _found_by(check, all_is_well)
            if not found:
                self.stdout.write(f"{self.style.SUCCESS('ok')}       {all_is_well}")
            for each in found:
                words = f"{each.words} {each.remedy}".rstrip()
                self.stdout.write(f"{style[each.level](each.level.value)}{' ' * (9 - len(each.level))}{words}")
                problems += each.level == Level.PROBLEM
        if problems:
            raise SystemExit(1)


def _found_by(check: Check, all_is_well: str) -> Iterable[Finding]:
    try:
        return list(check())
    except Exception as error:  # one that can't be made, as without a database, keeps no other from being made
        return [Finding(Level.PROBLEM, f"Could not be checked ({type(error).__name__}): {all_is_well}")]
