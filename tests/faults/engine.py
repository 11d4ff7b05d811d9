"""The running product as operators run it, so that it can be attacked: web, workers and beat on PostgreSQL and Redis.

Every process can be killed, ended and started on its own. The database is made beside that of DATABASE_URL and dropped
afterwards; Redis is a server of its own. The simulator stands in for Twilio inside the web process; its log says what
really left, whatever the database believes.
"""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg
import urllib3
from django.conf import settings
from psycopg.rows import dict_row
from redis import Redis
from redis.exceptions import RedisError

from messaging.demo.servers import HOST, free_port, shipped_settings
from messaging.simulator.signing import sign

SERVER = os.environ.get("DATABASE_URL") or "postgres://postgres@127.0.0.1:5432/postgres"
START_SECONDS = 60.0
# What Docker gives a process between SIGTERM and SIGKILL.
GRACE_SECONDS = 10.0
POLL_SECONDS = 0.05
# How much the machine may be asked: the text of each scenario names both sizes.
LONG = os.environ.get("FAULTS_SCALE", "short") == "long"

# Shorter than the defaults, in the same proportions, so that what takes minutes in production takes seconds here.
PACE = {
    "SWEEP_SECONDS": "1",
    "RECONCILE_SECONDS": "3",
    "PROVIDER_CONNECT_SECONDS": "1",
    "PROVIDER_READ_SECONDS": "5",
    "LOST_SECONDS": "8",
    "SENDER_THREADS": "4",
}

# Where Python finds what lets the clock of each process be set (tests.faults.clocks).
HOST_CLOCK = str(Path(__file__).with_name("host_clock"))

Entry = dict[str, Any]
Row = dict[str, Any]


def sized(short: int, long: int) -> int:
    return long if LONG else short


def until(true: Callable[[], Any], what: str, seconds: float = 60.0) -> Any:
    """Wait for something that another process does and nothing announces; gives what ``true`` gave.

    ``seconds`` are those of a quiet machine at the short size. What the product promises is asserted by itself.
    """
    seconds *= sized(2, 8)
    give_up = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < give_up, f"in vain for {seconds:.0f} seconds: {what}"
        time.sleep(POLL_SECONDS)
    return found


