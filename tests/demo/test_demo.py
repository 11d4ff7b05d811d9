"""``manage.py demo``: starts with an example, says where to look, stops without a trace, keeps its data."""

import json
import re
import signal
import socket
import stat
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import urllib3
from django.conf import settings

from messaging.demo import servers
from messaging.management.commands.demo import _begin
from tests.demo.command import demo

PATIENCE = 90.0


@contextmanager
def running(folder: Path, port: int) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """The demo once it has said where to look, and what it said."""
    process = demo(f"--data={folder}", f"--port={port}")
    watchdog = threading.Timer(PATIENCE, process.terminate)
    watchdog.start()
    try:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if "Ctrl-C stops it" in line:
                break
        assert "Ctrl-C stops it" in said, said
        yield process, said
    finally:
        process.terminate()
        process.wait()
        watchdog.cancel()


def stop(process: "subprocess.Popen[str]", number: signal.Signals) -> tuple[int, str]:
    process.send_signal(number)
    rest, _ = process.communicate(timeout=30)
    return process.returncode, rest


def get(port: int, path: str, **headers: str) -> Any:
    return urllib3.request("GET", f"http://127.0.0.1:{port}{path}", headers=headers, retries=False, redirect=False)


def processes_on(port: int) -> list[str]:
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if f"--port={port}" in line]


def passwords(said: str) -> list[str]:
    return re.findall(r"[a-z2-9]{5}-[a-z2-9]{5}-[a-z2-9]{5}", said)


def test_it_starts_stops_and_keeps_its_data(tmp_path: Path) -> None:
    port = servers.free_port()
    with running(tmp_path, port) as (process, said):
        assert len(passwords(said)) == 5
        assert stat.S_IMODE((tmp_path / "demo.json").stat().st_mode) == 0o600
        assert get(port, "/admin/login/").status == 200
        token = re.findall(r"Token ([0-9a-f]{40})", said)[0]
        state = get(port, "/api/v1/contacts/+12065550114/consents/", Authorization=f"Token {token}")
        assert {"opted_in", "not_defined"} == {each["status"] for each in json.loads(state.data)}
        on_phones = json.loads(get(port, "/simulator/api/phones/").data)
        assert len(on_phones["numbers"]) > 10
        assert {"Scheduling", "Service reminders", "Customer care"} == {line["name"] for line in on_phones["lines"]}
        beside = demo(f"--data={tmp_path}", f"--port={servers.free_port()}").communicate(timeout=30)[0]
        assert "The demo is running already" in beside
        code, rest = stop(process, signal.SIGINT)
        assert (code, "Stopped." in rest, "Traceback" in rest) == (0, True, False)
        assert "Traceback" not in (tmp_path / "server.log").read_text()
    assert processes_on(port) == []
    with running(tmp_path, port) as (process, said_again):
        assert passwords(said_again) == passwords(said)
        assert "new example" not in said_again
        assert stop(process, signal.SIGTERM)[0] == 0
    assert processes_on(port) == []


def test_a_taken_port_is_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(servers.CannotRun, match=f"Port {port} can't be used: another program listens there"):
            servers.check_port(port)


def test_nothing_of_this_machine_reaches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = {
        "DATABASE_URL": "postgres://somewhere/else",
        "REDIS_URL": "redis://somewhere/0",
        "TWILIO_ACCOUNT_SID": "AC1",
        "TWILIO_AUTH_TOKEN": "secret",
        "TWILIO_SOMETHING_NEW": "1",
        "SECRET_KEY": "this machine's",
        "DJANGO_SETTINGS_MODULE": "another.settings",
        "GRANIAN_PORT": "1",
        "SIMULATOR": "false",
        "DEBUG": "true",
    }
    for name, value in foreign.items():
        monkeypatch.setenv(name, value)
    environment = servers.environment(tmp_path, 8123)
    assert [name for name, value in foreign.items() if environment.get(name) == value] == []
    # Given though blank: what is not in the environment would be read from a .env file.
    assert environment["DATABASE_URL"] == environment["TWILIO_AUTH_TOKEN"] == environment["SECRET_KEY"] == ""
    assert environment["PUBLIC_URL"] == "http://127.0.0.1:8123"
    assert environment.keys() >= servers.shipped_settings().keys()


def test_every_setting_is_given() -> None:
    read = re.findall(r'env\.\w+\("([A-Z_]+)"', (settings.BASE_DIR / "config" / "settings.py").read_text())
    assert set(read) - servers.shipped_settings().keys() == set()


def test_it_does_not_touch_a_database_that_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "optline.sqlite3").write_text("real data")
    with pytest.raises(servers.CannotRun, match="is not the demo's"):
        _begin(tmp_path)


def test_an_example_that_was_interrupted_starts_over(tmp_path: Path) -> None:
    begun = _begin(tmp_path)
    (tmp_path / "optline.sqlite3").write_text("half an example")
    assert _begin(tmp_path) == begun
    assert not (tmp_path / "optline.sqlite3").exists()


def test_its_own_processes_refuse_to_fill_another_database() -> None:
    process = demo("--inside=playbook")
    assert process.communicate(timeout=30)[0].startswith("This is for the demo's own processes")
    assert process.returncode == 1
