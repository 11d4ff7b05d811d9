import datetime as dt
import os
import sys
from argparse import ArgumentParser
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from consent import phones
from consent.models import Line
from consent.vocabulary import Channel, Status
from reporting import exports, files
from reporting.models import ReportRun
from reporting.snapshot import IN_AND_OUT, Filters, in_range


class Command(BaseCommand):
    help = "Write the Opt In & Out Snapshot to a file or to standard output. The export is recorded like any other."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--line", action="append", metavar="NUMBER", help="Can be repeated. Default: every line.")
        parser.add_argument("--format", choices=files.TABLES, default=ReportRun.Format.CSV)
        parser.add_argument("--status", action="append", choices=Status.values, help="Default: opted_in and opted_out.")
        parser.add_argument("--source", action="append", choices=Channel.values, help="Default: any.")
        parser.add_argument("--since-from", type=_moment, metavar="TIME", help="ISO 8601, like 2026-03-01T00:00:00Z.")
        parser.add_argument("--since-until", type=_moment, metavar="TIME", help="Exclusive.")
        parser.add_argument("--search", default="", help="Part of a contact's name or number.")
        parser.add_argument("--as-of", type=_moment, metavar="TIME", help="How it was then. Default: now.")
        parser.add_argument("--output", type=Path, metavar="FILE", help="Default: standard output.")

    def handle(self, **options: Any) -> None:
        if options["as_of"] and options["as_of"] > timezone.now():
            raise CommandError("--as-of is still to come. Leave it out to see how it is now.")
        filters = Filters(
            lines=_lines(options["line"]),
            statuses=tuple(options["status"] or IN_AND_OUT),
            sources=tuple(options["source"] or ()),
            since_from=options["since_from"],
            since_until=options["since_until"],
            search=options["search"],
            as_of=options["as_of"],
        )
        output = options["output"]
        try:
            target = os.fdopen(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") if output else None
        except OSError as error:
            raise CommandError(f"--output: {error}. Name a new file in a folder that is there.") from None
        run = exports.begin(filters, format=options["format"], origin=ReportRun.Origin.COMMAND, user=None)
        with target or nullcontext(sys.stdout.buffer) as file:
            file.writelines(exports.stream(run))
        run.refresh_from_db()
        if run.state != ReportRun.State.DONE:
            if output:
                output.unlink()
            raise CommandError(f"The snapshot could not be written. {run.problem} The log says more.")
        self.stderr.write(f"{run.rows} rows, {run.size} bytes, SHA-256 {run.sha256}, export {run.uuid}")


def _moment(given: str) -> dt.datetime:
    moment = parse_datetime(given)
    if moment is None:
        raise ValueError
    try:
        moment = moment if moment.tzinfo else timezone.make_aware(moment)
        if in_range(moment):
            return moment
    except OverflowError:
        pass
    raise ValueError


_moment.__name__ = "time"  # what argparse calls a value that it refuses


def _lines(numbers: list[str] | None) -> tuple[Line, ...]:
    if not numbers:
        return tuple(Line.objects.all())
    found = []
    for given in numbers:
        try:
            line = Line.objects.filter(number=phones.normalise_line(given)).first()
        except phones.PhoneError as error:
            raise CommandError(f"--line {given}: {error}") from None
        if line is None:
            known = ", ".join(Line.objects.values_list("number", flat=True)) or "none yet"
            raise CommandError(f"--line {given} is none of the lines. They are: {known}.")
        found.append(line)
    return tuple(found)
