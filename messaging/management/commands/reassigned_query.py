"""Print the query for the Reassigned Numbers Database."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from messaging import reassigned


class Command(BaseCommand):
    help = (
        "Prints a CSV with every US number that consent holds for, and the last day on which it was certainly the "
        "contact's. It holds personal data: write it to a file that only you can read."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        for piece in reassigned.query(timezone.now()):
            self.stdout.write(piece, ending="")