class Process:
    """One process, in a group of its own with what it starts. Its output goes to a file named for it."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.clock = folder / f"{name}.clock"
        self._command = command
        self._environment = {**environment, "HOST_CLOCK": str(self.clock), "PYTHONPATH": HOST_CLOCK}
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def runs(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        assert not self.runs
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                self._command,
                cwd=settings.BASE_DIR,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self) -> None:
        """As the kernel does when memory runs out: no time for a last word."""
        if self._child is not None:
            try:
                os.killpg(self._child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it has ended, and so has what it started
            self._child.wait()

    def end(self) -> float:
        """As a deployment does: asked to end, and killed where it does not; gives the seconds it took."""
        assert self._child is not None
        began = time.monotonic()
        self._child.terminate()
        try:
            self._child.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        return time.monotonic() - began

    def restart(self) -> None:
        self.kill()
        self.start()


class Engine:
    """Web, workers, beat and Redis, and what people, programs and phones do with them."""

    def __init__(self, folder: Path, database: str, workers: int = 2) -> None:
        port, redis_port = free_port(), free_port()
        self.folder, self.database = folder, database
        self.origin = f"http://{HOST}:{port}"
        self.environment = {
            **os.environ,
            **shipped_settings(),
            **PACE,
            "DATA_DIR": str(folder),
            "DATABASE_URL": database,
            "REDIS_URL": f"redis://{HOST}:{redis_port}/0",
            "PUBLIC_URL": self.origin,
            "SIMULATOR": "true",
            "SECRET_KEY": secrets.token_urlsafe(48),
            "SUPPRESSION_KEY": secrets.token_urlsafe(48),
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "PYTHONUNBUFFERED": "1",
        }
        self.keys = Redis(host=HOST, port=redis_port, socket_timeout=5)
        celery = [sys.executable, "-m", "celery", "-A", "config"]
        granian = [sys.executable, "-m", "granian", "--interface", "wsgi", "--workers", "1", "--blocking-threads", "16"]
        granian += ["--host", HOST, "--port", str(port), "--workers-kill-timeout", "10", "config.wsgi:application"]
        # Nothing on disk: killed is emptied.
        redis = ["redis-server", "--bind", HOST, "--port", str(redis_port), "--save", "", "--appendonly", "no"]
        self.redis = self._process("redis", redis)
        self.web = self._process("web", granian)
        self.beat = self._process("beat", [*celery, "beat", "--pidfile=", "--loglevel=INFO"])
        self.workers = [
            self._process(f"worker{number}", [*celery, "worker", "-n", f"{number}@%h", "--loglevel=INFO"])
            for number in range(workers)
        ]
        self.processes = [self.redis, self.web, self.beat, *self.workers]
        self._pool = urllib3.PoolManager(maxsize=32, retries=False, timeout=urllib3.Timeout(connect=2, read=20))
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="client")
        self._tables: psycopg.Connection[Row] | None = None
        self._log: list[Entry] = []
        self._guard = threading.Lock()
        self.token = ""

    def _process(self, name: str, command: list[str]) -> Process:
        return Process(name, command, self.environment, self.folder)

    # ---- its life

    def prepare(self, contacts: int, lines: int) -> None:
        """Tables, lines, and contacts who have opted in on each of them."""
        self._run("manage.py", "migrate", "--verbosity=0")
        self.token = self._run("-m", "tests.faults.company", str(contacts), str(lines)).strip()
        self.lines = [row["number"] for row in self.rows("SELECT number FROM consent_line ORDER BY number")]
        self.contacts = [row["number"] for row in self.rows("SELECT number FROM consent_contact ORDER BY number")]

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=settings.BASE_DIR,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert not done.returncode, done.stderr
        return done.stdout

    def start(self) -> None:
        self.redis.start()
        until(self.redis_answers, "Redis")
        for process in (self.web, self.beat, *self.workers):
            process.start()
        self.wait_for_web()
        # A worker that has announced itself in Redis's list of consumers takes work.
        until(lambda: all("ready." in worker.log.read_text() for worker in self.workers), "the workers")

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.kill()
        self._threads.shutdown(cancel_futures=True)
        self._pool.clear()
        if self._tables is not None:
            self._tables.close()

    def wait_for_web(self) -> None:
        until(lambda: self._asked("GET", "/readyz"), "the web process", START_SECONDS)

    def redis_answers(self) -> bool:
        try:
            return bool(self.keys.ping())
        except RedisError:
            return False

    # ---- HTTP

    def _asked(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Any:
        """The answer, or None where there was none, or the server was to blame for what there was."""
        try:
            answer = self._pool.request(method, self.origin + path, body=body, headers=headers)
        except urllib3.exceptions.HTTPError:
            return None
        assert not 400 <= answer.status < 500, answer.data
        return json.loads(answer.data or b"null") if answer.status < 300 else None

    def _simulator(self, path: str, fields: dict[str, Any]) -> Any:
        body = json.dumps(fields).encode()
        answer = self._pool.request(
            "POST", f"{self.origin}/simulator/api/{path}/", body=body, headers={"Content-Type": "application/json"}
        )
        assert answer.status < 300, answer.data
        return json.loads(answer.data)

    def submit(self, line: str, to: str, body: str) -> Row:
        """One text through the REST API, tried until it is taken. The words are its idempotency key."""
        fields = json.dumps({"line": line, "to": to, "body": body}).encode()
        headers = {"Authorization": f"Token {self.token}", "Idempotency-Key": body, "Content-Type": "application/json"}
        return until(lambda: self._asked("POST", "/api/v1/messages/", fields, **headers), "the API", 120)

    def submit_all(self, texts: Iterable[tuple[str, str, str]]) -> list["Future[Row]"]:
        """Texts (line, to, body) from several clients at once, in the background."""
        return [self._threads.submit(self.submit, *text) for text in texts]

    def in_background(self, work: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        return self._threads.submit(work, *arguments)

    def text_in(self, contact: str, line: str, body: str) -> str:
        """A contact texts; the simulator delivers the webhook. Gives the provider's id."""
        return str(self._simulator("inbound", {"from": contact, "to": line, "body": body})["sid"])

    def fault(self, **fault: Any) -> None:
        self._simulator("faults", fault)

    def texted(self, contact: str, line: str, body: str) -> float:
        """A contact texts, and the webhook is ours to deliver: gives the time at which its 200 had come."""
        self.fault(fault="no_webhook", to=contact)
        answered = self.webhook(self.text_in(contact, line, body), contact, line, body)
        assert answered, "the webhook was not answered with 200"
        return answered

    def webhook(self, sid: str, contact: str, line: str, body: str) -> float | None:
        """The signed webhook of one text; gives the time at which its 200 had come, None without one."""
        return time.time() if self.webhook_status(sid, contact, line, body) == 200 else None

    def webhook_status(self, sid: str, contact: str, line: str, body: str) -> int | None:
        """The status of the answer to a signed webhook, None without an answer."""
        form = {"MessageSid": sid, "From": contact, "To": line, "Body": body, "NumMedia": "0"}
        url = self.origin + "/twilio/inbound/"
        signature = sign(f"simulator-{self.environment['SECRET_KEY'][:16]}", url, form)
        headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
        try:
            return self._pool.request("POST", url, body=urlencode(form), headers=headers).status
        except urllib3.exceptions.HTTPError:
            return None

    def webhooks(self, contacts: list[str], line: str, body: str) -> tuple[dict[str, float], int]:
        """One text of each, one after the other, each tried again until it is taken, as Twilio does. Gives when each
        had its 200, and how many tries got none."""
        taken: dict[str, float] = {}
        tries = 0
        give_up = time.monotonic() + 300
        while len(taken) < len(contacts):
            assert time.monotonic() < give_up, "in vain: a webhook's 200"
            contact = contacts[len(taken)]
            tries += 1
            if answered := self.webhook(f"SM{contact.removeprefix('+'):0>32}", contact, line, body):
                taken[contact] = answered
        return taken, tries - len(taken)

    # ---- what happened

    def log(self) -> list[Entry]:
        """The simulator's log so far. While the web process is away: as it was."""
        with self._guard:
            since = self._log[-1]["id"] if self._log else 0
            if found := self._asked("GET", f"/simulator/api/log/?since={since}"):
                self._log += found["entries"]
            return list(self._log)

    def left(self) -> list[Entry]:
        """The texts that really left."""
        return [entry for entry in self.log() if entry["kind"] == "create"]

    def rows(self, query: str, *values: Any) -> list[Row]:
        """From a connection of our own, which the database's restart may have broken."""
        if self._tables is None:
            self._tables = psycopg.connect(self.database, autocommit=True, row_factory=dict_row)
        try:
            return self._tables.execute(query, values).fetchall()
        except psycopg.OperationalError:
            if not self._tables.closed:
                raise
            self._tables = None
            return self.rows(query, *values)

    def run(self, statement: str, *values: Any) -> None:
        """A statement that gives nothing."""
        with psycopg.connect(self.database, autocommit=True) as connection:
            connection.execute(statement, values or None)

    def count(self, query: str, *values: Any) -> int:
        return int(next(iter(self.rows(f"SELECT count(*) {query}", *values)[0].values())))


@contextmanager
def running(
    folder: Path,
    *,
    contacts: int,
    lines: int = 1,
    server: str = SERVER,
    before_start: Callable[[Engine], object] = lambda engine: None,
) -> Iterator[Engine]:
    """A prepared engine, all of whose processes run. Afterwards only the logs in ``folder`` are left of it."""
    assert shutil.which("redis-server"), "these runs need the program redis-server"
    name = f"optline_faults_{secrets.token_hex(4)}"
    _on(server, f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
    try:
        engine = Engine(folder, f"{server.rpartition('/')[0]}/{name}")
        try:
            engine.prepare(contacts, lines)
            before_start(engine)
            engine.start()
            yield engine
        finally:
            engine.stop()
    finally:
        _on(server, f"DROP DATABASE {name} WITH (FORCE)")


def _on(server: str, statement: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(statement)
