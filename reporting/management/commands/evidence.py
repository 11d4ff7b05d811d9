import os
import shutil
import sys
from argparse import ArgumentParser
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from consent import phones
from consent.models import Contact, Line
from reporting.evidence_pack import making
from reporting.models import ReportRun


class Command(BaseCommand):
    help = "Write the evidence pack of a contact. That it was made is recorded like any export."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("number", help="Of the contact, as in +12065550142; or its id in the ledger (a UUID).")
        parser.add_argument("--line", action="append", metavar="NUMBER", help="Can be repeated. Default: every line.")
        parser.add_argument("--format", choices=making.FORMATS, default=ReportRun.Format.ZIP)
        parser.add_argument("--reason", default="", help="Why it is made. It is kept.")
        parser.add_argument("--output", type=Path, metavar="FILE", help="A new file. Default: standard output.")

    def handle(self, **options: Any) -> None:
        contact = _contact(options["number"])
        lines = [_line(given) for given in options["line"]] if options["line"] else None
        output = options["output"]
        try:
            target = os.fdopen(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") if output else None
        except OSError as error:
            raise CommandError(f"--output: {error}. Name a new file in a folder that is there.") from None
        try:
            run, file = making.make(
                contact,
                lines,
                format=options["format"],
                origin=ReportRun.Origin.COMMAND,
                user=None,
                reason=options["reason"],
            )
        except making.PackError as error:
            if target:
                target.close()
                output.unlink()
            raise CommandError(str(error)) from error
        with file, target or nullcontext(sys.stdout.buffer) as written:
            shutil.copyfileobj(file, written)
        self.stderr.write(f"{run.rows} events, {run.size} bytes, SHA-256 {run.sha256}, export {run.uuid}")


def _contact(given: str) -> Contact:
    if len(given) == 36 and given.count("-") == 4:
        found = Contact.objects.filter(uuid__in=_uuid(given)).first()
    else:
        try:
            found = Contact.objects.filter(number=phones.normalise(given)).first()
        except phones.PhoneError as error:
            raise CommandError(str(error)) from None
    if found is None:
        raise CommandError(
            f"{given} is no contact. The number of a contact who was erased is unknown; their id in the ledger finds "
            "them."
        )
    return found


def _uuid(given: str) -> list[str]:
    from uuid import UUID

    try:
        return [str(UUID(given))]
    except ValueError:
        return []


def _line(given: str) -> Line:
    try:
        line = Line.objects.filter(number=phones.normalise_line(given)).first()
    except phones.PhoneError as error:
        raise CommandError(f"--line {given}: {error}") from None
    if line is None:
        known = ", ".join(Line.objects.values_list("number", flat=True)) or "none yet"
        raise CommandError(f"--line {given} is none of the lines. They are: {known}.")
    return line
