"""Posts signed webhooks over connections that it keeps, as the provider does, from a process of its own.

Told on its command line, as JSON: port, token, count, connections, and rate (webhooks a second; 0: as fast as the
server takes them). Prints JSON: seconds, the answers by status, and how long each took. At a rate, that counts from the
moment at which the webhook was due, so that a server that keeps others waiting does not hide it.
"""

import json
import secrets
import selectors
import socket
import subprocess
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from messaging.simulator.signing import sign

PATH = "/twilio/inbound/"
# Slower than this and the benchmark has failed.
PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Load:
    seconds: float
    statuses: dict[str, int]
    took: list[float]

    @property
    def per_second(self) -> float:
        return len(self.took) / self.seconds

    def slowest_of_100(self) -> float:
        """Seconds that 99 of 100 answers took at most."""
        return sorted(self.took)[int(len(self.took) * 0.99)]


def post(*, port: int, token: str, count: int, connections: int = 16, rate: float = 0) -> Load:
    """Run the client in its process. Every answer must be a 200."""
    wanted = {"port": port, "token": token, "count": count, "connections": connections, "rate": rate}
    command = [sys.executable, "-m", "tests.benchmarks.client", json.dumps(wanted)]
    load = Load(**json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
    assert load.statuses == {"200": count}, load.statuses
    return load


def _webhook(port: int, token: str, serial: int) -> bytes:
    form = {
        "ToCountry": "US",
        "ToState": "WA",
        "SmsMessageSid": (sid := f"SM{secrets.token_hex(16)}"),
        "NumMedia": "0",
        "FromZip": "98101",
        "SmsSid": sid,
        "FromState": "WA",
        "SmsStatus": "received",
        "FromCity": "SEATTLE",
        "Body": f"Where is my order {serial}?",
        "FromCountry": "US",
        "To": "+12065550100",
        "NumSegments": "1",
        "MessageSid": sid,
        "AccountSid": "AC" + "0" * 32,
        "From": f"+1206{3_000_000 + serial}",
        "ApiVersion": "2010-04-01",
    }
    body = urlencode(form).encode()
    signature = sign(token, f"http://127.0.0.1:{port}{PATH}", form)
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-Twilio-Signature: {signature}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Connection:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._heard = b""
        self.asked = 0.0

    def ask(self, request: bytes, asked: float) -> None:
        self.asked = asked
        self.socket.sendall(request)

    def status(self) -> str | None:
        """Of the answer, once it is here as a whole."""
        self._heard += self.socket.recv(65536)
        head, _, body = self._heard.partition(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        if len(body) < int(length.partition(b":")[2]):
            return None
        self._heard = b""
        return head.split(b" ", 2)[1].decode()


def _run(port: int, token: str, count: int, connections: int, rate: float) -> Load:
    requests = deque(_webhook(port, token, serial) for serial in range(count))
    selector = selectors.DefaultSelector()
    free = deque(_Connection(port) for _ in range(connections))
    for connection in free:
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    statuses: Counter[str] = Counter()
    took: list[float] = []
    began = time.perf_counter()
    while len(took) < count:
        now = time.perf_counter()
        assert now < began + PATIENCE_SECONDS, "the server does not answer"
        due = began + (count - len(requests)) / rate if rate else now
        while requests and free and due <= now:
            free.popleft().ask(requests.popleft(), due)
            due = began + (count - len(requests)) / rate if rate else now
        waits = max(due - now, 0) if requests and free else 1.0
        for key, _ in selector.select(waits):
            if status := key.data.status():
                statuses[status] += 1
                took.append(time.perf_counter() - key.data.asked)
                free.append(key.data)
    return Load(time.perf_counter() - began, dict(statuses), took)


if __name__ == "__main__":
    wanted: dict[str, Any] = json.loads(sys.argv[1])
    print(json.dumps(vars(_run(**wanted))))
