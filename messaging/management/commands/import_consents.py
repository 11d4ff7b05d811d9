import datetime as dt
import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from consent import phones
from consent.models import Line, User
from consent.vocabulary import Level
from messaging.importing import batches, chunks, refused
from messaging.importing.batches import NotNow
from messaging.importing.plan import Column, DateOrder, Plan, What, faults
from messaging.importing.sheets import SheetError
from messaging.models import ImportBatch

_BLOCK = 1 << 20
State = ImportBatch.State


class Command(BaseCommand):
    help = (
        "Import consents, opt-outs or numbers not to contact from a CSV or XLSX file, as the admin does: checked "
        "first, then imported in chunks, on record under the name of an officer."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, nargs="?")
        parser.add_argument("--by", metavar="USERNAME", help="On whose record it is: somebody who may import.")
        parser.add_argument("--what", choices=What.values, default=What.OPT_INS)
        parser.add_argument("--line", action="append", default=[], metavar="NUMBER", help="Can be repeated.")
        parser.add_argument("--source", default="", help="Where the list comes from. Kept as evidence with each row.")
        parser.add_argument(
            "--column",
            action="append",
            default=[],
            metavar="HEADING=MEANING",
            help=f"What a column holds: {', '.join(filter(None, Column.values))}. Default: by name.",
        )
        parser.add_argument("--level", choices=Level.values, default=Level.EXPRESS)
        parser.add_argument("--date", default="", metavar="YYYY-MM-DD", help="Of rows that don't state their own.")
        parser.add_argument("--zone", default=None, help="Time zone of the dates. Default: that of this install.")
        parser.add_argument("--date-order", choices=DateOrder.values, default=DateOrder.ISO)
        parser.add_argument("--region", default="US", help="Country of numbers that name none.")
        parser.add_argument("--double-opt-in", action="store_true", help="Ask each of them to confirm by text.")
        parser.add_argument("--name", default="", help="What to call the import. Default: as the file.")
        parser.add_argument("--dry-run", action="store_true", help="Only say what would become of the rows.")
        parser.add_argument("--refused", type=Path, metavar="FILE", help="Write the refused rows to this new file.")
        parser.add_argument("--go-on", metavar="NAME", help="Go on with an import that stopped, instead of a file.")

    def handle(self, **options: Any) -> None:
        try:
            batch = self._stopped(options["go_on"]) if options["go_on"] else self._checked(options)
            if not options["dry_run"]:
                if not options["go_on"]:
                    batches.start(batch)
                batch.refresh_from_db()
                self._tell(batches.work_now(batch), State.DONE)
            self._write_refused(batch, options["refused"])
        except (SheetError, NotNow) as error:
            raise CommandError(str(error)) from None

    def _checked(self, options: dict[str, Any]) -> ImportBatch:
        if options["file"] is None:
            raise CommandError("Name the file to import.")
        user = User.objects.filter(username=options["by"] or "").first()
        if user is None or not batches.may_import(user):
            raise CommandError("--by: give the username of somebody who may import consents.")
        if options["refused"] and options["refused"].exists():
            raise CommandError(f"--refused: {options['refused']} is there already. Name a new file.")
        zone = options["zone"] or timezone.get_current_timezone_name()
        if zone not in available_timezones():
            raise CommandError(f"--zone {zone} is no time zone. An example is America/Chicago.")
        if options["region"] not in phones.regions():
            raise CommandError(f"--region {options['region']} is no country. An example is US.")
        try:
            dt.date.fromisoformat(options["date"] or "2026-01-01")
        except ValueError:
            raise CommandError(f"--date {options['date']}: write it like 2026-03-14.") from None
        lines = _lines(options["line"])
        try:
            with options["file"].open("rb") as file:
                batch = batches.begin(
                    options["name"],
                    options["file"].name,
                    iter(lambda: file.read(_BLOCK), b""),
                    user=user,
                    origin=ImportBatch.Origin.COMMAND,
                )
        except OSError as error:
            raise CommandError(f"{options['file']}: {error.strerror}.") from None
        plan = Plan(
            what=What(options["what"]),
            columns=_columns(batch, options["column"]),
            lines=lines,
            source=options["source"],
            level=options["level"],
            date=options["date"],
            zone=zone,
            date_order=DateOrder(options["date_order"]),
            region=options["region"],
            double_opt_in=options["double_opt_in"],
        )
        if wrong := faults(plan):
            batches.cancel(batch)
            said = " ".join(f"{name}: {why}" for name, why in wrong.items())
            raise CommandError(f"{said} The columns are: {', '.join(batch.headings)}.")
        batches.choose(batch, plan)
        batch.refresh_from_db()
        self._tell(batches.work_now(batch), State.CHECKED)
        return batch

    def _stopped(self, name: str) -> ImportBatch:
        batch = ImportBatch.objects.filter(name=name).first()
        if batch is None:
            raise CommandError(f"There is no import called {name}.")
        if batch.state != State.WAITING:
            batches.go_on(batch)
        return batch

    def _tell(self, batch: ImportBatch, expected: str) -> None:
        if batch.state != expected:
            why = batch.problem or "Somebody else has it, or it failed; the log says more. --go-on takes it up again."
            raise CommandError(f"{batch.name}: {batch.get_state_display()}. {why}")
        counts = batch.counts if batch.importing else batch.check_counts
        refusals = batch.refusals if batch.importing else batch.check_refusals
        self.stdout.write(json.dumps({"import": batch.name, "sha256": batch.sha256, "rows": batch.rows, **{
            "checked" if expected == State.CHECKED else "imported": {key: counts.get(key, 0) for key in chunks.COUNTED},
            "refused_because": {chunks.LABELS.get(code, code): count for code, count in refusals.items()},
        }}, ensure_ascii=False))  # fmt: skip

    def _write_refused(self, batch: ImportBatch, path: Path | None) -> None:
        if path is None:
            return
        try:
            with path.open("xb") as file:
                path.chmod(0o600)
                file.writelines(refused.blocks(batch))
        except OSError as error:
            raise CommandError(f"--refused: {error}. The import itself is as said above.") from None


def _lines(given: list[str]) -> tuple[str, ...]:
    known = set(Line.objects.values_list("number", flat=True))
    found = []
    for each in given:
        try:
            number = phones.normalise_line(each)
        except phones.PhoneError as error:
            raise CommandError(f"--line {each}: {error}") from None
        if number not in known:
            raise CommandError(f"--line {each} is none of the lines. They are: {', '.join(sorted(known)) or 'none'}.")
        found.append(number)
    return tuple(dict.fromkeys(found))


def _columns(batch: ImportBatch, given: list[str]) -> tuple[Column, ...]:
    guessed, _ = batches.remembered(batch)
    columns = dict(zip(batch.headings, guessed, strict=True))
    for each in given:
        heading, _, meaning = each.rpartition("=")
        if heading not in columns or meaning not in Column.values:
            batches.cancel(batch)
            raise CommandError(
                f"--column {each}: give one of the columns ({', '.join(batch.headings)}) and what it holds "
                f"({', '.join(filter(None, Column.values))})."
            )
        chosen = Column(meaning)
        for other, held in columns.items():
            if held == chosen != Column.EVIDENCE:
                columns[other] = Column.IGNORE  # what was said counts for more than what was guessed
        columns[heading] = chosen
    return tuple(columns.values())
