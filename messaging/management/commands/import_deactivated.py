"""Import the provider's lists of deactivated numbers that are not here yet, without waiting for the clock."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from messaging import deactivated
from messaging.provider import ProviderError


class Command(BaseCommand):
    help = "Imports each day's list of deactivated numbers that is missing. Exit code 1 where one could not be read."

    def handle(self, *args: Any, **options: Any) -> None:
        failed = 0
        for day in deactivated.missing():
            try:
                done = deactivated.import_day(day)
            except ProviderError as error:
                failed += 1
                self.stderr.write(str(error))
            else:
                self.stdout.write(f"{day}: {done.rows} numbers, {done.suspended} of our contacts suspended")
        if failed:
            raise CommandError(f"{failed} lists could not be read. They are tried again every hour.", returncode=1)
