"""Clocks that can be set: of each host, that is of each process, and of the database.

A host's clock is Python's (host_clock/sitecustomize.py). The database's is the function that Optline asks, which finds
one of ours first on its search path.
"""

import datetime as dt
import time

from tests.faults.engine import Engine, Process, until

_DATABASE_CLOCK = """
CREATE SCHEMA clock;
CREATE TABLE clock.off (by interval NOT NULL);
INSERT INTO clock.off VALUES ('0');
CREATE FUNCTION clock.statement_timestamp() RETURNS timestamptz STABLE LANGUAGE sql
    AS 'SELECT pg_catalog.statement_timestamp() + by FROM clock.off';
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = clock, pg_catalog, public', current_database()); END $$
"""
# Until every process has looked at its file.
SEEN_SECONDS = 0.2


class Clocks:
    """Of a prepared engine that does not run yet."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.off = 0.0  # the true time, which is the database's, is off from this machine's by so many seconds
        self._wrong: dict[str, float] = {}
        for statement in _DATABASE_CLOCK.split(";\n"):
            engine.run(statement)
        self.set_all(0)

    def now(self) -> float:
        return time.time() + self.off

    def set_to(self, moment: dt.datetime) -> None:
        """From now on it is this time, on every host but those that are wrong, and in the database."""
        self.set_all(moment.timestamp() - time.time())

    def set_all(self, off: float) -> None:
        self.off = off
        self._engine.run("UPDATE clock.off SET by = make_interval(secs => %s)", off)
        for process in self._engine.processes:
            self._write(process)
        self._wait()

    def step(self, process: Process, seconds: float) -> None:
        """This host is wrong by so many seconds from now on."""
        self._wrong[process.name] = seconds
        self._write(process)
        self._wait()

    def _write(self, process: Process) -> None:
        part = process.clock.with_suffix(".new")
        part.write_text(str(self.off + self._wrong.get(process.name, 0.0)))
        part.replace(process.clock)

    def _wait(self) -> None:
        seen = time.monotonic() + SEEN_SECONDS
        until(lambda: time.monotonic() > seen, "the processes look at their clocks")

    def true(self, entry_at: float) -> float:
        """The true time of what the web host says."""
        return entry_at - self._wrong.get("web", 0.0)
