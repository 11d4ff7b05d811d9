import fcntl
import os
import sys
import tempfile
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from messaging.demo import changes, example, playbook, servers
from messaging.demo.actors import UnexpectedAnswer
from messaging.demo.servers import CannotRun, Interrupted, Processes, Signals
from messaging.demo.stage import TooLate

LOG = "server.log"
# How the child that plays the flows ends. An exception nobody expected ends it with 1.
AS_SPECIFIED, DIFFERS, NOT_PLAYED = 0, 3, 4


class Command(BaseCommand):
    help = (
        "Run Optline with example data on 127.0.0.1 until Ctrl-C. With --once, play the 17 flows through a stack of "
        "its own, compare each with its specification, and exit 0 only if all are as specified."
    )
    # Whatever this machine's settings and database are, the demo does not use them.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=_port, default=8000, help="where the demo listens (default 8000)")
        parser.add_argument(
            "--data", type=Path, metavar="FOLDER", help="where the demo keeps its data (default var/demo)"
        )
        parser.add_argument("--once", action="store_true", help="play the 17 flows and end")
        parser.add_argument(
            "--only", type=_numbers, metavar="1,6", help="with --once: only these flows", default=sorted(playbook.FLOWS)
        )
        parser.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            dest="wishes",
            help="with --once: change a default before, as in organisation.request_limit=0 or template.footer=Bye",
        )
        # What the command runs inside the environment it made.
        parser.add_argument("--inside", choices=["example", "playbook"], help=SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["inside"]:
                self._inside(options["inside"], options["only"], options["wishes"])
            elif options["once"]:
                sys.exit(self._once(options["only"], options["wishes"]))
            else:
                self._demo(options["data"] or settings.BASE_DIR / "var" / "demo", options["port"])
        except CannotRun as error:
            self.stderr.write(str(error))
            sys.exit(1)

    def _tell(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()

    def _inside(self, what: str, numbers: list[int], wishes: list[str]) -> None:
        if servers.INSIDE not in os.environ:
            raise CannotRun("This is for the demo's own processes: they fill the database they find.")
        if what == "example":
            example.load()
            return
        try:
            wanted = [changes.change(wish) for wish in wishes]
            sys.exit(AS_SPECIFIED if playbook.play(numbers, wanted, self._tell) else DIFFERS)
        except (changes.ChangeError, TooLate, UnexpectedAnswer) as error:
            self.stderr.write(str(error))
            sys.exit(NOT_PLAYED)

    # ---- the demo that stays

    def _demo(self, folder: Path, port: int) -> None:
        folder = folder.resolve()
        with _alone_in(folder), Signals() as signals:
            servers.check_port(port)
            kept = _begin(folder)
            with Processes(servers.environment(folder, port), folder / LOG, signals) as processes:
                try:
                    self._tell("Starting Optline …" if kept.complete else "Starting Optline with a new example …")
                    processes.manage("migrate", "--verbosity=0")
                    processes.start(*servers.web(port))
                    processes.wait_until_ready()
                    if not kept.complete:
                        processes.manage("demo", "--inside=example")
                    self._tell(_where_to_look(folder, processes.environment["PUBLIC_URL"]))
                    processes.wait()
                except Interrupted:
                    self._tell("\nStopping …")
        self._tell("Stopped.")

    # ---- the 17 flows

    def _once(self, numbers: list[int], wishes: list[str]) -> int:
        try:
            for wish in wishes:
                changes.change(wish)
        except changes.ChangeError as error:
            raise CannotRun(str(error)) from None
        if bool(settings.DATABASE_URL) != bool(settings.REDIS_URL):
            raise CannotRun("Set both DATABASE_URL and REDIS_URL, or neither: SQLite and an embedded worker.")
        with ExitStack() as stack:
            signals = stack.enter_context(Signals())
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="optline-demo-")))
            own = stack.enter_context(servers.own_database()) if settings.DATABASE_URL else {}
            port = servers.free_port()
            # Swept often, so that nobody waits for what only time brings.
            environment = servers.environment(folder, port, SWEEP_SECONDS="0.5", **own)
            processes = stack.enter_context(Processes(environment, folder / LOG, signals))
            try:
                return self._play(processes, port, own.get("QUEUE_PREFIX", ""), numbers, wishes)
            except Interrupted:
                self.stderr.write("Stopped before the end.")
                return 130

    def _play(self, processes: Processes, port: int, prefix: str, numbers: list[int], wishes: list[str]) -> int:
        where = "PostgreSQL and Redis, with worker and beat" if prefix else "SQLite, with the embedded worker"
        changed = f", with {', '.join(wishes)}" if wishes else ""
        self._tell(f"Playing {len(numbers)} flows on {where}{changed}. Times are UTC.\n\n")
        processes.manage("migrate", "--verbosity=0")
        processes.start(*servers.web(port))
        if prefix:
            processes.start(*servers.worker(prefix))
            processes.start(*servers.beat())
        processes.wait_until_ready()
        chosen = [f"--only={','.join(map(str, numbers))}", *(f"--set={wish}" for wish in wishes)]
        code = processes.run("manage.py", "demo", "--inside=playbook", *chosen, shown=True)
        if code not in {AS_SPECIFIED, DIFFERS, NOT_PLAYED}:
            self.stderr.write(processes.tail())
        return 0 if code == AS_SPECIFIED else 1


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise ArgumentTypeError("a port is a number from 1 to 65535")
    return int(text)


def _numbers(text: str) -> list[int]:
    numbers = {int(part) if part.isascii() and part.isdigit() else 0 for part in text.split(",")}
    if not numbers <= playbook.FLOWS.keys():
        raise ArgumentTypeError("flows are numbered from 1 to 17; separate several with commas")
    return sorted(numbers)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Make sure that no other demo uses this folder meanwhile. Raises CannotRun."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "demo.lock").open("w")
    except OSError as error:
        raise CannotRun(f"The demo can't keep its data in {folder}: {error.strerror}.") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotRun(
                f"The demo is running already with the data in {folder}. Stop that one first, or give this one a "
                "folder of its own: manage.py demo --data FOLDER --port PORT"
            ) from None
        yield


def _begin(folder: Path) -> example.Kept:
    """The demo that was begun in this folder, else a new one. One whose example was interrupted starts over."""
    kept = example.Kept.read(folder)
    databases = [*folder.glob("optline.sqlite3*"), *folder.glob("simulator.sqlite3*")]
    if kept is None:
        if databases:
            raise CannotRun(f"The database in {folder} is not the demo's. Give the demo a folder of its own.")
        kept = example.new_kept()
        kept.write(folder)
    elif not kept.complete:
        for file in databases:
            file.unlink()
    return kept


def _where_to_look(folder: Path, origin: str) -> str:
    kept = example.Kept.read(folder)
    assert kept is not None  # written before anything was started
    rows = [
        (person.role or "Owner", person.username, kept.passwords[person.username], person.does)
        for person in example.PEOPLE
        if person.in_admin
    ]
    return "\n".join(
        [
            "",
            f"{example.COMPANY} runs on Optline, with three lines and contacts in every state.",
            "",
            f"  Admin    {origin}/admin/",
            f"  Phones   {origin}/simulator/   read what contacts got, and answer as they would",
            f"  API      {origin}/api/v1/   as the booking system: Authorization: Token {kept.token}",
            "",
            *_table(("Who", "User", "Password", "Does"), rows),
            "",
            f"  Data     {folder} (kept; delete the folder to start over)",
            f"  Log      {folder / LOG}",
            "",
            "Ctrl-C stops it.",
        ]
    )


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return [
        "  " + "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *rows)
    ]
