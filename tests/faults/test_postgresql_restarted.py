"""The database server crashes and comes back under load, on a cluster of its own; the server of DATABASE_URL is left
alone. What was answered with 200 or 201 is there afterwards."""

import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from messaging.demo.servers import HOST, free_port
from tests.faults.comparison import compare, stopped, texts, wait_until_still
from tests.faults.conftest import Report
from tests.faults.engine import running, sized, until

TEXTS_FOR_EACH = 5


class Cluster:
    """A PostgreSQL server in a folder of its own, run by the user postgres where we are root, whom it refuses."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder, self.programs, self.port = folder, programs, free_port()
        self.url = f"postgres://postgres@{HOST}:{self.port}/postgres"
        if not os.getuid():
            shutil.chown(folder, "postgres")
        self._run("initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.programs / program), "-D", str(self.folder / "data"), *arguments]
        user = None if os.getuid() else "postgres"
        subprocess.run(command, check=True, user=user, cwd=self.folder, stdout=subprocess.DEVNULL)

    def start(self) -> None:
        options = f"-p {self.port} -h {HOST} -k {self.folder}"
        self._run("pg_ctl", "start", "--wait", "--log", str(self.folder / "log"), "-o", options)

    def crash(self) -> None:
        """No shutdown: it recovers from its log when it starts."""
        self._run("pg_ctl", "stop", "--mode=immediate")


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    programs = (
        subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True) if shutil.which("pg_config") else None
    )
    if programs is None or not (Path(programs.stdout.strip()) / "pg_ctl").exists():
        pytest.skip("needs initdb and pg_ctl, to start a PostgreSQL of its own")
    with tempfile.TemporaryDirectory(prefix="optline-faults-") as folder:
        Path(folder).chmod(0o755)
        cluster = Cluster(Path(folder), Path(programs.stdout.strip()))
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.crash()


def test_crashes_under_load(tmp_path: Path, cluster: Cluster, report: Report) -> None:
    began = time.monotonic()
    number = sized(200, 2000)
    with running(tmp_path, contacts=number // TEXTS_FOR_EACH, server=cluster.url) as engine:
        [line] = engine.lines
        engine.fault(fault="hang", seconds=0.2, times=number)
        submitted = engine.submit_all(
            (line, contact, f"Text {serial} for {contact}")
            for serial in range(TEXTS_FOR_EACH)
            for contact in engine.contacts
        )
        crashes = sized(3, 12)
        stopping = []
        for crash in range(crashes):
            enough = len(engine.left()) + random.randint(5, number // crashes // 3)
            until(lambda enough=enough: len(engine.left()) >= enough, "texts leave")
            cluster.crash()
            contacts = engine.contacts[::4][crash::crashes]
            stopping.append(engine.in_background(engine.webhooks, contacts, line, "STOP"))
            cluster.start()
        until(lambda: all(each.done() for each in [*submitted, *stopping]), "the API takes texts", 120)
        wait_until_still(engine)
        figures = compare(engine)
        stops = {contact: answered for each in stopping for contact, answered in each.result()[0].items()}
        for contact, answered in stops.items():
            stopped(engine, contact, answered)
        fates = {text["uuid"]: text for text in texts(engine)}
        for each in submitted:
            text = fates[each.result()["id"]]
            assert text["status"] in {"sent", "delivered", "unknown"} or text["contact"] in stops, text
        report(
            **figures,
            stops=len(stops),
            crashes=crashes,
            webhooks_without_200=sum(each.result()[1] for each in stopping),
            seconds=round(time.monotonic() - began),
        )
