"""The processes of a demo and what they live in: folder, port, database and queues of their own.

Nothing that the shell or a ``.env`` file sets reaches them, but for the two servers that ``own_database`` is asked to
use. They run in sessions of their own, so that a terminal's Ctrl-C reaches only the command, which stops them.
"""

import ctypes
import errno
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import urllib3
from django.conf import settings
from django.db import DatabaseError, connection
from redis import Redis
from redis.exceptions import RedisError

HOST = "127.0.0.1"
START_SECONDS = 60.0  # a slow machine's first import of everything takes its time
STOP_SECONDS = 10.0
LOG_TAIL = 30
# Besides Optline's own settings: what would change Django, the web server or the worker from outside.
_FOREIGN = ("CELERY_", "DJANGO_", "GRANIAN_", "TWILIO_")
# Tells the command's own child processes that the database they see is the demo's.
INSIDE = "OPTLINE_DEMO"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class CannotRun(Exception):
    """The demo can't start or go on. The message says why, and where possible what to do."""


class Interrupted(Exception):
    """Somebody pressed Ctrl-C or asked the process to end."""


# ---- the environment ------------------------------------------------------------------------------------------------


def environment(folder: Path, port: int, **more: str) -> dict[str, str]:
    """What the demo's processes see: every setting at its default, SQLite in ``folder``, simulator, loopback.

    Each setting is given, because a setting that is not in the environment would be read from a ``.env`` file.
    """
    ours = {
        **shipped_settings(),
        "DATA_DIR": str(folder),
        "PUBLIC_URL": f"http://{HOST}:{port}",
        "SIMULATOR": "true",
        "DEBUG": "false",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PYTHONUNBUFFERED": "1",
        INSIDE: "1",
        **more,
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return {**kept, **ours}


def shipped_settings() -> dict[str, str]:
    """Every setting with its default, as ``.env.example`` lists them."""
    lines = (settings.BASE_DIR / ".env.example").read_text(encoding="utf-8").splitlines()
    return {match[1]: match[2] for line in lines if (match := re.fullmatch(r"#([A-Z][A-Z_]*)=(.*)", line))}


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def check_port(port: int) -> None:
    """Raise CannotRun where the port is taken or not ours to use."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                why = "another program listens there"
            else:
                why = (error.strerror or str(error)).lower()
            raise CannotRun(
                f"Port {port} can't be used: {why}. Choose another one: make demo PORT={port + 1}"
                if port < 65535
                else f"Port {port} can't be used: {why}."
            ) from None


# ---- processes ------------------------------------------------------------------------------------------------------


class Signals:
    """Notes SIGINT, SIGTERM and SIGHUP while the block runs, so that they end nothing halfway.

    They raise Interrupted where ``check`` is called and nowhere else: no child is started and forgotten, no database
    made and left.
    """

    def __init__(self) -> None:
        self._came = False
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> "Signals":
        self._handlers = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _note(self, *_: object) -> None:
        self._came = True

    def check(self) -> None:
        if self._came:
            raise Interrupted


class Processes:
    """Child processes with one environment and one log file. They end when the block ends, however it ends."""

    def __init__(self, environment: Mapping[str, str], log: Path, signals: Signals) -> None:
        self.environment = dict(environment)
        self.log = log
        self._signals = signals
        self._children: list[subprocess.Popen[bytes]] = []
        self._log_file: IO[bytes] | None = None

    def __enter__(self) -> "Processes":
        self._log_file = self.log.open("ab")
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            if self._log_file:
                self._log_file.close()

    def start(self, *arguments: str, shown: bool = False) -> subprocess.Popen[bytes]:
        """Start Python with these arguments; its output goes to the log, with ``shown`` to our own output."""
        self.check()
        child = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=settings.BASE_DIR,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=None if shown else self._log_file,
            stderr=None if shown else subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )
        self._children.append(child)
        return child

    def run(self, *arguments: str, shown: bool = False) -> int:
        """Run Python with these arguments to its end and give its exit code."""
        child = self.start(*arguments, shown=shown)
        while (code := self._ended(child)) is None:
            self.check(child)
        return code

    def manage(self, *arguments: str) -> None:
        """Run a management command. Raises CannotRun, with the end of the log, where it fails."""
        if self.run("manage.py", *arguments):
            raise CannotRun(f"“manage.py {arguments[0]}” failed.\n{self.tail()}")

    def check(self, but: "subprocess.Popen[bytes] | None" = None) -> None:
        """Raise Interrupted if somebody wants to stop, CannotRun if a process that should run has ended."""
        self._signals.check()
        for child in self._children:
            if child is not but and child.poll() is not None:
                raise CannotRun(f"A process ended by itself ({_name(child)}).\n{self.tail()}")

    def wait(self) -> None:
        """Wait until somebody wants to stop: raises Interrupted, or CannotRun where a process ends before."""
        while True:
            self.check()
            time.sleep(0.1)

    def wait_until_ready(self) -> None:
        """Wait until the web process says that it is ready. Raises CannotRun where it never does."""
        pool = urllib3.PoolManager(retries=False, timeout=2.0)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self.check()
            try:
                if pool.request("GET", self.environment["PUBLIC_URL"] + "/readyz").status == 200:
                    return
            except urllib3.exceptions.HTTPError:
                pass  # not listening yet
            time.sleep(0.05)
        raise CannotRun(f"The web process was not ready after {START_SECONDS:.0f} seconds.\n{self.tail()}")

    def tail(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL:]
        return "\n".join(["The end of the log:", *lines]) if lines else "The log is empty."

    def stop(self) -> None:
        """End all children and what they started: politely, then by force."""
        for child in reversed(self._children):
            if child.poll() is None:
                child.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for child in self._children:
            try:
                child.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                pass  # the next line is for it
            try:
                os.killpg(child.pid, signal.SIGKILL)  # each child leads a group of its own
            except (ProcessLookupError, PermissionError):  # the latter is how macOS says it
                pass  # nobody is left in it, as it should be
            child.wait()
        self._children.clear()

    def _ended(self, child: "subprocess.Popen[bytes]") -> int | None:
        try:
            code = child.wait(0.1)
        except subprocess.TimeoutExpired:
            return None
        self._children.remove(child)
        return code


def _name(child: "subprocess.Popen[bytes]") -> str:
    return " ".join(str(part) for part in list(child.args)[1:4])  # type: ignore[arg-type]


_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def _end_with_parent() -> None:
    """In the child, before it becomes itself: end it when the command is killed in a way that it can't handle."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def web(port: int) -> list[str]:
    """The serving process. One worker process: the embedded worker lives in it."""
    options = {"interface": "wsgi", "workers": 1, "blocking-threads": 8, "host": HOST, "port": port}
    # A thread that hangs in a call must not keep Ctrl-C waiting.
    options["workers-kill-timeout"] = 5
    return ["-m", "granian", *(f"--{name}={value}" for name, value in options.items()), "config.wsgi:application"]


def worker(prefix: str) -> list[str]:
    options = ["--pool=threads", "--loglevel=INFO"]
    return ["-m", "celery", "--app=config", "worker", *options, "--without-gossip", "--without-mingle"]


def beat() -> list[str]:
    return ["-m", "celery", "--app=config", "beat", "--pidfile=", "--loglevel=INFO"]


# ---- PostgreSQL and Redis -------------------------------------------------------------------------------------------


@contextmanager
def own_database() -> Iterator[dict[str, str]]:
    """A new database on the server of DATABASE_URL and a key prefix on that of REDIS_URL; both are gone afterwards.

    Gives the settings that lead there. Nothing else on the two servers is touched. Raises CannotRun.
    """
    if connection.vendor != "postgresql":
        raise CannotRun("DATABASE_URL names no PostgreSQL server. Leave it and REDIS_URL blank for SQLite.")
    name = f"optline_demo_{secrets.token_hex(6)}"
    # template0: nobody can be connected to it, which would make this fail.
    _on_server(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
    try:
        yield {
            "DATABASE_URL": _renamed(settings.DATABASE_URL, name),
            "REDIS_URL": settings.REDIS_URL,
            "QUEUE_PREFIX": name,
            "SECRET_KEY": secrets.token_urlsafe(48),
            "SUPPRESSION_KEY": secrets.token_urlsafe(48),
            "SENDER_THREADS": "8",
        }
    finally:
        try:
            _forget_keys(name)
        finally:
            _on_server(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _on_server(statement: str) -> None:
    try:
        # As Django's test runner does it: from the database "postgres", or from the given one where that is closed.
        with connection._nodb_cursor() as cursor:
            cursor.execute(statement)
    except DatabaseError as error:
        raise CannotRun(
            f"The database server of DATABASE_URL refused “{statement.split(' ENC')[0]}”: {error}"
        ) from None


def _renamed(url: str, name: str) -> str:
    """The URL of another database on the same server."""
    address, mark, query = url.partition("?")
    return f"{address.rpartition('/')[0]}/{name}{mark}{query}"


def _forget_keys(prefix: str) -> None:
    try:
        with Redis.from_url(settings.REDIS_URL, socket_timeout=5) as redis:
            for key in list(redis.scan_iter(match=f"{prefix}*", count=1000)):
                redis.delete(key)
    except RedisError as error:
        raise CannotRun(f"The Redis of REDIS_URL does not answer: {error}") from None
