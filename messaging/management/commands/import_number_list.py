"""Import a list to scrub against, or the answers about reassigned numbers, from a file on this host."""

import datetime as dt
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from consent.vocabulary import SCRUB_LISTS, NumberList
from messaging import number_files, reassigned, scrubbing
from messaging.number_files import FileError

KINDS = {each.value.replace("_", "-"): each for each in (*SCRUB_LISTS, NumberList.REASSIGNED)}


class Command(BaseCommand):
    help = "Imports a CSV file of numbers: all of it, or nothing where a row can't be read."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("kind", choices=sorted(KINDS))
        parser.add_argument("file", type=Path)
        parser.add_argument("--as-of", required=True, type=dt.date.fromisoformat, metavar="DAY", help="2026-11-30")

    def handle(self, *args: Any, kind: str, file: Path, as_of: dt.date, **options: Any) -> None:
        if as_of > dt.datetime.now(dt.UTC).date():
            raise CommandError("--as-of lies in the future. Give the day of the list.")
        which = KINDS[kind]
        try:
            read = number_files.read(file.read_bytes(), answers=which is NumberList.REASSIGNED)
            if which in SCRUB_LISTS:
                done = scrubbing.take(read, which, as_of=as_of, name=file.name, by=None)
            else:
                done = reassigned.take_answers(read, as_of=as_of, name=file.name, by=None)
        except OSError as error:
            raise CommandError(f"The file can't be read: {error.strerror}.") from None
        except FileError as error:
            raise CommandError("\n".join(error.errors)) from None
        self.stdout.write(f"{done}: {done.rows} rows, {done.listed} listed, {done.suspended} contacts suspended")
