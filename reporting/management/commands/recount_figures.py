from typing import Any

from django.core.management.base import BaseCommand

from reporting import figures


class Command(BaseCommand):
    help = "Count the dashboard's figures again from the ledger and the tables. Pages are right meanwhile."

    def handle(self, *args: Any, **options: Any) -> None:
        figures.recount()
        figures.count()  # on PostgreSQL the second look takes in what the first one saw
        self.stdout.write("The figures are counted again. What came in meanwhile follows with the next count.")
