import os
from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from consent import verification
from reporting import seals


class Command(BaseCommand):
    help = "Recompute every contact's chain of ledger entries and every seal, and compare them with what is stored."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="Processes to use. Default: one a core."
        )

    def handle(self, **options: Any) -> None:
        """Exit 0 when all of it holds; else 1 and a line per broken chain (contact uuid, seq, what does not fit) and
        per broken seal."""
        if options["jobs"] < 1:
            raise CommandError("--jobs: give 1 or more.")
        broken = {"chain": self._tell(verification.verify(options["jobs"])), "seal": self._tell(seals.verify())}
        if any(broken.values()):
            found = [f"{number} broken {word}{'s' * (number != 1)}" for word, number in broken.items() if number]
            raise CommandError(f"{' and '.join(found)}.", returncode=1)
        self.stdout.write("Every chain and every seal holds.")

    def _tell(self, faults: Iterable[object]) -> int:
        number = 0
        for fault in faults:
            number += 1
            self.stdout.write(str(fault))
        return number
